/**
 * mheap: where spans come from and where they return to.
 *
 *      allocSpan   pages from the P's page cache (no lock) or the page allocator (heap lock), a span record for them
 *      grow        more address space from the reservation, 4 MiB at a time, an arena at a time underneath
 *      freeSpan    pages and record back
 *
 * Every page of the reservation that the heap has grown to is in exactly one state, and the sums are kept exact:
 * in use (part of a span), free (was used, holds memory) or released (holds none: never used, or scavenged):
 * HeapSys = inuse + free + released. New memory appears as released and becomes in use when a span takes it.
 *
 * The heap lock guards the page allocator, the arenas and the record allocator. It is held over nothing that can block.
 */

import { ArenaState, allocNeedsZero, setArenaState } from './arena.js';
import {
  G_MEMORY_LIMIT,
  H_ARENAS,
  H_CUR_BASE,
  H_CUR_END,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_PEAK_INUSE,
  H_PEAK_STRUCTS,
  H_RECLAIMED_PAGES,
  H_SPAN_FREE,
  H_SPAN_NEXT,
  H_SPAN_STRUCTS,
  H_SWEEP_DONE,
  type Heap,
  type P,
  P_PAGE_CACHE,
  P_SPAN_CACHE,
  P_SPAN_CACHE_LEN,
  Served,
  SPAN_CACHE_CAP,
  T_OS_GROWS,
} from './heap.js';
import {
  initSpan,
  leaveHand,
  S_ALLOC_COUNT,
  S_NEXT,
  S_NPAGES,
  S_START,
  S_STATE,
  S_WHERE,
  SpanState,
  spanAt,
  spanId,
  takeInHand,
  Where,
} from './mspan.js';
import { pageCacheAlloc, pageCacheEmpty, pageCacheScav } from './pagecache.js';
import { freePlace, hasPlace } from './place.js';
import { scavengeForAlloc } from './scavenge.js';
import { reclaim } from './sweep.js';

/** Requests of this many pages or more never use the page cache. */
const PAGE_CACHE_LIMIT = 64 / 4;
/** Pages that the heap grows by, at least: one chunk of the page allocator, 4 MiB. */
const GROW_PAGES = 512;

/**
 * A new span of `npages` pages for span class `spc`, in the P's hand and published; 0 when the reservation is
 * exhausted, with nothing changed.
 */
export function allocSpan(h: Heap, p: P, npages: number, spc: number): number {
  const { m } = h;
  // To keep the heap from growing past what sweeping would give back, sweep as much as is asked for first.
  if (h.scalar(H_SWEEP_DONE) === 0) reclaim(h, p, npages);
  let page = -1;
  let scav = 0;
  let grown = 0;
  let s = 0;
  if (npages < PAGE_CACHE_LIMIT) {
    const cache = p.at + P_PAGE_CACHE;
    // A record first: between taking a page from the cache and publishing its span there must be no lock to sleep on,
    // or a recovery meanwhile would find the page in no place and give it away.
    if (pageCacheEmpty(m, cache) || m[p.at + P_SPAN_CACHE_LEN] === 0) {
      h.lock(p);
      if (pageCacheEmpty(m, cache)) h.pageAlloc.allocToCache(m, cache);
      if (m[p.at + P_SPAN_CACHE_LEN] === 0) fillSpanCache(h, p);
      h.unlock();
    }
    if (m[p.at + P_SPAN_CACHE_LEN] > 0 && hasPlace(h, spc)) page = pageCacheAlloc(m, cache, npages);
    if (page >= 0) {
      scav = pageCacheScav;
      s = popSpanCache(h, p);
    }
  }
  if (s === 0) {
    h.lock(p);
    page = h.pageAlloc.alloc(npages);
    if (page < 0) {
      grown = grow(h, p, npages);
      if (grown > 0) page = h.pageAlloc.alloc(npages);
    }
    scav = h.pageAlloc.scav;
    if (page >= 0) {
      if (m[p.at + P_SPAN_CACHE_LEN] === 0) fillSpanCache(h, p);
      if (m[p.at + P_SPAN_CACHE_LEN] > 0 && hasPlace(h, spc)) s = popSpanCache(h, p);
      else h.pageAlloc.free(page, npages);
    }
    h.unlock();
    if (s === 0) return 0;
  }

  takeInHand(h, p, s);
  const untouched = scav === npages && h.releases;
  const needzero = allocNeedsZero(h, page, npages) && !untouched && !h.hollow;
  initSpan(h, s, page, npages, spc, needzero);
  for (let i = page; i < page + npages; i++) m[h.pageSpan + i] = s;
  Atomics.or(m, h.pageInUse + (page >> 5), 1 << (page & 31));
  // Published last: a reader, or a recovery, that sees the state sees the whole record.
  Atomics.store(m, s + S_STATE, SpanState.inUse);
  if (scav !== 0) {
    h.addScalar(H_PAGES_RELEASED, -scav);
    h.addScalar(H_RECLAIMED_PAGES, scav);
  }
  if (scav !== npages) h.addScalar(H_PAGES_FREE, -(npages - scav));
  const inuse = h.addScalar(H_PAGES_INUSE, npages);
  if (inuse > h.scalar(H_PEAK_INUSE)) m[h.mheap + H_PEAK_INUSE] = inuse;
  // Not before the span is published: this takes the heap lock, and a recovery while it sleeps finds the span in the hand.
  if (grown > 0 || h.f[h.gcStats + G_MEMORY_LIMIT] !== Number.POSITIVE_INFINITY) scavengeForAlloc(h, p, scav, grown);
  return s;
}

