/**
 * The heap's metadata, as one table: what every thread of a heap shares apart from the objects' own bytes.
 *
 * Ground truth is the span table (`spans`) with its bitmaps (`allocBits`, `markBits`, `droppedBits`, `tinyMasks`) and the
 * scavenged bits of the pages. Everything else (the mcentrals' lists, the page allocator's bitmaps and summaries, the
 * page map, the counters in `mheap`) can be rebuilt from it; `check.ts` compares the two, `recover.ts` rebuilds.
 *
 * Bitmaps have a fixed place per page: a span's bits start at its first page's 32 words, found by arithmetic. A page
 * holds at most 1,024 slots, and a span of several pages never holds more than that, so they always fit.
 *
 * Handles: inside the heap a span is named by the index of its record in the int32 view ("s"), so that reading a field
 * is one addition. Record 0 is Go's emptymspan: no slots, never in use, what an empty mcache entry points at.
 */

import { type Layout, layOut, type RegionSpec } from '../memory/layout.js';
import { LOCK_WORDS } from '../memory/lock.js';
import { PageAlloc } from './pagealloc.js';
import { NUM_SPAN_CLASSES, PAGE_SIZE } from './sizeclass.js';

/** What a heap's size is derived from. Fixed at creation. */
export interface Geometry {
  /** Bytes of address space, a multiple of the arena size. */
  readonly reserve: number;
  /** 64 MiB, or 4 MiB as on Go's other platforms. */
  readonly arenaSize: number;
  /** Ps that the heap can ever have. */
  readonly procs: number;
  /** A heap without bytes, for simulations: hollow.ts. */
  readonly hollow?: boolean;
}

export const pagesOf = (g: Geometry): number => g.reserve / PAGE_SIZE;
export const chunksOf = (g: Geometry): number => Math.ceil(pagesOf(g) / 512);
export const arenasOf = (g: Geometry): number => g.reserve / g.arenaSize;

/**
 * A hollow heap has fewer span records than pages, and its bits lie where its spans are numbered, in two kinds of places: wide ones of 1,024 bits,
 * narrow ones of 32 for spans of 32 slots and fewer. The bound on wide places keeps the number of a slot's bit in an int32.
 */
const MAX_HOLLOW_SPANS = 1 << 22;
const MAX_WIDE_PLACES = 1 << 20;

/** Span records of a heap. */
export const recordsOf = (g: Geometry): number => (g.hollow ? Math.min(pagesOf(g), MAX_HOLLOW_SPANS) : pagesOf(g));
/** Of a hollow heap: wide and narrow places for the bits of its spans. */
export const widePlacesOf = (g: Geometry): number => (g.hollow ? Math.min(recordsOf(g), MAX_WIDE_PLACES) : 0);
export const narrowPlacesOf = (g: Geometry): number => (g.hollow ? recordsOf(g) : 0);
/** int32 words of each of the bitmaps with a bit a slot. */
const bitWords = (g: Geometry): number => (g.hollow ? widePlacesOf(g) * 32 + narrowPlacesOf(g) : pagesOf(g) * 32);

/** Entries of a P's mark queue: a power of two with room for every span that the heap can have. */
export const markQueueSize = (g: Geometry): number => 2 ** Math.ceil(Math.log2(recordsOf(g) + 1));

/** int32 words of a span record. */
export const SPAN_STRIDE = 32;
/** int32 words of an mcentral: its lock, then four lists of head, tail, length. */
export const MCENTRAL_STRIDE = LOCK_WORDS + 4 * 4 + 8;
/** int32 words of a P's record. */
export const P_STRIDE = 640;
/** float64 statistics of a P. */
export const P_STATS_STRIDE = 768;
/** Slots a P keeps for immediate reuse, per span class. */
export const REUSABLE_CAP = 32;
/** Doubles of the pacer's region, cycles that are remembered, and doubles for each of them. */
export const PACER_WORDS = 1024;
export const CYCLES = 256;
export const CYCLE_STRIDE = 48;
/** Buckets of the heap profile: int32 and float64 words of each, and how many (a power of two). */
export const BUCKET_STRIDE = 4;
export const MAX_BUCKETS = 1 << 14;
/** int32 words of an arena's record. */
export const ARENA_STRIDE = 16;
/** int32 words of a type's record, and how many types a heap knows. */
export const TYPE_STRIDE = 4;
export const MAX_TYPES = 4096;
/** int32 words of pointer masks that all types share. */
export const TYPE_MASK_WORDS = 1 << 20;
/** int32 words of a special record, and how many a heap can hold. */
export const SPECIAL_STRIDE = 8;
export const MAX_SPECIALS = 1 << 22;

