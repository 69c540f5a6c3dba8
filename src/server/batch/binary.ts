/**
 * A binary batch: 16-byte records in, 8-byte results out, both exactly as `sched/ops.ts` describes them.
 *
 * The body's chunks are kept as they come until it is complete, counted by `bodies.ts`. Only then does it take a piece of
 * the exchange, which all requests of a heap share: a client that sends slowly keeps nothing from the others. Its bytes are
 * copied once, from the chunks into the exchange, where the M reads them as they are; the results once, from the exchange
 * into the answer.
 *
 * What a client may not set (a type or a site that does not exist) the M treats as absent.
 */

import type { Readable } from 'node:stream';
import { H_TYPES } from '../../heap/heap.js';
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../../sched/ops.js';
import { largestObject } from '../alloc-request.js';
import { type Body, chunksOf } from '../bodies.js';
import { Problem } from '../problem.js';
import { type Host, take } from '../route.js';
import { type Gone, runRecords } from './disown.js';
import { type BatchLimits, tooLarge } from './json.js';

export const BATCH_TYPE = 'application/vnd.goheap.batch';

export async function binaryBatch(
  host: Host,
  body: Readable,
  length: number | undefined,
  p: number,
  limits: BatchLimits,
  held: Body,
  gone: Gone,
): Promise<Buffer> {
  const most = limits.maxBatch * RECORD_BYTES;
  if (length !== undefined && length > most) throw tooLarge(limits.maxBatch);
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of chunksOf(body)) {
      bytes += chunk.length;
      if (bytes > most) throw tooLarge(limits.maxBatch);
      held.add(chunk.length);
      chunks.push(chunk);
    }
    if (bytes % RECORD_BYTES !== 0) {
      const detail = `${bytes} bytes are no whole number of ${RECORD_BYTES}-byte records.`;
      throw new Problem('invalid-record', detail, { index: Math.floor(bytes / RECORD_BYTES) });
    }
    return bytes === 0 ? Buffer.alloc(0) : await run(host, chunks, bytes, p, limits, gone);
  } finally {
    held.release();
    // The rest of one that was refused, so that the client comes to read the answer.
    if (!body.readableEnded) body.resume();
  }
}

async function run(
  host: Host,
  chunks: Buffer[],
  bytes: number,
  p: number,
  limits: BatchLimits,
  gone: Gone,
): Promise<Buffer> {
  const count = bytes / RECORD_BYTES;
  const piece = take(host, bytes + count * RESULT_BYTES);
  try {
    let at = 0;
    for (const chunk of chunks) {
      piece.bytes.set(chunk, at);
      at += chunk.length;
    }
    chunks.length = 0;
    checkRecords(host, piece.words, count, Math.min(limits.maxObject, largestObject(host)));
    await runRecords(host, piece, count, p, gone);
    const answer = Buffer.allocUnsafe(count * RESULT_BYTES);
    piece.bytes.copy(answer, 0, bytes, bytes + answer.length);
    return answer;
  } finally {
    piece.release();
  }
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
