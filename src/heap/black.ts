/**
 * Allocating black: what is allocated while the collector marks is marked already, and its pointers need not be followed.
 *
 * Go marks each object as it hands it out. Here a whole group of slots is blackened when it is loaded into the allocCache, so that
 * the fast path of malloc has nothing to test; what was not handed out when the span leaves the mcache, or the mark ends, is
 * unmarked again. A slot is black when its mark and its scan bit are both set.
 *
 * Invariant, while marking: of a cached span, the slots in its allocCache are black; of every span, no other free slot is marked.
 *
 * By the P that holds the span, or with the world stopped. The bits are shared with Ps that mark, hence atomic.
 */

import { type Heap, type P, P_ALLOC, T_MARKED } from './heap.js';
import { popcount, S_ALLOC_CACHE, S_BITS, S_CACHE_BASE, S_SPANCLASS, S_START, S_WORDS } from './mspan.js';
import { NUM_SPAN_CLASSES } from './sizeclass.js';

/** Marks the slots that a cached span is about to hand out. */
export function blackenGroup(h: Heap, p: P, s: number): void {
  blacken(h, p, s, h.m[s + S_CACHE_BASE] >> 5, h.m[s + S_ALLOC_CACHE]);
}

/** Marks one slot, which is being handed out. */
export function blackenSlot(h: Heap, p: P, s: number, slot: number): void {
  blacken(h, p, s, slot >> 5, 1 << (slot & 31));
}

function blacken(h: Heap, p: P, s: number, group: number, slots: number): void {
  const { m } = h;
  if (slots === 0) return;
  const at = m[s + S_BITS] + group;
  if ((m[s + S_SPANCLASS] & 1) === 0) Atomics.or(m, h.scanBits + at, slots);
  const before = Atomics.or(m, h.markBits + at, slots);
  h.f[p.stats + T_MARKED] += popcount(slots & ~before) * m[s + S_WORDS] * 8;
  markPage(h, m[s + S_START]);
}

/** Notes that a span has a marked object, for the page reclaimer. */
export function markPage(h: Heap, page: number): void {
  const at = h.pageMarks + (page >> 5);
  const bit = 1 << (page & 31);
  if ((h.m[at] & bit) === 0) Atomics.or(h.m, at, bit);
}

/** Takes the marks of slots back that were not handed out after all. */
export function unblackenGroup(h: Heap, p: P, s: number): void {
  const { m } = h;
  const slots = m[s + S_ALLOC_CACHE];
  if (slots === 0) return;
  const at = m[s + S_BITS] + (m[s + S_CACHE_BASE] >> 5);
  const before = Atomics.and(m, h.markBits + at, ~slots);
  Atomics.and(m, h.scanBits + at, ~slots);
  h.f[p.stats + T_MARKED] -= popcount(before & slots) * m[s + S_WORDS] * 8;
}

/** Blackens what every P's mcache is about to hand out. With the world stopped, as the mark begins. */
export function blackenCaches(h: Heap): void {
  for (const p of h.ps) {
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) blackenGroup(h, p, h.m[p.at + P_ALLOC + spc]);
  }
}

/** The opposite, as the mark ends. */
export function unblackenCaches(h: Heap): void {
  for (const p of h.ps) {
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) unblackenGroup(h, p, h.m[p.at + P_ALLOC + spc]);
  }
}
