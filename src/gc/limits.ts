/**
 * The CPU limiter's clockwork: tells it when marking is turned on and off, what assists and idle time there were, and what it decides.
 *
 * The limiter (limiter.ts) is not made for several threads at once. Transitions happen with the world stopped; updates by whichever P gets H_LIMITER_LOCK,
 * at most every 10 ms; whoever does not get it goes on.
 */

import { H_LIMITED, H_LIMITER_LOCK, H_NUM_GC, type Heap, T_ASSIST_NS, T_IDLE_NS } from '../heap/heap.js';
import { sumStat } from '../heap/memstats.js';
import { waitedNs } from './cpustats.js';
import { L_GC_ENABLED, L_NUM_GC, L_TRANSITIONING } from './limiter.js';
import { CYCLE_AT, limiterOf, Y_ACCOUNTED_ASSIST_NS, Y_ACCOUNTED_IDLE_NS } from './state.js';

/** Before a heap's first cycle, and when its Ps change: the bucket's size follows from them. */
export function initLimiter(h: Heap): void {
  limiterOf(h).resetCapacity(h.now(), h.ps.length);
}

/** With the world stopped since `now`: marking goes on or off. */
export function limitMark(h: Heap, on: boolean, now: number): void {
  const limiter = limiterOf(h);
  if ((h.f[limiter.at + L_GC_ENABLED] !== 0) === on) return;
  account(h);
  limiter.startGCTransition(on, now);
  limiter.finishGCTransition(h.now());
  publish(h);
}

/** Every 10 ms or so, from anywhere. */
export function updateLimiter(h: Heap): void {
  const limiter = limiterOf(h);
  const now = h.now();
  if (!limiter.needUpdate(now)) return;
  const { m, mheap } = h;
  if (Atomics.compareExchange(m, mheap + H_LIMITER_LOCK, 0, 1) !== 0) return;
  account(h);
  limiter.update(now);
  publish(h);
  Atomics.store(m, mheap + H_LIMITER_LOCK, 0);
}

/** After a thread died, with the world stopped: forgets a transition that it had begun. */
export function repairLimiter(h: Heap): void {
  const { at } = limiterOf(h);
  h.f[at + L_TRANSITIONING] = 0;
  h.f[at + L_GC_ENABLED] = 0;
  h.m[h.mheap + H_LIMITER_LOCK] = 0;
}

function account(h: Heap): void {
  const limiter = limiterOf(h);
  const cycle = h.pacer + CYCLE_AT;
  const assists = sumStat(h, T_ASSIST_NS);
  const idle = sumStat(h, T_IDLE_NS) + waitedNs(h);
  limiter.addAssistTime(assists - h.f[cycle + Y_ACCOUNTED_ASSIST_NS]);
  limiter.addIdleTime(idle - h.f[cycle + Y_ACCOUNTED_IDLE_NS]);
  h.f[cycle + Y_ACCOUNTED_ASSIST_NS] = assists;
  h.f[cycle + Y_ACCOUNTED_IDLE_NS] = idle;
  h.f[limiter.at + L_NUM_GC] = h.scalar(H_NUM_GC);
}

function publish(h: Heap): void {
  h.m[h.mheap + H_LIMITED] = limiterOf(h).limiting() ? 1 : 0;
}
