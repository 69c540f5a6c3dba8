/**
 * Pacing: between the heap's counters and the pacer's formulas.
 *
 * The pacer (pacer.ts) is arithmetic over doubles. Here its inputs are read from the heap, and its answers become what the rest acts
 * on: the trigger that every refill compares with, what each allocation owes to the sweep, the scavenger's goals.
 *
 * Goroutine stacks and globals do not exist here, so that their scan work is 0 throughout.
 */

import {
  G_MEMORY_LIMIT,
  G_SCAV_LIMIT_GOAL,
  G_SCAV_PERCENT_GOAL,
  GcPhase,
  H_GC_PERCENT,
  H_GC_PHASE,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_SWEEP_DONE,
  type Heap,
  T_LARGE_ALLOC,
  T_LARGE_FREE,
  T_SCAN_WORK,
  T_SMALL_ALLOC,
  T_SMALL_FREE,
} from '../heap/heap.js';
import { heapLive, heapScan, heapTrigger, setTrigger } from '../heap/live.js';
import { mappedReady, sumStat } from '../heap/memstats.js';
import { CLASS_TO_SIZE, NUM_SIZE_CLASSES, PAGE_SIZE } from '../heap/sizeclass.js';
import { paceSweeper } from '../heap/sweepcredit.js';
import {
  C_HEAP_FREE,
  C_HEAP_INUSE,
  C_HEAP_LIVE,
  C_HEAP_SCAN,
  C_HEAP_SCAN_WORK,
  C_MAPPED_READY,
  C_SCAV_GC_PERCENT_GOAL,
  C_SCAV_MEMORY_LIMIT_GOAL,
  C_TOTAL_ALLOC,
  C_TOTAL_FREE,
  C_WORDS,
  MAX_INT64,
  MAX_UINT64,
  Pacer,
} from './pacer.js';
import { decide, gcSettings } from './settings.js';
import { CYCLE_AT, pacerOf, Y_SCAN_WORK } from './state.js';

const OS_PAGE = 4096;

/** Reads the pacer's inputs from the heap. Without `totals`, those that only the memory limit asks for keep their values. */
export function refresh(h: Heap, pacer: Pacer, totals: boolean): void {
  const { f } = pacer;
  const at = pacer.at;
  f[at + C_HEAP_LIVE] = heapLive(h) * 8;
  f[at + C_HEAP_SCAN] = heapScan(h) * 8;
  f[at + C_HEAP_SCAN_WORK] =
    h.scalar(H_GC_PHASE) === GcPhase.off ? 0 : sumStat(h, T_SCAN_WORK) - h.f[h.pacer + CYCLE_AT + Y_SCAN_WORK];
  f[at + C_HEAP_INUSE] = h.scalar(H_PAGES_INUSE) * PAGE_SIZE;
  f[at + C_HEAP_FREE] = h.scalar(H_PAGES_FREE) * PAGE_SIZE;
  if (!totals) return;
  f[at + C_MAPPED_READY] = mappedReady(h);
  let alloc = sumStat(h, T_LARGE_ALLOC);
  let free = sumStat(h, T_LARGE_FREE);
  for (const p of h.ps) {
    for (let c = 1; c < NUM_SIZE_CLASSES; c++) {
      alloc += h.f[p.stats + T_SMALL_ALLOC + c] * CLASS_TO_SIZE[c];
      free += h.f[p.stats + T_SMALL_FREE + c] * CLASS_TO_SIZE[c];
    }
  }
  f[at + C_TOTAL_ALLOC] = alloc;
  f[at + C_TOTAL_FREE] = free;
}

/** Whether a memory limit is set. */
export const isLimited = (h: Heap): boolean => h.f[h.gcStats + G_MEMORY_LIMIT] !== Number.POSITIVE_INFINITY;

/** Whether the heap has grown enough for a cycle to begin. */
export function isDue(h: Heap): boolean {
  const trigger = heapTrigger(h);
  if (trigger !== 0) return heapLive(h) >= trigger;
  const pacer = pacerOf(h);
  refresh(h, pacer, true);
  return heapLive(h) * 8 >= pacer.trigger();
}

/** After each mark and each change of a setting, with the world stopped: derives goals, trigger, sweep pace (gcControllerCommit). */
export function commit(h: Heap): void {
  const pacer = pacerOf(h);
  refresh(h, pacer, true);
  pacer.commit(h.scalar(H_SWEEP_DONE) !== 0);
  pacer.scavengeGoals(undefined, undefined, undefined, OS_PAGE);
  const { f } = h;
  const goal = (which: number): number =>
    f[pacer.at + which] === MAX_UINT64 ? Number.POSITIVE_INFINITY : f[pacer.at + which];
  f[h.gcStats + G_SCAV_PERCENT_GOAL] = goal(C_SCAV_GC_PERCENT_GOAL);
  f[h.gcStats + G_SCAV_LIMIT_GOAL] = goal(C_SCAV_MEMORY_LIMIT_GOAL);
  const trigger = pacer.trigger();
  setTrigger(h, isLimited(h) ? 0 : Math.ceil(trigger / 8));
  paceSweeper(h, trigger);
}

/** Sets GOGC (-1: off) and the memory limit (Infinity: off), with the world stopped. */
export function configure(h: Heap, gcPercent: number, memoryLimit: number, ticket = 0): void {
  decide(h, { gcPercent, memoryLimit, ticket });
  adopt(h);
}

/** Has everything go by the settings that were decided: after each change, with the world stopped, and by the recovery. */
export function adopt(h: Heap): void {
  const { gcPercent, memoryLimit } = gcSettings(h);
  const pacer = pacerOf(h);
  pacer.setGCPercent(gcPercent);
  pacer.setMemoryLimit(memoryLimit === Number.POSITIVE_INFINITY ? MAX_INT64 : memoryLimit);
  h.m[h.mheap + H_GC_PERCENT] = gcPercent;
  h.f[h.gcStats + G_MEMORY_LIMIT] = memoryLimit;
  commit(h);
}

/** A private copy of the pacer with inputs of this moment: for looking, from any thread. */
export function pacerView(h: Heap): Pacer {
  const view = new Pacer(h.f.slice(h.pacer, h.pacer + C_WORDS), 0);
  refresh(h, view, true);
  return view;
}
