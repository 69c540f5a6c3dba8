/**
 * Mark queues: the spans that have marked objects whose pointers were not followed yet.
 *
 * As in Go's Green Tea collector it is spans that are queued, not objects: between the moment a span is queued and the moment it is
 * taken, more of its objects get marked, and all of them are scanned in one pass over memory that lies together. Hence first in,
 * first out. Go keeps objects above 512 bytes in work buffers; here every size goes this way.
 *
 *      S_QUEUED === sweepgen   the span stands in some queue, or is being scanned by whoever took it
 *
 * Each P has a ring with room for every span, and a span stands in at most one, so that no ring overflows. The owner
 * pushes; owner and thieves take by compare-and-swap.
 */

import { H_SWEEPGEN, type Heap, type P, P_MARKING, P_QUEUE_HEAD, P_QUEUE_TAIL, T_STOLEN_SPANS } from '../heap/heap.js';

/** Appends a span to this P's queue. The caller has won its S_QUEUED. */
export function pushMarked(h: Heap, p: P, s: number): void {
  const { m } = h;
  const tail = m[p.at + P_QUEUE_TAIL];
  m[h.markQueue + p.id * h.markQueueSize + (tail & (h.markQueueSize - 1))] = s;
  Atomics.store(m, p.at + P_QUEUE_TAIL, (tail + 1) | 0);
}

/** Takes the oldest span of a P's queue; 0 if it is empty. */
export function takeMarked(h: Heap, victim: P): number {
  const { m } = h;
  const ring = h.markQueue + victim.id * h.markQueueSize;
  for (;;) {
    const head = Atomics.load(m, victim.at + P_QUEUE_HEAD);
    if (head === Atomics.load(m, victim.at + P_QUEUE_TAIL)) return 0;
    const s = m[ring + (head & (h.markQueueSize - 1))];
    if (h.solo) {
      m[victim.at + P_QUEUE_HEAD] = (head + 1) | 0;
      return s;
    }
    if (Atomics.compareExchange(m, victim.at + P_QUEUE_HEAD, head, (head + 1) | 0) === head) return s;
  }
}

/** Takes a span from the first other P that has one; 0 if none has. */
export function stealMarked(h: Heap, p: P): number {
  const n = h.ps.length;
  for (let i = 1; i < n; i++) {
    const s = takeMarked(h, h.ps[(p.id + i) % n]);
    if (s === 0) continue;
    h.f[p.stats + T_STOLEN_SPANS]++;
    return s;
  }
  return 0;
}

export function queueLength(h: Heap, p: P): number {
  return (Atomics.load(h.m, p.at + P_QUEUE_TAIL) - Atomics.load(h.m, p.at + P_QUEUE_HEAD)) | 0;
}

/** Whether every queue is empty. Exact with the world stopped; else a moment's view. */
export function queuesEmpty(h: Heap): boolean {
  for (const p of h.ps) if (queueLength(h, p) !== 0) return false;
  return true;
}

/** Whether some P is scanning this moment. */
export function anyMarking(h: Heap): boolean {
  for (const p of h.ps) if (Atomics.load(h.m, p.at + P_MARKING) !== 0) return true;
  return false;
}

/** Empties every queue. With the world stopped, before a mark begins. */
export function clearQueues(h: Heap): void {
  for (const p of h.ps) {
    h.m[p.at + P_QUEUE_HEAD] = 0;
    h.m[p.at + P_QUEUE_TAIL] = 0;
    h.m[p.at + P_MARKING] = 0;
  }
}

/** What S_QUEUED says of a span that stands in a queue now. */
export const queuedMark = (h: Heap): number => h.m[h.mheap + H_SWEEPGEN] + 1;
