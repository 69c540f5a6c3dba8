/**
 * Marking from the root bits: every object whose root is held is live.
 *
 * Root bits are kept inverted (droppedBits), so the rooted slots of a span are its allocated ones without its dropped ones: one AND-NOT of two
 * bitmaps for 32 slots, at memory speed, and the objects' own bytes are never read. For spans without pointers that is all there is
 * to do; a span with pointers is queued if that marked anything.
 *
 * It happens in jobs of 64 spans while the program runs. What is allocated meanwhile is black anyway; a root that is dropped meanwhile may keep its
 * object for one more cycle. Spans that were made after the mark began need no root marking.
 *
 * Tiny blocks are the exception: the dropped bit of a block is a hint, its masks decide, and the block that a P is filling when the mark begins
 * is live whatever they say, since it is about to get another object (Go's gcMarkTinyAllocs).
 */

import { markPage } from '../heap/black.js';
import {
  H_ROOT_END,
  H_ROOT_NEXT,
  type Heap,
  type P,
  P_TINY,
  T_MARKED,
  T_ROOT_SPANS,
  T_ROOTS_MARKED,
} from '../heap/heap.js';
import {
  allocatedGroup,
  ctz,
  popcount,
  S_BASE,
  S_BITS,
  S_HAS_TINY,
  S_NELEMS,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_WORDS,
  SpanState,
  spanAt,
  spanOfBit,
} from '../heap/mspan.js';
import { PAGE_WORDS } from '../heap/sizeclass.js';
import { tinyMaskAt, tinyRooted } from '../heap/tiny.js';
import { markHollowRoots } from './hollowroots.js';
import { queueSpan } from './mark.js';

/** Spans of one job. */
const JOB = 64;

/** Marks the roots of the next few spans. Returns the bytes that it scanned for that: none, as roots are bits; -1 when no job is left. */
export function markRootJob(h: Heap, p: P): number {
  if (h.hollow) return markHollowRoots(h, p, markRoots);
  const { m } = h;
  const end = m[h.mheap + H_ROOT_END];
  if (m[h.mheap + H_ROOT_NEXT] >= end) return -1;
  const first = Atomics.add(m, h.mheap + H_ROOT_NEXT, JOB);
  markRoots(h, p, first, Math.min(first + JOB, end));
  return 0;
}

/** Marks the roots of the spans with numbers [first, last). */
function markRoots(h: Heap, p: P, first: number, last: number): void {
  const { m } = h;
  let roots = 0;
  let marked = 0;
  let spans = 0;
  for (let id = first; id < last; id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) continue;
    const n = markSpan(h, p, s);
    spans++;
    roots += n;
    // The bytes of an object with pointers are counted when it is scanned.
    if ((m[s + S_SPANCLASS] & 1) === 1) marked += n * m[s + S_WORDS];
  }
  h.f[p.stats + T_ROOTS_MARKED] += roots;
  h.f[p.stats + T_ROOT_SPANS] += spans;
  h.f[p.stats + T_MARKED] += marked * 8;
}

/** Whether every root job was taken. */
export const rootsTaken = (h: Heap): boolean => h.m[h.mheap + H_ROOT_NEXT] >= h.m[h.mheap + H_ROOT_END];

/** Marks the rooted slots of a span; returns how many were not marked yet. */
function markSpan(h: Heap, p: P, s: number): number {
  const { m, solo } = h;
  const at = m[s + S_BITS];
  const marks = h.markBits + at;
  const groups = (m[s + S_NELEMS] + 31) >> 5;
  const tiny = m[s + S_HAS_TINY] !== 0;
  let n = 0;
  for (let i = 0; i < groups; i++) {
    const allocated = allocatedGroup(h, s, i);
    const dropped = m[h.droppedBits + at + i];
    let live = allocated & ~dropped;
    if (tiny) live |= stillRooted(h, s, i, allocated & dropped);
    live &= ~m[marks + i];
    if (live === 0) continue;
    if (solo) m[marks + i] |= live;
    else live &= ~Atomics.or(m, marks + i, live);
    n += popcount(live);
  }
  if (n > 0) {
    if ((m[s + S_SPANCLASS] & 1) === 0) queueSpan(h, p, s);
    else markPage(h, m[s + S_START]);
  }
  return n;
}

/** Of the slots hinted as dropped, those that are tiny blocks with a rooted object. */
function stillRooted(h: Heap, s: number, group: number, hinted: number): number {
  let live = 0;
  for (let left = hinted; left !== 0; left &= left - 1) {
    const bit = ctz(left);
    if (tinyRooted(h, h.m[s + S_BASE] + (group * 32 + bit) * 2) !== 0) live |= 1 << bit;
  }
  return live;
}

/**
 * Marks the block that each P is filling. With the world stopped, as the mark begins. Returns whether one of them has no rooted
 * object: garbage that this cycle keeps.
 */
export function markCurrentTiny(h: Heap, p: P): boolean {
  const { m } = h;
  let kept = false;
  if (h.hollow) return markHollowTiny(h, p);
  for (const other of h.ps) {
    const block = m[other.at + P_TINY] - 1;
    if (block < 0 || h.u[tinyMaskAt(h, block)] === 0) continue;
    if (tinyRooted(h, block) === 0) kept = true;
    const page = (block / PAGE_WORDS) | 0;
    const s = m[h.pageSpan + page];
    const slot = (block - m[s + S_BASE]) >> 1;
    const at = h.markBits + m[s + S_BITS] + (slot >> 5);
    if (((m[at] >>> (slot & 31)) & 1) === 1) continue;
    m[at] |= 1 << (slot & 31);
    markPage(h, m[s + S_START]);
    h.f[p.stats + T_MARKED] += 16;
  }
  return kept;
}

/** The same of a hollow heap, whose blocks are named by their bit. */
function markHollowTiny(h: Heap, p: P): boolean {
  const { m } = h;
  let kept = false;
  for (const other of h.ps) {
    const bit = m[other.at + P_TINY] - 1;
    if (bit < 0) continue;
    const word = bit >> 5;
    const mask = 1 << (bit & 31);
    if ((m[h.droppedBits + word] & mask) !== 0) kept = true;
    if ((m[h.markBits + word] & mask) !== 0) continue;
    m[h.markBits + word] |= mask;
    markPage(h, m[spanOfBit(h, bit) + S_START]);
    h.f[p.stats + T_MARKED] += 16;
  }
  return kept;
}
