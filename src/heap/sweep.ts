/**
 * Sweeping: turning what the mark did not reach into free slots and free pages.
 *
 * After a mark every in-use span has sweepgen h-2. To sweep it is to make the marks its allocBits: `allocated` becomes
 * `marked`, freeindex starts over, and the span goes where its number of live slots says: to the heap (none), to the full
 * list (all), else to the partial list. Whoever sweeps a span acquires it first, by moving its sweepgen from h-2 to h-1.
 *
 * Order, as in Go: span class by span class, the full list before the partial one, oldest first. It decides in which
 * order spans are reused, and the golden data checks it.
 *
 * A sweep that dies half way (its thread was killed) is run again: marks are copied, not moved, and only cleared once the
 * span is published as swept, so that copying twice gives the same.
 *
 * Locks: none while sweeping; the mcentral's or the heap's for a moment, to put the span where it belongs.
 */

import {
  H_CENTRAL_INDEX,
  H_PAGES_SWEPT,
  H_PAGES_SWEPT_FREED,
  H_RECLAIM_CREDIT,
  H_RECLAIM_INDEX,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  type Heap,
  type P,
  T_LARGE_FREE,
  T_LARGE_FREE_COUNT,
  T_SMALL_FREE,
  T_SPANS_FREED,
  T_SPANS_SWEPT,
} from './heap.js';
import { fullSwept, fullUnswept, partialSwept, partialUnswept, popSpan, pushSpan, takeSpan } from './mcentral.js';
import { freeSpan, mappedPages } from './mheap.js';
import {
  ctz,
  popcount,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BITS,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_HAS_LINKED,
  S_HAS_TINY,
  S_NEEDZERO,
  S_NELEMS,
  S_NPAGES,
  S_PUBLISHED,
  S_SPANCLASS,
  S_SPECIALS,
  S_STATE,
  S_SWEEPGEN,
  S_SWEPT_AT,
  SpanState,
  spanId,
} from './mspan.js';

import { clobber } from './objects.js';
import { NUM_SPAN_CLASSES, PAGE_SIZE } from './sizeclass.js';
import { sweepSpecials } from './specials.js';
import { clearTinyMasks } from './tiny.js';

const RECLAIM_CHUNK = 512;

/** Claims an unswept span for sweeping. Exactly one caller wins. */
export function tryAcquire(h: Heap, s: number): boolean {
  const sweepgen = h.scalar(H_SWEEPGEN);
  return Atomics.compareExchange(h.m, s + S_SWEEPGEN, sweepgen - 2, sweepgen - 1) === sweepgen - 2;
}

/** Sweeps a span that this P has just taken from an unswept list. Returns the pages that went back to the heap. */
export function acquireAndSweep(h: Heap, p: P, s: number, preserve: boolean): number {
  if (!tryAcquire(h, s)) throw new Error(`span ${spanId(h, s)} stood in an unswept list but is not unswept`);
  return sweepSpan(h, p, s, preserve);
}

/**
 * Sweeps a span that this P has acquired and holds in its hand. With `preserve` the caller keeps the span whatever is
 * left of it; else it is put where it belongs. Returns the pages that went back to the heap.
 */
export function sweepSpan(h: Heap, p: P, s: number, preserve: boolean): number {
  const { m, f } = h;
  const sweepgen = h.scalar(H_SWEEPGEN);
  if (m[s + S_STATE] !== SpanState.inUse || m[s + S_SWEEPGEN] !== sweepgen - 1) {
    throw new Error(`sweep of span ${spanId(h, s)}: bad state ${m[s + S_STATE]} or sweepgen ${m[s + S_SWEEPGEN]}`);
  }
  const spc = m[s + S_SPANCLASS];
  const npages = m[s + S_NPAGES];
  const live = replaceAllocBits(h, p, s);
  const freed = m[s + S_ALLOC_COUNT] - live;
  if (freed < 0) throw new Error(`sweep increased allocation count of span ${spanId(h, s)}`);
  m[s + S_ALLOC_COUNT] = live;
  m[s + S_FREEINDEX] = spc < 2 ? live : 0;
  m[s + S_PUBLISHED] = m[s + S_FREEINDEX];
  m[s + S_ALLOC_CACHE] = 0;
  m[s + S_CACHE_BASE] = 0;
  m[s + S_SWEPT_AT] = sweepgen >> 1;
  f[p.stats + T_SPANS_SWEPT]++;
  if (freed > 0) {
    if (spc >= 2) {
      m[s + S_NEEDZERO] = h.dirty;
      f[p.stats + T_SMALL_FREE + (spc >> 1)] += freed;
    } else {
      f[p.stats + T_LARGE_FREE] += npages * PAGE_SIZE;
      f[p.stats + T_LARGE_FREE_COUNT]++;
    }
  }
  Atomics.store(m, s + S_SWEEPGEN, sweepgen);
  clearMarks(h, s);
  h.addScalar(H_PAGES_SWEPT, npages);
  if (preserve) return 0;
  if (live === 0) {
    f[p.stats + T_SPANS_FREED]++;
    h.addScalar(H_PAGES_SWEPT_FREED, npages);
    freeSpan(h, p, s);
    return npages;
  }
  pushSpan(h, p, s, live === m[s + S_NELEMS] ? fullSwept(h) : partialSwept(h));
  return 0;
}

