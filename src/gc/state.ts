/**
 * Where the collector's parts keep their doubles, in the heap's `pacer` region.
 *
 *      0     the pacer: C_* in pacer.ts
 *      96    the CPU limiter: limiter.ts
 *      128   the background scavenger: scavenger.ts
 *      192   the cycle that is under way, and sums since the heap was made: Y_* below
 *      256   histograms of pauses: timehistogram.ts
 *
 * Y_*: by whoever runs the cycle, with the world stopped; the sums also by whoever ends a pause.
 */

import type { Heap } from '../heap/heap.js';
import { CPULimiter } from './limiter.js';
import { MAX_INT64, Pacer } from './pacer.js';

export const LIMITER_AT = 96;
export const CYCLE_AT = 192;
export const HISTOGRAMS_AT = 256;

/** The cycle under way: what the per-P counters were when it began, so that differences are its own. */
export const Y_WHY = 0; // Why
export const Y_SCAN_WORK = 1;
export const Y_MARKED = 2;
export const Y_ASSIST_NS = 3;
export const Y_DEDICATED_NS = 4;
export const Y_FRACTIONAL_NS = 5;
export const Y_IDLE_NS = 6;
export const Y_DROPPED = 7; // roots dropped and pointers overwritten before it began
export const Y_KEPT_TINY = 8; // it keeps a tiny block that is garbage
export const Y_STOP_NS = 9; // when the pause under way began
export const Y_PAUSE1_NS = 10;
export const Y_MARK_NS = 11; // when marking began
export const Y_LIVE_START = 12; // bytes
export const Y_TRIGGER = 13; // bytes
export const Y_ASSIST_WORK = 14;
export const Y_ROOTS = 15;
export const Y_OBJECTS_SCANNED = 16;
export const Y_SHADED = 17;
export const Y_STOPPING1_NS = 18; // how long it took until every P stood still
export const Y_START_UNIX = 19; // ms since 1970
export const Y_ASKED = 20; // when the end of the mark was first put off because somebody would not stand still at once; 0: it was not

/** Sums since the heap was made. */
export const Y_PAUSE_CPU_NS = 32; // pauses times Ps
export const Y_LAST_GC_NS = 33; // when the last mark ended
export const Y_LIMIT_UPDATED = 34; // when the limiter was last updated
export const Y_ACCOUNTED_ASSIST_NS = 35; // of the Ps' counters, what the limiter was told
export const Y_ACCOUNTED_IDLE_NS = 36;

export const Y_INITIALISED = 37;

/** Why a cycle began, in Go's words: heap, forced (runtime.GC), periodic (two minutes). */
export const Why = { heap: 0, forced: 1, periodic: 2 } as const;
export const WHY_NAMES = ['heap', 'forced', 'periodic'] as const;

const pacers = new WeakMap<Heap, Pacer>();
const limiters = new WeakMap<Heap, CPULimiter>();

/** This thread's view of the heap's pacer. */
export function pacerOf(h: Heap): Pacer {
  let pacer = pacers.get(h);
  if (pacer === undefined) {
    pacer = new Pacer(h.f, h.pacer);
    // Until somebody configures it, a heap collects only when told to.
    if (h.f[h.pacer + CYCLE_AT + Y_INITIALISED] === 0) {
      pacer.init(-1, MAX_INT64);
      h.f[h.pacer + CYCLE_AT + Y_INITIALISED] = 1;
    }
    pacers.set(h, pacer);
  }
  return pacer;
}

/** This thread's view of the heap's CPU limiter. */
export function limiterOf(h: Heap): CPULimiter {
  let limiter = limiters.get(h);
  if (limiter === undefined) {
    limiter = new CPULimiter(h.f, h.pacer + LIMITER_AT);
    limiters.set(h, limiter);
  }
  return limiter;
}
