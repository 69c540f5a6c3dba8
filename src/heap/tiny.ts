/**
 * The tiny allocator: objects without pointers and below 16 bytes share a 16-byte block.
 *
 * A P has one current block. An object is placed at the next offset that its size aligns to (8 for multiples of 8, 4, 2,
 * else 1); if it does not fit, a new block is taken from span class 5, which becomes the current one only if it has
 * more room left than the old. Blocks lie among ordinary 16-byte noscan objects, slot by slot.
 *
 * In Go a block lives while anything refers to any of its objects. Here each object has a root of its own: per slot, one
 * 16-bit mask says at which bytes objects start, another whose root was dropped. Only the owner of the current
 * block writes the first, anyone may write the second, so it is written atomically. When they are equal the slot's dropped bit is
 * set as well, as a hint: root marking looks at the masks of hinted slots only. The hint may be stale, since the
 * block may still take objects; the masks decide.
 */

import {
  type Heap,
  type P,
  P_REQUESTED,
  P_TINY,
  P_TINY_ALLOCS,
  P_TINY_OFFSET,
  P_UNANSWERED,
  P_UNANSWERED_SUB,
  Served,
} from './heap.js';
import { allocSlot } from './malloc.js';
import { S_BASE, S_BITS, S_HAS_TINY, S_NELEMS } from './mspan.js';
import { PAGE_SHIFT, TINY_SIZE, TINY_SPAN_CLASS } from './sizeclass.js';

/** Index, in the uint16 view, of a slot's start mask; its dropped mask follows. `word`: the block's word address. */
export function tinyMaskAt(h: Heap, word: number): number {
  // 512 blocks of two words in a page: consecutive words share an index.
  return h.tinyMasks + (word >> 1) * 2;
}

/** Allocates `size` (1 to 15) bytes without pointers. Word address of its first byte's word, `p.sub` the byte in it; -1 if full. */
export function mallocTiny(h: Heap, p: P, size: number): number {
  const { m } = h;
  let offset = m[p.at + P_TINY_OFFSET];
  if ((size & 7) === 0) offset = (offset + 7) & ~7;
  else if ((size & 3) === 0) offset = (offset + 3) & ~3;
  else if ((size & 1) === 0) offset = (offset + 1) & ~1;
  let block = m[p.at + P_TINY] - 1;
  if (block >= 0 && offset + size <= TINY_SIZE) {
    m[p.at + P_TINY_OFFSET] = offset + size;
    m[p.at + P_TINY_ALLOCS]++;
    m[p.at + P_REQUESTED + TINY_SPAN_CLASS] += size;
    p.served = Served.tiny;
  } else {
    offset = 0;
    block = allocSlot(h, p, TINY_SPAN_CLASS, size);
    if (block < 0) return -1;
    h.w[block] = 0;
    h.w[block + 1] = 0;
    m[m[h.pageSpan + (block >> (PAGE_SHIFT - 3))] + S_HAS_TINY] = 1;
    // Keep whichever block has more room left.
    if (m[p.at + P_TINY] === 0 || size < m[p.at + P_TINY_OFFSET]) {
      m[p.at + P_TINY] = block + 1;
      m[p.at + P_TINY_OFFSET] = size;
    }
  }
  m[p.at + P_UNANSWERED_SUB] = offset & 7;
  m[p.at + P_UNANSWERED] = block + (offset >> 3) + 1;
  h.u[tinyMaskAt(h, block)] |= 1 << offset;
  p.sub = offset & 7;
  return block + (offset >> 3);
}

/** Bytes of a block where objects start whose root is still held. */
export function tinyRooted(h: Heap, word: number): number {
  const at = tinyMaskAt(h, word);
  return h.u[at] & ~h.u[at + 1];
}

/** Whether a block is the one that some P is filling. */
export function isCurrentTiny(h: Heap, word: number): boolean {
  for (const p of h.ps) if (h.m[p.at + P_TINY] === word + 1) return true;
  return false;
}

/** Forgets the tiny objects of every slot that is not allocated any more. By the span's sweeper. */
export function clearTinyMasks(h: Heap, s: number): void {
  const { m, u } = h;
  const alloc = h.allocBits + m[s + S_BITS];
  let any = false;
  for (let slot = 0; slot < m[s + S_NELEMS]; slot++) {
    const at = tinyMaskAt(h, m[s + S_BASE] + slot * 2);
    if ((u[at] | u[at + 1]) === 0) continue;
    if (((m[alloc + (slot >> 5)] >>> (slot & 31)) & 1) === 1) any = true;
    else {
      u[at] = 0;
      u[at + 1] = 0;
    }
  }
  m[s + S_HAS_TINY] = any ? 1 : 0;
}
