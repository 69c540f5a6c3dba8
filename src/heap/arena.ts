/**
 * Arenas: the steps in which the heap takes address space, 64 MiB on 64-bit platforms and 4 MiB elsewhere.
 *
 * In Go an arena is mapped from the OS; here it is the next piece of the reservation, and passes through the same
 * states: None → Reserved → Prepared → Ready. An arena's map from pages to spans is the stretch of `pageSpan` that its
 * pages index (heapArena.spans). `zeroedBase` is its high-water mark: pages below it have been used and may be dirty, pages
 * above it still read zero, as the operating system made them.
 *
 * State: under the heap lock. zeroedBase: raised by compare-and-swap, by whoever initialises a span.
 */

import type { Heap } from './heap.js';
import { ARENA_STRIDE } from './layout.js';

export const ArenaState = { None: 0, Reserved: 1, Prepared: 2, Ready: 3 } as const;
export const ARENA_STATE_NAMES = ['none', 'reserved', 'prepared', 'ready'] as const;

const A_STATE = 0;
const A_ZEROED_BASE = 1;

/** What sizeof(heapArena) is in Go 1.27: charged to GCSys for each arena, as Go charges it. */
export const HEAP_ARENA_BYTES = 69_648;

export function arenaState(h: Heap, arena: number): number {
  return h.m[h.arenas + arena * ARENA_STRIDE + A_STATE];
}

/** Under the heap lock. */
export function setArenaState(h: Heap, arena: number, state: number): void {
  h.m[h.arenas + arena * ARENA_STRIDE + A_STATE] = state;
}

/** Pages of an arena below its high-water mark: they have been part of a span once. */
export function zeroedBase(h: Heap, arena: number): number {
  return h.m[h.arenas + arena * ARENA_STRIDE + A_ZEROED_BASE];
}

/** Raises the high-water marks over a new span's pages; tells whether any of them lay below one and may be dirty. */
export function allocNeedsZero(h: Heap, page: number, npages: number): boolean {
  let dirty = false;
  let left = npages;
  let at = page;
  while (left > 0) {
    const arena = Math.floor(at / h.arenaPages);
    const first = at - arena * h.arenaPages;
    const n = Math.min(left, h.arenaPages - first);
    const mark = h.arenas + arena * ARENA_STRIDE + A_ZEROED_BASE;
    let base = Atomics.load(h.m, mark);
    if (first < base) dirty = true;
    while (first + n > base) {
      const seen = Atomics.compareExchange(h.m, mark, base, first + n);
      if (seen === base) break;
      // Another P raised it meanwhile. Its span lies elsewhere, but below the mark now means maybe used.
      base = seen;
      if (first < base) dirty = true;
    }
    at += n;
    left -= n;
  }
  return dirty;
}
