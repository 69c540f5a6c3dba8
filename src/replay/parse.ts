/**
 * Parsing in a thread of its own, while others simulate what is there already.
 *
 * The thread gets a recording's bytes from a file that it opens itself, or, an upload's, in messages: `parse` posts pieces, the worker says how much of
 * them it has taken, and no more than WINDOW bytes are on the way. What comes out goes into a store (store.ts), where readers find it at once.
 *
 * The worker always ends the store, one way or the other: complete with its report, or failed with its error. A worker that dies
 * without doing so has the store failed here, so that no reader waits for ever.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type IngestReport, ReplayInputError } from './events.js';
import type { IngestLimits, IngestProgress } from './ingest.js';
import type { TraceHandle, TraceStore } from './store.js';

/** A recording's bytes: a file's path, or a stream. */
export type ParseSource = { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> };

export interface ParseOptions {
  readonly limits?: Partial<IngestLimits>;
  readonly onProgress?: (progress: ParseProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ParseProgress extends IngestProgress {
  /** Bytes of the file, 0 where that is not known. */
  readonly total: number;
}

export interface Parsed {
  report: IngestReport;
  /** SHA-256 of the recording's bytes as they came, hex. */
  hash: string;
}

export interface ParseWorkerData {
  handle: TraceHandle;
  /** null: bytes come in messages. */
  path: string | null;
  limits: Partial<IngestLimits>;
}

/** To the worker: bytes, their end, or why there will be no more. */
export type ToParser = Uint8Array | { end: true } | { error: string };
export type FromParser =
  | { kind: 'taken'; bytes: number }
  | { kind: 'progress'; progress: ParseProgress }
  | { kind: 'parsed'; parsed: Parsed }
  | { kind: 'failed'; code: string; message: string };

/** Bytes of an upload that are on the way to the worker at most. */
const WINDOW = 4 * 2 ** 20;

/** This module may run from TypeScript sources under a test runner; the worker is always the compiled one. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith('.ts')
    ? new URL('../../dist/src/replay/parse-worker.js', here)
    : new URL('./parse-worker.js', here);
}

/**
 * Parses a recording into a store. Rejects with ReplayInputError where it is none, and with the signal's reason when that is given up;
 * readers of the store then get an error too.
 */
export async function parse(source: ParseSource, store: TraceStore, options: ParseOptions = {}): Promise<Parsed> {
  const { signal } = options;
  signal?.throwIfAborted();
  const path = 'path' in source ? source.path : null;
  const worker = new Worker(workerUrl(), {
    workerData: { handle: store.handle, path, limits: options.limits ?? {} } satisfies ParseWorkerData,
    name: 'goheap replay parser',
  });
  const exited = once(worker, 'exit');
  const abort = () => void worker.terminate();
  signal?.addEventListener('abort', abort, { once: true });
  let onTheWay = 0;
  let wake = () => {};
  const answer = new Promise<Parsed>((resolve, reject) => {
    worker.on('message', (message: FromParser) => {
      if (message.kind === 'progress') options.onProgress?.(message.progress);
      else if (message.kind === 'parsed') resolve(message.parsed);
      else if (message.kind === 'failed') reject(new ReplayInputError(message.code, message.message));
      else {
        onTheWay -= message.bytes;
        wake();
      }
    });
    worker.on('error', reject);
    worker.on('exit', () => reject(signal?.aborted ? signal.reason : new Error('the parser ended without an answer')));
  });
  const post = (message: ToParser) => worker.postMessage(message);
  let settled = false;
  const feed = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    try {
      for await (const piece of stream) {
        while (onTheWay >= WINDOW && !settled) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        // An answer before the end: there is something wrong with the recording, and the rest does not matter.
        if (settled) return;
        onTheWay += piece.length;
        post(piece);
      }
      post({ end: true });
    } catch (error) {
      post({ error: (error as Error).message });
    }
  };
  try {
    if ('stream' in source) void feed(source.stream);
    return await answer;
  } catch (error) {
    await worker.terminate();
    store.writer().fail(error);
    throw error;
  } finally {
    settled = true;
    wake();
    signal?.removeEventListener('abort', abort);
    await worker.terminate();
    await exited;
  }
}
