/**
 * malloc: from a size to an object.
 *
 *      size 0                      the zero base: one address for all, no statistics
 *      noscan below 16 bytes       tiny.ts
 *      up to 32,760 bytes          a slot of the size's span class from the P's mcache
 *      larger                      pages of its own, straight from the heap
 *
 * The fast path is `allocSlot`: a reusable slot if the P has one, else the lowest set bit of the cached span's allocCache. It
 * takes no lock, uses no atomic and makes no JavaScript object. A new object is rooted: root bits are kept inverted
 * (droppedBits) and clear for every free slot, so that handing one out has nothing to write.
 *
 * Zeroing, where the span's pages may be dirty (needzero): small slots were zeroed when their group was loaded into the
 * allocCache, larger ones here. Pages fresh from the operating system read zero already.
 *
 * All functions answer a word address (of the first byte the client may use), or -1 when the reservation is exhausted; the
 * heap is then as it was.
 */

import { blackenSlot } from './black.js';
import {
  H_GC_PHASE,
  type Heap,
  type P,
  P_ALLOC,
  P_REQUESTED,
  P_REUSABLE,
  P_SCAN_ALLOC,
  P_UNANSWERED,
  P_UNANSWERED_SUB,
  Served,
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
  groupMask,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BASE,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_LARGE_GIB,
  S_LARGE_REST,
  S_NEEDZERO,
  S_NELEMS,
  S_TYPE,
  S_WORDS,
  ZERO_AT_REFILL_WORDS,
  zeroWords,
} from './mspan.js';
import {
  MALLOC_HEADER_SIZE,
  MAX_SMALL_REQUEST,
  MIN_SIZE_FOR_MALLOC_HEADER,
  PAGE_SHIFT,
  PAGE_SIZE,
  PAGE_WORDS,
  SPC_TO_HEAP_BITS,
  SPC_TO_WORDS,
  sizeToClass,
  TINY_SIZE,
} from './sizeclass.js';
import { deductSweepCredit } from './sweepcredit.js';
import { mallocTiny } from './tiny.js';
import { hasHeapBits, scanWords, TYPE_ALL_POINTERS, writeHeapBits } from './types.js';

/** The address of every zero-size object: just below the heap. */
export const ZERO_BASE = -2;

const PAGE_OF_WORD = PAGE_SHIFT - 3;

// For the fast paths: an import is read from its module's cell at every use, a constant of this module becomes part of
// the machine code.
const TINY = TINY_SIZE;
const MAX_SMALL = MAX_SMALL_REQUEST;
const ZERO_AT_REFILL = ZERO_AT_REFILL_WORDS * 8;
const ALLOC = P_ALLOC;
const REQUESTED = P_REQUESTED;
const REUSABLE = P_REUSABLE;
const ALLOC_CACHE = S_ALLOC_CACHE;
const CACHE_BASE = S_CACHE_BASE;
const FREEINDEX = S_FREEINDEX;
const ALLOC_COUNT = S_ALLOC_COUNT;
const BASE = S_BASE;
const WORDS = S_WORDS;
const CAP = REUSABLE_CAP;
const REUSED = T_REUSED;
const GC_PHASE = H_GC_PHASE;
const UNANSWERED = P_UNANSWERED;
const UNANSWERED_SUB = P_UNANSWERED_SUB;
const CLASS_WORDS = SPC_TO_WORDS;

/** Allocates `size` bytes without pointers, zeroed and rooted. */
export function mallocNoscan(h: Heap, p: P, size: number): number {
  if (size < TINY) return size === 0 ? ZERO_BASE : mallocTiny(h, p, size);
  if (size > MAX_SMALL) return mallocLarge(h, p, size, true, 0);
  const spc = (sizeToClass(size) << 1) | 1;
  const word = allocSlot(h, p, spc, size);
  if (size > ZERO_AT_REFILL && word >= 0) zeroIfDirty(h, word, spc);
  return word;
}

/**
 * Allocates `size` bytes with pointers, zeroed and rooted. Which words are pointers: up to 512 bytes the two halves of
 * `mask` (one bit a word); above, the type `type` (types.ts).
 */
export function mallocScan(h: Heap, p: P, size: number, type = TYPE_ALL_POINTERS, maskLo = -1, maskHi = -1): number {
  if (size <= MIN_SIZE_FOR_MALLOC_HEADER) {
    if (size === 0) return ZERO_BASE;
    const spc = sizeToClass(size) << 1;
    let word = h.m[p.at + REUSABLE + spc] === 0 ? -1 : reuseScanSlot(h, p, spc, size, maskLo, maskHi);
    if (word < 0) {
      word = allocSlot(h, p, spc, size);
      if (word >= 0) writeHeapBits(h, word, SPC_TO_HEAP_BITS[spc], SPC_TO_WORDS[spc], maskLo, maskHi);
    }
    if (word >= 0) {
      // What the collector would scan: up to the last pointer.
      const words = (size + 7) >> 3;
      const high = words > 32 ? maskHi & groupMask(32, words) : 0;
      const last = high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(maskLo & groupMask(0, words));
      h.m[p.at + P_SCAN_ALLOC] += last;
    }
    return word;
  }
  if (size > MAX_SMALL_REQUEST) return mallocLarge(h, p, size, false, type);
  const spc = sizeToClass(size + MALLOC_HEADER_SIZE) << 1;
  const slot = allocSlot(h, p, spc, size);
  if (slot < 0) return -1;
  zeroIfDirty(h, slot, spc);
  h.w32[slot * 2] = type;
  h.w32[slot * 2 + 1] = 0;
  h.m[p.at + P_SCAN_ALLOC] += scanWords(h, type, (size + 7) >> 3);
  return slot + 1;
}

