/**
 * The heap as an onlooker sees it: slots, what they hold, and where their pointers lead.
 *
 * A slot is named by its bit number, page × 1,024 + slot: one int32 instead of a span and a slot, and its place in any
 * bitmap that is laid out as markBits are. A pointer to any byte of a slot refers to its object, as in Go; tiny objects share
 * a block, live with it, and root it as long as one of them is rooted.
 *
 * A slot that the last mark condemned holds no object, though its sweep is still to come: it must not be shown, as it
 * may be gone the next moment, and nothing live points there.
 *
 * With the world stopped. Reads only: where `resolve` sweeps a span to be sure of it, this looks at its marks.
 */

import { H_SWEEPGEN, HEAP_BASE, type Heap } from '../heap/heap.js';
import {
  allocatedGroup,
  ctz,
  groupMask,
  S_BASE,
  S_BITS,
  S_HAS_TINY,
  S_NELEMS,
  S_SPANCLASS,
  S_STATE,
  S_SWEEPGEN,
  S_TYPE,
  S_WORDS,
  SpanState,
} from '../heap/mspan.js';
import { PAGE_SHIFT, SPC_TO_HEADER_WORDS, SPC_TO_HEAP_BITS, SPC_TO_INVERSE } from '../heap/sizeclass.js';
import { tinyRooted } from '../heap/tiny.js';
import { maskOf } from '../heap/types.js';

/** High half of the heap's first address; its low half is zero. */
const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
const PAGE_OF_WORD = PAGE_SHIFT - 3;

/** The span of a slot. */
export const spanOf = (h: Heap, name: number): number => h.m[h.pageSpan + (name >> 10)];

/** The slot that a stored value points into, allocated or not; -1 if it is no address of a slot. */
export function pointee(h: Heap, word: number): number {
  const { w32 } = h;
  // The view of an 8 GiB heap lacks its very last half.
  const above = (w32[word * 2 + 1] | 0) - BASE_HI;
  if (above < 0 || above > 3) return -1;
  return slotAt(h, (above << 29) | (w32[word * 2] >>> 3));
}

/** The slot that contains a word address; -1 if none does. */
function slotAt(h: Heap, word: number): number {
  const { m } = h;
  if (word < 0 || word >= h.pages << PAGE_OF_WORD) return -1;
  const s = m[h.pageSpan + (word >> PAGE_OF_WORD)];
  if (s === 0 || m[s + S_STATE] !== SpanState.inUse) return -1;
  const spc = m[s + S_SPANCLASS];
  const slot = spc < 2 ? 0 : ((word - m[s + S_BASE] + 0.5) * SPC_TO_INVERSE[spc]) | 0;
  return slot < m[s + S_NELEMS] ? m[s + S_BITS] * 32 + slot : -1;
}

/** The object that contains a word address; -1 if none does. */
export function objectAt(h: Heap, word: number): number {
  const name = slotAt(h, word);
  return name >= 0 && isLive(h, name) ? name : -1;
}

/** Slots of a group that hold an object. What the last mark condemned holds none, though its sweep is still to come. */
export function liveGroup(h: Heap, s: number, i: number): number {
  const { m } = h;
  const allocated = allocatedGroup(h, s, i);
  const sweepgen = m[h.mheap + H_SWEEPGEN];
  const swept = m[s + S_SWEEPGEN] === sweepgen || m[s + S_SWEEPGEN] === sweepgen + 3;
  return swept ? allocated : allocated & m[h.markBits + m[s + S_BITS] + i];
}

/** Of the live slots of a group, those with a root. */
export function rootedGroup(h: Heap, s: number, i: number, live: number): number {
  const { m } = h;
  const dropped = m[h.droppedBits + m[s + S_BITS] + i];
  let rooted = live & ~dropped;
  if (m[s + S_HAS_TINY] === 0) return rooted;
  // The dropped bit of a tiny block is a hint; its masks decide.
  for (let left = live & dropped; left !== 0; left &= left - 1) {
    const bit = ctz(left);
    if (tinyRooted(h, m[s + S_BASE] + (i * 32 + bit) * 2) !== 0) rooted |= 1 << bit;
  }
  return rooted;
}

/** Whether a slot holds an object. */
export function isLive(h: Heap, name: number): boolean {
  return ((liveGroup(h, spanOf(h, name), (name & 1023) >> 5) >>> (name & 31)) & 1) === 1;
}

/** Whether the object in a slot has a root. */
export function isRooted(h: Heap, name: number): boolean {
  return rootedGroup(h, spanOf(h, name), (name & 1023) >> 5, 1 << (name & 31)) !== 0;
}

/** The pointer words of one object after another: `begin`, then `next` until it says -1. */
export class PointerWords {
  /** Word address of the object's first byte. */
  first = 0;
  private readonly h: Heap;
  private end = 0;
  /** Where the span's pointer bitmap is, and the object's first bit in it; or -1, and its type. */
  private bits = -1;
  private bit = 0;
  private type = 0;
  private group = 0;
  private left = 0;

  constructor(h: Heap) {
    this.h = h;
  }

  begin(name: number): void {
    const { m, w32 } = this.h;
    const s = spanOf(this.h, name);
    const slot = name & 1023;
    const spc = m[s + S_SPANCLASS];
    const words = m[s + S_WORDS];
    const base = m[s + S_BASE];
    const header = SPC_TO_HEADER_WORDS[spc];
    const bits = SPC_TO_HEAP_BITS[spc];
    this.first = base + slot * words + header;
    this.end = (spc & 1) === 1 ? 0 : words - header;
    this.group = -1;
    this.left = 0;
    this.bits = bits < 0 ? -1 : base * 2 + bits;
    this.bit = slot * words;
    if (bits < 0) this.type = spc < 2 ? m[s + S_TYPE] : w32[(base + slot * words) * 2];
  }

  next(): number {
    while (this.left === 0) {
      const from = ++this.group * 32;
      if (from >= this.end) return -1;
      this.left =
        (this.bits < 0 ? maskOf(this.h, this.type, this.group) : this.bitmap(from)) & groupMask(from, this.end);
    }
    const i = this.group * 32 + ctz(this.left);
    this.left &= this.left - 1;
    return i;
  }

  /** 32 bits of the span's bitmap, from the object's word `from` on. Objects begin at any bit of it. */
  private bitmap(from: number): number {
    const { w32 } = this.h;
    const bit = this.bit + from;
    const at = this.bits + (bit >> 5);
    const shift = bit & 31;
    return shift === 0 ? w32[at] : (w32[at] >>> shift) | (w32[at + 1] << (32 - shift));
  }
}
