/**
 * Objects: from an address to the object it names, and to its bytes.
 *
 * An address that a client sends is checked against the ground truth before anything else happens: does it lie in the
 * heap, in a span, at the start of an object, is that object allocated, was its root dropped. Each way to be wrong has a
 * code of its own, because each means something else to the person who sent it.
 *
 * `resolve` leaves what it found in the fields of a `Found` that the caller owns, so that the free path makes no object.
 */

import { type Heap, type P, P_REUSABLE } from './heap.js';
import { REUSABLE_CAP } from './layout.js';
import {
  isAllocated,
  isDropped,
  S_BASE,
  S_BITS,
  S_HAS_LINKED,
  S_LARGE_GIB,
  S_LARGE_REST,
  S_NELEMS,
  S_SPANCLASS,
  S_STATE,
  S_WORDS,
  SpanState,
} from './mspan.js';
import {
  PAGE_SHIFT,
  PAGE_WORDS,
  SPC_TO_HEADER_WORDS,
  SPC_TO_INVERSE,
  SPC_TO_WORDS,
  TINY_SPAN_CLASS,
} from './sizeclass.js';
import { ensureSwept } from './sweep.js';
import { tinyMaskAt } from './tiny.js';

/** What an address turned out to be. 0 is good; the rest are the client's mistakes. */
export const Status = {
  ok: 0,
  /** Outside every page that the heap has. */
  outside: 1,
  /** In the heap, but in no span, or in a slot that is not allocated. */
  notAllocated: 2,
  /** Inside an object, not at its start. */
  interior: 3,
  /** At the start of an object whose root was dropped before. */
  alreadyFreed: 4,
  /** The reservation is exhausted. */
  exhausted: 5,
  /** A word that is not a pointer of the object. */
  notPointerWord: 6,
  /** An offset or length beyond the object. */
  outOfRange: 7,
  /** A pointer value that is neither null nor inside an allocated object. */
  badPointer: 8,
} as const;

/** What `resolve` found. One per thread and P; overwritten by the next call. */
export class Found {
  span = 0;
  slot = 0;
  /** Byte in a tiny block, 0 elsewhere. */
  offset = 0;
  tiny = false;
}

/** Looks up the object that starts at word `word`, byte `sub`. Does not look at its root: see `checkRooted`. */
export function resolve(h: Heap, p: P, word: number, sub: number, found: Found): number {
  const { m } = h;
  if (word < 0 || word >= h.pages << (PAGE_SHIFT - 3)) return Status.outside;
  const s = m[h.pageSpan + (word >> (PAGE_SHIFT - 3))];
  if (s === 0 || m[s + S_STATE] !== SpanState.inUse) return Status.notAllocated;
  ensureSwept(h, p, s);
  if (m[s + S_STATE] !== SpanState.inUse) return Status.notAllocated;
  const spc = m[s + S_SPANCLASS];
  const words = m[s + S_WORDS];
  const offset = word - m[s + S_BASE];
  const slot = spc < 2 ? 0 : ((offset + 0.5) * SPC_TO_INVERSE[spc]) | 0;
  found.span = s;
  found.slot = slot;
  found.offset = 0;
  found.tiny = false;
  if (slot >= m[s + S_NELEMS] || !isAllocated(h, s, slot)) return Status.notAllocated;
  const start = slot * words;
  if (spc === TINY_SPAN_CLASS) {
    const starts = h.u[tinyMaskAt(h, m[s + S_BASE] + start)];
    if (starts !== 0) {
      found.tiny = true;
      found.offset = (offset - start) * 8 + sub;
      return ((starts >>> found.offset) & 1) === 1 ? Status.ok : Status.interior;
    }
  }
  if (sub !== 0 || offset !== start + SPC_TO_HEADER_WORDS[spc]) return Status.interior;
  return Status.ok;
}

/** Whether the found object's root is held; `alreadyFreed` if it was dropped. */
export function checkRooted(h: Heap, found: Found): number {
  if (found.tiny) {
    const at = tinyMaskAt(h, h.m[found.span + S_BASE] + found.slot * 2);
    return ((h.u[at + 1] >>> found.offset) & 1) === 0 ? Status.ok : Status.alreadyFreed;
  }
  return isDropped(h, found.span, found.slot) ? Status.alreadyFreed : Status.ok;
}

/**
 * Whether the found object was freed for good: its root was dropped and nothing can refer to it, because no pointer to it was ever stored, or
 * because it stands on a P's stack of slots for immediate reuse (its client has vouched). An object whose root was dropped but to which a
 * pointer was stored may be reachable still: it can be used until it is collected.
 */
export function isFreed(h: Heap, found: Found): boolean {
  if (checkRooted(h, found) === Status.ok) return false;
  return !isLinked(h, found.span, found.slot) || isReusable(h, found);
}

