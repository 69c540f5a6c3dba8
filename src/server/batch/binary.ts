/**
 * A binary batch: 16-byte records in, 8-byte results out, both exactly as `sched/ops.ts` describes them.
 *
 * The body's bytes are copied once, from the socket's chunks into the exchange, where the M reads them as they are; the
 * results once, from the exchange into the answer. With a Content-Length the piece has the right size from the start;
 * without, it doubles, up to what the largest batch takes.
 *
 * What a client may not set (a type or a site that does not exist) the M treats as absent.
 */

import type { Readable } from 'node:stream';
import { H_TYPES } from '../../heap/heap.js';
import type { Piece } from '../../sched/host-api.js';
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../../sched/ops.js';
import { largestObject } from '../alloc-request.js';
import { Problem } from '../problem.js';
import { type Host, take } from '../route.js';
import { type Gone, runRecords } from './disown.js';
import { type BatchLimits, tooLarge } from './json.js';

export const BATCH_TYPE = 'application/vnd.goheap.batch';

/** Bytes of the first piece of a body of unknown length. */
const GUESS = 1 << 16;

export async function binaryBatch(
  host: Host,
  body: Readable,
  length: number | undefined,
  p: number,
  limits: BatchLimits,
  gone: Gone,
): Promise<Buffer> {
  const most = limits.maxBatch * RECORD_BYTES;
  if (length !== undefined && length > most) throw tooLarge(limits.maxBatch);
  let piece = take(host, withResults(length ?? Math.min(GUESS, most)));
  try {
    let at = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const end = at + chunk.length;
      if (end > most) throw tooLarge(limits.maxBatch);
      if (withResults(end) > piece.length) piece = widen(host, piece, at, Math.min(most, end * 2));
      piece.bytes.set(chunk, at);
      at = end;
    }
    if (at % RECORD_BYTES !== 0) {
      const detail = `${at} bytes are no whole number of ${RECORD_BYTES}-byte records.`;
      throw new Problem('invalid-record', detail, { index: Math.floor(at / RECORD_BYTES) });
    }
    const count = at / RECORD_BYTES;
    if (count === 0) return Buffer.alloc(0);
    checkRecords(host, piece.words, count, Math.min(limits.maxObject, largestObject(host)));
    await runRecords(host, piece, count, p, gone);
    const answer = Buffer.allocUnsafe(count * RESULT_BYTES);
    piece.bytes.copy(answer, 0, at, at + answer.length);
    return answer;
  } finally {
    piece.release();
  }
}

/** Bytes for a body of `n` bytes and its results. */
function withResults(n: number): number {
  return n + Math.ceil(n / RECORD_BYTES) * RESULT_BYTES;
}

function widen(host: Host, piece: Piece, used: number, length: number): Piece {
  const wider = take(host, withResults(length));
  piece.bytes.copy(wider.bytes, 0, 0, used);
  piece.release();
  return wider;
}

/** Refuses the batch at the first record that no M may see: a size beyond every limit, an unknown type or operation. */
function checkRecords(host: Host, w: Int32Array, count: number, maxObject: number): void {
  const types = host.heap.scalar(H_TYPES);
  for (let i = 0, at = 0; i < count; i++, at += 4) {
    const op = w[at] & 255;
    if (op === BatchOp.alloc) {
      const noscan = (w[at] & (Flag.noscan << 8)) !== 0;
      if ((w[at + 3] !== 0 || w[at + 2] < 0 || w[at + 2] > maxObject) && bytesOf(w, at) > maxObject) {
        const detail = `Record ${i} asks for ${bytesOf(w, at)} bytes; the most is ${maxObject}.`;
        throw new Problem('object-too-large', detail, { index: i, limit: maxObject });
      }
      if (!noscan && w[at + 1] >>> 0 >= types) throw bad(i, `has an unknown type, ${w[at + 1] >>> 0}`);
    } else if (op === 0 || op > BatchOp.site) {
      throw bad(i, `has an unknown operation, ${op}`);
    }
  }
}

function bytesOf(w: Int32Array, at: number): number {
  return (w[at + 3] >>> 0) * 2 ** 32 + (w[at + 2] >>> 0);
}

function bad(index: number, what: string): Problem {
  return new Problem('invalid-record', `Record ${index} ${what}.`, { index });
}
