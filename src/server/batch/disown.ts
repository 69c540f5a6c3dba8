/**
 * Giving back what a request allocated and nobody will ever be told of.
 *
 * The M that ran a batch died after some of its records, or a part of an operation failed: the objects of the rest exist, and their addresses
 * stand in the exchange, where no client sees them. They are freed before the request is answered, so that what the answer says is true when it is
 * read. Frees and stores that were done stay done. The same is done for a client that has hung up before it was answered: there is nobody left to
 * tell. Whether an answer that was written arrives, nobody can know; that is no case of this.
 *
 * The frees travel in the piece of the exchange that the batch had, so that this needs no memory, and are sent again until they are done: their M may
 * die as well. Only the end of the heap ends it otherwise, and that frees everything.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Piece, SchedError } from '../../sched/host-api.js';
import { BatchOp, Flag, MUST, Op, RECORD_BYTES, RESULT_BYTES } from '../../sched/ops.js';
import { Problem } from '../problem.js';
import type { Host } from '../route.js';
import { schedProblem } from '../sched-errors.js';

/** How long to leave a heap alone that has no room for a request. */
const BUSY_MS = 10;

/** What is left of a batch whose M died, once its objects are freed again. */
export interface Left {
  /** Records that are done. */
  records: number;
  /** Whether any of them, or the one at which the M died, frees or stores something: that stays. */
  effects: boolean;
}

/** Frees objects given as pairs of halves. `flags`: of each free. Resolves when none has a root. */
export async function freeAll(host: Host, piece: Piece, halves: readonly number[], flags = 0): Promise<void> {
  const { words } = piece;
  const head = BatchOp.free | (flags << 8);
  for (let from = 0; from < halves.length; ) {
    const count = (halves.length - from) / 2;
    for (let i = 0; i < count; i++) words.set([head, 0, halves[from + i * 2], halves[from + i * 2 + 1]], i * 4);
    try {
      await host.call(Op.batch, -1, [piece.offset, count, piece.offset + count * RECORD_BYTES, MUST]);
      return;
    } catch (error) {
      if (!(error instanceof SchedError) || error.code === 'shutting-down') return;
      if (error.code === 'm-died') from += error.completed * 2;
      else await sleep(BUSY_MS);
    }
  }
}

/** Whether a request's client has hung up. */
export type Gone = () => boolean;

/** Frees objects of which nobody can be told any more, whenever the heap has room for that. */
export async function forget(host: Host, halves: readonly number[]): Promise<void> {
  while (halves.length > 0) {
    try {
      const piece = host.take((halves.length / 2) * (RECORD_BYTES + RESULT_BYTES));
      return await freeAll(host, piece, halves).finally(piece.release);
    } catch (error) {
      if (!(error instanceof SchedError) || error.code !== 'overloaded') throw error;
      await sleep(BUSY_MS);
    }
  }
}

/** The objects that records [0, `records`) allocated and that none of them freed again, as pairs of halves. */
export function unclaimed(words: Int32Array, first: number, records: number): number[] {
  const made = new Map<number, number>();
  const key = (lo: number, hi: number): number => (hi & 0xffff) * 2 ** 32 + (lo >>> 0);
  for (let i = 0; i < records; i++) {
    const op = words[i * 4] & 255;
    const to = first + i * 2;
    if (!isOk(words[to + 1])) continue;
    if (op === BatchOp.alloc) {
      if (((words[i * 4] >>> 8) & Flag.unrooted) === 0) made.set(key(words[to], words[to + 1]), to);
    } else if (op === BatchOp.free) {
      const byRef = ((words[i * 4] >>> 8) & Flag.byRef) !== 0;
      const ref = first + words[i * 4 + 2] * 2;
      made.delete(byRef ? key(words[ref], words[ref + 1]) : key(words[i * 4 + 2], words[i * 4 + 3]));
    }
  }
  const out: number[] = [];
  for (const to of made.values()) out.push(words[to], words[to + 1] & 0xffff);
  return out;
}

/** Frees what the first `records` records of a batch allocated: its M is dead. `count`: records of the batch. */
export async function disown(host: Host, piece: Piece, first: number, records: number, count: number): Promise<Left> {
  const { words } = piece;
  let effects = records < count && lasts(words[records * 4]);
  for (let i = 0; i < records && !effects; i++) effects = lasts(words[i * 4]) && isOk(words[first + i * 2 + 1]);
  await freeAll(host, piece, unclaimed(words, first, records));
  return { records, effects };
}

/** How a request whose M died is answered, once its objects are freed again. */
export type Died = (detail: string, left: Left) => Problem;

/** By default the client's operations are the records; it may try again when nothing of them is left. */
export const died: Died = (detail, left) => diedProblem(detail, left.effects ? 'partly' : 'no', left.records);

export function diedProblem(detail: string, happened: SchedError['happened'], completed: number): Problem {
  const done = happened === 'no' ? 0 : completed;
  return new Problem('m-died', detail, { happened, completed: done }, { 'retry-after': '1' });
}

/** Runs the records in `piece`, results behind them. When the M dies, gives back what they allocated and throws a Problem. */
export async function runRecords(
  host: Host,
  piece: Piece,
  count: number,
  p: number,
  gone: Gone,
  problem: Died = died,
): Promise<{ p: number; r: Int32Array }> {
  try {
    const ran = await host.call(Op.batch, p, [piece.offset, count, piece.offset + count * RECORD_BYTES]);
    if (!gone()) return ran;
    await forget(host, unclaimed(piece.words, count * 4, count));
    // Ends the request: nothing more is to be done with objects that are freed. Nobody reads this.
    throw new Problem('incomplete-body', 'The client hung up before it was answered.');
  } catch (error) {
    if (!(error instanceof SchedError) || error.code !== 'm-died') throw schedProblem(error, host.procs);
    const detail = schedProblem(error).message;
    if (error.happened === 'unknown') {
      // No thread could take its place yet, and the client must not wait for one. Whether the last
      // object is kept or dropped, the repair will decide: it may be somebody else's afterwards.
      void forget(host, unclaimed(piece.words, count * 4, error.completed - 1)).catch(() => undefined);
      throw new Problem('m-died', detail, { happened: 'unknown' }, { 'retry-after': '1' });
    }
    throw problem(detail, await disown(host, piece, count * 4, error.completed, count));
  }
}

const lasts = (head: number): boolean => (head & 255) === BatchOp.free || (head & 255) === BatchOp.store;
const isOk = (hi: number): boolean => ((hi >>> 16) & 255) === 0;
