/**
 * Where the bytes of a recording come from on a command line: a file, or `-`, standard input. They stream: what is held is a buffer.
 */

import { createReadStream, statSync } from 'node:fs';
import { ReplayInputError } from './events.js';

const PIECE = 256 * 1024;

export interface TraceSource {
  readonly name: string;
  /** Bytes of the file, 0 when unknown (standard input, a pipe). */
  readonly totalBytes: number;
  /** Bytes of the file read so far, for a progress bar. */
  bytesRead(): number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Throws ReplayInputError where there is no such file. */
export function openTrace(path: string): TraceSource {
  const name = path === '-' ? 'standard input' : path;
  const totalBytes = path === '-' ? 0 : sizeOf(path);
  let read = 0;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of path === '-' ? process.stdin : createReadStream(path, { highWaterMark: PIECE })) {
        read += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw new ReplayInputError('replay-file', `${name}: ${reason(error)}`);
    }
  }
  return { name, totalBytes, bytesRead: () => read, chunks: chunks() };
}

function sizeOf(path: string): number {
  let stat: ReturnType<typeof statSync>;
  try {
    stat = statSync(path);
  } catch (error) {
    throw new ReplayInputError('replay-file', `${path}: ${reason(error)}`);
  }
  if (stat.isDirectory()) throw new ReplayInputError('replay-file', `${path}: is a directory, not a recording`);
  return stat.isFile() ? stat.size : 0;
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
