/**
 * The steps of a cycle that need the world stopped, and a whole cycle on one thread.
 *
 *      startMark    sweep termination, then marking is on: allocations are black, stores go through the barrier
 *      … drain …    on all Ps, while the program runs (collector.ts)
 *      finishMark   mark termination: sweepgen advances by two, which turns every span into an unswept one; every mcache is emptied (its spans
 *                   are swept on the way: they come first in the order of reuse, as in Go); the pacer learns
 *
 * One write decides whether a cycle happened: that of sweepgen. A thread that dies before it leaves marks that recovery wipes, and
 * the cycle begins anew; one that dies after it leaves a heap that is to be swept.
 */

import { blackenCaches, unblackenCaches } from '../heap/black.js';
import {
  G_DROPPED_AT_MARK,
  GcPhase,
  H_BG_CREDIT,
  H_CENTRAL_INDEX,
  H_CYCLES,
  H_DEDICATED,
  H_GC_PHASE,
  H_NUM_FORCED_GC,
  H_NUM_GC,
  H_PAGES_INUSE,
  H_PAGES_SWEPT,
  H_PHASE_GEN,
  H_RECLAIM_CREDIT,
  H_RECLAIM_INDEX,
  H_RESTART,
  H_ROOT_END,
  H_ROOT_NEXT,
  H_SPAN_NEXT,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  type Heap,
  type P,
  P_ASSIST_DEBT,
  P_MARKING,
  P_SCAN_ALLOC,
  T_DROPPED,
  T_MARKED,
  T_SCAN_WORK,
  T_UNLINKED,
} from '../heap/heap.js';
import { addHeapScan, setHeapLive, setHeapMarked, setHeapScan } from '../heap/live.js';
import { prepareForSweep } from '../heap/mcache.js';
import { sumStat } from '../heap/memstats.js';
import { mappedPages } from '../heap/mheap.js';
import { PAGE_SIZE } from '../heap/sizeclass.js';
import { sweepAll } from '../heap/sweep.js';
import { scanSpan } from './mark.js';
import { clearQueues, queuesEmpty, stealMarked, takeMarked } from './markqueue.js';
import {
  C_ASSIST_NS,
  C_DEDICATED_NS,
  C_DEDICATED_WANTED,
  C_FRACTIONAL_NS,
  C_IDLE_NS,
  C_LAST_HEAP_INUSE,
} from './pacer.js';
import { commit, refresh } from './pacing.js';
import { beginRecord, completeSweep, cycleTime, endRecord, markRecord } from './record.js';
import { markCurrentTiny, markRootJob, rootsTaken } from './rootmark.js';
import {
  CYCLE_AT,
  pacerOf,
  Why,
  Y_ASSIST_NS,
  Y_DEDICATED_NS,
  Y_DROPPED,
  Y_FRACTIONAL_NS,
  Y_IDLE_NS,
  Y_KEPT_TINY,
  Y_MARKED,
  Y_SCAN_WORK,
  Y_WHY,
} from './state.js';

/** How often something may have become garbage on this heap, ever: roots dropped, pointers overwritten. */
export function rootsDropped(h: Heap): number {
  return sumStat(h, T_DROPPED) + sumStat(h, T_UNLINKED);
}

/** Whether a mark would find garbage: something was dropped since the last one began, or that one kept some. */
export function droppedSinceMark(h: Heap): boolean {
  return rootsDropped(h) !== h.f[h.gcStats + G_DROPPED_AT_MARK];
}

/** With the world stopped: finishes the last cycle's sweep and turns marking on. */
export function startMark(h: Heap, p: P, why: number): void {
  const { m, f } = h;
  const at = h.mheap;
  const cycle = h.pacer + CYCLE_AT;
  sweepAll(h, p);
  completeSweep(h);
  // Pages beyond those that the heap has grown to never had a mark.
  m.fill(0, h.pageMarks, h.pageMarks + Math.ceil(mappedPages(h) / 32));
  clearQueues(h);
  m[at + H_ROOT_NEXT] = 1;
  m[at + H_ROOT_END] = m[at + H_SPAN_NEXT] + (h.hollow ? 1 : 0);
  m[at + H_BG_CREDIT] = 0;
  for (const each of h.ps) {
    m[each.at + P_ASSIST_DEBT] = 0;
    addHeapScan(h, m[each.at + P_SCAN_ALLOC]);
    m[each.at + P_SCAN_ALLOC] = 0;
  }
  f[cycle + Y_WHY] = why;
  f[cycle + Y_DROPPED] = rootsDropped(h);
  m[at + H_CYCLES]++;
  beginRecord(h);
  const pacer = pacerOf(h);
  refresh(h, pacer, true);
  pacer.startCycle(h.now(), h.ps.length, why === Why.periodic);
  m[at + H_DEDICATED] = f[pacer.at + C_DEDICATED_WANTED];
  m[at + H_PHASE_GEN] = m[at + H_SWEEPGEN];
  m[at + H_GC_PHASE] = GcPhase.mark;
  m[at + H_RESTART] = 0;
  blackenCaches(h);
  f[cycle + Y_KEPT_TINY] = markCurrentTiny(h, p) ? 1 : 0;
}

