/**
 * Heap and P: a thread's view of one Go heap.
 *
 * The heap itself is two SharedArrayBuffers, the reservation and the metadata. Every thread that works on it makes
 * its own `Heap` over the same two (`attach`), which holds nothing but typed arrays and offsets: no state of a heap is
 * ever kept in a JavaScript object. A `P` is the same for one logical processor. The functions of this folder take a heap and
 * a P, so that the same code runs on worker threads, in tests, in benchmarks and in a single-threaded simulation.
 *
 * Word addresses: an object is named by the index of its first 8-byte word in the reservation, which fits an
 * int32 up to 8 GiB. A tiny object may start inside a word: its byte within it travels beside (`p.sub`).
 */

import { lock, unlock } from '../memory/lock.js';
import { releaseMode } from '../memory/os.js';
import { RESERVATION_OFFSET, reserve, words32, words64 } from '../memory/reservation.js';
import { ArenaState } from './arena.js';
import {
  ARENA_STRIDE,
  arenasOf,
  chunksOf,
  type Geometry,
  heapLayout,
  markQueueSize,
  P_STATS_STRIDE,
  P_STRIDE,
  pagesOf,
  REUSABLE_CAP,
  recordsOf,
  widePlacesOf,
} from './layout.js';
import { PageAlloc } from './pagealloc.js';
import { NUM_SPAN_CLASSES } from './sizeclass.js';

/** Where Go's heap begins on 64-bit platforms. */
export const HEAP_BASE = 0xc0_0000_0000;

