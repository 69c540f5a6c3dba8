/**
 * The page cache: 64 pages that a P may allocate from without taking the heap lock.
 *
 * Most spans are a few pages. A P therefore owns, at a time, the free pages of one aligned block of 64 (512 KiB),
 * already marked as allocated in the heap's bitmaps, as a bitmap of its own: bit i = page `base + i`, 1 = free here
 * (the opposite of the heap's bitmaps), beside it which of them are scavenged. `PageAlloc.allocToCache` fills it under
 * the heap lock.
 *
 *     m[pc]      base page, a multiple of 64
 *     m[pc+1,2]  cache, low and high half      1 = this page is the cache's to give
 *     m[pc+3,4]  scav, low and high half       1 = and it was given back to the operating system; a subset of cache
 *
 * A cache that still has pages but no run long enough is not replaced: the caller goes to the heap for that one
 * request. Freed pages go to the heap, never to a cache. All zero is an empty cache.
 *
 * The owner P alone touches its words, without a lock, while it runs; `pageCacheFlush` needs the heap lock as well, and
 * the P stopped or the caller's own. Pages here count as allocated in the bitmaps but belong to no span.
 */

import type { PageAlloc } from './pagealloc.js';
import { ctz32, findBitRange64, popcount32 } from './pallocbits.js';

/** int32 words of a page cache. */
export const PAGE_CACHE_WORDS = 5;
/** Pages of a full cache. */
export const PAGE_CACHE_PAGES = 64;
/** Requests of this many pages and more never go through the cache. */
export const PAGE_CACHE_MAX_REQUEST = PAGE_CACHE_PAGES / 4;

/** Scavenged pages in the last successful `pageCacheAlloc` of this thread. */
export let pageCacheScav = 0;

/** Whether a cache has no page to give. */
export function pageCacheEmpty(m: Int32Array, pc: number): boolean {
  return (m[pc + 1] | m[pc + 2]) === 0;
}

/** Pages that a cache has to give. */
export function pageCachePages(m: Int32Array, pc: number): number {
  return popcount32(m[pc + 1]) + popcount32(m[pc + 2]);
}

/** Scavenged pages among those that a cache has to give. */
export function pageCacheScavPages(m: Int32Array, pc: number): number {
  return popcount32(m[pc + 3]) + popcount32(m[pc + 4]);
}

/**
 * Takes the lowest run of `npages` (1..64) pages out of a cache. Answers its first page, or -1 if there is no such run;
 * `pageCacheScav` is then how many of the pages were scavenged.
 */
export function pageCacheAlloc(m: Int32Array, pc: number, npages: number): number {
  const lo = m[pc + 1];
  const hi = m[pc + 2];
  let i: number;
  if (npages === 1) {
    if ((lo | hi) === 0) return -1;
    i = lo !== 0 ? ctz32(lo) : 32 + ctz32(hi);
  } else {
    i = findBitRange64(lo, hi, npages);
    if (i === 64) return -1;
  }
  const maskLo = rangeMask(i, npages);
  const maskHi = rangeMask(i - 32, npages);
  pageCacheScav = popcount32(m[pc + 3] & maskLo) + popcount32(m[pc + 4] & maskHi);
  m[pc + 1] = lo & ~maskLo;
  m[pc + 2] = hi & ~maskHi;
  m[pc + 3] &= ~maskLo;
  m[pc + 4] &= ~maskHi;
  return m[pc] + i;
}

/** Gives every page of a cache back to the heap and leaves the cache empty. Under the heap lock. */
export function pageCacheFlush(m: Int32Array, pc: number, pa: PageAlloc): void {
  if (!pageCacheEmpty(m, pc)) pa.freeBlock64(m[pc], m[pc + 1], m[pc + 2], m[pc + 3], m[pc + 4]);
  m.fill(0, pc, pc + PAGE_CACHE_WORDS);
}

/** The bits `i` .. `i+n-1` that fall into 0..31; `i` may be negative. */
function rangeMask(i: number, n: number): number {
  const from = Math.max(i, 0);
  const to = Math.min(i + n, 32);
  return from >= to ? 0 : (-1 << from) & (-1 >>> (32 - to));
}
