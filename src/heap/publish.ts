/**
 * Publishing: telling an object whose address was answered from one that died on the way to its client.
 *
 * A slot that a thread had handed out when it died, and of which nobody was told, must not stay rooted for ever. Most are told by
 * their place: slots of a span are handed out in order, and S_PUBLISHED follows S_FREEINDEX as they are answered. Two kinds
 * have no such order, a slot that is used again after an immediate free and a tiny object in a block with others. malloc notes
 * these in P_UNANSWERED before it roots them, and `publish` forgets them.
 *
 * An object that is to have no root (`UNROOTED`) keeps one until what follows has linked it; P_UNROOTED names it meanwhile.
 *
 * By the thread that holds the P, without a lock. `dropNamed` is for the recovery, with the world stopped.
 */

import { type Heap, type P, P_ALLOC, P_UNANSWERED, P_UNROOTED } from './heap.js';
import {
  isAllocated,
  S_BASE,
  S_BITS,
  S_FREEINDEX,
  S_HAS_TINY,
  S_PUBLISHED,
  S_SPANCLASS,
  S_STATE,
  S_WORDS,
  SpanState,
} from './mspan.js';
import { PAGE_SHIFT } from './sizeclass.js';
import { tinyMaskAt } from './tiny.js';

const PAGE_OF_WORD = PAGE_SHIFT - 3;
const ALLOC = P_ALLOC;
const UNANSWERED = P_UNANSWERED;
const SPANCLASS = S_SPANCLASS;
const PUBLISHED = S_PUBLISHED;
const FREEINDEX = S_FREEINDEX;

/** The object at `word` that P allocated last has been answered. Returns its span. */
export function publish(h: Heap, p: P, word: number): number {
  const { m } = h;
  const s = m[h.pageSpan + (word >> PAGE_OF_WORD)];
  const spc = m[s + SPANCLASS];
  // Not of a slot that is used again in a span of another P, which moves both of these on at any time.
  if (spc < 2 || m[p.at + ALLOC + spc] === s) m[s + PUBLISHED] = m[s + FREEINDEX];
  m[p.at + UNANSWERED] = 0;
  return s;
}

/** Drops the roots of what the two words of a dead P name. */
export function dropNamed(h: Heap, dead: P): void {
  for (const at of [dead.at + P_UNANSWERED, dead.at + P_UNROOTED]) {
    // Until it is done the word stays: this thread may die as well.
    if (h.m[at] !== 0) dropQuietly(h, h.m[at] - 1, h.m[at + 1]);
    h.m[at] = 0;
  }
}

/** Drops a root, if there is one. Uncounted, as all that a recovery drops; the next sweep marks. */
function dropQuietly(h: Heap, word: number, sub: number): void {
  const { m, u } = h;
  const s = m[h.pageSpan + (word >> PAGE_OF_WORD)];
  if (s === 0 || m[s + S_STATE] !== SpanState.inUse) return;
  const slot = Math.floor((word - m[s + S_BASE]) / m[s + S_WORDS]);
  if (!isAllocated(h, s, slot)) return;
  if (m[s + S_HAS_TINY] !== 0) {
    const block = m[s + S_BASE] + slot * 2;
    const masks = tinyMaskAt(h, block);
    const bit = 1 << ((word - block) * 8 + sub);
    // Its start may not have been noted yet. Whether it was the block's last, the recovery sees for all blocks.
    if ((u[masks] & bit) !== 0) u[masks + 1] |= bit;
    if (u[masks] !== 0) return;
  }
  m[h.droppedBits + m[s + S_BITS] + (slot >> 5)] |= 1 << (slot & 31);
}