/** Scalars of the heap, in region `mheap`. The comment names who writes. */
export const H_SWEEPGEN = 0; // stopped world
export const H_PAGES_INUSE = 1; // atomic: pages of in-use spans (heapInUse)
export const H_PAGES_FREE = 2; // atomic: free pages that hold physical memory (heapFree)
export const H_PAGES_RELEASED = 3; // atomic: free pages that do not (heapReleased)
export const H_CUR_BASE = 4; // heap lock: first page of curArena not yet given to the page allocator
export const H_CUR_END = 5; // heap lock: end of curArena, in pages
export const H_ARENAS = 6; // heap lock: arenas taken from the reservation
export const H_SPAN_FREE = 7; // heap lock: free list of span records (fixalloc), linked by S_NEXT
export const H_SPAN_NEXT = 8; // heap lock: record number that was never used yet
export const H_SPAN_STRUCTS = 9; // heap lock: records handed out, to spans or to a P's cache (fixalloc inuse)
export const H_HEAP_LIVE = 10; // atomic: bytes / 8 that the pacer counts as live
export const H_NUM_GC = 11; // stopped world
export const H_NUM_FORCED_GC = 12; // stopped world
export const H_RECLAIM_INDEX = 13; // atomic: next 512-page chunk that the reclaimer looks at
export const H_RECLAIM_CREDIT = 14; // atomic: pages reclaimed beyond what was asked
export const H_CENTRAL_INDEX = 15; // atomic: next list that the sweeper looks at
export const H_SWEEP_DONE = 16; // atomic: 1 when nothing is left to sweep
export const H_PAGES_SWEPT = 17; // atomic
export const H_SPECIAL_FREE = 18; // special lock: free list of specials
export const H_SPECIAL_NEXT = 19; // special lock: special that was never used yet
export const H_SPECIALS = 20; // special lock: specials in use
export const H_TYPES = 21; // main thread
export const H_TYPE_MASK_NEXT = 22; // main thread
export const H_NPROCS = 23; // stopped world
export const H_HEAP_MARKED = 24; // stopped world: bytes / 8 that the last mark found
export const H_PEAK_INUSE = 25; // any, monotone: most pages ever in use
export const H_RECOVERIES = 26; // recovery
export const H_PAGES_SWEPT_FREED = 27; // atomic: pages that sweeping gave back, ever
export const H_PEAK_STRUCTS = 28; // heap lock: most span records ever handed out
export const H_GC_PHASE = 29; // stopped world: GcPhase
export const H_PHASE_GEN = 30; // stopped world: sweepgen that the mark under way began at
export const H_TRIGGER = 31; // bytes / 8 of heapLive at which a cycle starts; 0: ask the pacer (there is a memory limit)
export const H_ROOT_NEXT = 32; // atomic: next span record whose roots are to be marked
export const H_ROOT_END = 33; // stopped world: span records that existed when the mark began
export const H_BG_CREDIT = 34; // atomic: bytes / 8 scanned by mark workers and not yet taken by assists
export const H_DEDICATED = 35; // atomic: dedicated mark workers still wanted
export const H_CYCLES = 36; // stopped world: cycles begun (H_NUM_GC counts those whose mark is done)
export const H_GC_PERCENT = 37; // stopped world: GOGC as the heap goes by it, -1 when off; gc/settings.ts decides what it is
export const H_RESTART = 38; // a cycle was abandoned, because a thread died in it: 1 + why it had begun
export const H_SCAVENGER = 39; // atomic: id + 1 of the P that acts as the background scavenger
export const H_ABANDONED = 40; // stopped world: cycles abandoned
export const H_RECLAIMED_PAGES = 41; // atomic: released pages that spans took again, ever (wraps)
export const H_SCAVENGED_BG = 42; // heap lock: pages released by the background scavenger, ever (wraps)
export const H_SCAVENGED_EAGER = 43; // heap lock: pages released by allocations, ever (wraps)
export const H_SCAVENGED_FORCED = 44; // heap lock: pages released on request, ever (wraps)
export const H_TRANSITION = 45; // atomic: 1 while some P is about to begin a cycle or to end its mark
export const H_PAGES_SWEPT_BASIS = 46; // stopped world: pagesSwept when the sweep was paced
export const H_LIMITED = 47; // 1: the CPU limiter is on, there are no assists and no inline scavenging
export const H_PROFILE_RATE = 50; // main thread: bytes between two samples of the heap profile; 0: none
export const H_LIMITER_LOCK = 49; // atomic: 1 while some P updates the limiter
export const H_HEAP_SCAN = 48; // atomic: bytes / 8 of allocated objects that would be scanned
export const H_WIDE_FREE = 51; // of a hollow heap: first free wide place, 0: none; single thread
export const H_WIDE_NEXT = 52; // wide place that was never used yet
export const H_NARROW_FREE = 53; // the same of narrow places
export const H_NARROW_NEXT = 54;
export const H_SETTINGS = 55; // stopped world: changes of settings so far; its parity is the row of G_SETTINGS that counts

/** The collector's doubles, in region `gcStats`: with the world stopped. */
export const G_DROPPED_AT_MARK = 0; // roots dropped as of the last mark
export const G_LAST_GC = 1; // ns since 1970
export const G_PAUSE_TOTAL = 2; // ns
export const G_PAUSE_NS = 32; // ring of the last 256 pauses
export const G_PAUSE_END = 288; // and when they ended
export const G_SWEEP_PPB = 3; // pages to sweep for each byte allocated; 0: none
export const G_SWEEP_LIVE = 4; // heapLive, in bytes, when the sweep was paced
export const G_SCAV_LIMIT_GOAL = 5; // bytes that may stay mapped under the memory limit, Infinity when that is no concern
export const G_SCAV_PERCENT_GOAL = 6; // bytes that the scavenger leaves retained, Infinity when it has nothing to do
export const G_MEMORY_LIMIT = 7; // bytes as the heap goes by them, Infinity when off; gc/settings.ts decides what they are
export const G_LIVE = 8; // of a hollow heap: what H_HEAP_LIVE, H_TRIGGER, H_HEAP_SCAN and H_HEAP_MARKED are elsewhere
export const G_TRIGGER = 9;
export const G_SCAN = 10;
export const G_MARKED = 11;
export const G_SETTINGS = 14; // two rows of three, of which H_SETTINGS says which counts: gc/settings.ts
export const G_TABLE = 13; // bytes of the table in which a simulated program holds its objects
export const G_RUNTIME_SYS = 12; // bytes that a simulated Go runtime has mapped besides; 0 of a heap with bytes
export const PAUSES = 256;

