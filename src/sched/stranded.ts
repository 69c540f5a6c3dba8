/**
 * Ps without an M: the old one died, and the system refuses a thread for a new one.
 *
 * A new M is tried for again and again, at growing distances. Until one comes up, nothing runs on
 * the P, and what its M left half done in the heap stays so; the other Ms go on as far as they need
 * no lock that it held. Requests must not wait for that: those that name the P, or any when no P
 * has an M, are refused, and those that are queued there are answered. Work that is queued on the P
 * without naming it is left for the other Ms to steal.
 *
 * On the main thread, which may take from every queue, as any M may.
 */

import {
  FRAMES,
  K_GLOBAL_HEAD,
  K_GLOBAL_TAIL,
  RUNQ,
  ringTake,
  type Shared,
  SP_LOCAL_HEAD,
  SP_LOCAL_TAIL,
  SP_PINNED_HEAD,
  SP_PINNED_TAIL,
  SP_RUNQ_HEAD,
  SP_RUNQ_TAIL,
} from './shared.js';

const FIRST_MS = 100;
const LAST_MS = 5000;

/**
 * ms from one try to the next: twice as long each time, up to a bound. `tries`: those that failed.
 */
export function backOff(tries: number): number {
  return Math.min(LAST_MS, FIRST_MS * 2 ** (tries - 1));
}

export class Stranded {
  /** How many there are: 0 almost always, which is all that a request looks at. */
  count = 0;
  private readonly k: Shared;
  private readonly ps = new Set<number>();

  constructor(k: Shared) {
    this.k = k;
  }

  has(p: number): boolean {
    return this.ps.has(p);
  }

  add(p: number): void {
    this.ps.add(p);
    this.count = this.ps.size;
  }

  delete(p: number): void {
    this.ps.delete(p);
    this.count = this.ps.size;
  }

  /** Whether a request for this P (-1: for any) would wait for an M that there is not. */
  refuses(p: number): boolean {
    return this.ps.has(p) || this.count === this.k.procs;
  }

  /** Takes the Gs off the queues that nobody will come to, before there is an M again. */
  takeQueued(): number[] {
    const { k } = this;
    const { m } = k;
    const out: number[] = [];
    const drain = (ring: number, size: number, head: number, tail: number): void => {
      for (let g = ringTake(m, ring, size, head, tail); g >= 0; g = ringTake(m, ring, size, head, tail)) out.push(g);
    };
    for (const p of this.ps) {
      drain(k.pinned + p * FRAMES, FRAMES, k.sp(p) + SP_PINNED_HEAD, k.sp(p) + SP_PINNED_TAIL);
    }
    if (this.count < k.procs) return out;
    drain(k.global, FRAMES, k.scalars + K_GLOBAL_HEAD, k.scalars + K_GLOBAL_TAIL);
    for (const p of this.ps) {
      drain(k.runq + p * RUNQ, RUNQ, k.sp(p) + SP_RUNQ_HEAD, k.sp(p) + SP_RUNQ_TAIL);
      drain(k.local + p * RUNQ, RUNQ, k.sp(p) + SP_LOCAL_HEAD, k.sp(p) + SP_LOCAL_TAIL);
    }
    return out;
  }
}
