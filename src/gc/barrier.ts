/**
 * The write barrier: every store into a pointer word goes through here.
 *
 * Hybrid, as in Go: while marking, both the pointer that is overwritten (Yuasa: somebody may have moved it out of sight) and the
 * one that is written (Dijkstra: its new holder may be black already) are marked. Roots need no barrier: an object whose root is
 * dropped can only be reached through words that were stored here.
 *
 * While sweeping, the target's span is swept before it is stored, so that an object which the mark found dead cannot be linked again:
 * by then it is gone. Go needs no such step, because a dead object's address is nowhere to be had; here a client may remember it.
 *
 * By the P's own thread, which passes no safepoint between the look at the phase and the store.
 */

import { H_GC_PHASE, HEAP_BASE, type Heap, type P, T_SHADED, T_UNLINKED } from '../heap/heap.js';
import { S_SPANCLASS, S_STATE, SpanState } from '../heap/mspan.js';
import { byteOffset, type Found, noteLink } from '../heap/objects.js';
import { PAGE_SHIFT } from '../heap/sizeclass.js';
import { ensureSwept } from '../heap/sweep.js';
import { isPointerWord } from '../heap/types.js';
import { bytesAt } from '../memory/reservation.js';
import { greyWord } from './mark.js';

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);

/** Two halves as the double with the same bytes. No address is the bits of a NaN, which a copy could change. */
const halves = new Int32Array(2);
const whole = new Float64Array(halves.buffer);

/**
 * Stores an address, given as two halves, into word `word` of the heap. It has been checked to be null or inside an allocated object,
 * in a swept span: else the sweep may pass a safepoint, after which the word's own object need not be there any more.
 */
export function storePointer(h: Heap, p: P, word: number, lo: number, hi: number): void {
  const { w32 } = h;
  const at = word * 2;
  if (h.m[h.mheap + H_GC_PHASE] === 0) sweepTarget(h, p, lo, hi);
  overwritten(h, p, w32[at], w32[at + 1], lo, hi);
  // One write of 8 bytes: whoever scans the object, or finds it after this thread died, sees the old address or the new one.
  halves[0] = lo;
  halves[1] = hi;
  h.w[word] = whole[0];
}

/** Writes raw bytes into an object from byte `from` on. Those that fall on its pointer words are stored as pointers are. */
export function writeBytes(h: Heap, p: P, object: Found, from: number, bytes: Uint8Array): void {
  const first = byteOffset(h, object);
  const target = bytesAt(h.memory.reservation, first + from, bytes.length);
  if ((h.m[object.span + S_SPANCLASS] & 1) === 1 || bytes.length === 0) {
    target.set(bytes);
    return;
  }
  const { w32 } = h;
  const base = first / 8;
  const last = (from + bytes.length - 1) >> 3;
  /** Of each pointer word that is written: its index, and what was in it. */
  const before: number[] = [];
  for (let i = from >> 3; i <= last; i++) {
    if (!isPointerWord(h, object.span, object.slot, i)) continue;
    const at = (base + i) * 2;
    before.push(at, w32[at], w32[at + 1]);
    // Before the bytes: another P may be scanning the object.
    shade(h, p, w32[at], w32[at + 1]);
  }
  target.set(bytes);
  for (let j = 0; j < before.length; j += 3) {
    overwritten(h, p, before[j + 1], before[j + 2], w32[before[j]], w32[before[j] + 1]);
  }
  // Last, since it may pass safepoints: everything that was stored is stored.
  if (h.m[h.mheap + H_GC_PHASE] !== 0) return;
  for (let j = 0; j < before.length; j += 3) sweepTarget(h, p, w32[before[j]], w32[before[j] + 1]);
}

/** What has to happen when a pointer word changes from one value to another. Passes no safepoint. */
function overwritten(h: Heap, p: P, oldLo: number, oldHi: number, lo: number, hi: number): void {
  if (oldLo === lo && oldHi === hi) return;
  if ((oldLo | oldHi) !== 0) h.f[p.stats + T_UNLINKED]++;
  shade(h, p, oldLo, oldHi);
  shade(h, p, lo, hi);
  const word = wordOf(h, lo, hi);
  if (word >= 0) noteLink(h, word);
}

/** While marking, marks what an address points into. */
function shade(h: Heap, p: P, lo: number, hi: number): void {
  if (h.m[h.mheap + H_GC_PHASE] === 0) return;
  const word = wordOf(h, lo, hi);
  if (word < 0) return;
  greyWord(h, p, word);
  h.f[p.stats + T_SHADED]++;
}

/** Sweeps the span that an address lies in, if it still has to be. May pass safepoints. */
function sweepTarget(h: Heap, p: P, lo: number, hi: number): void {
  const word = wordOf(h, lo, hi);
  if (word < 0) return;
  const s = h.m[h.pageSpan + (word >> (PAGE_SHIFT - 3))];
  if (s !== 0 && h.m[s + S_STATE] === SpanState.inUse) ensureSwept(h, p, s);
}

/** The word address of an address, or -1 if it lies outside the heap. */
function wordOf(h: Heap, lo: number, hi: number): number {
  const above = hi - BASE_HI;
  if (above >>> 0 > 1) return -1;
  const word = (above << 29) | (lo >>> 3);
  return word >> (PAGE_SHIFT - 3) < h.pages ? word : -1;
}