/** Go's MemProfileRate. */
export const DEFAULT_PROFILE_RATE = 512 << 10;
/** A trigger that no heap reaches. */
export const NO_TRIGGER = 0x7fff_ffff;

/** The collector's phase. Termination only exists while the world is stopped. */
export const GcPhase = { off: 0, mark: 1, markTermination: 2 } as const;

/** A P's record, in region `p`. Owner only, but for what recovery reads. */
export const P_ALLOC = 0; // 136 spans: the mcache
export const P_REQUESTED = 136; // 136 byte counts: requested since the span was cached
export const P_REUSABLE = 272; // 136 counts: depth of the reusable stacks
export const P_TINY = 408; // word address of the current tiny block + 1, or 0
export const P_TINY_OFFSET = 409;
export const P_TINY_ALLOCS = 410;
export const P_FLUSH_GEN = 411;
export const P_PAGE_CACHE = 412; // 5 words: pagecache.ts
export const P_WAITING = 418; // the lock this P's thread sleeps on, or 0: lock.ts
export const P_HAND = 419; // the span this P holds outside every list and cache, or 0
export const P_SPAN_CACHE_LEN = 420;
export const P_SPAN_CACHE = 421; // 128 span records (mspancache)
export const P_ALIVE = 560; // 1 while the heap has this P
export const P_SCAN_ALLOC = 561; // bytes / 8 of scannable objects allocated since they were last added to H_HEAP_SCAN
export const P_UNANSWERED = 563; // an object that only this word tells from those that were answered: its word address + 1, or 0. publish.ts
export const P_UNANSWERED_SUB = 564; // the byte in its word
export const P_UNROOTED = 565; // the object whose root goes once it is linked: its word address + 1, or 0
export const P_UNROOTED_SUB = 566;
export const P_ASSIST_DEBT = 562; // bytes / 8 allocated during this mark and not paid for by marking; negative: credit
export const P_QUEUE_HEAD = 576; // spans to scan: ring in markQueue; taken from by anyone
export const P_QUEUE_TAIL = 592; // by the owner
export const P_MARKING = 608; // 1 while the P's thread marks

export const SPAN_CACHE_CAP = 128;

/** A P's counters, in region `pStats`: doubles, exact to 2^53. */
export const T_SMALL_ALLOC = 0; // 68: slots allocated, by size class, as of the last refill or flush
export const T_SMALL_FREE = 68; // 68: slots freed, by size class
export const T_LARGE_ALLOC = 136; // bytes
export const T_LARGE_ALLOC_COUNT = 137;
export const T_LARGE_FREE = 138; // bytes
export const T_LARGE_FREE_COUNT = 139;
export const T_TINY_ALLOCS = 140;
export const T_DROPPED = 141; // roots dropped
export const T_IMMEDIATE = 142; // slots put up for immediate reuse
export const T_SPANS_SWEPT = 144;
export const T_SPANS_FREED = 145; // spans that sweeping gave back to the heap
export const T_OS_GROWS = 146;
export const T_FLUSHES = 147;
export const T_LARGE_REQUESTED = 148; // bytes
export const T_SERVED = 150; // 5: allocations by the level that served them (counted by the executor)
export const T_REFILLS = 160; // 136: spans taken from mcentral, by span class
export const T_GROWS = 296; // 136: of those, spans made new from the heap
export const T_REQUESTED = 432; // 136: bytes requested, by span class, as of the last refill or flush
export const T_REUSED = 568; // 136: allocations served from slots freed for immediate reuse, by span class
export const T_SCAN_WORK = 704; // bytes scanned, ever
export const T_MARKED = 705; // bytes marked, ever
export const T_SPANS_SCANNED = 706; // spans taken from a mark queue
export const T_OBJECTS_SCANNED = 707;
export const T_ASSIST_NS = 708;
export const T_DEDICATED_NS = 709;
export const T_FRACTIONAL_NS = 710;
export const T_IDLE_NS = 711; // marking that used an otherwise idle P
export const T_WAIT_NS = 712; // the P's thread slept
export const T_SCAVENGE_NS = 713; // background scavenging
export const T_SCAVENGE_ASSIST_NS = 714; // scavenging by allocations
export const T_UNLINKED = 715; // pointers overwritten: what they pointed to may be garbage
export const T_SHADED = 716; // pointers that the write barrier marked
export const T_ASSISTS = 717;
export const T_ROOTS_MARKED = 718; // objects marked by their root
export const T_ASSIST_WORK = 719; // bytes scanned by assists
export const T_ASSIST_STOLEN = 720; // bytes of background credit taken by assists
export const T_STOLEN_SPANS = 721; // spans taken from another P's queue
export const T_SWEEP_NS = 722; // sweeping for allocations and in the background
export const T_ROOT_SPANS = 723; // spans looked at for roots
export const T_GLOBALS_WORK = 724; // bytes of a simulated program's globals scanned, ever

