/**
 * One cycle: mark, then sweep.
 *
 * The mark runs with the world stopped and starts from the root bits. Then sweepgen advances by two, which turns every span into an
 * unswept one, and every P's mcache is emptied (its spans are swept on the way: they come first in the order of reuse, as in
 * Go). The rest is swept afterwards, by whoever asked, and by allocations that need a span meanwhile.
 */

import {
  G_DROPPED_AT_MARK,
  H_CENTRAL_INDEX,
  H_NUM_FORCED_GC,
  H_NUM_GC,
  H_PAGES_SWEPT,
  H_RECLAIM_CREDIT,
  H_RECLAIM_INDEX,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  type Heap,
  type P,
  T_DROPPED,
} from '../heap/heap.js';
import { prepareForSweep } from '../heap/mcache.js';
import { sweepAll } from '../heap/sweep.js';
import { markRoots } from './rootmark.js';

/** Roots dropped on this heap, ever. */
export function rootsDropped(h: Heap): number {
  let n = 0;
  for (const p of h.ps) n += h.f[p.stats + T_DROPPED];
  return n;
}

/** Whether a mark would find garbage: some root was dropped since the last one, or that one kept some. */
export function droppedSinceMark(h: Heap): boolean {
  return rootsDropped(h) !== h.f[h.gcStats + G_DROPPED_AT_MARK];
}

/** With the world stopped: finishes the last cycle's sweep, marks, and opens the next sweep. */
export function markAndAdvance(h: Heap, p: P, forced: boolean): void {
  const { m } = h;
  const at = h.mheap;
  sweepAll(h, p);
  const keptGarbage = markRoots(h);
  m[at + H_SWEEPGEN] += 2;
  // After the fact: a cycle that dies half way must not be taken for done.
  h.f[h.gcStats + G_DROPPED_AT_MARK] = keptGarbage ? -1 : rootsDropped(h);
  m[at + H_PAGES_SWEPT] = 0;
  m[at + H_RECLAIM_INDEX] = 0;
  m[at + H_RECLAIM_CREDIT] = 0;
  m[at + H_CENTRAL_INDEX] = 0;
  m[at + H_SWEEP_DONE] = 0;
  m[at + H_NUM_GC]++;
  if (forced) m[at + H_NUM_FORCED_GC]++;
  for (const other of h.ps) prepareForSweep(h, other);
}

/** A whole cycle on one thread, as runtime.GC() is for a program that waits for it. */
export function gcCycle(h: Heap, p: P): void {
  markAndAdvance(h, p, true);
  sweepAll(h, p);
}
