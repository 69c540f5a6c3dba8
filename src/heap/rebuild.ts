/**
 * rebuild: what follows from the spans, made anew from them: page map, page allocator, arena states, page counts, free span records, specials,
 * and the counters of mallocs and frees.
 *
 * The spans and their bitmaps are the ground truth. A thread that died may have left any of this half changed, so nothing of it is
 * read, except what the truth does not tell: how far the address space was taken, what the OS has back, what living Ps hold in caches.
 *
 * By recover.ts only, with the world stopped, once every span is in order.
 */

import { ArenaState, setArenaState } from './arena.js';
import {
  H_ARENAS,
  H_CUR_BASE,
  H_CUR_END,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_SPAN_FREE,
  H_SPAN_NEXT,
  H_SPAN_STRUCTS,
  type Heap,
  type P,
  P_PAGE_CACHE,
  P_SPAN_CACHE,
  P_SPAN_CACHE_LEN,
  T_LARGE_ALLOC,
  T_LARGE_ALLOC_COUNT,
  T_LARGE_FREE,
  T_LARGE_FREE_COUNT,
  T_SMALL_ALLOC,
  T_SMALL_FREE,
} from './heap.js';
import { arenasOf } from './layout.js';
import { slotsAllocated, slotsFreed, sumStat } from './memstats.js';
import {
  isAllocated,
  S_ALLOC_COUNT,
  S_NEXT,
  S_NPAGES,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_WHERE,
  SpanState,
  spanAt,
  Where,
} from './mspan.js';
import { pageCacheScavPages } from './pagecache.js';
import { NUM_SIZE_CLASSES, PAGE_SIZE } from './sizeclass.js';
import { rebuildFreeSpecials, repairSpecials } from './specials.js';

/** Rebuilds all of it. The counters of `dead`, the P whose thread died, take up what is missing between mallocs and frees. */
export function rebuild(h: Heap, dead: P): void {
  rebuildPages(h);
  rebuildRecords(h);
  rebuildSpecials(h);
  settleCounters(h, dead);
}

function rebuildPages(h: Heap): void {
  const { m, pageAlloc } = h;
  const at = h.mheap;
  pageAlloc.rebuildEnd();
  const mapped = pageAlloc.end * 512;
  m[at + H_CUR_BASE] = mapped;
  m[at + H_ARENAS] = Math.max(m[at + H_ARENAS], Math.ceil(mapped / h.arenaPages));
  m[at + H_CUR_END] = m[at + H_ARENAS] * h.arenaPages;
  for (let i = 0; i < arenasOf(h.geometry); i++) {
    const taken = i < m[at + H_ARENAS] ? ArenaState.Prepared : ArenaState.Reserved;
    setArenaState(h, i, i * h.arenaPages < mapped ? ArenaState.Ready : taken);
  }
  m.fill(0, h.pageSpan, h.pageSpan + mapped);
  m.fill(0, h.pageInUse, h.pageInUse + Math.ceil(mapped / 32));
  pageAlloc.freeAll();
  let inuse = 0;
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) continue;
    const page = m[s + S_START];
    const npages = m[s + S_NPAGES];
    pageAlloc.allocRange(page, npages);
    m.fill(s, h.pageSpan + page, h.pageSpan + page + npages);
    m[h.pageInUse + (page >> 5)] |= 1 << (page & 31);
    inuse += npages;
  }
  let released = 0;
  for (const p of h.ps) {
    const pc = p.at + P_PAGE_CACHE;
    for (let i = 0; i < 64; i++) {
      if (((m[pc + 1 + (i >> 5)] >>> (i & 31)) & 1) === 1) pageAlloc.allocRange(m[pc] + i, 1);
    }
    released += pageCacheScavPages(m, pc);
  }
  for (let page = 0; page < mapped; page++) {
    if (!pageAlloc.isAllocated(page) && pageAlloc.isScavenged(page)) released++;
  }
  m[at + H_PAGES_INUSE] = inuse;
  m[at + H_PAGES_RELEASED] = released;
  m[at + H_PAGES_FREE] = mapped - inuse - released;
}

function rebuildRecords(h: Heap): void {
  const { m } = h;
  const cached = new Set<number>();
  for (const p of h.ps) {
    for (let i = 0; i < m[p.at + P_SPAN_CACHE_LEN]; i++) cached.add(m[p.at + P_SPAN_CACHE + i]);
  }
  let structs = cached.size;
  m[h.mheap + H_SPAN_FREE] = 0;
  for (let id = h.scalar(H_SPAN_NEXT) - 1; id > 0; id--) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] === SpanState.inUse) structs++;
    else if (!cached.has(s)) {
      m[s + S_STATE] = SpanState.dead;
      m[s + S_WHERE] = Where.none;
      m[s + S_NEXT] = m[h.mheap + H_SPAN_FREE];
      m[h.mheap + H_SPAN_FREE] = s;
    }
  }
  m[h.mheap + H_SPAN_STRUCTS] = structs;
}

function rebuildSpecials(h: Heap): void {
  const used = new Set<number>();
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (h.m[s + S_STATE] === SpanState.inUse) repairSpecials(h, s, (slot) => isAllocated(h, s, slot), used);
  }
  rebuildFreeSpecials(h, used);
}

/** Makes mallocs minus frees equal the slots that are allocated, at the dead P's expense. */
function settleCounters(h: Heap, dead: P): void {
  const { m, f } = h;
  const slots = new Float64Array(NUM_SIZE_CLASSES);
  let largeBytes = 0;
  let large = 0;
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) continue;
    const c = m[s + S_SPANCLASS] >> 1;
    slots[c] += m[s + S_ALLOC_COUNT];
    if (c === 0) {
      large += m[s + S_ALLOC_COUNT];
      largeBytes += m[s + S_ALLOC_COUNT] * m[s + S_NPAGES] * PAGE_SIZE;
    }
  }
  const allocs = slotsAllocated(h);
  const frees = slotsFreed(h);
  const settle = (missing: number, alloc: number, free: number): void => {
    if (missing > 0) f[dead.stats + alloc] += missing;
    else f[dead.stats + free] -= missing;
  };
  for (let c = 1; c < NUM_SIZE_CLASSES; c++)
    settle(slots[c] - (allocs[c] - frees[c]), T_SMALL_ALLOC + c, T_SMALL_FREE + c);
  settle(largeBytes - (sumStat(h, T_LARGE_ALLOC) - sumStat(h, T_LARGE_FREE)), T_LARGE_ALLOC, T_LARGE_FREE);
  settle(
    large - (sumStat(h, T_LARGE_ALLOC_COUNT) - sumStat(h, T_LARGE_FREE_COUNT)),
    T_LARGE_ALLOC_COUNT,
    T_LARGE_FREE_COUNT,
  );
}