/** Gives a span in the P's hand back to the heap: no slot of it is allocated, and its bitmaps are clear. */
export function freeSpan(h: Heap, p: P, s: number): void {
  const { m } = h;
  if (m[s + S_ALLOC_COUNT] !== 0) throw new Error(`freeSpan of span ${spanId(h, s)}: allocCount is not 0`);
  const page = m[s + S_START];
  const npages = m[s + S_NPAGES];
  h.lock(p);
  Atomics.store(m, s + S_STATE, SpanState.dead);
  Atomics.and(m, h.pageInUse + (page >> 5), ~(1 << (page & 31)));
  Atomics.and(m, h.pageMarks + (page >> 5), ~(1 << (page & 31)));
  // A loop: a call of TypedArray.fill costs more than the stores of a few pages.
  for (let i = h.pageSpan + page; i < h.pageSpan + page + npages; i++) m[i] = 0;
  if (h.hollow) freePlace(h, s);
  h.addScalar(H_PAGES_INUSE, -npages);
  h.addScalar(H_PAGES_FREE, npages);
  h.pageAlloc.free(page, npages);
  m[s + S_WHERE] = Where.none;
  leaveHand(h, p);
  freeRecord(h, p, s);
  h.unlock();
}

/**
 * Takes address space for at least `npages` more pages, in whole chunks. Under the heap lock. Answers how many pages it took: fewer, or
 * none, at the reservation's end.
 */
function grow(h: Heap, p: P, npages: number): number {
  const { m } = h;
  const at = h.mheap;
  const ask = Math.ceil(npages / GROW_PAGES) * GROW_PAGES;
  const left = h.pages - m[at + H_CUR_BASE];
  if (left === 0) return 0;
  // At the reservation's end take what is left: with a free run before it, it may just do.
  const step = Math.min(ask, left);
  while (m[at + H_CUR_END] - m[at + H_CUR_BASE] < step) {
    setArenaState(h, m[at + H_ARENAS], ArenaState.Prepared);
    m[at + H_ARENAS]++;
    m[at + H_CUR_END] += h.arenaPages;
  }
  const base = m[at + H_CUR_BASE];
  h.pageAlloc.grow(base, step);
  m[at + H_CUR_BASE] = base + step;
  h.addScalar(H_PAGES_RELEASED, step);
  const last = Math.floor((base + step - 1) / h.arenaPages);
  for (let arena = Math.floor(base / h.arenaPages); arena <= last; arena++) setArenaState(h, arena, ArenaState.Ready);
  h.f[p.stats + T_OS_GROWS]++;
  p.served = Served.os;
  return step;
}

/** Pages that the heap has grown to: HeapSys / 8192. */
export function mappedPages(h: Heap): number {
  return h.scalar(H_CUR_BASE);
}

// Span records: Go's fixalloc of mspans, with a cache of up to 128 per P that is refilled 64 at a time.

function popSpanCache(h: Heap, p: P): number {
  const { m } = h;
  const n = m[p.at + P_SPAN_CACHE_LEN] - 1;
  m[p.at + P_SPAN_CACHE_LEN] = n;
  return m[p.at + P_SPAN_CACHE + n];
}

/** Under the heap lock. */
function fillSpanCache(h: Heap, p: P): void {
  const { m } = h;
  for (let i = 0; i < SPAN_CACHE_CAP / 2; i++) {
    const s = takeRecord(h);
    if (s === 0) break;
    m[p.at + P_SPAN_CACHE + i] = s;
    m[p.at + P_SPAN_CACHE_LEN] = i + 1;
  }
}

function takeRecord(h: Heap): number {
  const { m } = h;
  const at = h.mheap;
  let s = m[at + H_SPAN_FREE];
  if (s !== 0) m[at + H_SPAN_FREE] = m[s + S_NEXT];
  // A record for every page exists, and no P caches more than a few: they cannot run out before the pages do,
  // except that the last ones may all sit in caches; then the batch is short.
  else if (m[at + H_SPAN_NEXT] <= h.records) s = spanAt(h, m[at + H_SPAN_NEXT]++);
  else return 0;
  m[at + H_SPAN_STRUCTS]++;
  if (m[at + H_SPAN_STRUCTS] > m[at + H_PEAK_STRUCTS]) m[at + H_PEAK_STRUCTS] = m[at + H_SPAN_STRUCTS];
  return s;
}

function freeRecord(h: Heap, p: P, s: number): void {
  const { m } = h;
  const n = m[p.at + P_SPAN_CACHE_LEN];
  if (n < SPAN_CACHE_CAP) {
    m[p.at + P_SPAN_CACHE + n] = s;
    m[p.at + P_SPAN_CACHE_LEN] = n + 1;
    return;
  }
  m[s + S_NEXT] = m[h.mheap + H_SPAN_FREE];
  m[h.mheap + H_SPAN_FREE] = s;
  m[h.mheap + H_SPAN_STRUCTS]--;
}
