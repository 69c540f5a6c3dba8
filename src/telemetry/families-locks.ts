/**
 * Lock contention, lock by lock.
 *
 * Every lock counts for itself, under itself: times taken, times a taker had to wait, and for how long. Reading them
 * takes no lock. The 136 mcentrals are one lock a span class; here they are summed, and contention is also shown by
 * class, for one class that all threads allocate from is the usual reason for it.
 */

import type { Heap } from '../heap/heap.js';
import { mcentralAt } from '../heap/mcentral.js';
import { NUM_SPAN_CLASSES } from '../heap/sizeclass.js';
import { type LockStats, lockStats } from '../memory/lock.js';
import type { HostStats } from '../sched/host-api.js';
import type { Family } from './family.js';
import { spanClassFamily } from './spanclass.js';
import type { HeapView } from './view.js';

/** The locks of a heap, by name; the mcentrals' as one. */
export function allLocks(h: Heap, host: HostStats): [name: string, stats: LockStats][] {
  const mcentral: LockStats = { acquisitions: 0, contended: 0, waitSeconds: 0 };
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    const one = lockStats(h.m, mcentralAt(h, spc));
    mcentral.acquisitions += one.acquisitions;
    mcentral.contended += one.contended;
    mcentral.waitSeconds += one.waitSeconds;
  }
  return [
    ['heap', lockStats(h.m, h.heapLock)],
    ['mcentral', mcentral],
    ['special', lockStats(h.m, h.specialLock)],
    ['world', host.worldLock],
  ];
}

function lockFamily(
  f: Pick<Family<HeapView>, 'name' | 'help' | 'unit' | 'advice'>,
  read: (lock: LockStats) => number,
): Family<HeapView> {
  return {
    ...f,
    type: 'counter',
    labels: ['lock'],
    from: 'lockStats of heap, mcentral (136 summed), special, world',
    read: ({ heap, host }, out) => {
      for (const [name, lock] of allLocks(heap, host)) out.value(read(lock), name);
    },
  };
}

export const LOCK_FAMILIES: readonly Family<HeapView>[] = [
  lockFamily(
    {
      name: 'goheap_lock_acquisitions_total',
      help: 'Times a lock of the heap was taken.',
      unit: 'times',
      advice: 'mcentral: about one a refill. heap: about one for 64 pages. special: only where sites are named.',
    },
    (l) => l.acquisitions,
  ),
  lockFamily(
    {
      name: 'goheap_lock_contended_total',
      help: 'Times a taker found the lock held and had to spin or sleep.',
      unit: 'times',
      advice: 'Over acquisitions it is the chance of having to wait. Above some percent: too many Ps for this load.',
    },
    (l) => l.contended,
  ),
  lockFamily(
    {
      name: 'goheap_lock_wait_seconds_total',
      help: 'Seconds that takers of the lock waited, all threads together.',
      unit: 'seconds',
      advice: 'rate() is the number of Ps that stand waiting for this lock at any time.',
    },
    (l) => l.waitSeconds,
  ),
  spanClassFamily(
    {
      name: 'goheap_mcentral_lock_contended_total',
      type: 'counter',
      help: 'Times a taker of the lock of one mcentral had to wait.',
      unit: 'times',
      from: 'lockStats of the mcentral',
      advice:
        'One class far above the others: all Ps refill from it. Give its objects different sizes, or batch on one P.',
    },
    ({ heap }, spc) => lockStats(heap.m, mcentralAt(heap, spc)).contended,
  ),
];