/** Which level served an allocation. */
export const Served = { tiny: 0, mcache: 1, mcentral: 2, mheap: 3, os: 4 } as const;
export const SERVED_NAMES = ['tiny', 'mcache', 'mcentral', 'mheap', 'os'] as const;

/** What a thread needs to attach to a heap; it can be posted to a worker. */
export interface HeapMemory {
  readonly geometry: Geometry;
  readonly reservation: SharedArrayBuffer;
  readonly metadata: SharedArrayBuffer;
  /** When it was made, in milliseconds since 1970: the zero of its clock. */
  readonly born: number;
  /** Released pages really read zero. The same for all its threads, or one would trust pages that another did not drop. */
  readonly releases: boolean;
  /** `clobberfree=1`: freed slots are overwritten when swept. */
  readonly clobberFree: boolean;
}

/** A thread's view of a heap. All fields are constant. */
export class Heap {
  readonly memory: HeapMemory;
  readonly geometry: Geometry;
  readonly pages: number;
  readonly arenaPages: number;
  /** Metadata as int32, as float64 and as uint16. */
  readonly m: Int32Array;
  readonly f: Float64Array;
  readonly u: Uint16Array;
  /** The reservation as 8-byte and as 4-byte words. */
  readonly w: Float64Array;
  readonly w32: Int32Array;
  readonly mheap: number;
  readonly heapLock: number;
  readonly specialLock: number;
  readonly mcentral: number;
  readonly spans: number;
  readonly pageSpan: number;
  readonly pageInUse: number;
  readonly pageMarks: number;
  readonly arenas: number;
  readonly gcStats: number;
  readonly types: number;
  readonly typeMasks: number;
  readonly specials: number;
  readonly buckets: number;
  readonly bucketStats: number;
  readonly allocBits: number;
  readonly markBits: number;
  readonly scanBits: number;
  /** Rings of spans to scan, one a P, each with room for every span. */
  readonly markQueue: number;
  readonly markQueueSize: number;
  /** The pacer's doubles (gc/pacer.ts), those of its helpers, and the history of cycles. */
  readonly pacer: number;
  readonly cycles: number;
  readonly droppedBits: number;
  readonly linkedBits: number;
  readonly tinyMasks: number;
  readonly pageAlloc: PageAlloc;
  /** One P only, or one thread for all: nobody else writes, so read-modify-write needs no atomics. */
  readonly solo: boolean;
  /** No object has bytes: hollow.ts. */
  readonly hollow: boolean;
  /** What a span is marked with when its pages may be dirty: 1; 0 where there are no bytes. */
  readonly dirty: number;
  /** Span records; of a hollow heap, the owners of its places of bits, wide ones first, and how many of those there are. */
  readonly records: number;
  readonly placeOwner: number;
  readonly widePlaces: number;
  /** Fresh pages from the OS, and released ones, really read zero. */
  readonly releases: boolean;
  readonly ps: readonly P[];
  /** Called while waiting for another P at a point where this one may be stopped. The scheduler sets it. */
  poll: () => void = () => {};
  /** Nanoseconds since the heap was made, on a clock that all its threads share. A simulation sets its own. */
  now: () => number;
  /** Milliseconds since 1970; a simulation sets this as well. */
  unix: () => number = Date.now;

