/**
 * Pointer layouts: which words of a scan object hold addresses.
 *
 * As in Go since 1.22. Objects up to 512 bytes: one bit for each word, in a bitmap at the end of the span's own page.
 * Larger ones: a type. Its number stands in an 8-byte header in front of the object, or in the span's record where the object is large.
 *
 * Type 0 has no pointers, type 1 is all pointers; the others are masks that clients gave, interned so that equal masks
 * share a type. Only the main thread adds types; they live as long as the heap, as a Go program's do.
 */

import { H_TYPE_MASK_NEXT, H_TYPES, type Heap } from './heap.js';
import { MAX_TYPES, TYPE_MASK_WORDS, TYPE_STRIDE } from './layout.js';
import { S_BASE, S_SPANCLASS, S_TYPE, S_WORDS } from './mspan.js';
import { PAGE_WORDS, SPC_TO_HEADER_WORDS, SPC_TO_HEAP_BITS } from './sizeclass.js';

export const TYPE_NO_POINTERS = 0;
export const TYPE_ALL_POINTERS = 1;

const Y_MASK = 0; // first int32 of the mask, relative to typeMasks
const Y_WORDS = 1; // words that the mask covers; no pointer lies beyond

/**
 * Writes the pointer bits of one slot into its span's bitmap. `bits`: offset of the bitmap in the span, in int32 words;
 * `words`: the slot's size. By the span's owner only: neighbours share the bitmap's words.
 */
export function writeHeapBits(
  h: Heap,
  word: number,
  bits: number,
  words: number,
  maskLo: number,
  maskHi: number,
): void {
  const page = word & -PAGE_WORDS;
  const first = word - page;
  const at = page * 2 + bits;
  writeBits(h.w32, at, first, Math.min(words, 32), maskLo);
  if (words > 32) writeBits(h.w32, at, first + 32, words - 32, maskHi);
}

/** Whether the pointer bits of a slot are these already. From any thread, if the slot is its own. */
export function hasHeapBits(
  h: Heap,
  word: number,
  bits: number,
  words: number,
  maskLo: number,
  maskHi: number,
): boolean {
  const page = word & -PAGE_WORDS;
  const at = page * 2 + bits;
  const first = word - page;
  for (let i = 0; i < words; i++) {
    const should = ((i < 32 ? maskLo >>> i : maskHi >>> (i - 32)) & 1) === 1;
    if ((((h.w32[at + ((first + i) >> 5)] >>> ((first + i) & 31)) & 1) === 1) !== should) return false;
  }
  return true;
}

/** Writes the low `n` (1 to 32) bits of `value` at bit `bit` of a bitmap. */
function writeBits(m: Int32Array, at: number, bit: number, n: number, value: number): void {
  const i = at + (bit >> 5);
  const shift = bit & 31;
  const mask = n === 32 ? -1 : (1 << n) - 1;
  m[i] = (m[i] & ~(mask << shift)) | ((value & mask) << shift);
  if (shift + n > 32) {
    const high = mask >>> (32 - shift);
    m[i + 1] = (m[i + 1] & ~high) | ((value & mask) >>> (32 - shift));
  }
}

/** Whether word `i` of the object in a slot is a pointer. */
export function isPointerWord(h: Heap, s: number, slot: number, i: number): boolean {
  const { m, w32 } = h;
  const spc = m[s + S_SPANCLASS];
  if ((spc & 1) === 1) return false;
  const words = m[s + S_WORDS] - SPC_TO_HEADER_WORDS[spc];
  if (i < 0 || i >= words) return false;
  const bits = SPC_TO_HEAP_BITS[spc];
  if (bits >= 0) {
    const bit = slot * m[s + S_WORDS] + i;
    return ((w32[m[s + S_BASE] * 2 + bits + (bit >> 5)] >>> (bit & 31)) & 1) === 1;
  }
  const type = spc === 0 ? m[s + S_TYPE] : w32[(m[s + S_BASE] + slot * m[s + S_WORDS]) * 2];
  return typeHasPointer(h, type, i);
}

export function typeHasPointer(h: Heap, type: number, i: number): boolean {
  if (type === TYPE_ALL_POINTERS) return true;
  const at = h.types + type * TYPE_STRIDE;
  if (type <= 0 || i >= h.m[at + Y_WORDS]) return false;
  return ((h.m[h.typeMasks + h.m[at + Y_MASK] + (i >> 5)] >>> (i & 31)) & 1) === 1;
}

/** Int32 word `i` of a type's mask, for objects whose bitmap is written bit by bit. */
export function maskOf(h: Heap, type: number, i: number): number {
  if (type === TYPE_ALL_POINTERS) return -1;
  const at = h.types + type * TYPE_STRIDE;
  return i * 32 < h.m[at + Y_WORDS] ? h.m[h.typeMasks + h.m[at + Y_MASK] + i] : 0;
}

/** Words of an object of `words` words that the collector has to look at: up to the last pointer. */
export function scanWords(h: Heap, type: number, words: number): number {
  if (type === TYPE_ALL_POINTERS) return words;
  return type <= 0 ? 0 : Math.min(words, h.m[h.types + type * TYPE_STRIDE + Y_WORDS]);
}

/** Words of an object that hold pointers, at most `limit` of them. */
export function pointerWords(h: Heap, s: number, slot: number, limit: number): number[] {
  const { m } = h;
  const out: number[] = [];
  const words = m[s + S_WORDS] - SPC_TO_HEADER_WORDS[m[s + S_SPANCLASS]];
  for (let i = 0; i < words && out.length < limit; i++) if (isPointerWord(h, s, slot, i)) out.push(i);
  return out;
}

/** Interns masks on the main thread. One per heap. */
export class TypeTable {
  private readonly heap: Heap;
  private readonly known = new Map<string, number>();

  constructor(heap: Heap) {
    this.heap = heap;
  }

  /** The type whose pointers are exactly `words` (ascending, distinct), or -1 when the table is full. */
  intern(words: readonly number[]): number {
    if (words.length === 0) return TYPE_NO_POINTERS;
    const key = words.join(',');
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const { m } = this.heap;
    const at = this.heap.mheap;
    const covered = words[words.length - 1] + 1;
    const size = (covered + 31) >> 5;
    const type = m[at + H_TYPES];
    const mask = m[at + H_TYPE_MASK_NEXT];
    if (type === MAX_TYPES || mask + size > TYPE_MASK_WORDS) return -1;
    for (const w of words) m[this.heap.typeMasks + mask + (w >> 5)] |= 1 << (w & 31);
    m[this.heap.types + type * TYPE_STRIDE + Y_MASK] = mask;
    m[this.heap.types + type * TYPE_STRIDE + Y_WORDS] = covered;
    m[at + H_TYPE_MASK_NEXT] = mask + size;
    Atomics.store(m, at + H_TYPES, type + 1);
    this.known.set(key, type);
    return type;
  }
}
