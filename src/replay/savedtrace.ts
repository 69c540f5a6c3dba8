/**
 * The file of a saved event stream: a parsed recording, for a cache.
 *
 *      0   "goheap\0\x1a", compared as two native words, so that a file of the other byte order is none
 *      8   version of the format
 *      12  chunks
 *      16  bytes of the report
 *      20  records of the last chunk
 *      24  the report as JSON, padded by blanks to a multiple of 8 bytes
 *          chunks as a store has them, each of two words and the records, at equal distances; the last one as short as it is
 *
 * The length of the file follows from its header; a file that was cut off is refused. A file appears under its name when it is whole.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { CHUNK_RECORDS, type IngestReport, RECORD_WORDS, ReplayInputError } from './events.js';
import type { TraceReader } from './store.js';

/** Words before a chunk: its records, and the slots that the stream has named so far. */
export const HEAD_WORDS = 2;
export const STRIDE_WORDS = HEAD_WORDS + CHUNK_RECORDS * RECORD_WORDS;
/** Bytes from one chunk to the next. */
export const STRIDE = STRIDE_WORDS * 4;

/** Changes with the stream's records, with the report, and with what readers make of a recording. */
export const SAVED_VERSION = 1;

const MAGIC = new Int32Array(new Uint8Array([0x67, 0x6f, 0x68, 0x65, 0x61, 0x70, 0, 0x1a]).buffer);
const HEADER_WORDS = 6;
const MAX_REPORT = 1 << 20;

/** @param reader of a stream that is complete */
export async function saveTrace(reader: TraceReader, path: string): Promise<void> {
  const report = Buffer.from(JSON.stringify(reader.report()));
  const blanks = Buffer.alloc(-report.length & 7, ' ');
  const partial = `${path}.${process.pid}.partial`;
  const file = await open(partial, 'wx');
  try {
    const header = new Int32Array(HEADER_WORDS);
    await append(file, header);
    await append(file, Buffer.concat([report, blanks]));
    let last = 0;
    reader.seek();
    for (let next = reader.next(), left = reader.chunks; next !== null; next = reader.next()) {
      last = next.records;
      const whole = --left > 0 ? STRIDE_WORDS - HEAD_WORDS : last * RECORD_WORDS;
      await append(file, new Int32Array([next.records, next.slots]));
      await append(file, next.words.subarray(0, whole));
    }
    header.set([...MAGIC, SAVED_VERSION, reader.chunks, report.length + blanks.length, last]);
    await file.write(bytesOf(header), 0, HEADER_WORDS * 4, 0);
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

export interface SavedTrace {
  fd: number;
  /** Where its first chunk is. */
  base: number;
  chunks: number;
  report: IngestReport;
}

/** Throws ReplayInputError where a file is no saved stream of this version. */
export function openSaved(path: string): SavedTrace {
  const fd = openSync(path, 'r');
  try {
    const header = new Int32Array(HEADER_WORDS);
    const read = readSync(fd, bytesOf(header), 0, HEADER_WORDS * 4, 0);
    const [magic0, magic1, version, chunks, length, last] = header;
    if (read < HEADER_WORDS * 4 || magic0 !== MAGIC[0] || magic1 !== MAGIC[1]) throw unusable(path, 'no saved stream');
    if (version !== SAVED_VERSION) throw unusable(path, `of version ${version}, and this is ${SAVED_VERSION}`);
    const base = HEADER_WORDS * 4 + length;
    const end = base + (chunks - 1) * STRIDE + (HEAD_WORDS + last * RECORD_WORDS) * 4;
    if (chunks < 1 || length < 0 || length > MAX_REPORT || end !== fstatSync(fd).size) throw unusable(path, 'damaged');
    const text = Buffer.alloc(length);
    readSync(fd, text, 0, length, HEADER_WORDS * 4);
    return { fd, base, chunks, report: JSON.parse(text.toString('utf8')) as IngestReport };
  } catch (error) {
    closeSync(fd);
    throw error instanceof SyntaxError ? unusable(path, 'damaged') : error;
  }
}

function unusable(path: string, why: string): ReplayInputError {
  return new ReplayInputError('replay-saved', `${path} is ${why}: parse the recording again`);
}

/** A file handle's write may write less than it is given. */
async function append(file: FileHandle, words: Int32Array | Uint8Array): Promise<void> {
  await file.writeFile(bytesOf(words));
}

function bytesOf(words: Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