  constructor(memory: HeapMemory) {
    const g = memory.geometry;
    const r = heapLayout(g).regions;
    this.memory = memory;
    // performance.now() counts from the start of its own thread: the difference of the origins makes it one clock.
    const since = performance.timeOrigin - memory.born;
    this.now = () => (since + performance.now()) * 1e6;
    this.geometry = g;
    this.pages = pagesOf(g);
    this.arenaPages = this.pages / arenasOf(g);
    this.m = new Int32Array(memory.metadata);
    this.f = new Float64Array(memory.metadata);
    this.u = new Uint16Array(memory.metadata, r.tinyMasks.at * 2, r.tinyMasks.count);
    this.hollow = g.hollow ?? false;
    this.dirty = this.hollow ? 0 : 1;
    this.w = words64(memory.reservation, this.hollow ? 0 : g.reserve);
    this.w32 = words32(memory.reservation, this.hollow ? 0 : g.reserve);
    this.mheap = r.mheap.at;
    this.heapLock = r.heapLock.at;
    this.specialLock = r.specialLock.at;
    this.mcentral = r.mcentral.at;
    this.spans = r.spans.at;
    this.pageSpan = r.pageSpan.at;
    this.pageInUse = r.pageInUse.at;
    this.pageMarks = r.pageMarks.at;
    this.arenas = r.arenas.at;
    this.gcStats = r.gcStats.at;
    this.types = r.types.at;
    this.typeMasks = r.typeMasks.at;
    this.specials = r.specials.at;
    this.buckets = r.buckets.at;
    this.bucketStats = r.bucketStats.at;
    this.allocBits = r.allocBits.at;
    this.markBits = r.markBits.at;
    this.scanBits = r.scanBits.at;
    this.markQueue = r.markQueue.at;
    this.markQueueSize = markQueueSize(g);
    this.pacer = r.pacer.at;
    this.cycles = r.cycles.at;
    this.droppedBits = r.droppedBits.at;
    this.linkedBits = r.linkedBits.at;
    this.tinyMasks = 0; // the uint16 view begins there
    this.pageAlloc = new PageAlloc(this.m, r.pageAlloc.at, chunksOf(g));
    this.records = recordsOf(g);
    this.placeOwner = r.placeOwner.at;
    this.widePlaces = widePlacesOf(g);
    this.solo = g.procs === 1 || this.hollow;
    this.releases = memory.releases;
    if (this.releases && releaseMode() !== 'madvise') throw new Error('this thread cannot give pages back, others can');
    this.ps = Array.from({ length: g.procs }, (_, id) => new P(this, id, r.p.at, r.pStats.at, r.reusable.at));
  }

  /** Makes a new, empty heap: reserves its memory and puts every P's mcache on the empty span. */
  static create(options: Geometry & { clobberFree?: boolean }): Heap {
    const { reserve: bytes, arenaSize, procs, hollow = false } = options;
    const geometry: Geometry = { reserve: bytes, arenaSize, procs, hollow };
    const heap = new Heap({
      geometry,
      reservation: hollow ? new SharedArrayBuffer(RESERVATION_OFFSET) : reserve(bytes),
      metadata: new SharedArrayBuffer(heapLayout(geometry).bytes),
      born: performance.timeOrigin + performance.now(),
      releases: !hollow && releaseMode() === 'madvise',
      clobberFree: options.clobberFree ?? false,
    });
    heap.init();
    return heap;
  }