const TABLE = [
  {
    name: 'mheap',
    type: 'i32',
    count: () => 128,
    meaning: 'scalars of the heap: see H_* in heap.ts; each names its lock',
  },
  { name: 'heapLock', type: 'i32', count: () => LOCK_WORDS, meaning: 'the heap lock: pages, arenas, span records' },
  {
    name: 'specialLock',
    type: 'i32',
    count: () => LOCK_WORDS,
    meaning: "guards specials and every span's list of them",
  },
  {
    name: 'mcentral',
    type: 'i32',
    count: () => NUM_SPAN_CLASSES * MCENTRAL_STRIDE,
    meaning: 'per span class: lock, partial and full lists, swept and unswept; under that lock',
  },
  {
    name: 'p',
    type: 'i32',
    count: (g) => g.procs * P_STRIDE,
    meaning: 'per P: mcache, page cache, span cache; owner only',
  },
  {
    name: 'pStats',
    type: 'f64',
    count: (g) => g.procs * P_STATS_STRIDE,
    meaning: 'per P: exact counters, written by the owner only, summed by readers',
  },
  {
    name: 'gcStats',
    type: 'f64',
    count: () => 544,
    meaning: 'the collector: pauses, what the last mark saw; stopped world',
  },
  {
    name: 'pacer',
    type: 'f64',
    count: () => PACER_WORDS,
    meaning: 'pacer, CPU limiter, scavenger, pause histograms: offsets in gc/state.ts; stopped world, or as said there',
  },
  {
    name: 'cycles',
    type: 'f64',
    count: () => CYCLES * CYCLE_STRIDE,
    meaning: 'the last 256 cycles: gc/record.ts; by whoever runs the cycle',
  },
  {
    name: 'markQueue',
    type: 'i32',
    count: (g) => g.procs * markQueueSize(g),
    meaning: 'per P: a ring of spans that have marked objects to scan; pushed by the owner, taken by anyone',
  },
  {
    name: 'reusable',
    type: 'i32',
    count: (g) => g.procs * NUM_SPAN_CLASSES * REUSABLE_CAP,
    meaning: 'per P and span class: a stack of slots freed for immediate reuse, as bit numbers; owner only',
  },
  {
    name: 'spans',
    type: 'i32',
    count: (g) => (recordsOf(g) + 1) * SPAN_STRIDE,
    meaning: 'the span table: S_* in mspan.ts; a span belongs to whoever holds it (its `where` field says)',
  },
  { name: 'pageSpan', type: 'i32', count: pagesOf, meaning: 'per page: its span, 0 if none (heapArena.spans)' },
  {
    name: 'pageInUse',
    type: 'i32',
    count: (g) => Math.ceil(pagesOf(g) / 32),
    meaning: "bit of an in-use span's first page (heapArena.pageInUse); atomic",
  },
  {
    name: 'pageMarks',
    type: 'i32',
    count: (g) => Math.ceil(pagesOf(g) / 32),
    meaning: 'bit of the first page of a span with a marked object (heapArena.pageMarks); atomic',
  },
  {
    name: 'arenas',
    type: 'i32',
    count: (g) => arenasOf(g) * ARENA_STRIDE,
    meaning:
      'per arena: state (None, Reserved, Prepared, Ready), zeroedBase; heap lock, zeroedBase by compare-and-swap',
  },
  {
    name: 'pageAlloc',
    type: 'i32',
    count: (g) => PageAlloc.words(chunksOf(g)),
    meaning: 'the page allocator: chunk bitmaps, radix tree, searchAddr; heap lock',
  },
  {
    name: 'types',
    type: 'i32',
    count: () => MAX_TYPES * TYPE_STRIDE,
    meaning: 'pointer layouts; the main thread appends',
  },
  { name: 'typeMasks', type: 'i32', count: () => TYPE_MASK_WORDS, meaning: 'the bits of those layouts, one a word' },
  {
    name: 'specials',
    type: 'i32',
    count: () => MAX_SPECIALS * SPECIAL_STRIDE,
    meaning: 'records attached to single objects (their site); special lock',
  },
  {
    name: 'buckets',
    type: 'i32',
    count: () => MAX_BUCKETS * BUCKET_STRIDE,
    meaning: 'heap profile: site, size class and P of each bucket; special lock',
  },
  {
    name: 'bucketStats',
    type: 'f64',
    count: () => MAX_BUCKETS * BUCKET_STRIDE,
    meaning: 'heap profile: objects and bytes sampled, and of those freed; special lock',
  },
  {
    name: 'allocBits',
    type: 'i32',
    count: bitWords,
    meaning: "per page 1,024 slot bits: allocated as of the last sweep; the span's holder",
  },
  {
    name: 'markBits',
    type: 'i32',
    count: bitWords,
    meaning: 'per page 1,024 slot bits: reached by the collector; atomic while marking',
  },
  {
    name: 'scanBits',
    type: 'i32',
    count: bitWords,
    meaning: 'per page 1,024 slot bits: marked objects whose pointers were followed, or need not be; atomic',
  },
  {
    name: 'droppedBits',
    type: 'i32',
    count: bitWords,
    meaning: "per page 1,024 slot bits: the client's root was dropped (the root bits, inverted); atomic",
  },
  {
    name: 'linkedBits',
    type: 'i32',
    count: bitWords,
    meaning: 'per page 1,024 slot bits: some pointer to the object was stored since it was allocated; atomic',
  },
  {
    name: 'placeOwner',
    type: 'i32',
    count: (g) => widePlacesOf(g) + narrowPlacesOf(g),
    meaning: 'of a hollow heap, per place of bits: its span, or minus the next free place; single thread',
  },
  {
    name: 'tinyMasks',
    type: 'u16',
    // A hollow heap counts the objects of a block instead.
    count: (g) => (g.hollow ? widePlacesOf(g) * 1024 : pagesOf(g) * 1024),
    meaning: 'per 16-byte slot: bytes where tiny objects start (owner), bytes whose root was dropped (atomic)',
  },
] as const satisfies readonly RegionSpec<Geometry>[];

export type RegionName = (typeof TABLE)[number]['name'];

/** The table itself, for documentation and tests. */
export const HEAP_REGIONS: readonly RegionSpec<Geometry>[] = TABLE;

/** Offsets of every region of a heap of this geometry. */
export function heapLayout(g: Geometry): Layout<RegionName> {
  return layOut<Geometry, typeof TABLE>(TABLE, g);
}
