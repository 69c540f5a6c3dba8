/**
 * Where a recording comes from: a file (or `-`, standard input), plain or gzip.
 *
 * Gzip is recognised by its first two bytes, never by the file's name. The bytes stream through: what is held at any
 * time is a few buffers, whatever the file's size. A gzip stream that was cut off yields everything that can still be
 * decoded, as a plain file that was cut off does; the reader of the format then notices the missing end. A gzip stream
 * that is damaged is an error.
 */
import { createReadStream, statSync } from 'node:fs';
import { constants, createGunzip } from 'node:zlib';

/** The input cannot be used as what it claims to be. Its message is for the user. */
export class TraceError extends Error {
  override name = 'TraceError';
}

export interface TraceSource {
  readonly name: string;
  /** Bytes of the file, 0 when unknown (standard input, a pipe). */
  readonly totalBytes: number;
  /** Bytes of the file read so far, for a progress bar. */
  bytesRead(): number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export function openTrace(path: string): TraceSource {
  if (path === '-') {
    let read = 0;
    return {
      name: 'standard input',
      totalBytes: 0,
      bytesRead: () => read,
      chunks: inflate(
        counted(process.stdin, (n) => {
          read += n;
        }),
        'standard input',
      ),
    };
  }
  let totalBytes = 0;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new TraceError(`${path}: is a directory, not a trace`);
    totalBytes = stat.isFile() ? stat.size : 0;
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`${path}: ${reason(error)}`);
  }
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  return { name: path, totalBytes, bytesRead: () => file.bytesRead, chunks: inflate(file, path) };
}

async function* counted(chunks: AsyncIterable<Uint8Array>, add: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    add(chunk.length);
    yield chunk;
  }
}

/** Passes plain bytes through and gunzips what starts with the gzip magic. */
export async function* inflate(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = new Uint8Array(0);
    while (head.length < 2) {
      const next = await iterator.next();
      if (next.done) break;
      head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    }
    if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) {
      yield* gunzip(head, iterator);
      return;
    }
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`${name}: ${reason(error)}`);
  } finally {
    await iterator.return?.();
  }
}

async function* gunzip(head: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  // Z_SYNC_FLUSH at the end: a cut stream ends instead of failing, and nothing decoded is lost.
  const inflater = createGunzip({ chunkSize: 128 * 1024, finishFlush: constants.Z_SYNC_FLUSH });
  const closed = new Promise<void>((resolve) => inflater.once('close', resolve));
  const feed = async (): Promise<void> => {
    for (let chunk: Uint8Array | undefined = head; chunk !== undefined; ) {
      if (!inflater.write(chunk)) {
        await Promise.race([closed, new Promise<void>((resolve) => inflater.once('drain', resolve))]);
      }
      if (inflater.destroyed) return;
      const next: IteratorResult<Uint8Array> = await rest.next();
      chunk = next.done ? undefined : next.value;
    }
    inflater.end();
  };
  feed().catch((error: Error) => inflater.destroy(error));
  yield* inflater as AsyncIterable<Uint8Array>;
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code?.startsWith('Z_')) return 'damaged gzip data';
  return error instanceof Error ? error.message : String(error);
}
