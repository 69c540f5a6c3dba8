/**
 * Hollow heaps: Go's heap without the objects' bytes, for simulations.
 *
 * Everything above the bytes is the real thing: size classes, mcaches, mcentrals, the page allocator, mark, sweep, pacer, scavenger, all by the
 * code that a heap with bytes runs. What is missing is the reservation: nothing is zeroed, no header or pointer is written, and an object
 * has no word address. It is named by its *bit*, the number of its slot's bit in any of the heap's bitmaps (place.ts), an int32 however
 * large the simulated heap is.
 *
 *      hollowSmall, hollowTiny, hollowLarge     the leaves of malloc.ts and tiny.ts
 *      hollowDrop                               free, Go's meaning: the root is dropped
 *      hollowFree                               free, malloc's meaning: the slot is handed out again at once
 *
 * Pointers: an object with pointers is scanned in full, and finds nothing. What keeps an object alive is its root alone.
 *
 * A tiny block counts its live objects (the `tinyMasks` region, one number a slot instead of two masks); the block's own dropped bit says when none
 * is left. The block that a P is filling is live for the collector whatever it counts, as in Go.
 *
 * One thread, all Ps: no lock is contended and nothing needs to be atomic.
 */

import { blackenSlot } from './black.js';
import { flushReusable, freeLargeNow } from './free.js';
import {
  H_GC_PHASE,
  type Heap,
  type P,
  P_ALLOC,
  P_REQUESTED,
  P_REUSABLE,
  P_SCAN_ALLOC,
  P_TINY,
  P_TINY_ALLOCS,
  P_TINY_OFFSET,
  Served,
  T_DROPPED,
  T_IMMEDIATE,
  T_LARGE_ALLOC,
  T_LARGE_ALLOC_COUNT,
  T_LARGE_REQUESTED,
  T_REUSED,
} from './heap.js';
import { REUSABLE_CAP } from './layout.js';
import { growLive, nextSlotSlow } from './mcache.js';
import { fullSwept, pushSpan } from './mcentral.js';
import { allocSpan } from './mheap.js';
import {
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BITS,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_LARGE_GIB,
  S_LARGE_REST,
  S_TYPE,
  spanOfBit,
} from './mspan.js';
import { PAGE_SIZE, PAGE_WORDS, TINY_SIZE, TINY_SPAN_CLASS } from './sizeclass.js';
import { ensureSwept } from './sweep.js';
import { deductSweepCredit } from './sweepcredit.js';
import { TYPE_ALL_POINTERS, TYPE_NO_POINTERS } from './types.js';

/** Pages of the largest object: its words have to fit an int32. */
const MAX_LARGE_PAGES = 1 << 20;

const ALLOC = P_ALLOC;
const REQUESTED = P_REQUESTED;
const REUSABLE = P_REUSABLE;
const ALLOC_CACHE = S_ALLOC_CACHE;
const CACHE_BASE = S_CACHE_BASE;
const FREEINDEX = S_FREEINDEX;
const ALLOC_COUNT = S_ALLOC_COUNT;
const BITS = S_BITS;

/** A slot of the span class for `size` requested bytes: its bit, or -1 when the heap is exhausted. Tiny blocks come from here, too. */
export function hollowSmall(h: Heap, p: P, spc: number, size: number): number {
  const { m } = h;
  const at = p.at;
  if (m[at + REUSABLE + spc] !== 0) return reuse(h, p, spc, size);
  let s = m[at + ALLOC + spc];
  let free = m[s + ALLOC_CACHE];
  if (free === 0) {
    s = nextSlotSlow(h, p, spc);
    if (s === 0) return -1;
    free = m[s + ALLOC_CACHE];
  }
  const slot = m[s + CACHE_BASE] + 31 - Math.clz32(free & -free);
  m[s + ALLOC_CACHE] = free & (free - 1);
  m[s + FREEINDEX] = slot + 1;
  m[s + ALLOC_COUNT]++;
  m[at + REQUESTED + spc] += size;
  return m[s + BITS] * 32 + slot;
}

function reuse(h: Heap, p: P, spc: number, size: number): number {
  const { m } = h;
  const depth = m[p.at + REUSABLE + spc] - 1;
  m[p.at + REUSABLE + spc] = depth;
  const bit = m[p.reusable + spc * REUSABLE_CAP + depth];
  m[h.droppedBits + (bit >> 5)] &= ~(1 << (bit & 31));
  m[p.at + REQUESTED + spc] += size;
  h.f[p.stats + T_REUSED + spc]++;
  if (m[h.mheap + H_GC_PHASE] !== 0) {
    const s = spanOfBit(h, bit);
    blackenSlot(h, p, s, bit - m[s + BITS] * 32);
  }
  return bit;
}

