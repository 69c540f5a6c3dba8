/**
 * The thread that parses (parse.ts says why): from bytes to a store, with progress on the way.
 */

import '../threads/loaded.js';
import { createHash } from 'node:crypto';
import { createReadStream, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { BusyClock } from '../threads/busy.js';
import { isScarcity } from '../threads/scarcity.js';
import { ReplayInputError } from './events.js';
import { type IngestProgress, ingest } from './ingest.js';
import type { FromParser, Parsed, ParseWorkerData, ToParser } from './parse.js';
import { inputError, TraceWriter } from './store.js';

/** ms between two messages of progress. */
const PROGRESS_EVERY = 100;
const PIECE = 256 * 1024;

const data = workerData as ParseWorkerData;
const writer = new TraceWriter(data.handle);
const clock = new BusyClock(data.clock);

async function run(): Promise<Parsed> {
  const total = data.path === null ? 0 : await size(data.path);
  let last = performance.now();
  const onProgress = (progress: IngestProgress) => {
    const now = performance.now();
    if (now - last < PROGRESS_EVERY) return;
    last = now;
    tell({ kind: 'progress', progress: { ...progress, total } });
  };
  // At once, where that cannot block: a descriptor that is on its way when the thread is ended
  // would stay open.
  const fd = total > 0 ? openFile(data.path as string) : undefined;
  const file = data.path === null ? undefined : createReadStream(data.path, { fd, highWaterMark: PIECE });
  const input = new Hashed(file ?? new Messages());
  try {
    const report = await ingest(input, writer, { limits: data.limits, onProgress });
    return { report, hash: await input.digest() };
  } finally {
    file?.destroy();
  }
}

/** Passes bytes on and hashes them. Whoever reads them may stop early, as the end of packed data is not always that of the file. */
class Hashed implements AsyncIterable<Uint8Array> {
  private readonly hash = createHash('sha256');
  private readonly bytes: AsyncIterator<Uint8Array>;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.bytes = bytes[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.next() };
  }

  /** Hex, of all bytes to the end of the file. */
  async digest(): Promise<string> {
    while (!(await this.next()).done) {}
    return this.hash.digest('hex');
  }

  private async next(): Promise<IteratorResult<Uint8Array>> {
    const next = await this.bytes.next();
    if (!next.done) this.hash.update(next.value);
    return next;
  }
}

/** The bytes that the other side posts, acknowledged as they are taken. */
class Messages implements AsyncIterable<Uint8Array> {
  private readonly queue: ToParser[] = [];
  private wake = () => {};

  constructor() {
    parentPort?.on('message', (message: ToParser) => {
      this.queue.push(message);
      this.wake();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = this.queue.shift();
      if (message === undefined) {
        clock.rest();
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        clock.work();
      } else if (message instanceof Uint8Array) {
        yield message;
        tell({ kind: 'taken', bytes: message.length });
      } else if ('error' in message) {
        throw new ReplayInputError('replay-upload', `the upload broke off: ${message.error}`);
      } else {
        return;
      }
    }
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (isScarcity(error)) throw error;
    throw new ReplayInputError('replay-file', (error as Error).message);
  }
}

async function size(path: string): Promise<number> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) throw new ReplayInputError('replay-file', `${path} is a directory, not a recording`);
    return info.isFile() ? info.size : 0;
  } catch (error) {
    if (error instanceof ReplayInputError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ReplayInputError('replay-file', missing ? `${path}: no such file` : (error as Error).message);
  }
}

function tell(message: FromParser): void {
  parentPort?.postMessage(message);
}

async function main(): Promise<void> {
  try {
    const parsed = await run();
    writer.complete(parsed.report);
    tell({ kind: 'parsed', parsed });
  } catch (error) {
    writer.fail(error);
    const { code, message } = inputError(error);
    tell({ kind: 'failed', code, message });
  }
  parentPort?.close();
}

clock.work();
void main();