/** What a sweep does to the span itself, for a recovery: no statistics, no locks, no specials. Returns the live slots. */
export function resweep(h: Heap, s: number): number {
  const { m } = h;
  const live = copyMarks(h, s);
  m[s + S_ALLOC_COUNT] = live;
  m[s + S_FREEINDEX] = m[s + S_SPANCLASS] < 2 ? live : 0;
  m[s + S_PUBLISHED] = m[s + S_FREEINDEX];
  m[s + S_ALLOC_CACHE] = 0;
  m[s + S_CACHE_BASE] = 0;
  m[s + S_NEEDZERO] = 1;
  m[s + S_SWEEPGEN] = h.scalar(H_SWEEPGEN);
  return live;
}

/** Copies marks over allocBits, forgets the dropped roots and tiny objects of dead slots; returns the live slots. */
function replaceAllocBits(h: Heap, p: P, s: number): number {
  if (h.m[s + S_SPECIALS] !== 0) sweepSpecials(h, p, s);
  if (h.memory.clobberFree) clobberDead(h, s);
  return copyMarks(h, s);
}

function copyMarks(h: Heap, s: number): number {
  const { m } = h;
  const at = m[s + S_BITS];
  const groups = (m[s + S_NELEMS] + 31) >> 5;
  let live = 0;
  for (let i = 0; i < groups; i++) {
    const marks = m[h.markBits + at + i];
    m[h.allocBits + at + i] = marks;
    // Nobody drops a root of an unswept span (free sweeps it first), so this needs no atomics.
    const dropped = m[h.droppedBits + at + i];
    if ((dropped & ~marks) !== 0) m[h.droppedBits + at + i] = dropped & marks;
    if (marks !== 0) live += popcount(marks);
  }
  if (m[s + S_HAS_TINY] !== 0) clearTinyMasks(h, s);
  if (m[s + S_HAS_LINKED] !== 0) clearLinks(h, s);
  return live;
}

/** Forgets of dead slots that pointers to them were stored. */
function clearLinks(h: Heap, s: number): void {
  const { m } = h;
  const at = m[s + S_BITS];
  let any = 0;
  for (let i = 0; i * 32 < m[s + S_NELEMS]; i++) any |= m[h.linkedBits + at + i] &= m[h.markBits + at + i];
  if (any === 0) m[s + S_HAS_LINKED] = 0;
}

/** Also for recovery, which clears the marks of whatever is not waiting to be swept. */
export function clearMarks(h: Heap, s: number): void {
  const { m } = h;
  const at = m[s + S_BITS];
  const groups = (m[s + S_NELEMS] + 31) >> 5;
  for (let i = 0; i < groups; i++) m[h.markBits + at + i] = 0;
  if ((m[s + S_SPANCLASS] & 1) === 1) return;
  for (let i = 0; i < groups; i++) m[h.scanBits + at + i] = 0;
}

function clobberDead(h: Heap, s: number): void {
  const { m } = h;
  const at = m[s + S_BITS];
  const freeindex = m[s + S_FREEINDEX];
  for (let slot = 0; slot < m[s + S_NELEMS]; slot++) {
    const bit = 1 << (slot & 31);
    const allocated = slot < freeindex || (m[h.allocBits + at + (slot >> 5)] & bit) !== 0;
    if (allocated && (m[h.markBits + at + (slot >> 5)] & bit) === 0) clobber(h, s, slot);
  }
}

/**
 * Waits until a span that this P does not hold is swept, sweeping it if nobody else does. Frees and writes call it
 * first, so that they never race with the span's sweep. Not while holding a lock or a span.
 */