/** Whether nothing is left to mark. Exact with the world stopped. */
export const isMarkDone = (h: Heap): boolean => rootsTaken(h) && queuesEmpty(h);

/** With the world stopped and nothing left to mark: ends the mark and opens the sweep. */
export function finishMark(h: Heap): void {
  const { m, f } = h;
  const at = h.mheap;
  const cycle = h.pacer + CYCLE_AT;
  if (!isMarkDone(h)) throw new Error('mark termination with work left');
  m[at + H_GC_PHASE] = GcPhase.markTermination;
  unblackenCaches(h);
  const pacer = pacerOf(h);
  refresh(h, pacer, true);
  f[pacer.at + C_ASSIST_NS] = cycleTime(h, Y_ASSIST_NS);
  f[pacer.at + C_DEDICATED_NS] = cycleTime(h, Y_DEDICATED_NS);
  f[pacer.at + C_FRACTIONAL_NS] = cycleTime(h, Y_FRACTIONAL_NS);
  f[pacer.at + C_IDLE_NS] = cycleTime(h, Y_IDLE_NS);
  const why = f[cycle + Y_WHY];
  pacer.endCycle(h.now(), h.ps.length, why === Why.forced);
  f[pacer.at + C_LAST_HEAP_INUSE] = m[at + H_PAGES_INUSE] * PAGE_SIZE;
  const marked = sumStat(h, T_MARKED) - f[cycle + Y_MARKED];
  markRecord(h, marked);
  pacer.resetLive(marked);
  setHeapScan(h, Math.round((sumStat(h, T_SCAN_WORK) - f[cycle + Y_SCAN_WORK]) / 8));
  setHeapMarked(h, marked / 8);
  setHeapLive(h, marked / 8);
  for (const each of h.ps) m[each.at + P_SCAN_ALLOC] = 0;
  Atomics.store(m, at + H_SWEEPGEN, m[at + H_SWEEPGEN] + 2);
  m[at + H_GC_PHASE] = GcPhase.off;
  // After the fact: a cycle that dies half way must not be taken for done.
  f[h.gcStats + G_DROPPED_AT_MARK] = f[cycle + Y_KEPT_TINY] !== 0 ? -1 : f[cycle + Y_DROPPED];
  m[at + H_PAGES_SWEPT] = 0;
  m[at + H_RECLAIM_INDEX] = 0;
  m[at + H_RECLAIM_CREDIT] = 0;
  m[at + H_CENTRAL_INDEX] = 0;
  m[at + H_SWEEP_DONE] = 0;
  m[at + H_NUM_GC]++;
  if (why === Why.forced) m[at + H_NUM_FORCED_GC]++;
  h.pageAlloc.index.nextGen();
  commit(h);
  endRecord(h);
  for (const other of h.ps) prepareForSweep(h, other);
}

/** Marks on this P until nothing is found, or `budget` bytes were scanned. Returns the bytes. Passes safepoints unless told not to. */
export function drain(h: Heap, p: P, budget: number, deadline: number, poll: boolean): number {
  const { m } = h;
  const cycle = m[h.mheap + H_CYCLES];
  // A simulated clock is read for nothing.
  const look = h.hollow ? 0 : 15;
  let work = 0;
  let jobs = 0;
  m[p.at + P_MARKING] = 1;
  while (work < budget) {
    let s = takeMarked(h, p);
    if (s !== 0) work += scanSpan(h, p, s);
    else {
      const roots = markRootJob(h, p);
      if (roots >= 0) work += roots;
      else {
        s = stealMarked(h, p);
        if (s === 0) break;
        work += scanSpan(h, p, s);
      }
    }
    if ((++jobs & look) === 0 && h.now() >= deadline) break;
    if (!poll) continue;
    h.poll();
    if (m[h.mheap + H_GC_PHASE] !== GcPhase.mark || m[h.mheap + H_CYCLES] !== cycle) break;
  }
  m[p.at + P_MARKING] = 0;
  return work;
}

/** With the world stopped: finishes the last cycle's sweep, marks, and opens the next sweep. */
export function markAndAdvance(h: Heap, p: P, forced: boolean): void {
  startMark(h, p, forced ? Why.forced : Why.heap);
  while (!isMarkDone(h)) drain(h, p, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, false);
  finishMark(h);
}

/** A whole cycle on one thread, as runtime.GC() is for a program that waits for it. */
export function gcCycle(h: Heap, p: P): void {
  markAndAdvance(h, p, true);
  sweepAll(h, p);
  completeSweep(h);
}
