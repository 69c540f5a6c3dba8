/**
 * What one scrape of a heap sees, from the main thread, while the heap runs.
 *
 * Nothing is stopped, locked or flushed, so the numbers of one scrape may be a few operations apart; at rest they are
 * exact. And nothing walks the spans: a full 4 GiB heap has half a million of them. What is known about a span class
 * is added up from the lengths and slot counts of its four mcentral lists (kept under that mcentral's lock) and the
 * spans in the Ps' mcaches, at most one a P. What is known about an arena comes from the bitmaps of its chunks, 128
 * bytes for each 4 MiB. A scrape therefore costs the same for an empty heap of some size and for a full one.
 */

import { type CpuStats, cpuStats } from '../gc/cpustats.js';
import type { Pacer } from '../gc/pacer.js';
import { pacerView } from '../gc/pacing.js';
import {
  type Heap,
  P_ALLOC,
  P_PAGE_CACHE,
  P_REQUESTED,
  P_REUSABLE,
  T_LARGE_ALLOC_COUNT,
  T_REFILLS,
  T_REQUESTED,
  T_REUSED,
} from '../heap/heap.js';
import { fullSwept, fullUnswept, listLength, listSlots, partialSwept, partialUnswept } from '../heap/mcentral.js';
import { type MemStats, readMemStats, slotsAllocated, slotsFreed, sumStat } from '../heap/memstats.js';
import { mappedPages } from '../heap/mheap.js';
import { S_ALLOC_COUNT, S_NELEMS } from '../heap/mspan.js';
import { popcount32 } from '../heap/pallocbits.js';
import { NUM_SIZE_CLASSES, NUM_SPAN_CLASSES, SPC_TO_NELEMS } from '../heap/sizeclass.js';
import type { HostStats } from '../sched/host-api.js';

/** A heap that can be scraped: a HeapHost, or less. */
export interface Scraped {
  readonly heap: Heap;
  readonly settings: { readonly gogc: number | 'off'; readonly gomemlimit: number | 'off' };
  stats(): HostStats;
}

/** Where spans stand, as `state` labels. The unswept ones wait for the sweep of the last cycle. */
export const SPAN_STATES = ['mcache', 'partial', 'partial_unswept', 'full', 'full_unswept'] as const;

/** All figures of the span classes. Tables are indexed by span class, `spans` by state and span class. */
export interface SpanClasses {
  /** Whether the class ever had a span: it then stays in the scrape. */
  readonly used: Uint8Array;
  readonly spans: readonly Float64Array[];
  /** Allocated slots, and slots in all, of those spans. */
  readonly allocated: Float64Array;
  readonly slots: Float64Array;
  readonly refills: Float64Array;
}

/** Slots of what a P has cached. */
export interface McacheSlots {
  spans: number;
  allocated: number;
  free: number;
  reusable: number;
}

/** Pages of a group of neighbouring arenas. */
export interface ArenaPages {
  readonly first: number;
  readonly last: number;
  inUse: number;
  free: number;
  released: number;
}

/** More arenas than this are shown in groups of neighbours, so that 4 MiB arenas do not make thousands of series. */
export const MAX_ARENA_SERIES = 128;

const CHUNK_PAGES = 512;
const BITMAP_WORDS = 16;

/** The last values of counters, by what they count. */
const seen = new WeakMap<Heap, Map<string, ArrayLike<number>>>();

/**
 * The values of counters, none lower than at the last look. A span that goes from a mcache to its mcentral takes its count with it, and
 * a look at that moment finds it in neither: the next one sees it again. For a scraper a counter that falls was set to 0.
 */
export function rising<T extends Float64Array | number[]>(heap: Heap, counters: string, values: T): T {
  let of = seen.get(heap);
  if (of === undefined) seen.set(heap, (of = new Map()));
  const before = of.get(counters);
  if (before !== undefined) {
    for (let i = 0; i < values.length; i++) values[i] = Math.max(values[i], before[i]);
  }
  of.set(counters, values.slice());
  return values;
}

export class HeapView {
  readonly heap: Heap;
  readonly settings: Scraped['settings'];
  readonly host: HostStats;
  private stats: MemStats | undefined;
  private classes: SpanClasses | undefined;
  private cpuClasses: CpuStats | undefined;
  private pacerCopy: Pacer | undefined;
  private slotCounts: { allocs: Float64Array; frees: Float64Array } | undefined;

  constructor(source: Scraped) {
    this.heap = source.heap;
    this.settings = source.settings;
    this.host = source.stats();
  }

  get mem(): MemStats {
    if (this.stats === undefined) {
      const stats = readMemStats(this.heap);
      const [Mallocs, Frees, TotalAlloc] = rising(this.heap, 'mem', [stats.Mallocs, stats.Frees, stats.TotalAlloc]);
      this.stats = { ...stats, Mallocs, Frees, TotalAlloc };
    }
    return this.stats;
  }

  /** Slots allocated and freed, by size class. */
  get slots(): { allocs: Float64Array; frees: Float64Array } {
    this.slotCounts ??= {
      allocs: rising(this.heap, 'allocs', slotsAllocated(this.heap)),
      frees: rising(this.heap, 'frees', slotsFreed(this.heap)),
    };
    return this.slotCounts;
  }

  get spanClasses(): SpanClasses {
    this.classes ??= readSpanClasses(this.heap);
    return this.classes;
  }

