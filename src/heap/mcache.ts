/**
 * mcache: the spans that a P allocates from, one for each span class. Bound to the P, not to the thread.
 *
 * No lock and no atomic: only the thread that holds the P touches it. The fast path is `malloc.ts`; here is what
 * happens when a cached span runs out (`nextSlotSlow`, `refill`) and when the cache is given back (`releaseAll`): at every
 * garbage collection, when statistics are asked for in Go's way, and when a P goes away.
 *
 * Invariant: an entry is either the empty span (record 0) or a span with S_WHERE mcache and S_OWNER this P, whose
 * sweepgen is h+3. Slots handed out since it was cached are not yet in the P's counters: they are added when it leaves.
 */

import { blackenGroup } from './black.js';
import {
  H_GC_PHASE,
  H_SWEEPGEN,
  type Heap,
  type P,
  P_ALLOC,
  P_ASSIST_DEBT,
  P_FLUSH_GEN,
  P_HAND,
  P_REQUESTED,
  P_REUSABLE,
  P_SCAN_ALLOC,
  P_TINY,
  P_TINY_ALLOCS,
  P_TINY_OFFSET,
  T_FLUSHES,
  T_REQUESTED,
  T_SMALL_ALLOC,
  T_TINY_ALLOCS,
} from './heap.js';
import { addHeapLive, addHeapScan, heapTrigger } from './live.js';
import { cacheSpan, freshen, uncacheSpan } from './mcentral.js';
import {
  refillAllocCache,
  S_ALLOC_COUNT,
  S_COUNT_BEFORE,
  S_FREEINDEX,
  S_NELEMS,
  S_NPAGES,
  S_OWNER,
  S_PUBLISHED,
  S_SWEEPGEN,
  S_WHERE,
  S_WORDS,
  spanId,
  Where,
} from './mspan.js';
import { NUM_SPAN_CLASSES, PAGE_WORDS, TINY_SPAN_CLASS } from './sizeclass.js';

/**
 * Called when the cached span's group of slots is used up: moves to its next group, or takes another span. Returns the
 * cached span with a slot in its allocCache, or 0 when the reservation is exhausted.
 */
export function nextSlotSlow(h: Heap, p: P, spc: number): number {
  const s = h.m[p.at + P_ALLOC + spc];
  if (refillAllocCache(h, s)) {
    if (h.m[h.mheap + H_GC_PHASE] !== 0) blackenGroup(h, p, s);
    return s;
  }
  return refill(h, p, spc);
}

/** Replaces a used-up span by one with a free slot. 0 (and the empty span cached) when there is none to be had. */
export function refill(h: Heap, p: P, spc: number): number {
  const { m } = h;
  const entry = p.at + P_ALLOC + spc;
  const old = m[entry];
  if (m[old + S_ALLOC_COUNT] !== m[old + S_NELEMS]) throw new Error('refill of span with free space remaining');
  if (old !== h.spans) {
    if (m[old + S_SWEEPGEN] !== h.scalar(H_SWEEPGEN) + 3) throw new Error('bad sweepgen in refill');
    countCached(h, p, spc, old);
    m[entry] = h.spans;
    uncacheSpan(h, p, old);
  }
  const s = cacheSpan(h, p, spc);
  if (s === 0) return 0;
  if (!freshen(h, s)) throw new Error(`span ${spanId(h, s)} has no free space`);
  m[s + S_COUNT_BEFORE] = m[s + S_ALLOC_COUNT];
  m[s + S_PUBLISHED] = m[s + S_FREEINDEX];
  Atomics.store(m, s + S_SWEEPGEN, h.scalar(H_SWEEPGEN) + 3);
  m[entry] = s;
  m[s + S_OWNER] = p.id;
  m[s + S_WHERE] = Where.mcache;
  m[p.at + P_HAND] = 0;
  if (m[h.mheap + H_GC_PHASE] !== 0) blackenGroup(h, p, s);
  // Go counts a whole span as live when it is cached: every free slot and the tail, up front.
  growLive(h, p, m[s + S_NPAGES] * PAGE_WORDS - m[s + S_ALLOC_COUNT] * m[s + S_WORDS]);
  return s;
}

/**
 * Counts `words` as allocated: towards the trigger of the next cycle, or, while one is marking, as a debt that the P pays
 * by marking. The P is asked to attend to either before its next allocation.
 */
export function growLive(h: Heap, p: P, words: number): void {
  const { m } = h;
  const live = addHeapLive(h, words);
  if (m[h.mheap + H_GC_PHASE] !== 0) {
    m[p.at + P_ASSIST_DEBT] += words;
    m[p.at + P_SCAN_ALLOC] = 0;
    p.attention = true;
    return;
  }
  if (m[p.at + P_SCAN_ALLOC] !== 0) {
    addHeapScan(h, m[p.at + P_SCAN_ALLOC]);
    m[p.at + P_SCAN_ALLOC] = 0;
  }
  if (live >= heapTrigger(h)) p.attention = true;
}

/** Moves what was handed out of a cached span into the P's counters. */
function countCached(h: Heap, p: P, spc: number, s: number): void {
  const { m, f } = h;
  f[p.stats + T_SMALL_ALLOC + (spc >> 1)] += m[s + S_ALLOC_COUNT] - m[s + S_COUNT_BEFORE];
  m[s + S_COUNT_BEFORE] = m[s + S_ALLOC_COUNT];
  f[p.stats + T_REQUESTED + spc] += m[p.at + P_REQUESTED + spc] >>> 0;
  m[p.at + P_REQUESTED + spc] = 0;
  if (spc === TINY_SPAN_CLASS) countTiny(h, p);
}

function countTiny(h: Heap, p: P): void {
  h.f[p.stats + T_TINY_ALLOCS] += h.m[p.at + P_TINY_ALLOCS];
  h.m[p.at + P_TINY_ALLOCS] = 0;
}

/**
 * Gives every cached span back, drops the current tiny block and the reusable slots (the collector takes them). This
 * is what Go's ReadMemStats does, and why observing with it changes where the next object goes. By the P's own thread,
 * or with the world stopped.
 */
export function releaseAll(h: Heap, p: P): void {
  const { m, f } = h;
  const sweepgen = h.scalar(H_SWEEPGEN);
  f[p.stats + T_FLUSHES]++;
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    m[p.at + P_REUSABLE + spc] = 0;
    const s = m[p.at + P_ALLOC + spc];
    if (s === h.spans) continue;
    countCached(h, p, spc, s);
    // What was counted as live when the span was cached, but never handed out. A stale span was recounted by the mark.
    if (m[s + S_SWEEPGEN] !== sweepgen + 1) {
      addHeapLive(h, -(m[s + S_NELEMS] - m[s + S_ALLOC_COUNT]) * m[s + S_WORDS]);
    }
    m[p.at + P_ALLOC + spc] = h.spans;
    uncacheSpan(h, p, s);
  }
  m[p.at + P_TINY] = 0;
  m[p.at + P_TINY_OFFSET] = 0;
  countTiny(h, p);
}

/** Empties the cache once per cycle, before this P allocates in it. By the P's own thread, or with the world stopped. */
export function prepareForSweep(h: Heap, p: P): void {
  const sweepgen = h.scalar(H_SWEEPGEN);
  if (h.m[p.at + P_FLUSH_GEN] === sweepgen) return;
  releaseAll(h, p);
  h.m[p.at + P_FLUSH_GEN] = sweepgen;
}
