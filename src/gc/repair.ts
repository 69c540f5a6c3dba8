/**
 * What a thread that died leaves of the collector, beside what heap/recover.ts repairs. With the world stopped.
 */

import { H_SCAVENGER, type Heap } from '../heap/heap.js';
import { repairLimiter } from './limits.js';

export function repairCollector(h: Heap): void {
  h.m[h.mheap + H_SCAVENGER] = 0;
  repairLimiter(h);
}
