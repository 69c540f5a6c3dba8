/**
 * Marking from the root bits: every object whose root is still held is live.
 *
 * Root bits are kept inverted (droppedBits), so the marks of a span are its allocated slots without its dropped ones: one AND-NOT of two
 * bitmaps for 32 slots, at memory speed, and the objects' own bytes are never read. For heaps without pointers this
 * is the whole mark, and exact.
 *
 * Tiny blocks are the exception: the dropped bit of a block is a hint, its masks decide, and the block that a P is filling is live
 * whatever they say, since it is about to get another object (Go's gcMarkTinyAllocs).
 *
 * With the world stopped. Precondition: nothing is left to sweep, and all marks are clear (each sweep leaves them so).
 */

import { H_HEAP_LIVE, H_HEAP_MARKED, H_SPAN_NEXT, type Heap, P_TINY } from '../heap/heap.js';
import {
  allocatedGroup,
  ctz,
  popcount,
  S_BASE,
  S_HAS_TINY,
  S_NELEMS,
  S_START,
  S_STATE,
  S_WORDS,
  SpanState,
  spanAt,
} from '../heap/mspan.js';
import { PAGE_WORDS } from '../heap/sizeclass.js';
import { tinyMaskAt, tinyRooted } from '../heap/tiny.js';

/** Marks everything that a root holds. Returns whether it kept garbage: a tiny block without a root that a P was filling. */
export function markRoots(h: Heap): boolean {
  const { m } = h;
  m.fill(0, h.pageMarks, h.pageMarks + Math.ceil(h.pages / 32));
  let marked = 0;
  const last = h.scalar(H_SPAN_NEXT);
  for (let id = 1; id < last; id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] === SpanState.inUse) marked += markSpan(h, s) * m[s + S_WORDS];
  }
  const current = markCurrentTiny(h);
  marked += current;
  m[h.mheap + H_HEAP_MARKED] = marked;
  m[h.mheap + H_HEAP_LIVE] = marked;
  return current > 0;
}

/** Marks the rooted slots of a span; returns how many. */
function markSpan(h: Heap, s: number): number {
  const { m } = h;
  const at = m[s + S_START] * 32;
  const groups = (m[s + S_NELEMS] + 31) >> 5;
  const tiny = m[s + S_HAS_TINY] !== 0;
  let n = 0;
  for (let i = 0; i < groups; i++) {
    const allocated = allocatedGroup(h, s, i);
    const dropped = m[h.droppedBits + at + i];
    let live = allocated & ~dropped;
    if (tiny) live |= stillRooted(h, s, i, allocated & dropped);
    m[h.markBits + at + i] = live;
    n += popcount(live);
  }
  if (n > 0) setPageMark(h, m[s + S_START]);
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

function setPageMark(h: Heap, page: number): void {
  h.m[h.pageMarks + (page >> 5)] |= 1 << (page & 31);
}

/** Marks the block that each P is filling; returns the words that this added. */
function markCurrentTiny(h: Heap): number {
  const { m } = h;
  let added = 0;
  for (const p of h.ps) {
    const block = m[p.at + P_TINY] - 1;
    if (block < 0 || h.u[tinyMaskAt(h, block)] === 0) continue;
    const page = (block / PAGE_WORDS) | 0;
    const s = m[h.pageSpan + page];
    const slot = (block - m[s + S_BASE]) >> 1;
    const at = h.markBits + m[s + S_START] * 32 + (slot >> 5);
    if (((m[at] >>> (slot & 31)) & 1) === 1) continue;
    m[at] |= 1 << (slot & 31);
    setPageMark(h, m[s + S_START]);
    added += 2;
  }
  return added;
}
