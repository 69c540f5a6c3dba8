/**
 * free: dropping a root.
 *
 * A client's own reference to an object is its root. `free` drops it, in one of two meanings.
 *
 * `dropRoot` (reuse: sweep), Go's: the object becomes garbage, and its slot comes back when a sweep finds it unmarked.
 * Setting the dropped bit is atomic, so that of two clients that free one address exactly one succeeds.
 *
 * `freeNow` (reuse: immediate), Go 1.27's runtime.freegc: the caller vouches that nothing else refers to the object. Its slot goes to
 * a stack of the P and is handed out again by the next allocation of its span class. Unlike Go's it works for every size:
 * tiny blocks when their last object goes, large objects by returning their pages at once. A stack that is full is
 * flushed: slots of spans that no other P has cached return to their spans; the rest is left to the collector.
 */

import {
  H_GC_PHASE,
  H_SWEEPGEN,
  type Heap,
  type P,
  P_ALLOC,
  P_REUSABLE,
  T_DROPPED,
  T_IMMEDIATE,
  T_LARGE_FREE,
  T_LARGE_FREE_COUNT,
  T_SMALL_FREE,
} from './heap.js';
import { REUSABLE_CAP } from './layout.js';
import { addHeapLive } from './live.js';
import { fullSwept, partialSwept, pushSpan, takeSpan } from './mcentral.js';
import { freeSpan } from './mheap.js';
import {
  refillAllocCache,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BASE,
  S_BITS,
  S_CACHE_BASE,
  S_COUNT_BEFORE,
  S_FREEINDEX,
  S_NEEDZERO,
  S_NELEMS,
  S_NPAGES,
  S_PUBLISHED,
  S_SPANCLASS,
  S_SPECIALS,
  S_SWEEPGEN,
  S_WORDS,
  spanOfBit,
  writeDownFreeindex,
} from './mspan.js';
import { clobber, Found, isLinked, resolve, Status } from './objects.js';
import { PAGE_SHIFT, PAGE_SIZE, PAGE_WORDS, SPC_TO_HEADER_WORDS, SPC_TO_MAGIC, TINY_SPAN_CLASS } from './sizeclass.js';
import { removeSites } from './specials.js';
import { isCurrentTiny, tinyMaskAt } from './tiny.js';

const found = new Found();

// For the fast path: an import is read from its module's cell at every use, a constant of this module becomes part of the
// machine code.
const PAGE_OF_WORD = PAGE_SHIFT - 3;
const OK = Status.ok;
const ALLOC = P_ALLOC;
const REUSABLE = P_REUSABLE;
const SPANCLASS = S_SPANCLASS;
const SPECIALS = S_SPECIALS;
const FREEINDEX = S_FREEINDEX;
const BASE = S_BASE;
const BITS = S_BITS;
const WORDS = S_WORDS;
const CAP = REUSABLE_CAP;
const TINY = TINY_SPAN_CLASS;
const MAGIC = SPC_TO_MAGIC;
const HEADER_WORDS = SPC_TO_HEADER_WORDS;
const DROPPED = T_DROPPED;
const IMMEDIATE = T_IMMEDIATE;

/** Drops the root of the object at `word`.`sub`; the sweep reclaims it. Returns a Status. */
export function dropRoot(h: Heap, p: P, word: number, sub: number): number {
  const status = resolve(h, p, word, sub, found);
  if (status !== Status.ok) return status;
  const dropped = found.tiny ? dropTiny(h, found) : setDropped(h, found.span, found.slot);
  if (!dropped) return Status.alreadyFreed;
  h.f[p.stats + T_DROPPED]++;
  return Status.ok;
}

/** Frees the object at `word`.`sub` for immediate reuse. Returns a Status. */
export function freeNow(h: Heap, p: P, word: number, sub: number): number {
  return h.memory.clobberFree !== true && freeCached(h, p, word, sub) ? OK : freeAny(h, p, word, sub);
}

/**
 * The common case: an object of the span that this P is allocating from, behind which nothing stands that has to be looked
 * at. Such a span is in use and swept. False, and nothing changed, if it is any other case.
 */
