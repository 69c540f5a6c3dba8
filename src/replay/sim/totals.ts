/** Sums over a heap's counters that a simulation asks for all the time, without making an object for each. */

import { pacerView } from '../../gc/pacing.js';
import {
  H_NUM_GC,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  type Heap,
  P_ALLOC,
  P_TINY_ALLOCS,
  T_LARGE_ALLOC,
  T_LARGE_ALLOC_COUNT,
  T_LARGE_FREE,
  T_LARGE_FREE_COUNT,
  T_REFILLS,
  T_SMALL_ALLOC,
  T_SMALL_FREE,
  T_TINY_ALLOCS,
} from '../../heap/heap.js';
import { S_ALLOC_COUNT, S_COUNT_BEFORE } from '../../heap/mspan.js';
import { CLASS_TO_SIZE, NUM_SIZE_CLASSES, NUM_SPAN_CLASSES, PAGE_SIZE } from '../../heap/sizeclass.js';
import type { Sample } from '../result.js';

/** Whether a span of the class was ever cached: most programs use a third of the classes. */
export function everUsed(h: Heap, spc: number): boolean {
  for (const p of h.ps) if (h.f[p.stats + T_REFILLS + spc] !== 0) return true;
  return false;
}

/** HeapAlloc: bytes of allocated slots, counting what the mcaches handed out. */
export function heapAlloc(h: Heap): number {
  const { m, f } = h;
  let n = 0;
  for (const p of h.ps) {
    const at = p.stats;
    n += f[at + T_LARGE_ALLOC] - f[at + T_LARGE_FREE];
    for (let c = 1; c < NUM_SIZE_CLASSES; c++)
      n += (f[at + T_SMALL_ALLOC + c] - f[at + T_SMALL_FREE + c]) * CLASS_TO_SIZE[c];
    for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) {
      const s = m[p.at + P_ALLOC + spc];
      if (s !== h.spans) n += (m[s + S_ALLOC_COUNT] - m[s + S_COUNT_BEFORE]) * CLASS_TO_SIZE[spc >> 1];
    }
  }
  return n;
}

/** MemStats at this moment, as far as the golden data compares it. */
export function sampleNow(h: Heap, event: number): Sample {
  const { m, f } = h;
  let totalAlloc = 0;
  let totalFree = 0;
  let mallocs = 0;
  let frees = 0;
  for (const p of h.ps) {
    const at = p.stats;
    totalAlloc += f[at + T_LARGE_ALLOC];
    totalFree += f[at + T_LARGE_FREE];
    const tiny = f[at + T_TINY_ALLOCS] + m[p.at + P_TINY_ALLOCS];
    mallocs += f[at + T_LARGE_ALLOC_COUNT] + tiny;
    frees += f[at + T_LARGE_FREE_COUNT] + tiny;
    for (let c = 1; c < NUM_SIZE_CLASSES; c++) {
      totalAlloc += f[at + T_SMALL_ALLOC + c] * CLASS_TO_SIZE[c];
      totalFree += f[at + T_SMALL_FREE + c] * CLASS_TO_SIZE[c];
      mallocs += f[at + T_SMALL_ALLOC + c];
      frees += f[at + T_SMALL_FREE + c];
    }
    for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) {
      const s = m[p.at + P_ALLOC + spc];
      const n = m[s + S_ALLOC_COUNT] - m[s + S_COUNT_BEFORE];
      totalAlloc += n * CLASS_TO_SIZE[spc >> 1];
      mallocs += n;
    }
  }
  const heapInuse = h.scalar(H_PAGES_INUSE) * PAGE_SIZE;
  const heapReleased = h.scalar(H_PAGES_RELEASED) * PAGE_SIZE;
  const heapIdle = h.scalar(H_PAGES_FREE) * PAGE_SIZE + heapReleased;
  return {
    event,
    heapAlloc: totalAlloc - totalFree,
    heapSys: heapInuse + heapIdle,
    heapInuse,
    heapIdle,
    heapReleased,
    totalAlloc,
    mallocs,
    frees,
    numGC: h.scalar(H_NUM_GC),
    nextGC: pacerView(h).heapGoal(),
  };
}
