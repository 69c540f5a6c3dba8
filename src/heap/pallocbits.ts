/**
 * Page bitmaps: 512 pages of a chunk as 16 consecutive int32 words.
 *
 * A chunk is 512 pages of 8 KiB, 4 MiB. One bit stands for one page: bit `i & 31` of word `i >> 5` is page `i`, and 1
 * means allocated (in the second bitmap of a chunk: given back to the operating system). Everything above, the radix
 * tree of summaries, the page caches, the scavenger, asks its questions here: how long is the longest free run, where
 * is the lowest run of n pages, how many of these pages are set?
 *
 *     page      0        31 32       63            480      511
 *     word   m[b] ........ m[b+1] ......    ...    m[b+15] ......
 *
 * Go keeps eight 64-bit words. JavaScript's cheap integers are 32 bits wide, so here they are sixteen halves, and no
 * function walks bit by bit: a range is set by two masks and a fill, and a run of n ones is found by the shift-and
 * trick (`y & y >> 1` leaves the ones that begin a pair; doubling the shift gives n in log2(n) steps).
 *
 * Functions are pure over the words they are given and make no objects; results of two or three numbers come packed in
 * one int32. The words belong to the page allocator: the caller holds the heap lock.
 */

/** Pages in a chunk, and bits in a bitmap. */
export const CHUNK_PAGES = 512;
/** log2 of `CHUNK_PAGES`. */
export const LOG_CHUNK_PAGES = 9;
/** int32 words in one bitmap of a chunk. */
export const BITMAP_WORDS = 16;

/** Packed results hold ten bits a number: 0..512 fits. */
const TEN = 1023;

/** Trailing zero bits of `x`, which is not 0. */
export function ctz32(x: number): number {
  return 31 - Math.clz32(x & -x);
}

/** Set bits of one int32. */
export function popcount32(x: number): number {
  x -= (x >>> 1) & 0x55555555;
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  x = (x + (x >>> 4)) & 0x0f0f0f0f;
  return Math.imul(x, 0x01010101) >>> 24;
}

/** The bits of a first word from bit `i & 31` up. */
function maskFrom(i: number): number {
  return -1 << (i & 31);
}

/** The bits of a last word up to and with bit `i & 31`. */
function maskTo(i: number): number {
  return -1 >>> (31 - (i & 31));
}

/** Sets the bits of pages `i` .. `i+n-1`; `n >= 1`, `i+n <= 512`. */
export function setRange(m: Int32Array, b: number, i: number, n: number): void {
  const last = i + n - 1;
  let w = b + (i >> 5);
  const end = b + (last >> 5);
  if (w === end) {
    m[w] |= maskFrom(i) & maskTo(last);
    return;
  }
  m[w++] |= maskFrom(i);
  while (w < end) m[w++] = -1;
  m[end] |= maskTo(last);
}

/** Clears the bits of pages `i` .. `i+n-1`; `n >= 1`, `i+n <= 512`. */
export function clearRange(m: Int32Array, b: number, i: number, n: number): void {
  const last = i + n - 1;
  let w = b + (i >> 5);
  const end = b + (last >> 5);
  if (w === end) {
    m[w] &= ~(maskFrom(i) & maskTo(last));
    return;
  }
  m[w++] &= ~maskFrom(i);
  while (w < end) m[w++] = 0;
  m[end] &= ~maskTo(last);
}

/** Moves the pages of one word from free to allocated; answers how many of them were scavenged. */
function allocWord(m: Int32Array, w: number, mask: number): number {
  m[w] |= mask;
  const s = m[w + BITMAP_WORDS] & mask;
  if (s === 0) return 0;
  m[w + BITMAP_WORDS] &= ~mask;
  return popcount32(s);
}

/**
 * Allocates pages `i` .. `i+n-1` of a chunk, whose scavenged bitmap follows its alloc bitmap directly: sets the alloc
 * bits and clears the scavenged ones, because memory in use is backed by the operating system again. Answers the number
 * of pages among them that were scavenged.
 */