export function ensureSwept(h: Heap, p: P, s: number): void {
  const { m } = h;
  // sweepgen only changes with the world stopped, and nobody unsweeps a span: seen as swept without a fence, it is.
  const now = m[h.mheap + H_SWEEPGEN];
  if (m[s + S_SWEEPGEN] === now || m[s + S_SWEEPGEN] === now + 3) return;
  for (;;) {
    const sweepgen = h.scalar(H_SWEEPGEN);
    const seen = Atomics.load(m, s + S_SWEEPGEN);
    if (seen === sweepgen || seen === sweepgen + 3 || m[s + S_STATE] !== SpanState.inUse) return;
    if (seen === sweepgen - 2 && takeSpan(h, p, s, seen)) {
      acquireAndSweep(h, p, s, false);
      return;
    }
    h.poll();
  }
}

/** Sweeps one span; the pages it gave back, or -1 when there is none left. Safe from several Ps at once. */
export function sweepOne(h: Heap, p: P): number {
  for (;;) {
    const index = h.scalar(H_CENTRAL_INDEX);
    if (index >= NUM_SPAN_CLASSES * 2) {
      h.m[h.mheap + H_SWEEP_DONE] = 1;
      return -1;
    }
    const spc = index >> 1;
    const s = popSpan(h, p, spc, (index & 1) === 0 ? fullUnswept(h) : partialUnswept(h));
    if (s === 0) {
      Atomics.compareExchange(h.m, h.mheap + H_CENTRAL_INDEX, index, index + 1);
      continue;
    }
    return acquireAndSweep(h, p, s, false);
  }
}

/** Sweeps everything that is left to sweep, passing safepoints on the way. Returns pages that went back to the heap. */
export function sweepAll(h: Heap, p: P): number {
  let pages = 0;
  for (;;) {
    const n = sweepOne(h, p);
    if (n < 0) return pages;
    pages += n;
  }
}

/**
 * Sweeps until about `npages` pages have come back, looking for spans without a mark in address order, a chunk of 512 pages
 * at a time (Go's page reclaimer). What comes back beyond the need is credit for the next caller.
 */
export function reclaim(h: Heap, p: P, npages: number): void {
  const { m } = h;
  let need = npages;
  while (need > 0) {
    const credit = h.scalar(H_RECLAIM_CREDIT);
    if (credit > 0) {
      const take = Math.min(credit, need);
      if (Atomics.compareExchange(m, h.mheap + H_RECLAIM_CREDIT, credit, credit - take) === credit) need -= take;
      continue;
    }
    const chunk = Atomics.add(m, h.mheap + H_RECLAIM_INDEX, 1) * RECLAIM_CHUNK;
    if (chunk >= mappedPages(h)) {
      m[h.mheap + H_RECLAIM_INDEX] = 1 << 24;
      return;
    }
    const got = reclaimChunk(h, p, chunk);
    if (got > need) h.addScalar(H_RECLAIM_CREDIT, got - need);
    need -= got;
  }
}

function reclaimChunk(h: Heap, p: P, chunk: number): number {
  const { m } = h;
  let pages = 0;
  for (let i = chunk >> 5; i < (chunk + RECLAIM_CHUNK) >> 5; i++) {
    // Spans that somebody else took first. Never waited for: their holder may be dead, and no safepoint is passed here.
    let skip = 0;
    for (;;) {
      const unmarked = Atomics.load(m, h.pageInUse + i) & ~Atomics.load(m, h.pageMarks + i) & ~skip;
      const bit = nextUnswept(h, i, unmarked);
      if (bit < 0) break;
      const s = m[h.pageSpan + i * 32 + bit];
      if (s === 0 || !takeSpan(h, p, s, h.scalar(H_SWEEPGEN) - 2)) {
        skip |= 1 << bit;
        continue;
      }
      pages += acquireAndSweep(h, p, s, false);
    }
  }
  return pages;
}

/** First of the pages of a bitmap word whose span still needs sweeping, as its bit; -1 if there is none. */
function nextUnswept(h: Heap, word: number, pages: number): number {
  const sweepgen = h.scalar(H_SWEEPGEN);
  let left = pages;
  while (left !== 0) {
    const bit = ctz(left);
    left &= left - 1;
    const s = h.m[h.pageSpan + word * 32 + bit];
    if (s !== 0 && h.m[s + S_SWEEPGEN] === sweepgen - 2) return bit;
  }
  return -1;
}
