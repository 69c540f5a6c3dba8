/**
 * Op.rooted: the moment from which a recording counts, with all that tells what lies before it and what behind.
 *
 * The world stands still, so every G is in one of three states: done, and on a done ring; not begun; or in the midst of a P, a known number of
 * its records done. That, and the rooted objects of the same moment (gc/rooted.ts), go into a piece of the exchange:
 *
 *      word 0  1 once the words up to the spans are written     word 1  1 once all of it is
 *      word 2  words in all
 *      3 a P   tail of its done ring · its current G + 1 · how many of that G's records are done
 *      spans   as gc/rooted.ts says
 *
 * The main thread reads words 0 and 1 while others write them: atomically.
 */

import { copyRooted } from '../gc/rooted.js';
import type { Heap, P } from '../heap/heap.js';
import { F_PROGRESS, type Shared, SP_CURRENT, SP_DONE_TAIL } from './shared.js';
import { startTheWorld, stopTheWorld } from './world.js';

export const R_MARKED = 0;
export const R_WHOLE = 1;
export const R_WORDS = 2;
export const R_PS = 3;
export const R_P_WORDS = 3;

/** Where the spans begin. */
export const rootedHead = (procs: number): number => R_PS + procs * R_P_WORDS;

/** Runs the operation. `a`: A0 the piece's offset, A1 its length in bytes, A2 1: with the objects. R0: words in all. */
export function markRooted(h: Heap, k: Shared, p: P, a: number, r: number): void {
  const { m } = k;
  const first = m[a] >> 2;
  const out = k.exchange32.subarray(first, first + (m[a + 1] >> 2));
  const head = rootedHead(k.procs);
  stopTheWorld(h, k, p);
  try {
    for (let other = 0; other < k.procs; other++) {
      const sp = k.sp(other);
      const g = m[sp + SP_CURRENT];
      const at = R_PS + other * R_P_WORDS;
      out[at] = m[sp + SP_DONE_TAIL];
      out[at + 1] = g;
      out[at + 2] = g === 0 ? 0 : m[k.frame(g - 1) + F_PROGRESS];
    }
    Atomics.store(out, R_MARKED, 1);
    const words = head + (m[a + 2] === 1 ? copyRooted(h, out, head) : 0);
    out[R_WORDS] = words;
    if (words <= out.length) Atomics.store(out, R_WHOLE, 1);
    m[r] = words;
  } finally {
    startTheWorld(k);
  }
}
