/**
 * Proportional sweep: whoever allocates sweeps in proportion, so that everything is swept before the next cycle begins.
 *
 * When a mark ends, the distance to the next trigger and the pages to sweep are known; their ratio is the pages that each
 * allocated byte owes. An allocation that needs a span pays before it takes one. Background sweeping pays ahead for everyone.
 */

import {
  G_SWEEP_LIVE,
  G_SWEEP_PPB,
  H_PAGES_INUSE,
  H_PAGES_SWEPT,
  H_PAGES_SWEPT_BASIS,
  H_SWEEP_DONE,
  type Heap,
  type P,
  T_SWEEP_NS,
} from './heap.js';
import { heapLive } from './live.js';
import { PAGE_SIZE } from './sizeclass.js';
import { sweepOne } from './sweep.js';

/** Bytes before the trigger at which sweeping should be over. */
const SLACK = 1 << 20;

/** Sets what each allocated byte owes, given the next trigger in bytes. With the world stopped. */
export function paceSweeper(h: Heap, trigger: number): void {
  const { f, gcStats } = h;
  const live = heapLive(h) * 8;
  f[gcStats + G_SWEEP_PPB] = 0;
  if (h.scalar(H_SWEEP_DONE) !== 0) return;
  const distance = Math.max(trigger - live - SLACK, PAGE_SIZE);
  const swept = h.scalar(H_PAGES_SWEPT);
  const pages = h.scalar(H_PAGES_INUSE) - swept;
  if (pages <= 0) return;
  f[gcStats + G_SWEEP_LIVE] = live;
  h.m[h.mheap + H_PAGES_SWEPT_BASIS] = swept;
  f[gcStats + G_SWEEP_PPB] = pages / distance;
}

/** Pays for `bytes` that are about to be allocated; `pages` that the caller has swept itself count. Holding no lock and no span. */
export function deductSweepCredit(h: Heap, p: P, bytes: number, pages: number): void {
  if (h.f[h.gcStats + G_SWEEP_PPB] === 0) return;
  const debt = sweepDebt(h, bytes) - pages;
  if (debt <= 0) return;
  const began = h.now();
  while (sweepDebt(h, bytes) - pages > 0) {
    if (sweepOne(h, p) < 0) {
      h.f[h.gcStats + G_SWEEP_PPB] = 0;
      break;
    }
  }
  h.f[p.stats + T_SWEEP_NS] += h.now() - began;
}

/** Pages that would still have to be swept before `bytes` more are allocated; negative when sweeping is ahead. */
export function sweepDebt(h: Heap, bytes: number): number {
  const { f, gcStats } = h;
  const ppb = f[gcStats + G_SWEEP_PPB];
  if (ppb === 0) return 0;
  const target = Math.trunc(ppb * (bytes + heapLive(h) * 8 - f[gcStats + G_SWEEP_LIVE]));
  return target - (h.scalar(H_PAGES_SWEPT) - h.scalar(H_PAGES_SWEPT_BASIS));
}
