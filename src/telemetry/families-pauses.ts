/**
 * Histograms of the collector's pauses: go_gc_pauses_seconds and go_sched_pauses_*_gc_seconds.
 *
 * Names, types, helps and bucket bounds are client_golang's, letter for letter. The heap counts in Go's own buckets, 25% wide
 * (`gc/timehistogram.ts`); here they are joined into client_golang's eight. _sum is what client_golang makes of them: the sum of the
 * buckets' lower bounds, which is too little. The exact sum is that of go_gc_duration_seconds.
 */

import { stoppingPauses, totalPauses } from '../gc/pauses.js';
import { LE, lowerBoundSum, rebucket } from '../gc/timehistogram.js';
import type { Heap } from '../heap/heap.js';
import type { Family } from './family.js';
import type { HeapView } from './view.js';

function pauses(name: string, help: string, advice: string, at: (h: Heap) => number): Family<HeapView> {
  return {
    name,
    type: 'histogram',
    help,
    labels: [],
    unit: 'seconds',
    from: `${at.name}()`,
    advice,
    read: ({ heap }, out) => {
      const counts = new Float64Array(LE.length + 1);
      rebucket(heap.f, at(heap), counts);
      out.histogram(LE, counts, lowerBoundSum(counts));
    },
  };
}

export const PAUSE_FAMILIES: readonly Family<HeapView>[] = [
  pauses(
    'go_gc_pauses_seconds',
    'Deprecated. Prefer the identical /sched/pauses/total/gc:seconds. Sourced from /gc/pauses:seconds.',
    'The same as go_sched_pauses_total_gc_seconds.',
    totalPauses,
  ),
  pauses(
    'go_sched_pauses_stopping_gc_seconds',
    'Distribution of individual GC-related stop-the-world stopping latencies. This is the time it takes ' +
      'from deciding to stop the world until all Ps are stopped. This is a subset of the total GC-related ' +
      'stop-the-world time (/sched/pauses/total/gc:seconds). During this time, some threads may be ' +
      'executing. Bucket counts increase monotonically. Sourced from /sched/pauses/stopping/gc:seconds.',
    'The part of a pause until every P stood still. High: Ps in long operations reach their safepoints late.',
    stoppingPauses,
  ),
  pauses(
    'go_sched_pauses_total_gc_seconds',
    'Distribution of individual GC-related stop-the-world pause latencies. This is the time from ' +
      'deciding to stop the world until the world is started again. Some of this time is spent getting ' +
      'all threads to stop (this is measured directly in /sched/pauses/stopping/gc:seconds), during which ' +
      'some threads may still be running. Bucket counts increase monotonically. Sourced from ' +
      '/sched/pauses/total/gc:seconds.',
    'Two a cycle. How long no request was served; the scale is powers of ten, see go_gc_duration_seconds for more.',
    totalPauses,
  ),
];
