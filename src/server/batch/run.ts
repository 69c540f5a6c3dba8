/**
 * Running a built batch: records into the exchange, one G, results out; and undoing what only half happened.
 */

import { Op, RECORD_BYTES, RESULT_BYTES } from '../../sched/ops.js';
import { call, type Host, take } from '../route.js';
import type { Builder } from './builder.js';
import { leftovers } from './results.js';

/** Runs the batch on P `p` (-1: any). `use` sees the result words, from index `first` on, before they are released. */
export async function runBatch(
  host: Host,
  batch: Builder,
  p: number,
  use: (words: Int32Array, first: number) => void,
): Promise<void> {
  const n = batch.records;
  const piece = take(host, n * (RECORD_BYTES + RESULT_BYTES));
  try {
    const { words } = piece;
    const first = n * 4;
    words.set(first === batch.words.length ? batch.words : batch.words.subarray(0, first));
    const ran = await call(host, Op.batch, p, [piece.offset, n, piece.offset + n * RECORD_BYTES]);
    if (ran.r[0] > 0 && batch.recordOf !== null) await undo(host, leftovers(batch, words, first), ran.p);
    use(words, first);
  } finally {
    piece.release();
  }
}

async function undo(host: Host, records: number[], p: number): Promise<void> {
  const n = records.length / 4;
  if (n === 0) return;
  const piece = take(host, n * (RECORD_BYTES + RESULT_BYTES));
  piece.words.set(records);
  await call(host, Op.batch, p, [piece.offset, n, piece.offset + n * RECORD_BYTES]).finally(piece.release);
}
