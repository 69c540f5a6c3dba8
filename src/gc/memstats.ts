/**
 * The collector's part of MemStats: NextGC and GCCPUFraction, which the heap alone does not know.
 */

import type { Heap } from '../heap/heap.js';
import { type MemStats, readMemStats } from '../heap/memstats.js';
import { pacerView } from './pacing.js';
import { gcCPUFraction } from './record.js';

export interface GCMemStats extends MemStats {
  NextGC: number;
  GCCPUFraction: number;
}

/** Completes what the heap said of itself. */
export function withGC(h: Heap, stats: MemStats): GCMemStats {
  return { ...stats, NextGC: pacerView(h).heapGoal(), GCCPUFraction: gcCPUFraction(h) };
}

/** MemStats of this moment, without flushing. */
export function memStats(h: Heap): GCMemStats {
  return withGC(h, readMemStats(h));
}