/** Whether a pointer into the slot was stored since it was allocated. */
export function isLinked(h: Heap, s: number, slot: number): boolean {
  const { m } = h;
  return ((m[h.linkedBits + m[s + S_BITS] + (slot >> 5)] >>> (slot & 31)) & 1) === 1;
}

/** Notes that a pointer into the object at a word address was stored. By the write barrier. */
export function noteLink(h: Heap, word: number): void {
  const { m } = h;
  const s = m[h.pageSpan + (word >> (PAGE_SHIFT - 3))];
  if (s === 0) return;
  const spc = m[s + S_SPANCLASS];
  const slot = spc < 2 ? 0 : ((word - m[s + S_BASE] + 0.5) * SPC_TO_INVERSE[spc]) | 0;
  if (slot >= m[s + S_NELEMS] || isLinked(h, s, slot)) return;
  m[s + S_HAS_LINKED] = 1;
  Atomics.or(m, h.linkedBits + m[s + S_BITS] + (slot >> 5), 1 << (slot & 31));
}

/** Whether a slot stands on some P's stack. A look at other Ps' stacks, which may change this moment: it catches a mistake, nothing depends on it. */
function isReusable(h: Heap, found: Found): boolean {
  const { m } = h;
  const spc = m[found.span + S_SPANCLASS];
  const name = m[found.span + S_BITS] * 32 + found.slot;
  for (const p of h.ps) {
    const stack = p.reusable + spc * REUSABLE_CAP;
    for (let i = m[p.at + P_REUSABLE + spc] - 1; i >= 0; i--) if (m[stack + i] === name) return true;
  }
  return false;
}

/** Bytes that a client may use from an object's first byte on. */
export function usableBytes(h: Heap, found: Found): number {
  const { m } = h;
  const s = found.span;
  const spc = m[s + S_SPANCLASS];
  if (spc < 2) return requestedLarge(h, s);
  if (!found.tiny) return (m[s + S_WORDS] - SPC_TO_HEADER_WORDS[spc]) * 8;
  // A tiny object reaches to the next one's start.
  const starts = h.u[tinyMaskAt(h, m[s + S_BASE] + found.slot * 2)] >>> (found.offset + 1);
  return starts === 0 ? 16 - found.offset : 32 - Math.clz32(starts & -starts);
}

/** Bytes that the client asked for, of a large object. */
export function requestedLarge(h: Heap, s: number): number {
  return h.m[s + S_LARGE_GIB] * 2 ** 30 + h.m[s + S_LARGE_REST];
}

/** First byte of the found object, as an offset in the reservation. */
export function byteOffset(h: Heap, found: Found): number {
  const { m } = h;
  const s = found.span;
  const word = m[s + S_BASE] + found.slot * m[s + S_WORDS] + SPC_TO_HEADER_WORDS[m[s + S_SPANCLASS]];
  return word * 8 + found.offset;
}

/**
 * Whether a word address lies anywhere inside an allocated object: what a pointer may point at. One that the last mark found dead is swept
 * away first, and is none.
 */
export function pointsInside(h: Heap, p: P, word: number): boolean {
  const { m } = h;
  if (word < 0 || word >= h.pages << (PAGE_SHIFT - 3)) return false;
  const s = m[h.pageSpan + (word >> (PAGE_SHIFT - 3))];
  if (s === 0 || m[s + S_STATE] !== SpanState.inUse) return false;
  ensureSwept(h, p, s);
  if (m[s + S_STATE] !== SpanState.inUse) return false;
  const spc = m[s + S_SPANCLASS];
  const slot = spc < 2 ? 0 : ((word - m[s + S_BASE] + 0.5) * SPC_TO_INVERSE[spc]) | 0;
  return slot < m[s + S_NELEMS] && isAllocated(h, s, slot);
}

/** Overwrites a freed slot with 0xdeadbeef, as GODEBUG=clobberfree=1 does. */
export function clobber(h: Heap, s: number, slot: number): void {
  const words = h.m[s + S_WORDS];
  const first = (h.m[s + S_BASE] + slot * words) * 2;
  h.w32.fill(0xdeadbeef | 0, first, first + words * 2);
}

/** Slots that a P holds for immediate reuse in a span class, as word addresses. For inspection and checks. */
export function reusableSlots(h: Heap, p: P, spc: number): number[] {
  const depth = h.m[p.at + P_REUSABLE + spc];
  const names = h.m.subarray(p.reusable + spc * REUSABLE_CAP, p.reusable + spc * REUSABLE_CAP + depth);
  return Array.from(names, (name) => (name >> 10) * PAGE_WORDS + (name & 1023) * SPC_TO_WORDS[spc]);
}
