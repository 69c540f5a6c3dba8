/**
 * mspan: a run of pages cut into equal slots, or one large object.
 *
 * A span's record holds Go's fields. Which slots are allocated is told by three of them together, as in Go: slots below
 * `freeindex` are allocated; a slot at or above it is allocated iff its bit in allocBits is set. Handing out a slot
 * moves freeindex past it and touches no bitmap; the sweep replaces allocBits by the marks and starts freeindex over.
 *
 *      slots      0 1 2 3 4 5 6 7 8 9 …        freeindex = 6: 0 to 5 are allocated
 *      allocBits  . . . . . . . 1 . 1 …        7 and 9 are allocated: they survived the last sweep
 *      allocCache             1 . 1 . …        the 32-slot group of freeindex, a set bit is a slot still to hand out
 *
 * Go caches 64 slots in one word; a JavaScript integer has 32 bits, so the cache is a group of 32. Handing out is in
 * ascending order all the same, which is all that can be seen from outside.
 *
 * Invariant: allocCount is the number of allocated slots. sweepgen tells the span's place in the cycle, as in Go:
 * h-2 needs sweeping, h-1 is being swept, h is swept, h+1 was cached before this sweep began, h+3 is swept and cached.
 *
 * Who may touch a record: whoever holds the span. S_WHERE says who that is: a list (its mcentral's lock), a P's mcache
 * or hand (that P, S_OWNER).
 */

import { H_SWEEPGEN, type Heap, type P, P_HAND } from './heap.js';
import { SPAN_STRIDE } from './layout.js';
import { ctz32 as ctz, popcount32 as popcount } from './pallocbits.js';
import { placeOfBit, takePlace } from './place.js';
import { PAGE_WORDS, SPC_TO_HEADER_WORDS, SPC_TO_HEAP_BITS, SPC_TO_NELEMS, SPC_TO_WORDS } from './sizeclass.js';

export const S_STATE = 0;
export const S_START = 1; // first page
export const S_NPAGES = 2;
export const S_SPANCLASS = 3;
export const S_WORDS = 4; // slot size in 8-byte words
export const S_NELEMS = 5;
export const S_FREEINDEX = 6;
export const S_ALLOC_CACHE = 7; // free slots of the group at S_CACHE_BASE, as bits
export const S_CACHE_BASE = 8;
export const S_ALLOC_COUNT = 9;
export const S_SWEEPGEN = 10;
export const S_NEEDZERO = 11;
export const S_BASE = 12; // first word
export const S_QUEUED = 13; // sweepgen of the mark in which it stands in a queue, or (noscan) in which its page mark was set
export const S_WHERE = 14;
export const S_OWNER = 15; // P, while cached or in hand
export const S_NEXT = 16;
export const S_PREV = 17;
export const S_LARGE_GIB = 18; // requested bytes of a large object: GiB and rest
export const S_LARGE_REST = 19;
export const S_TYPE = 20; // type of a large scan object
export const S_SPECIALS = 21; // first special, or 0; special lock
export const S_PUBLISHED = 22; // slots below it were answered to a client (or were old): recovery undoes the rest
export const S_HAS_TINY = 23; // some slot of it is or was a tiny block
export const S_BORN = 24; // cycle in which it was made
export const S_SWEPT_AT = 25; // cycle in which it was last swept
export const S_COUNT_BEFORE = 26; // allocCount when it was cached
export const S_HAS_LINKED = 28; // some slot of it has its linked bit set
export const S_BITS = 29; // first int32 word of its bits, relative to each bitmap region
export const S_OBLET = 27; // next piece of a large object to scan; atomic

export const SpanState = { dead: 0, inUse: 1, manual: 2 } as const;
export const SPAN_STATE_NAMES = ['dead', 'in use', 'manual'] as const;

/** Where a span is. The four lists' parity is sweepgen/2%2: the swept ones of one cycle are the unswept of the next. */
export const Where = { none: 0, partial0: 1, partial1: 2, full0: 3, full1: 4, mcache: 5, hand: 6 } as const;

export const spanId = (h: Heap, s: number): number => (s - h.spans) / SPAN_STRIDE;
export const spanAt = (h: Heap, id: number): number => h.spans + id * SPAN_STRIDE;

