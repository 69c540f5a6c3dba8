/**
 * Scavenging: which pages to give back to the operating system, and the loop that does it.
 *
 * The index (`scavengeindex.ts`) names a chunk and a page to search down from. Within the chunk the candidate is the
 * highest run of pages that are free and not yet scavenged, no longer than asked for, taken from the run's top:
 *
 *     page   0                                  searchIdx
 *            ...aaa-----aass-----------aa----ss----|        a allocated, s scavenged, - free and backed
 *                                        <==>               the candidate
 *
 * Two things bend it. Where the operating system's page is larger than ours, candidates come in multiples of it,
 * aligned (`minPages`). And a transparent huge page should not be broken up for a part of it: if the candidate begins
 * inside a huge page that is wholly within the run, it is extended down to where the huge page begins.
 *
 * While its memory is being given back, a candidate is marked allocated, so that nobody takes pages whose bytes
 * are about to vanish. The `release` callback may therefore drop the heap lock and take it again; everything else here
 * runs under it, held by the caller. Sizes are pages of 8 KiB throughout.
 */

import type { PageAlloc } from './pagealloc.js';
import { CHUNK_PAGES, LOG_CHUNK_PAGES } from './pallocbits.js';

/**
 * Gives `npages` pages from `page` on back to the operating system. Answers false if they are not held any more: while the
 * lock was dropped, a recovery made the bitmaps anew. They are free then, or somebody's.
 */
export type Release = (page: number, npages: number) => unknown;

/** The operating system's page sizes, in units of 8 KiB pages. */
export interface PhysPages {
  /** Pages that can only be released together: `max(1, physPageSize / 8192)`, a power of two up to 64. */
  readonly minPages: number;
  /** Pages of a transparent huge page, a power of two up to 512; 0 or 1 if there is none. */
  readonly hugePages: number;
}

/** x86-64 Linux: physical pages of 4 KiB, transparent huge pages of 2 MiB. */
export const LINUX_AMD64: PhysPages = { minPages: 1, hugePages: 256 };

/**
 * Sets every bit of each aligned group of `size` bits in which any bit is set; `size` is a power of two, 1..32.
 */
export function fillAligned32(x: number, size: number): number {
  if (size === 1 || x === 0) return x;
  if (size === 32) return -1;
  // Fold each group onto its lowest bit, drop what the folding left above it, and spread the lowest bits again.
  for (let s = size >> 1; s > 0; s >>= 1) x |= x >>> s;
  x &= LOWEST_BITS[size];
  return ((x << size) - x) | 0;
}

/** By group size: the lowest bit of each group. */
const LOWEST_BITS = new Int32Array(17);
LOWEST_BITS[2] = 0x55555555;
LOWEST_BITS[4] = 0x11111111;
LOWEST_BITS[8] = 0x01010101;
LOWEST_BITS[16] = 0x00010001;

/**
 * The low half of `fillAligned32` for groups of up to 64 bits over `hi:lo`; the high half is the same call with the
 * halves swapped.
 */
export function fillAligned64(lo: number, hi: number, size: number): number {
  return size === 64 ? fillAligned32(lo | hi, 32) : fillAligned32(lo, size);
}

/**
 * Word `w` of a chunk at `b`, 1 where a page cannot be released: allocated, scavenged, or sharing its OS page with
 * such.
 */
function taken(m: Int32Array, b: number, w: number, minPages: number): number {
  const x = m[b + w] | m[b + w + 16];
  if (minPages === 1) return x;
  const other = b + (w ^ 1);
  return fillAligned64(x, m[other] | m[other + 16], minPages);
}

/**
 * The run of pages to release next in the chunk whose bitmaps (allocated, then scavenged) lie at `m[b..b+31]`, as
 * `start | npages << 10`; 0 if there is none. The search begins at the top of the 64-page block of `searchIdx` and goes
 * down. `maxPages` is rounded up to a multiple of `phys.minPages`, and exceeded only to keep a huge page whole.
 */
export function findScavengeCandidate(
  m: Int32Array,
  b: number,
  searchIdx: number,
  maxPages: number,
  phys: PhysPages,
): number {
  const min = phys.minPages;
  const max = Math.max(min, (maxPages + min - 1) & -min);
  let w = (searchIdx >> 5) | 1;
  while (w >= 0 && taken(m, b, w, min) === -1) w--;
  if (w < 0) return 0;
  const x = taken(m, b, w, min);
  const above = Math.clz32(~x);
  const end = w * 32 + 32 - above;
  let run = Math.clz32(x << above);
  if (run === 32) {
    // Free down to the bottom of this word: the run goes on in the words below.
    run = 32 - above;
    while (--w >= 0) {
      const zeros = Math.clz32(taken(m, b, w, min));
      run += zeros;
      if (zeros < 32) break;
    }
  }
  const size = Math.min(run, max);
  const start = end - size;
  const huge = phys.hugePages;
  if (huge > 1 && huge > min) {
    const border = start & -huge;
    if (((start + huge - 1) & -huge) <= end && border >= end - run) return border | ((end - border) << 10);
  }
  return start | (size << 10);
}

/**
 * Releases one candidate, searching down from `page`. Answers its length, 0 if the chunk has none, and is noted as empty, or
 * if the candidate was lost.
 */
function scavengeOne(pa: PageAlloc, page: number, maxPages: number, phys: PhysPages, release: Release): number {
  const chunk = page >> LOG_CHUNK_PAGES;
  if (pa.longestRun(chunk) >= phys.minPages) {
    const found = findScavengeCandidate(pa.m, pa.chunkBits(chunk), page & (CHUNK_PAGES - 1), maxPages, phys);
    const npages = found >> 10;
    if (npages > 0) {
      const first = (chunk << LOG_CHUNK_PAGES) + (found & 1023);
      pa.holdForScavenge(first, npages);
      let held = true;
      let done = false;
      try {
        held = release(first, npages) !== false;
        done = held;
      } finally {
        if (held) pa.endHold(first, npages, done);
      }
      return done ? npages : 0;
    }
  }
  pa.index.setEmpty(chunk);
  return 0;
}

/**
 * Releases at least `npages` pages if there are so many that are free and backed, from high addresses down. `force`
 * takes any chunk, at once (memory limit, FreeOSMemory); else dense ones are spared and only what was freed before the
 * last `index.nextGen()` is seen. Answers the number of pages released, which may exceed `npages` by the rest of a huge
 * page.
 */
export function scavenge(
  pa: PageAlloc,
  npages: number,
  force: boolean,
  release: Release,
  phys: PhysPages = LINUX_AMD64,
): number {
  let released = 0;
  while (released < npages) {
    const page = pa.index.find(force);
    if (page < 0) break;
    released += scavengeOne(pa, page, npages - released, phys, release);
  }
  return released;
}