export function allocRange(m: Int32Array, b: number, i: number, n: number): number {
  const last = i + n - 1;
  let w = b + (i >> 5);
  const end = b + (last >> 5);
  if (w === end) return allocWord(m, w, maskFrom(i) & maskTo(last));
  let scav = allocWord(m, w++, maskFrom(i));
  while (w < end) scav += allocWord(m, w++, -1);
  return scav + allocWord(m, end, maskTo(last));
}

/** The number of set bits among pages `i` .. `i+n-1`; `n >= 1`. */
export function popcntRange(m: Int32Array, b: number, i: number, n: number): number {
  const last = i + n - 1;
  let w = b + (i >> 5);
  const end = b + (last >> 5);
  if (w === end) return popcount32(m[w] & maskFrom(i) & maskTo(last));
  let count = popcount32(m[w++] & maskFrom(i));
  while (w < end) count += popcount32(m[w++]);
  return count + popcount32(m[end] & maskTo(last));
}

/** Whether every page of `i` .. `i+n-1` has its bit set; `n >= 1`. */
export function allSet(m: Int32Array, b: number, i: number, n: number): boolean {
  const last = i + n - 1;
  let w = b + (i >> 5);
  const end = b + (last >> 5);
  if (w === end) return (~m[w] & maskFrom(i) & maskTo(last)) === 0;
  if ((~m[w++] & maskFrom(i)) !== 0) return false;
  while (w < end) if (m[w++] !== -1) return false;
  return (~m[end] & maskTo(last)) === 0;
}

/** Whether no page of `i` .. `i+n-1` has its bit set; `n >= 1`. */
export function noneSet(m: Int32Array, b: number, i: number, n: number): boolean {
  const last = i + n - 1;
  let w = b + (i >> 5);
  const end = b + (last >> 5);
  if (w === end) return (m[w] & maskFrom(i) & maskTo(last)) === 0;
  if ((m[w++] & maskFrom(i)) !== 0) return false;
  while (w < end) if (m[w++] !== 0) return false;
  return (m[end] & maskTo(last)) === 0;
}

/**
 * The free runs of a bitmap: how many pages are free at its start, in its longest run, and at its end, as
 * `start | max << 10 | end << 20`. A bitmap without an allocated page gives 512 three times. See the `*Of` readers.
 */
export function summarize(m: Int32Array, b: number): number {
  // Runs that touch a word's edge join their neighbours: one pass with the zeros at both ends of each word.
  let start = -1;
  let max = 0;
  let run = 0;
  for (let w = b; w < b + BITMAP_WORDS; w++) {
    const x = m[w];
    if (x === 0) {
      run += 32;
      continue;
    }
    run += ctz32(x);
    if (start < 0) start = run;
    max = Math.max(max, run);
    run = Math.clz32(x);
  }
  if (start < 0) return CHUNK_PAGES | (CHUNK_PAGES << 10) | (CHUNK_PAGES << 20);
  if (run > max) max = run;
  // Runs inside a word have a set bit on either side, so 30 pages at most; look only for longer ones than are known.
  for (let w = b; w < b + BITMAP_WORDS && max < 30; w++) {
    let y = erode32(~m[w], max + 1);
    while (y !== 0) {
      max++;
      y &= y >>> 1;
    }
  }
  return start | (max << 10) | (run << 20);
}

/** Free pages directly below page `i`. */
function freeBelow(m: Int32Array, b: number, i: number): number {
  let w = i >> 5;
  const bits = i & 31;
  let n = 0;
  if (bits !== 0) {
    // The `bits` pages of this word below i, moved to its top, with ones behind them to stop the count.
    n = Math.clz32((m[b + w] << (32 - bits)) | (-1 >>> bits));
    if (n < bits) return n;
  }
  while (--w >= 0) {
    const zeros = Math.clz32(m[b + w]);
    n += zeros;
    if (zeros < 32) break;
  }
  return n;
}