/** First int32 word of the span's allocBits, markBits, droppedBits, relative to each region. */
export const bitsOffset = (m: Int32Array, s: number): number => m[s + S_BITS];

/** The span whose slot has this bit, by the bit's number in any of the bitmaps. Of a span in use. */
export function spanOfBit(h: Heap, bit: number): number {
  return h.hollow ? h.m[h.placeOwner + placeOfBit(h, bit)] : h.m[h.pageSpan + (bit >> 10)];
}

/** The span of a page, or 0. */
export const spanOfPage = (h: Heap, page: number): number => h.m[h.pageSpan + page];

/** Takes the span out of every list and cache into the P's hand: recovery finds it there. */
export function takeInHand(h: Heap, p: P, s: number): void {
  const { m } = h;
  m[s + S_OWNER] = p.id;
  m[p.at + P_HAND] = s;
  m[s + S_WHERE] = Where.hand;
}

/** Tells that the span was put somewhere else. */
export function leaveHand(h: Heap, p: P): void {
  h.m[p.at + P_HAND] = 0;
}

/** Writes a fresh record for pages that were just taken from the heap. State is published by the caller, last. */
export function initSpan(h: Heap, s: number, page: number, npages: number, spc: number, needzero: boolean): void {
  const { m } = h;
  const large = spc < 2;
  m[s + S_START] = page;
  m[s + S_BITS] = h.hollow ? takePlace(h, s, spc) : page * 32;
  m[s + S_NPAGES] = npages;
  m[s + S_SPANCLASS] = spc;
  m[s + S_WORDS] = large ? npages * PAGE_WORDS : SPC_TO_WORDS[spc];
  m[s + S_NELEMS] = SPC_TO_NELEMS[spc];
  m[s + S_FREEINDEX] = 0;
  m[s + S_ALLOC_CACHE] = 0;
  m[s + S_CACHE_BASE] = 0;
  m[s + S_ALLOC_COUNT] = 0;
  m[s + S_SWEEPGEN] = h.scalar(H_SWEEPGEN);
  m[s + S_NEEDZERO] = needzero ? 1 : 0;
  m[s + S_BASE] = h.hollow ? 0 : page * PAGE_WORDS;
  m[s + S_QUEUED] = 0;
  m[s + S_COUNT_BEFORE] = 0;
  m[s + S_OBLET] = 0;
  m[s + S_HAS_LINKED] = 0;
  m[s + S_NEXT] = 0;
  m[s + S_PREV] = 0;
  m[s + S_LARGE_GIB] = 0;
  m[s + S_LARGE_REST] = 0;
  m[s + S_TYPE] = 0;
  m[s + S_SPECIALS] = 0;
  m[s + S_PUBLISHED] = 0;
  m[s + S_HAS_TINY] = 0;
  m[s + S_BORN] = h.scalar(H_SWEEPGEN) >> 1;
  m[s + S_SWEPT_AT] = h.scalar(H_SWEEPGEN) >> 1;
  // Go presets the pointer bitmap of 8-byte scan spans: every one of their words is an object and a pointer.
  const bits = SPC_TO_HEAP_BITS[spc];
  if (bits >= 0 && SPC_TO_WORDS[spc] === 1 && !h.hollow)
    h.w32.fill(-1, page * PAGE_WORDS * 2 + bits, page * PAGE_WORDS * 2 + bits + 32);
}

/** Bits of a group of 32 slots starting at `base` that exist in a span of `nelems` slots. */
export function groupMask(base: number, nelems: number): number {
  const n = nelems - base;
  return n >= 32 ? -1 : n <= 0 ? 0 : (1 << n) - 1;
}

/** Allocated slots of the group `i` (slots 32i to 32i+31) of a span, as bits. */
export function allocatedGroup(h: Heap, s: number, i: number): number {
  const { m } = h;
  return (
    (m[h.allocBits + m[s + S_BITS] + i] | groupMask(i * 32, m[s + S_FREEINDEX])) & groupMask(i * 32, m[s + S_NELEMS])
  );
}

