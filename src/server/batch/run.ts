/**
 * Running a built batch: records into the exchange, one G, results out; and undoing what only half happened.
 */

import { Flag, RECORD_BYTES, RESULT_BYTES } from '../../sched/ops.js';
import { type Host, take } from '../route.js';
import type { Builder } from './builder.js';
import { diedProblem, freeAll, type Gone, runRecords } from './disown.js';
import { leftovers } from './results.js';

/** Runs the batch on P `p` (-1: any). `use` sees the result words, from index `first` on, before they are released. */
export async function runBatch(
  host: Host,
  batch: Builder,
  p: number,
  gone: Gone,
  use: (words: Int32Array, first: number) => void,
): Promise<void> {
  const n = batch.records;
  const piece = take(host, n * (RECORD_BYTES + RESULT_BYTES));
  try {
    const { words } = piece;
    const first = n * 4;
    words.set(first === batch.words.length ? batch.words : batch.words.subarray(0, first));
    const ran = await runRecords(host, piece, n, p, gone, (detail, left) =>
      diedProblem(detail, left.effects ? 'partly' : 'no', operationsOf(batch, left.records)),
    );
    if (ran.r[0] > 0 && batch.recordOf !== null) await undo(host, leftovers(batch, words, first));
    use(words, first);
  } finally {
    piece.release();
  }
}

/** Operations of which all records are among the first `records`. */
function operationsOf(batch: Builder, records: number): number {
  const { ops, recordOf } = batch;
  if (recordOf === null) return records;
  let n = 0;
  while (n < ops && (n + 1 < ops ? recordOf[n + 1] : batch.records) <= records) n++;
  return n;
}

async function undo(host: Host, halves: number[]): Promise<void> {
  if (halves.length === 0) return;
  const piece = take(host, (halves.length / 2) * (RECORD_BYTES + RESULT_BYTES));
  await freeAll(host, piece, halves, Flag.immediate).finally(piece.release);
}