/** Free pages from page `i` on. */
function freeFrom(m: Int32Array, b: number, i: number): number {
  let w = i >> 5;
  if (w === BITMAP_WORDS) return 0;
  const x = m[b + w] >>> (i & 31);
  if (x !== 0) return ctz32(x);
  let n = 32 - (i & 31);
  while (++w < BITMAP_WORDS) {
    const y = m[b + w];
    if (y !== 0) return n + ctz32(y);
    n += 32;
  }
  return n;
}

/**
 * The summary of a bitmap in which pages `i` .. `i+n-1` were just set or cleared (`allocated`), from the `old` one.
 * Only the run around those pages changed, so the whole bitmap is read again only if its longest run was cut.
 */
export function resummarize(m: Int32Array, b: number, i: number, n: number, allocated: boolean, old: number): number {
  const below = freeBelow(m, b, i);
  const above = freeFrom(m, b, i + n);
  const run = below + n + above;
  let start = old & TEN;
  let max = (old >> 10) & TEN;
  let end = (old >> 20) & TEN;
  if (allocated) {
    if (run === max) return summarize(m, b);
    if (below === i) start = below;
    if (i + n + above === CHUNK_PAGES) end = above;
  } else {
    if (run > max) max = run;
    if (below === i) start = run;
    if (i + n + above === CHUNK_PAGES) end = run;
  }
  return start | (max << 10) | (end << 20);
}

/** Free pages at the start, of a packed summary. */
export function startOf(summary: number): number {
  return summary & TEN;
}

/** Pages in the longest free run, of a packed summary. */
export function maxOf(summary: number): number {
  return (summary >> 10) & TEN;
}

/** Free pages at the end, of a packed summary. */
export function endOf(summary: number): number {
  return (summary >> 20) & TEN;
}

/** Leaves of `y` the ones that begin a run of at least `n` ones; `1 <= n <= 32`. */
function erode32(y: number, n: number): number {
  let have = 1;
  while (have < n && y !== 0) {
    const step = Math.min(have, n - have);
    y &= y >>> step;
    have += step;
  }
  return y;
}

/**
 * The lowest run of `npages` free pages, and the lowest free page at all, as `(index + 1) | (first + 1) << 10`; -1 for
 * "none", so a packed half of 0. Pages below `searchIdx` are taken to be allocated: the caller vouches for it.
 * `1 <= npages <= 512`. See `indexOf` and `firstOf`.
 */
export function find(m: Int32Array, b: number, npages: number, searchIdx: number): number {
  let first = 0;
  let run = 0;
  for (let w = searchIdx >> 5; w < BITMAP_WORDS; w++) {
    const x = m[b + w];
    if (x === -1) {
      run = 0;
      continue;
    }
    const at = w << 5;
    if (first === 0) first = at + ctz32(~x) + 1;
    if (x === 0) {
      run += 32;
      if (run >= npages) return (at + 33 - run) | (first << 10);
      continue;
    }
    // A run that began in earlier words comes before anything inside this one.
    if (run + ctz32(x) >= npages) return (at - run + 1) | (first << 10);
    if (npages <= 31) {
      const y = erode32(~x, npages);
      if (y !== 0) return (at + ctz32(y) + 1) | (first << 10);
    }
    run = Math.clz32(x);
  }
  return first << 10;
}

/** The page index of a `find`, or -1. */
export function indexOf(found: number): number {
  return (found & TEN) - 1;
}

/** The lowest free page that a `find` saw, or -1. */
export function firstOf(found: number): number {
  return (found >> 10) - 1;
}

/**
 * The lowest bit position at which `n` ones begin in the 64-bit value `hi:lo`, or 64 if there is no such run;
 * `1 <= n <= 64`. Page caches find their runs with it.
 */
export function findBitRange64(lo: number, hi: number, n: number): number {
  let have = 1;
  while (have < n && (lo | hi) !== 0) {
    const step = Math.min(have, n - have);
    if (step < 32) {
      lo &= (lo >>> step) | (hi << (32 - step));
      hi &= hi >>> step;
    } else {
      lo &= hi;
      hi = 0;
    }
    have += step;
  }
  if (lo !== 0) return ctz32(lo);
  return hi !== 0 ? 32 + ctz32(hi) : 64;
}