/** An object of 1 to 15 bytes without pointers: the bit of its block, or -1. */
export function hollowTiny(h: Heap, p: P, size: number): number {
  const { m, u } = h;
  let offset = m[p.at + P_TINY_OFFSET];
  if ((size & 7) === 0) offset = (offset + 7) & ~7;
  else if ((size & 3) === 0) offset = (offset + 3) & ~3;
  else if ((size & 1) === 0) offset = (offset + 1) & ~1;
  const current = m[p.at + P_TINY] - 1;
  if (current >= 0 && offset + size <= TINY_SIZE) {
    m[p.at + P_TINY_OFFSET] = offset + size;
    m[p.at + P_TINY_ALLOCS]++;
    m[p.at + REQUESTED + TINY_SPAN_CLASS] += size;
    p.served = Served.tiny;
    if (u[current]++ === 0) m[h.droppedBits + (current >> 5)] &= ~(1 << (current & 31));
    return current;
  }
  const block = hollowSmall(h, p, TINY_SPAN_CLASS, size);
  if (block < 0) return -1;
  u[block] = 1;
  // Keep whichever block has more room left.
  if (m[p.at + P_TINY] === 0 || size < m[p.at + P_TINY_OFFSET]) {
    m[p.at + P_TINY] = block + 1;
    m[p.at + P_TINY_OFFSET] = size;
  }
  return block;
}

/** An object of pages of its own: its bit, or -1. */
export function hollowLarge(h: Heap, p: P, size: number, noscan: boolean): number {
  const { m, f } = h;
  const npages = Math.ceil(size / PAGE_SIZE);
  if (npages > h.pages || npages > MAX_LARGE_PAGES) return -1;
  deductSweepCredit(h, p, npages * PAGE_SIZE, npages);
  const s = allocSpan(h, p, npages, noscan ? 1 : 0);
  if (s === 0) return -1;
  m[s + S_LARGE_GIB] = Math.floor(size / 2 ** 30);
  m[s + S_LARGE_REST] = size % 2 ** 30;
  m[s + S_TYPE] = noscan ? TYPE_NO_POINTERS : TYPE_ALL_POINTERS;
  m[s + FREEINDEX] = 1;
  m[s + ALLOC_COUNT] = 1;
  f[p.stats + T_LARGE_ALLOC] += npages * PAGE_SIZE;
  f[p.stats + T_LARGE_ALLOC_COUNT]++;
  f[p.stats + T_LARGE_REQUESTED] += size;
  if (!noscan) m[p.at + P_SCAN_ALLOC] += Math.ceil(size / 8);
  if (m[h.mheap + H_GC_PHASE] !== 0) blackenSlot(h, p, s, 0);
  growLive(h, p, npages * PAGE_WORDS);
  pushSpan(h, p, s, fullSwept(h));
  return m[s + BITS] * 32;
}

/** Drops the root of an object that is not of a tiny block. */
export function hollowDrop(h: Heap, p: P, bit: number): void {
  h.m[h.droppedBits + (bit >> 5)] |= 1 << (bit & 31);
  h.f[p.stats + T_DROPPED]++;
}

/** Drops the root of one object of a tiny block. True when it was the block's last. */
export function hollowDropTiny(h: Heap, p: P, block: number): boolean {
  h.f[p.stats + T_DROPPED]++;
  if (--h.u[block] !== 0) return false;
  h.m[h.droppedBits + (block >> 5)] |= 1 << (block & 31);
  return true;
}

/**
 * Hands out again what was dropped just now: a slot, a tiny block without objects, or a large object's pages. While a mark is on, large objects
 * and the block that a P is filling are left to the collector.
 */
export function hollowFree(h: Heap, p: P, spc: number, bit: number): void {
  const { m } = h;
  if (spc < 2) {
    if (m[h.mheap + H_GC_PHASE] !== 0) return;
    h.f[p.stats + T_IMMEDIATE]++;
    const s = spanOfBit(h, bit);
    ensureSwept(h, p, s);
    freeLargeNow(h, p, s);
    return;
  }
  if (spc === TINY_SPAN_CLASS) for (const other of h.ps) if (m[other.at + P_TINY] === bit + 1) return;
  h.f[p.stats + T_IMMEDIATE]++;
  if (m[p.at + REUSABLE + spc] === REUSABLE_CAP) flushReusable(h, p, spc);
  const depth = m[p.at + REUSABLE + spc];
  m[p.reusable + spc * REUSABLE_CAP + depth] = bit;
  m[p.at + REUSABLE + spc] = depth + 1;
}
