/**
 * What became of the Gs of a dead M: whether the one that it was running happened, and which others went down with it.
 *
 * Asked on the main thread once the replacement has repaired the heap, so that the ground truth can be believed. What turned out to be
 * done is not among them: settle.ts has marked it so.
 */

import { HEAP_BASE, type Heap } from '../heap/heap.js';
import { isDropped, S_BASE, S_HAS_TINY, S_STATE, S_WORDS, SpanState } from '../heap/mspan.js';
import { PAGE_SHIFT } from '../heap/sizeclass.js';
import { tinyMaskAt } from '../heap/tiny.js';
import type { SchedError } from './host-api.js';
import { Op } from './ops.js';
import {
  F_ARGS,
  F_OP,
  F_PROGRESS,
  FRAMES,
  K_GLOBAL_HEAD,
  K_GLOBAL_TAIL,
  PStatus,
  RUNQ,
  type Shared,
  SP_CURRENT,
  SP_DONE_HEAD,
  SP_DONE_TAIL,
  SP_LOCAL_HEAD,
  SP_LOCAL_TAIL,
  SP_PINNED_HEAD,
  SP_PINNED_TAIL,
  SP_RUNQ_HEAD,
  SP_RUNQ_TAIL,
  SP_STATUS,
  SP_STOLEN,
} from './shared.js';

export interface Fate {
  happened: SchedError['happened'];
  /** Records of a batch that are done. */
  completed: number;
}

/** Whether the work of a G happened whose M died while it ran it. */
export function fate(heap: Heap, k: Shared, g: number): Fate {
  const at = k.frame(g);
  const completed = k.m[at + F_PROGRESS];
  return { happened: happened(heap, k.m, at, completed), completed };
}

function happened(heap: Heap, m: Int32Array, at: number, completed: number): SchedError['happened'] {
  switch (m[at + F_OP]) {
    case Op.alloc:
    case Op.settings:
      // What had happened was marked done when the heap was repaired (settle.ts); the rest was undone.
      return completed > 0 ? 'yes' : 'no';
    case Op.free:
      return completed > 0 || isFreed(heap, m[at + F_ARGS], m[at + F_ARGS + 1]) ? 'yes' : 'no';
    case Op.batch:
      return completed === m[at + F_ARGS + 1] ? 'yes' : completed > 0 ? 'partly' : 'no';
    case Op.read:
    case Op.check:
    case Op.reach:
    case Op.snapshot:
    case Op.rooted:
      return 'no';
    default:
      return completed > 0 ? 'yes' : 'unknown';
  }
}

/** Whether the root of the object at an address is gone. */
export function isFreed(heap: Heap, lo: number, hi: number): boolean {
  const { m } = heap;
  const word = Math.floor(((hi >>> 0) * 2 ** 32 + (lo >>> 0) - HEAP_BASE) / 8);
  if (word < 0 || word >= heap.pages << (PAGE_SHIFT - 3)) return false;
  const s = m[heap.pageSpan + (word >> (PAGE_SHIFT - 3))];
  if (s === 0 || m[s + S_STATE] !== SpanState.inUse) return true;
  const slot = Math.floor((word - m[s + S_BASE]) / m[s + S_WORDS]);
  if (m[s + S_HAS_TINY] !== 0) {
    const block = m[s + S_BASE] + slot * 2;
    const offset = (word - block) * 8 + (lo & 7);
    const masks = tinyMaskAt(heap, block);
    if (((heap.u[masks] >>> offset) & 1) === 1) return ((heap.u[masks + 1] >>> offset) & 1) === 1;
  }
  return isDropped(heap, s, slot);
}

/** How many Gs were ever stolen, if no living M can have one in hand that it has not begun; else null. */
export function gsInHand(k: Shared): number | null {
  const { m } = k;
  let stolen = 0;
  for (let p = 0; p < k.procs; p++) {
    const sp = k.sp(p);
    // In hand between taking it and saying that it is the current one: never while it sleeps or stands still.
    if (Atomics.load(m, sp + SP_STATUS) === PStatus.running && Atomics.load(m, sp + SP_CURRENT) === 0) return null;
    stolen = (stolen + m[sp + SP_STOLEN]) | 0;
  }
  return stolen;
}

/** Gs that are in flight but in no queue and run by no M, this moment. */
export function lostGs(k: Shared, inFlight: (g: number) => boolean): number[] {
  const { m } = k;
  const seen = new Set<number>();
  const walk = (ring: number, size: number, head: number, tail: number): void => {
    for (let at = m[head]; at !== m[tail]; at = (at + 1) | 0) seen.add(m[ring + (at & (size - 1))]);
  };
  // In the order in which a G goes through them.
  walk(k.global, FRAMES, k.scalars + K_GLOBAL_HEAD, k.scalars + K_GLOBAL_TAIL);
  const each = (look: (p: number, sp: number) => void): void => {
    for (let p = 0; p < k.procs; p++) look(p, k.sp(p));
  };
  each((p, sp) => walk(k.pinned + p * FRAMES, FRAMES, sp + SP_PINNED_HEAD, sp + SP_PINNED_TAIL));
  each((p, sp) => walk(k.runq + p * RUNQ, RUNQ, sp + SP_RUNQ_HEAD, sp + SP_RUNQ_TAIL));
  each((p, sp) => walk(k.local + p * RUNQ, RUNQ, sp + SP_LOCAL_HEAD, sp + SP_LOCAL_TAIL));
  each((_, sp) => void seen.add(m[sp + SP_CURRENT] - 1));
  each((p, sp) => walk(k.done + p * FRAMES, FRAMES, sp + SP_DONE_HEAD, sp + SP_DONE_TAIL));
  const out: number[] = [];
  for (let g = 0; g < FRAMES; g++) if (inFlight(g) && !seen.has(g)) out.push(g);
  return out;
}