  /** Where the Ps' CPU time went. */
  get cpu(): CpuStats {
    this.cpuClasses ??= cpuStats(this.heap);
    return this.cpuClasses;
  }

  /** A copy of the pacer, with inputs of this moment. */
  get pacer(): Pacer {
    this.pacerCopy ??= pacerView(this.heap);
    return this.pacerCopy;
  }

  /** Sums one of the Ps' counters. */
  sum(counter: number): number {
    return sumStat(this.heap, counter);
  }
}

function readSpanClasses(h: Heap): SpanClasses {
  const { m, f } = h;
  const table = (): Float64Array => new Float64Array(NUM_SPAN_CLASSES);
  const spans = SPAN_STATES.map(table);
  const allocated = table();
  const slots = table();
  const refills = table();
  const used = new Uint8Array(NUM_SPAN_CLASSES);
  const lists = [partialSwept(h), partialUnswept(h), fullSwept(h), fullUnswept(h)];
  for (const p of h.ps) {
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
      refills[spc] += f[p.stats + T_REFILLS + spc];
      const s = m[p.at + P_ALLOC + spc];
      if (s === h.spans) continue;
      spans[0][spc]++;
      allocated[spc] += m[s + S_ALLOC_COUNT];
      slots[spc] += m[s + S_NELEMS];
    }
  }
  const large = sumStat(h, T_LARGE_ALLOC_COUNT) > 0;
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    for (let i = 0; i < lists.length; i++) {
      const n = listLength(h, spc, lists[i]);
      spans[i + 1][spc] = n;
      allocated[spc] += listSlots(h, spc, lists[i]);
      slots[spc] += n * SPC_TO_NELEMS[spc];
    }
    if (spc < 2 ? large : refills[spc] > 0) used[spc] = 1;
  }
  return { used, spans, allocated, slots, refills };
}

/** What a P's mcache holds, over all span classes. */
export function mcacheSlots(h: Heap, p: number): McacheSlots {
  const { m } = h;
  const { at } = h.ps[p];
  const out: McacheSlots = { spans: 0, allocated: 0, free: 0, reusable: 0 };
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    out.reusable += m[at + P_REUSABLE + spc];
    const s = m[at + P_ALLOC + spc];
    if (s === h.spans) continue;
    out.spans++;
    out.allocated += m[s + S_ALLOC_COUNT];
    out.free += m[s + S_NELEMS] - m[s + S_ALLOC_COUNT];
  }
  return out;
}

/** Bytes requested in size classes, with what the mcaches have not reported yet. Tiny objects count in class 2. */
export function requestedBytes(h: Heap): Float64Array {
  const out = new Float64Array(NUM_SIZE_CLASSES);
  for (const p of h.ps) {
    for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) {
      out[spc >> 1] += h.f[p.stats + T_REQUESTED + spc] + (h.m[p.at + P_REQUESTED + spc] >>> 0);
    }
  }
  return rising(h, 'requested', out);
}

/** Allocations that took a slot freed for immediate reuse, by size class. */
export function reusedSlots(h: Heap): Float64Array {
  const out = new Float64Array(NUM_SIZE_CLASSES);
  for (const p of h.ps) {
    for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) out[spc >> 1] += h.f[p.stats + T_REUSED + spc];
  }
  return out;
}

/** Pages of every arena that the heap has grown into, by Go's three states: their sums are MemStats' own figures. */
export function arenaPages(h: Heap): ArenaPages[] {
  const { m, arenaPages: pages, pageAlloc } = h;
  const arenas = Math.ceil(mappedPages(h) / pages);
  const step = Math.ceil(arenas / MAX_ARENA_SERIES);
  const out: ArenaPages[] = [];
  for (let first = 0; first < arenas; first += step) {
    out.push({ first, last: Math.min(first + step, arenas) - 1, inUse: 0, free: 0, released: 0 });
  }
  const group = (page: number): ArenaPages => out[Math.floor(page / (pages * step))];
  for (let page = 0; page < mappedPages(h); page += CHUNK_PAGES) {
    const bits = pageAlloc.chunkBits(page / CHUNK_PAGES);
    let allocated = 0;
    let scavenged = 0;
    for (let i = bits; i < bits + BITMAP_WORDS; i++) {
      allocated += popcount32(m[i]);
      scavenged += popcount32(m[i + BITMAP_WORDS]);
    }
    const arena = group(page);
    arena.inUse += allocated;
    arena.released += scavenged;
    arena.free += CHUNK_PAGES - allocated - scavenged;
  }
  // Pages in a P's page cache are allocated in the bitmaps, but no span has them: to MemStats they are free.
  for (const p of h.ps) {
    const cache = pageCache(h, p.id);
    if (cache.pages === 0) continue;
    const arena = group(m[p.at + P_PAGE_CACHE]);
    arena.inUse -= cache.pages;
    arena.released += cache.released;
    arena.free += cache.pages - cache.released;
  }
  return out;
}

/** Pages that a P may take without the heap lock, and how many of them are released. */
export function pageCache(h: Heap, p: number): { pages: number; released: number } {
  const at = h.ps[p].at + P_PAGE_CACHE;
  const count = (i: number): number => popcount32(h.m[at + i]) + popcount32(h.m[at + i + 1]);
  return { pages: count(1), released: count(3) };
}