/** Puts into allocBits what freeindex says, so that the bitmap alone tells. By the span's holder. */
export function writeDownFreeindex(h: Heap, s: number): void {
  const at = h.allocBits + h.m[s + S_BITS];
  for (let i = 0; i * 32 < h.m[s + S_NELEMS]; i++) h.m[at + i] = allocatedGroup(h, s, i);
}

export function isAllocated(h: Heap, s: number, slot: number): boolean {
  const { m } = h;
  if (slot < m[s + S_FREEINDEX]) return true;
  return ((m[h.allocBits + m[s + S_BITS] + (slot >> 5)] >>> (slot & 31)) & 1) === 1;
}

/** Whether the client's root of the slot was dropped. */
export function isDropped(h: Heap, s: number, slot: number): boolean {
  const { m } = h;
  return ((m[h.droppedBits + m[s + S_BITS] + (slot >> 5)] >>> (slot & 31)) & 1) === 1;
}

/** Slots that are allocated, counted from the bitmaps. */
export function countAllocated(h: Heap, s: number): number {
  let n = 0;
  const groups = (h.m[s + S_NELEMS] + 31) >> 5;
  for (let i = 0; i < groups; i++) n += popcount(allocatedGroup(h, s, i));
  return n;
}

/** First word of an object as its user sees it: behind the header, where there is one. */
export function objectWord(h: Heap, s: number, slot: number): number {
  const { m } = h;
  return m[s + S_BASE] + slot * m[s + S_WORDS] + SPC_TO_HEADER_WORDS[m[s + S_SPANCLASS]];
}

/**
 * Moves the cache to the next group, at or above freeindex, that has a free slot. False when there is none: freeindex
 * is then nelems. Dirty slots that it will hand out are zeroed here, run by run while they are about to be used,
 * where slots are small; larger ones are zeroed when they are handed out (`ZERO_AT_REFILL_WORDS`).
 */
export function refillAllocCache(h: Heap, s: number): boolean {
  const { m } = h;
  const nelems = m[s + S_NELEMS];
  const alloc = h.allocBits + m[s + S_BITS];
  const freeindex = m[s + S_FREEINDEX];
  let base = freeindex & ~31;
  let free = ~m[alloc + (base >> 5)] & groupMask(base, nelems) & (-1 << (freeindex & 31));
  while (free === 0) {
    base += 32;
    if (base >= nelems) {
      m[s + S_FREEINDEX] = nelems;
      m[s + S_ALLOC_CACHE] = 0;
      return false;
    }
    free = ~m[alloc + (base >> 5)] & groupMask(base, nelems);
  }
  if (m[s + S_NEEDZERO] !== 0 && m[s + S_WORDS] <= ZERO_AT_REFILL_WORDS) zeroSlots(h, s, base, free);
  m[s + S_CACHE_BASE] = base;
  m[s + S_ALLOC_CACHE] = free;
  return true;
}

/** Slots up to this size are zeroed a group at a time, larger ones one by one. */
export const ZERO_AT_REFILL_WORDS = 64;

function zeroSlots(h: Heap, s: number, base: number, free: number): void {
  const words = h.m[s + S_WORDS];
  const first = h.m[s + S_BASE] + base * words;
  let bit = 0;
  let left = free;
  while (left !== 0) {
    const skip = ctz(left);
    bit += skip;
    left = (left >>> skip) | 0;
    const run = left === -1 ? 32 : ctz(~left);
    zeroWords(h.w, first + bit * words, first + (bit + run) * words);
    bit += run;
    left = run === 32 ? 0 : left >>> run;
  }
}

/** Zeroes 8-byte words [from, to). Unrolled: a call of TypedArray.fill costs more than the stores of most slots. */
export function zeroWords(w: Float64Array, from: number, to: number): void {
  let i = from;
  for (const end = to - 7; i < end; i += 8) {
    w[i] = 0;
    w[i + 1] = 0;
    w[i + 2] = 0;
    w[i + 3] = 0;
    w[i + 4] = 0;
    w[i + 5] = 0;
    w[i + 6] = 0;
    w[i + 7] = 0;
  }
  for (; i < to; i++) w[i] = 0;
}

export { ctz, popcount };
