/**
 * Root marking of a hollow heap: what a simulated program's roots would cost the collector.
 *
 * The objects are alive by their root bits, as in any heap. But a real Go program holds them by pointers, and scanning those is the work that the pacer
 * paces: assists are measured in it, and a cycle ends when it is done. So root marking is cut into the pieces in which Go would do it:
 *
 *      globals   in one piece, first
 *      table     the program's pointers to its objects, 128 KiB at a time (an oblet), each with its share of the spans' roots
 *      stack     in one piece, last
 *
 * Without a table the spans are taken 64 at a time and cost no scan work. H_ROOT_NEXT counts spans, and one more for the stack (startMark).
 *
 * A pointer that the program overwrites while a mark is on goes through Go's write barrier, which shades what it pointed to (`shadeHollow`): what was live
 * when the mark began survives it.
 *
 * One thread acts for all Ps: no atomics.
 */

import { markPage } from '../heap/black.js';
import {
  G_TABLE,
  H_ROOT_END,
  H_ROOT_NEXT,
  type Heap,
  type P,
  T_GLOBALS_WORK,
  T_MARKED,
  T_SCAN_WORK,
  T_SHADED,
} from '../heap/heap.js';
import { S_SPANCLASS, S_START, S_WORDS, spanOfBit } from '../heap/mspan.js';
import { queueSpan } from './mark.js';
import { C_GLOBALS_SCAN, C_GLOBALS_SCAN_WORK, C_MAX_STACK_SCAN, C_STACK_SCAN_WORK } from './pacer.js';

const OBLET_BYTES = 128 << 10;
const JOB = 64;

/** Does the next piece. Returns the bytes scanned, -1 when none is left. `mark`: marks the roots of spans [first, last). */
export function markHollowRoots(h: Heap, p: P, mark: (h: Heap, p: P, first: number, last: number) => void): number {
  const { m, f, mheap } = h;
  const end = m[mheap + H_ROOT_END];
  const first = m[mheap + H_ROOT_NEXT];
  if (first >= end) return -1;
  const globals = f[h.pacer + C_GLOBALS_SCAN];
  if (f[h.pacer + C_GLOBALS_SCAN_WORK] < globals) {
    f[h.pacer + C_GLOBALS_SCAN_WORK] = globals;
    f[p.stats + T_GLOBALS_WORK] += globals;
    return globals;
  }
  const spans = end - 2;
  if (first <= spans) {
    const table = f[h.gcStats + G_TABLE];
    const n = table === 0 ? JOB : Math.max(1, Math.floor((spans * OBLET_BYTES) / table));
    const last = Math.min(first + n, end - 1);
    m[mheap + H_ROOT_NEXT] = last;
    mark(h, p, first, last);
    const work = Math.round((table * (last - 1)) / spans) - Math.round((table * (first - 1)) / spans);
    f[p.stats + T_SCAN_WORK] += work;
    return work;
  }
  m[mheap + H_ROOT_NEXT] = end;
  const stack = f[h.pacer + C_MAX_STACK_SCAN];
  f[h.pacer + C_STACK_SCAN_WORK] = stack;
  f[p.stats + T_GLOBALS_WORK] += stack;
  return stack;
}

/** The write barrier: the object with this bit is marked, if it was not. While a mark is on. */
export function shadeHollow(h: Heap, p: P, bit: number): void {
  const { m } = h;
  const word = h.markBits + (bit >> 5);
  const mask = 1 << (bit & 31);
  if ((m[word] & mask) !== 0) return;
  m[word] |= mask;
  const s = spanOfBit(h, bit);
  h.f[p.stats + T_SHADED]++;
  if ((m[s + S_SPANCLASS] & 1) === 0) {
    queueSpan(h, p, s);
    return;
  }
  h.f[p.stats + T_MARKED] += m[s + S_WORDS] * 8;
  markPage(h, m[s + S_START]);
}