function freeCached(h: Heap, p: P, word: number, sub: number): boolean {
  const { m } = h;
  if (sub !== 0 || word < 0 || word >> PAGE_OF_WORD >= h.pages) return false;
  const s = m[h.pageSpan + (word >> PAGE_OF_WORD)];
  if (s === 0) return false;
  const spc = m[s + SPANCLASS];
  const pat = p.at;
  if (m[pat + ALLOC + spc] !== s || spc === TINY || m[s + SPECIALS] !== 0) return false;
  const depth = m[pat + REUSABLE + spc];
  if (depth === CAP) return false;
  const offset = word - m[s + BASE] - HEADER_WORDS[spc];
  const slot = Math.imul(offset, MAGIC[spc]) >>> 17;
  if (slot >= m[s + FREEINDEX] || Math.imul(slot, m[s + WORDS]) !== offset) return false;
  const name = m[s + BITS] * 32 + slot;
  const at = h.droppedBits + (name >> 5);
  const bit = 1 << (name & 31);
  if (h.solo === true) {
    const before = m[at];
    if ((before & bit) !== 0) return false;
    m[at] = before | bit;
  } else if ((Atomics.or(m, at, bit) & bit) !== 0) return false;
  m[p.reusable + spc * CAP + depth] = name;
  m[pat + REUSABLE + spc] = depth + 1;
  h.f[p.stats + DROPPED]++;
  h.f[p.stats + IMMEDIATE]++;
  return true;
}

function freeAny(h: Heap, p: P, word: number, sub: number): number {
  const { m, f } = h;
  const status = resolve(h, p, word, sub, found);
  if (status !== Status.ok) return status;
  const s = found.span;
  const slot = found.slot;
  if (found.tiny) {
    const block = m[s + S_BASE] + slot * 2;
    if (!dropTiny(h, found)) return Status.alreadyFreed;
    f[p.stats + T_DROPPED]++;
    // The client vouches for this object, not for others in its block that live by pointers to them.
    if (isLinked(h, s, slot) || !claimTinyBlock(h, block)) return Status.ok;
  } else {
    if (!setDropped(h, s, slot)) return Status.alreadyFreed;
    f[p.stats + T_DROPPED]++;
  }
  const spc = m[s + S_SPANCLASS];
  // While marking no span may go: it may stand in a mark queue. The object is garbage for the next sweep.
  if (spc < 2 && m[h.mheap + H_GC_PHASE] !== 0) return Status.ok;
  f[p.stats + T_IMMEDIATE]++;
  if (m[s + S_SPECIALS] !== 0) removeSites(h, p, s, slot);
  if (h.memory.clobberFree) clobber(h, s, slot);
  if (spc < 2) {
    freeLargeNow(h, p, s);
    return Status.ok;
  }
  if (m[p.at + P_REUSABLE + spc] === REUSABLE_CAP) flushReusable(h, p, spc);
  const depth = m[p.at + P_REUSABLE + spc];
  m[p.reusable + spc * REUSABLE_CAP + depth] = m[s + S_BITS] * 32 + slot;
  m[p.at + P_REUSABLE + spc] = depth + 1;
  return Status.ok;
}

/** Sets a slot's dropped bit; false if it was set. */
function setDropped(h: Heap, s: number, slot: number): boolean {
  const at = h.droppedBits + h.m[s + S_BITS] + (slot >> 5);
  const bit = 1 << (slot & 31);
  if (h.solo) {
    const before = h.m[at];
    h.m[at] = before | bit;
    return (before & bit) === 0;
  }
  return (Atomics.or(h.m, at, bit) & bit) === 0;
}

/** Drops the root of one object of a tiny block; hints the block when it was the last. False if it was dropped before. */
function dropTiny(h: Heap, object: Found): boolean {
  const at = tinyMaskAt(h, h.m[object.span + S_BASE] + object.slot * 2);
  const bit = 1 << object.offset;
  const before = Atomics.or(h.u, at + 1, bit);
  if ((before & bit) !== 0) return false;
  if ((before | bit) === h.u[at]) setDropped(h, object.span, object.slot);
  return true;
}

/**
 * Takes a tiny block whose objects are all dropped for reuse as a whole: exactly one caller may. Not the current block
 * of a P, which may be getting another object this moment.
 */
function claimTinyBlock(h: Heap, block: number): boolean {
  const at = tinyMaskAt(h, block);
  if (h.u[at] !== h.u[at + 1] || isCurrentTiny(h, block)) return false;
  // The dropped mask can only have been completed by one caller; that one is here.
  h.u[at] = 0;
  h.u[at + 1] = 0;
  return true;
}