  /** This thread's view of a heap that exists. */
  static attach(memory: HeapMemory): Heap {
    return new Heap(memory);
  }

  private init(): void {
    const { m } = this;
    m[this.mheap + H_SPAN_NEXT] = 1; // record 0 is the empty span
    m[this.mheap + H_SPECIAL_NEXT] = 1;
    m[this.mheap + H_TYPES] = 2; // 0: no pointers, 1: all words are pointers
    m[this.mheap + H_SWEEP_DONE] = 1;
    m[this.mheap + H_NPROCS] = this.geometry.procs;
    m[this.mheap + H_TRIGGER] = NO_TRIGGER;
    m[this.mheap + H_GC_PERCENT] = -1;
    m[this.mheap + H_PROFILE_RATE] = DEFAULT_PROFILE_RATE;
    this.f[this.gcStats + G_SCAV_LIMIT_GOAL] = Number.POSITIVE_INFINITY;
    this.f[this.gcStats + G_SCAV_PERCENT_GOAL] = Number.POSITIVE_INFINITY;
    this.f[this.gcStats + G_MEMORY_LIMIT] = Number.POSITIVE_INFINITY;
    this.f[this.gcStats + G_SETTINGS] = -1;
    this.f[this.gcStats + G_SETTINGS + 1] = Number.POSITIVE_INFINITY;
    this.f[this.gcStats + G_TRIGGER] = Number.POSITIVE_INFINITY;
    m[this.mheap + H_WIDE_NEXT] = 1; // place 0 is nobody's, so that 0 can end a list
    m[this.mheap + H_NARROW_NEXT] = 1;
    for (const p of this.ps) {
      m.fill(this.spans, p.at + P_ALLOC, p.at + P_ALLOC + NUM_SPAN_CLASSES);
      m[p.at + P_ALIVE] = 1;
    }
    for (let i = 0; i < arenasOf(this.geometry); i++) m[this.arenas + i * ARENA_STRIDE] = ArenaState.Reserved;
  }

  /** Takes the heap lock for a P. */
  lock(p: P): void {
    lock(this.m, this.heapLock, p.id, p.at + P_WAITING);
  }

  unlock(): void {
    unlock(this.m, this.heapLock);
  }

  /** A scalar of the heap. */
  scalar(which: number): number {
    return this.m[this.mheap + which];
  }

  addScalar(which: number, n: number): number {
    if (this.solo) return (this.m[this.mheap + which] += n);
    return Atomics.add(this.m, this.mheap + which, n) + n;
  }
}

/** A thread's view of one logical processor. At most one thread at a time may act as a P. */
export class P {
  readonly heap: Heap;
  readonly id: number;
  /** Its record, its counters, its reusable stacks. */
  readonly at: number;
  readonly stats: number;
  readonly reusable: number;
  /** The deepest level that served since it was last reset. */
  served: number = Served.mcache;
  /** The collector wants to be asked before the next allocation: a cycle may be due, or an assist. */
  attention = false;
  /** Byte within its first word where the tiny object that was just allocated starts. */
  sub = 0;

  constructor(heap: Heap, id: number, ps: number, stats: number, reusable: number) {
    this.heap = heap;
    this.id = id;
    this.at = ps + id * P_STRIDE;
    this.stats = stats + id * P_STATS_STRIDE;
    this.reusable = reusable + id * NUM_SPAN_CLASSES * REUSABLE_CAP;
  }

  /** Adds to one of the P's counters. */
  count(which: number, n: number): void {
    this.heap.f[this.stats + which] += n;
  }
}

/** The address that clients see: a number, exact, because the heap ends below 2^53. */
export function addressOf(word: number, sub = 0): number {
  return HEAP_BASE + word * 8 + sub;
}

/** `0xc000012040` for a word address. */
export function formatAddress(word: number, sub = 0): string {
  return `0x${addressOf(word, sub).toString(16)}`;
}