/** A slot of the span class. Its bytes are zero if the slot is small (`ZERO_AT_REFILL_WORDS`). `size`: as requested. */
export function allocSlot(h: Heap, p: P, spc: number, size: number): number {
  const { m } = h;
  const at = p.at;
  if (m[at + REUSABLE + spc] !== 0) return reuseSlot(h, p, spc, size);
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
  return m[s + BASE] + Math.imul(slot, m[s + WORDS]);
}

/** Pops the slot that was freed last for immediate reuse. Like Go's freegc it counts as no new allocation. */
function reuseSlot(h: Heap, p: P, spc: number, size: number): number {
  const { m } = h;
  const pat = p.at;
  const depth = m[pat + REUSABLE + spc] - 1;
  m[pat + REUSABLE + spc] = depth;
  // A slot's bit number: 1,024 bits for each page, as there are words in it.
  const slot = m[p.reusable + spc * CAP + depth];
  const words = CLASS_WORDS[spc];
  const word = (slot & ~1023) + Math.imul(slot & 1023, words);
  zeroWords(h.w, word, word + words);
  const at = h.droppedBits + (slot >> 5);
  const bit = 1 << (slot & 31);
  m[pat + UNANSWERED_SUB] = 0;
  m[pat + UNANSWERED] = word + 1;
  if (h.solo === true) m[at] &= ~bit;
  else Atomics.and(m, at, ~bit);
  m[pat + REQUESTED + spc] += size;
  h.f[p.stats + REUSED + spc]++;
  if (m[h.mheap + GC_PHASE] !== 0) blackenSlot(h, p, m[h.pageSpan + (word >> PAGE_OF_WORD)], slot & 1023);
  return word;
}

/**
 * The same for an object whose pointer bits stand in its span's bitmap. Its neighbours' bits share words with them, and only the P that has the span
 * cached may write there; another P can use the slot if the bits are what they should be. Slots that it cannot use are left
 * to the collector. -1 if there is none.
 */
function reuseScanSlot(h: Heap, p: P, spc: number, size: number, maskLo: number, maskHi: number): number {
  const { m } = h;
  while (m[p.at + REUSABLE + spc] !== 0) {
    const slot = m[p.reusable + spc * CAP + m[p.at + REUSABLE + spc] - 1];
    const word = (slot & ~1023) + Math.imul(slot & 1023, CLASS_WORDS[spc]);
    const own = h.solo || m[p.at + ALLOC + spc] === m[h.pageSpan + (word >> PAGE_OF_WORD)];
    if (own) writeHeapBits(h, word, SPC_TO_HEAP_BITS[spc], CLASS_WORDS[spc], maskLo, maskHi);
    else if (!hasHeapBits(h, word, SPC_TO_HEAP_BITS[spc], CLASS_WORDS[spc], maskLo, maskHi)) {
      m[p.at + REUSABLE + spc]--;
      continue;
    }
    return reuseSlot(h, p, spc, size);
  }
  return -1;
}

function zeroIfDirty(h: Heap, word: number, spc: number): void {
  const { m } = h;
  const words = SPC_TO_WORDS[spc];
  if (words <= ZERO_AT_REFILL_WORDS) return;
  if (m[m[h.pageSpan + (word >> PAGE_OF_WORD)] + S_NEEDZERO] !== 0) zeroWords(h.w, word, word + words);
}

/** An object of its own pages. It has one slot, is full from the start, and goes to the full list at once. */
function mallocLarge(h: Heap, p: P, size: number, noscan: boolean, type: number): number {
  const { m, f } = h;
  const npages = Math.ceil(size / PAGE_SIZE);
  if (npages > h.pages) return -1;
  deductSweepCredit(h, p, npages * PAGE_SIZE, npages);
  const grew = p.served;
  const s = allocSpan(h, p, npages, noscan ? 1 : 0);
  if (s === 0) {
    p.served = grew;
    return -1;
  }
  if (p.served < Served.mheap) p.served = Served.mheap;
  m[s + S_LARGE_GIB] = Math.floor(size / 2 ** 30);
  m[s + S_LARGE_REST] = size % 2 ** 30;
  m[s + S_TYPE] = type;
  const word = m[s + S_BASE];
  if (m[s + S_NEEDZERO] !== 0) h.w.fill(0, word, word + npages * PAGE_WORDS);
  m[s + S_FREEINDEX] = 1;
  m[s + S_ALLOC_COUNT] = 1;
  f[p.stats + T_LARGE_ALLOC] += npages * PAGE_SIZE;
  f[p.stats + T_LARGE_ALLOC_COUNT]++;
  f[p.stats + T_LARGE_REQUESTED] += size;
  if (!noscan) m[p.at + P_SCAN_ALLOC] += scanWords(h, type, Math.ceil(size / 8));
  if (m[h.mheap + GC_PHASE] !== 0) blackenSlot(h, p, s, 0);
  growLive(h, p, npages * PAGE_WORDS);
  if (m[s + S_NELEMS] !== 1) throw new Error('large span with more than one slot');
  pushSpan(h, p, s, fullSwept(h));
  return word;
}