export function freeLargeNow(h: Heap, p: P, s: number): void {
  const { m, f } = h;
  const sweepgen = h.scalar(H_SWEEPGEN);
  while (!takeSpan(h, p, s, sweepgen)) {
    // Its sweeper has published it as swept and is about to list it.
    h.poll();
    // A cycle has begun meanwhile: the object, which has no root any more, is its garbage.
    if (m[h.mheap + H_GC_PHASE] !== 0 || h.scalar(H_SWEEPGEN) !== sweepgen) return;
  }
  const npages = m[s + S_NPAGES];
  m[s + S_ALLOC_COUNT] = 0;
  // The slot is free before its root is forgotten: a recovery in between must not find the object rooted again.
  m[h.allocBits + m[s + S_BITS]] = 0;
  m[s + S_FREEINDEX] = 0;
  m[h.droppedBits + m[s + S_BITS]] = 0;
  f[p.stats + T_LARGE_FREE] += npages * PAGE_SIZE;
  f[p.stats + T_LARGE_FREE_COUNT]++;
  addHeapLive(h, -npages * PAGE_WORDS);
  freeSpan(h, p, s);
}

/** Returns the older half of a full stack to the spans; what cannot be returned now is left for the next cycle. */
export function flushReusable(h: Heap, p: P, spc: number): void {
  const { m } = h;
  const stack = p.reusable + spc * REUSABLE_CAP;
  const depth = m[p.at + P_REUSABLE + spc];
  const n = depth >> 1;
  const names = Array.from(m.subarray(stack, stack + n));
  m.copyWithin(stack, stack + n, stack + depth);
  m[p.at + P_REUSABLE + spc] = depth - n;
  // While marking they are left to the collector: a slot may be marked, and a marked slot must not be free.
  if (m[h.mheap + H_GC_PHASE] !== 0) return;
  const bySpan = new Map<number, number[]>();
  for (const name of names) {
    const s = spanOfBit(h, name);
    const slots = bySpan.get(s);
    const slot = name - m[s + S_BITS] * 32;
    if (slots === undefined) bySpan.set(s, [slot]);
    else slots.push(slot);
  }
  for (const [s, slots] of bySpan) returnSlots(h, p, s, slots);
}

/** Makes slots of a span free again, if the span is this P's or in a list. */
function returnSlots(h: Heap, p: P, s: number, slots: number[]): void {
  const { m, f } = h;
  const spc = m[s + S_SPANCLASS];
  const cached = m[p.at + P_ALLOC + spc] === s;
  if (!cached) {
    if (m[s + S_SWEEPGEN] !== h.scalar(H_SWEEPGEN) || !takeSpan(h, p, s, h.scalar(H_SWEEPGEN))) return;
  } else {
    m[s + S_ALLOC_CACHE] = 0;
  }
  // Write down in allocBits what freeindex said, then open the slots.
  const at = m[s + S_BITS];
  const nelems = m[s + S_NELEMS];
  writeDownFreeindex(h, s);
  // From here on the bitmap alone tells: a recovery half way through counts it again.
  m[s + S_FREEINDEX] = 0;
  for (const slot of slots) {
    m[h.allocBits + at + (slot >> 5)] &= ~(1 << (slot & 31));
    if (h.solo) m[h.droppedBits + at + (slot >> 5)] &= ~(1 << (slot & 31));
    else Atomics.and(m, h.droppedBits + at + (slot >> 5), ~(1 << (slot & 31)));
  }
  m[s + S_NEEDZERO] = h.dirty;
  m[s + S_CACHE_BASE] = 0;
  m[s + S_PUBLISHED] = 0;
  m[s + S_ALLOC_COUNT] -= slots.length;
  m[s + S_COUNT_BEFORE] -= slots.length;
  f[p.stats + T_SMALL_FREE + (spc >> 1)] += slots.length;
  if (cached) {
    refillAllocCache(h, s);
    return;
  }
  addHeapLive(h, -slots.length * m[s + S_WORDS]);
  if (m[s + S_ALLOC_COUNT] === 0) freeSpanOfSlots(h, p, s);
  else pushSpan(h, p, s, m[s + S_ALLOC_COUNT] < nelems ? partialSwept(h) : fullSwept(h));
}

function freeSpanOfSlots(h: Heap, p: P, s: number): void {
  const { m } = h;
  m.fill(0, h.allocBits + m[s + S_BITS], h.allocBits + m[s + S_BITS] + ((m[s + S_NELEMS] + 31) >> 5));
  freeSpan(h, p, s);
}
