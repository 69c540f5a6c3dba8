/**
 * One moment of a heap, small enough to send ten times a second: what an event of type `sample` carries.
 *
 * Read on the main thread from shared memory. Nothing is stopped, locked, flushed or walked, so a sample costs the same for an
 * empty heap and a full one (150 µs with two Ps, 300 µs with 32), and two of its numbers may be a few operations apart. Counters are
 * cumulative: whoever wants a rate divides the difference of two samples by the difference of their `t`, and loses nothing when
 * samples in between were dropped.
 */

import { cpuStats } from '../gc/cpustats.js';
import { pacerView } from '../gc/pacing.js';
import { gcSettings } from '../gc/settings.js';
import {
  H_GC_PHASE,
  H_HEAP_LIVE,
  H_SWEEP_DONE,
  type Heap,
  SERVED_NAMES,
  T_GROWS,
  T_OS_GROWS,
  T_REFILLS,
  T_SERVED,
} from '../heap/heap.js';
import { mcentralAt } from '../heap/mcentral.js';
import { readMemStats, sumStat } from '../heap/memstats.js';
import { NUM_SPAN_CLASSES } from '../heap/sizeclass.js';
import { lockStats } from '../memory/lock.js';
import type { HostStats } from '../sched/host-api.js';

/** Of a heap with more Ps a sample shows the first so many: an event stays below 4 KB. */
export const MAX_SAMPLE_PS = 32;

export type ServedCounts = Record<(typeof SERVED_NAMES)[number], number>;

export interface Sample {
  /** Milliseconds since 1970. */
  t: number;
  /** Bytes. */
  heapLive: number;
  heapAlloc: number;
  heapInuse: number;
  heapIdle: number;
  heapSys: number;
  heapReleased: number;
  /** The goal of the pacer and where the next cycle begins; null while nothing sets one (GOGC=off without a limit). */
  nextGC: number | null;
  trigger: number | null;
  memoryLimit: number | null;
  /** Of the whole server. */
  rss: number;
  objects: number;
  /** Since the heap was made, to the end. */
  mallocs: number;
  frees: number;
  totalAlloc: number;
  served: ServedCounts;
  refills: number;
  grows: number;
  osGrows: number;
  /** All locks of the heap together. */
  lockWaitSeconds: number;
  lockContended: number;
  phase: 'off' | 'mark';
  numGC: number;
  sweepDone: boolean;
  /** Seconds of the Ps. */
  cpu: { assist: number; dedicated: number; idle: number; pause: number; scavenge: number; wait: number };
  ps: { status: string; queued: number; ran: number }[];
}

/** What a sample is read from: a HeapHost, or less. */
export interface Sampled {
  readonly heap: Heap;
  stats(): HostStats;
}

/** The heap's locks: heap, specials, mcentrals. */
export function lockTotals(h: Heap): { contended: number; waitSeconds: number } {
  let contended = 0;
  let waitSeconds = 0;
  const add = (at: number): void => {
    const stats = lockStats(h.m, at);
    contended += stats.contended;
    waitSeconds += stats.waitSeconds;
  };
  add(h.heapLock);
  add(h.specialLock);
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) add(mcentralAt(h, spc));
  return { contended, waitSeconds };
}

/** A per-span-class counter, summed over classes and Ps. */
export function sumClasses(h: Heap, first: number): number {
  let n = 0;
  for (const p of h.ps) for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) n += h.f[p.stats + first + spc];
  return n;
}

/** Go writes "no goal" as a number near 2^63 or 2^64, which would ruin every plot. */
const goalOrNull = (bytes: number): number | null => (bytes < 2 ** 53 ? Math.round(bytes) : null);

const seconds = (ns: number): number => Math.round(ns / 1000) / 1e6;

export function readSample(source: Sampled): Sample {
  const h = source.heap;
  const mem = readMemStats(h);
  const pacer = pacerView(h);
  const cpu = cpuStats(h);
  const locks = lockTotals(h);
  const host = source.stats();
  const limit = gcSettings(h).memoryLimit;
  return {
    t: Date.now(),
    heapLive: Math.max(0, h.scalar(H_HEAP_LIVE)) * 8,
    heapAlloc: mem.HeapAlloc,
    heapInuse: mem.HeapInuse,
    heapIdle: mem.HeapIdle,
    heapSys: mem.HeapSys,
    heapReleased: mem.HeapReleased,
    nextGC: goalOrNull(pacer.heapGoal()),
    trigger: goalOrNull(pacer.trigger()),
    memoryLimit: goalOrNull(limit),
    rss: process.memoryUsage.rss(),
    objects: mem.HeapObjects,
    mallocs: mem.Mallocs,
    frees: mem.Frees,
    totalAlloc: mem.TotalAlloc,
    served: Object.fromEntries(SERVED_NAMES.map((name, i) => [name, sumStat(h, T_SERVED + i)])) as ServedCounts,
    refills: sumClasses(h, T_REFILLS),
    grows: sumClasses(h, T_GROWS),
    osGrows: sumStat(h, T_OS_GROWS),
    lockWaitSeconds: locks.waitSeconds,
    lockContended: locks.contended,
    phase: h.scalar(H_GC_PHASE) === 0 ? 'off' : 'mark',
    numGC: mem.NumGC,
    sweepDone: h.scalar(H_SWEEP_DONE) !== 0,
    cpu: {
      assist: seconds(cpu.assist),
      dedicated: seconds(cpu.dedicated),
      idle: seconds(cpu.idleMark),
      pause: seconds(cpu.pause),
      scavenge: seconds(cpu.scavenge),
      wait: seconds(cpu.idle),
    },
    ps: host.ps.slice(0, MAX_SAMPLE_PS).map(({ status }, p) => ({ status, queued: host.queued[p], ran: host.ran[p] })),
  };
}
