/** Sums over a heap's counters that a simulation asks for all the time, without making an object for each. */

import { memStats } from '../../gc/memstats.js';
import {
  type Heap,
  P_ALLOC,
  T_LARGE_ALLOC,
  T_LARGE_FREE,
  T_REFILLS,
  T_SMALL_ALLOC,
  T_SMALL_FREE,
} from '../../heap/heap.js';
import { S_ALLOC_COUNT, S_COUNT_BEFORE } from '../../heap/mspan.js';
import { CLASS_TO_SIZE, NUM_SIZE_CLASSES, NUM_SPAN_CLASSES } from '../../heap/sizeclass.js';
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
  const stats = memStats(h);
  return {
    event,
    heapAlloc: stats.HeapAlloc,
    heapSys: stats.HeapSys,
    heapInuse: stats.HeapInuse,
    heapIdle: stats.HeapIdle,
    heapReleased: stats.HeapReleased,
    totalAlloc: stats.TotalAlloc,
    mallocs: stats.Mallocs,
    frees: stats.Frees,
    numGC: stats.NumGC,
    nextGC: stats.NextGC,
  };
}
