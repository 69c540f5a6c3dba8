/**
 * Where the CPU time of a heap's Ps went: Go's /cpu/classes.
 *
 *      total = GOMAXPROCS × the heap's age
 *        gc        assist, dedicated (with the fractional workers, as in Go), idle workers, pauses × GOMAXPROCS
 *        scavenge  by allocations, in the background
 *        idle      the P's thread slept
 *        user      all the rest: requests, sweeping, the scheduler
 *
 * Most of it is counted when it is over: a worker's slice, a pause. Until then it looks like user time, so that user could fall from one
 * reading to the next, which a counter must not: Prometheus would take it for a restart. So no class ever falls, and total is their sum to the
 * nanosecond; it may be ahead of the clock by what was under way when somebody looked, until user has caught up.
 *
 * Sleep is told while it lasts, or an idle heap would be all user until somebody wakes it. One double says it all, and so is never seen
 * half written: T_WAIT_NS, the sum of what was slept, less the time at which the P fell asleep while it sleeps, which makes it negative. The
 * clock for it stands still in pauses, whose time is the collector's on every P, asleep or not.
 *
 * `beginWait` and `endWait` by the P's own thread; reading from anywhere.
 */

import {
  type Heap,
  type P,
  T_ASSIST_NS,
  T_DEDICATED_NS,
  T_FRACTIONAL_NS,
  T_IDLE_NS,
  T_SCAVENGE_ASSIST_NS,
  T_SCAVENGE_NS,
  T_WAIT_NS,
} from '../heap/heap.js';
import { sumStat } from '../heap/memstats.js';
import { CYCLE_AT, Y_PAUSE_CPU_NS } from './state.js';

/** ns of CPU time, whole ones, since the heap was made. */
export interface CpuStats {
  assist: number;
  dedicated: number;
  idleMark: number;
  pause: number;
  /** The four above. */
  gc: number;
  scavengeAssist: number;
  scavengeBackground: number;
  /** The two above. */
  scavenge: number;
  idle: number;
  user: number;
  /** gc + scavenge + idle + user. */
  total: number;
}

/** The heap's clock less its pauses: in ns, but for a pause that is under way. */
export const unpausedNow = (h: Heap): number => h.now() - h.f[h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS] / h.ps.length;

/** The P's thread is about to sleep. */
export function beginWait(h: Heap, p: P): void {
  h.f[p.stats + T_WAIT_NS] -= unpausedNow(h);
}

/** It is awake again; or it died asleep, and this is the one that replaces it. */
export function endWait(h: Heap, p: P): void {
  const at = p.stats + T_WAIT_NS;
  if (h.f[at] < 0) h.f[at] += unpausedNow(h);
}

/** ns that the Ps' threads slept, those that sleep now included. */
export function waitedNs(h: Heap): number {
  const now = unpausedNow(h);
  let sum = 0;
  for (const p of h.ps) {
    const waited = h.f[p.stats + T_WAIT_NS];
    sum += waited < 0 ? waited + now : waited;
  }
  return sum;
}

/** What each heap's classes were when they were last read, on this thread. */
const readings = new WeakMap<Heap, CpuStats>();

/** The classes as of now, none of them below what this thread has read before. */
export function cpuStats(h: Heap): CpuStats {
  const last = readings.get(h);
  const held = (which: keyof CpuStats, ns: number): number => Math.max(last?.[which] ?? 0, Math.round(ns));
  const assist = held('assist', sumStat(h, T_ASSIST_NS));
  const dedicated = held('dedicated', sumStat(h, T_DEDICATED_NS) + sumStat(h, T_FRACTIONAL_NS));
  const idleMark = held('idleMark', sumStat(h, T_IDLE_NS));
  const pause = held('pause', h.f[h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS]);
  const gc = assist + dedicated + idleMark + pause;
  const scavengeAssist = held('scavengeAssist', sumStat(h, T_SCAVENGE_ASSIST_NS));
  const scavengeBackground = held('scavengeBackground', sumStat(h, T_SCAVENGE_NS));
  const scavenge = scavengeAssist + scavengeBackground;
  const idle = held('idle', waitedNs(h));
  // The clock last: nothing that was counted above happened after it.
  const user = held('user', h.now() * h.ps.length - gc - scavenge - idle);
  const stats: CpuStats = {
    assist,
    dedicated,
    idleMark,
    pause,
    gc,
    scavengeAssist,
    scavengeBackground,
    scavenge,
    idle,
    user,
    total: gc + scavenge + idle + user,
  };
  readings.set(h, stats);
  return stats;
}
