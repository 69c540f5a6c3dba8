/**
 * What a thread that died leaves of the collector, beside what heap/recover.ts repairs. After it, with the world stopped.
 *
 * No mark is on any more. One that was abandoned is begun again for the reason that it had. One that was all but over, its
 * sweepgen having advanced, is counted and recorded, and what follows from it (trigger, sweep pace) derived.
 *
 * A P that slept on a lock of the dead one may be running already: nothing here is of a kind that it decides by.
 */

import {
  H_NUM_FORCED_GC,
  H_NUM_GC,
  H_PAGES_SWEPT,
  H_RESTART,
  H_SCAVENGER,
  H_SWEEPGEN,
  type Heap,
} from '../heap/heap.js';
import { repairLimiter } from './limits.js';
import { C_TRIGGERED, MAX_UINT64 } from './pacer.js';
import { adopt } from './pacing.js';
import { cycleRecords, endRecord } from './record.js';
import { CYCLE_AT, pacerOf, Why, Y_WHY } from './state.js';

export function repairCollector(h: Heap): void {
  const { m, f } = h;
  const at = h.mheap;
  const why = f[h.pacer + CYCLE_AT + Y_WHY];
  m[at + H_SCAVENGER] = 0;
  repairLimiter(h);
  if (m[at + H_RESTART] !== 0) m[at + H_RESTART] = 1 + why;
  // A mark ends in four steps that can be told apart: sweepgen, number, row, pace.
  const ended = m[at + H_SWEEPGEN] >> 1;
  if (m[at + H_NUM_GC] !== ended) {
    m[at + H_NUM_GC] = ended;
    if (why === Why.forced) m[at + H_NUM_FORCED_GC]++;
  }
  if (ended > 0 && cycleRecords(h, 1)[0]?.number !== ended) {
    m[at + H_PAGES_SWEPT] = 0;
    endRecord(h);
  }
  const pacer = pacerOf(h);
  f[pacer.at + C_TRIGGERED] = MAX_UINT64;
  // Settings may have been decided and not adopted, or what they say half derived.
  adopt(h);
}
