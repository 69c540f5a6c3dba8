/**
 * The history of cycles: the last 256, each a row of doubles in shared memory, filled in as the cycle goes on.
 *
 * What a row says is what Go's gctrace says, and more: why the cycle began, heap sizes, pauses, CPU by class, what was scanned, and, once
 * the sweep is over, what it gave back. By whoever runs the cycle, with the world stopped; read from anywhere, the newest row may be
 * half written.
 */

import {
  H_CYCLES,
  H_NUM_GC,
  H_PAGES_SWEPT_FREED,
  H_SWEEP_DONE,
  type Heap,
  T_ASSIST_NS,
  T_ASSIST_WORK,
  T_ASSISTS,
  T_DEDICATED_NS,
  T_FRACTIONAL_NS,
  T_IDLE_NS,
  T_LARGE_FREE_COUNT,
  T_MARKED,
  T_OBJECTS_SCANNED,
  T_ROOTS_MARKED,
  T_SCAN_WORK,
  T_SHADED,
  T_SPANS_FREED,
  T_SPANS_SWEPT,
} from '../heap/heap.js';
import { CYCLE_STRIDE, CYCLES } from '../heap/layout.js';
import { heapLive } from '../heap/live.js';
import { slotsFreed, sumStat } from '../heap/memstats.js';
import { C_ASSIST_WORK_PER_BYTE, C_CONS_MARK, C_LAST_HEAP_GOAL, C_RUNWAY, C_UTILIZATION } from './pacer.js';
import {
  CYCLE_AT,
  pacerOf,
  WHY_NAMES,
  Why,
  Y_ASSIST_NS,
  Y_ASSIST_WORK,
  Y_DEDICATED_NS,
  Y_FRACTIONAL_NS,
  Y_IDLE_NS,
  Y_LAST_GC_NS,
  Y_LIVE_START,
  Y_MARKED,
  Y_OBJECTS_SCANNED,
  Y_PAUSE_CPU_NS,
  Y_ROOTS,
  Y_SCAN_WORK,
  Y_SHADED,
  Y_TRIGGER,
  Y_WHY,
} from './state.js';

/** Columns of a row. Times in ns, sizes in bytes. */
const R_NUM = 0; // NumGC of the cycle, from 1; 0 while it marks
const R_WHY = 1;
const R_STARTED = 2; // ns since the heap was made
const R_STARTED_UNIX = 3; // ms since 1970
const R_PAUSE1 = 4; // sweep termination, from "stopping" to "started"
const R_MARK = 5; // wall time of concurrent mark
const R_PAUSE2 = 6; // mark termination
const R_STOPPING1 = 7; // of the pauses, until every P stood still
const R_STOPPING2 = 8;
const R_LIVE_START = 9;
const R_LIVE_END = 10;
const R_MARKED = 11;
const R_GOAL = 12;
const R_TRIGGER = 13;
const R_PROCS = 14;
const R_ASSIST = 15; // CPU time
const R_DEDICATED = 16;
const R_FRACTIONAL = 17;
const R_IDLE = 18;
const R_SCAN_WORK = 19;
const R_OBJECTS = 20; // scanned
const R_ROOTS = 21; // objects marked by their root
const R_SHADED = 22; // by the write barrier
const R_ASSISTS = 23;
const R_ASSIST_WORK = 24;
const R_CONS_MARK = 25;
const R_UTILIZATION = 26;
const R_ASSIST_RATIO = 27; // as of the end
const R_RUNWAY = 28;
const R_CPU_FRACTION = 29; // of all CPU since the heap was made
const R_SPANS_SWEPT = 30; // the counters as of the sweep's beginning
const R_SPANS_FREED = 31;
const R_PAGES_FREED = 32;
const R_OBJECTS_FREED = 33;
const R_SWEPT = 34; // 1: the sweep is over, and what it did stands in the four columns from R_FINAL on
const R_MARK_STARTED = 35;
const R_FINAL = 36;

const row = (h: Heap, n: number): number => h.cycles + ((n + CYCLES) % CYCLES) * CYCLE_STRIDE;

/** The row of the cycle under way, or of the last one. */
const current = (h: Heap): number => row(h, h.scalar(H_CYCLES) - 1);

const frees = (h: Heap): number => slotsFreed(h).reduce((a, b) => a + b, 0) + sumStat(h, T_LARGE_FREE_COUNT);

/** With the world stopped, when a cycle begins: opens its row and notes where the counters stand. */
export function beginRecord(h: Heap): void {
  const { f } = h;
  const at = current(h);
  const cycle = h.pacer + CYCLE_AT;
  f[cycle + Y_SCAN_WORK] = sumStat(h, T_SCAN_WORK);
  f[cycle + Y_MARKED] = sumStat(h, T_MARKED);
  f[cycle + Y_ASSIST_NS] = sumStat(h, T_ASSIST_NS);
  f[cycle + Y_DEDICATED_NS] = sumStat(h, T_DEDICATED_NS);
  f[cycle + Y_FRACTIONAL_NS] = sumStat(h, T_FRACTIONAL_NS);
  f[cycle + Y_IDLE_NS] = sumStat(h, T_IDLE_NS);
  f[cycle + Y_ASSIST_WORK] = sumStat(h, T_ASSIST_WORK);
  f[cycle + Y_ROOTS] = sumStat(h, T_ROOTS_MARKED);
  f[cycle + Y_OBJECTS_SCANNED] = sumStat(h, T_OBJECTS_SCANNED);
  f[cycle + Y_SHADED] = sumStat(h, T_SHADED);
  f[cycle + Y_LIVE_START] = heapLive(h) * 8;
  f[cycle + Y_TRIGGER] = pacerOf(h).trigger();
  f.fill(0, at, at + CYCLE_STRIDE);
  f[at + R_WHY] = f[cycle + Y_WHY];
  f[at + R_STARTED] = h.now();
  f[at + R_STARTED_UNIX] = h.unix();
  f[at + R_LIVE_START] = f[cycle + Y_LIVE_START];
  f[at + R_TRIGGER] = f[cycle + Y_TRIGGER];
  f[at + R_PROCS] = h.ps.length;
  f[at + R_ASSISTS] = sumStat(h, T_ASSISTS);
  f[at + R_MARK_STARTED] = f[at + R_STARTED];
}

/** CPU time that a class (Y_ASSIST_NS …) took in the cycle under way. */
export function cycleTime(h: Heap, which: number): number {
  return sumStat(h, COUNTER_OF[which]) - h.f[h.pacer + CYCLE_AT + which];
}

const COUNTER_OF: Record<number, number> = {
  [Y_ASSIST_NS]: T_ASSIST_NS,
  [Y_DEDICATED_NS]: T_DEDICATED_NS,
  [Y_FRACTIONAL_NS]: T_FRACTIONAL_NS,
  [Y_IDLE_NS]: T_IDLE_NS,
};

/** With the world stopped, when the mark is done and before it becomes the live heap. */
export function markRecord(h: Heap, marked: number): void {
  const { f } = h;
  const at = current(h);
  const cycle = h.pacer + CYCLE_AT;
  const pacer = pacerOf(h).at;
  f[at + R_MARK] = h.now() - f[at + R_MARK_STARTED];
  f[at + R_LIVE_END] = heapLive(h) * 8;
  f[at + R_MARKED] = marked;
  f[at + R_GOAL] = f[pacer + C_LAST_HEAP_GOAL];
  f[at + R_ASSIST] = cycleTime(h, Y_ASSIST_NS);
  f[at + R_DEDICATED] = cycleTime(h, Y_DEDICATED_NS);
  f[at + R_FRACTIONAL] = cycleTime(h, Y_FRACTIONAL_NS);
  f[at + R_IDLE] = cycleTime(h, Y_IDLE_NS);
  f[at + R_SCAN_WORK] = sumStat(h, T_SCAN_WORK) - f[cycle + Y_SCAN_WORK];
  f[at + R_OBJECTS] = sumStat(h, T_OBJECTS_SCANNED) - f[cycle + Y_OBJECTS_SCANNED];
  f[at + R_ROOTS] = sumStat(h, T_ROOTS_MARKED) - f[cycle + Y_ROOTS];
  f[at + R_SHADED] = sumStat(h, T_SHADED) - f[cycle + Y_SHADED];
  f[at + R_ASSISTS] = sumStat(h, T_ASSISTS) - f[at + R_ASSISTS];
  f[at + R_ASSIST_WORK] = sumStat(h, T_ASSIST_WORK) - f[cycle + Y_ASSIST_WORK];
  f[at + R_CONS_MARK] = f[pacer + C_CONS_MARK];
  f[at + R_UTILIZATION] = f[pacer + C_UTILIZATION];
  f[at + R_ASSIST_RATIO] = f[pacer + C_ASSIST_WORK_PER_BYTE];
}

/** With the world stopped, when the sweep is open: the mark's part of the row is final, the sweep's begins. */
export function endRecord(h: Heap): void {
  const { f } = h;
  const at = current(h);
  f[h.pacer + CYCLE_AT + Y_LAST_GC_NS] = h.now();
  f[at + R_RUNWAY] = f[pacerOf(h).at + C_RUNWAY];
  f[at + R_SPANS_SWEPT] = sumStat(h, T_SPANS_SWEPT);
  f[at + R_SPANS_FREED] = sumStat(h, T_SPANS_FREED);
  f[at + R_PAGES_FREED] = h.scalar(H_PAGES_SWEPT_FREED);
  f[at + R_OBJECTS_FREED] = frees(h);
  f[at + R_NUM] = h.scalar(H_NUM_GC);
}

/** A pause of the cycle ended. `first`: sweep termination. Times in ns. */
export function recordCyclePause(h: Heap, first: boolean, ns: number, stopping: number): void {
  const at = current(h);
  h.f[at + (first ? R_PAUSE1 : R_PAUSE2)] = ns;
  h.f[at + (first ? R_STOPPING1 : R_STOPPING2)] = stopping;
  if (first) h.f[at + R_MARK_STARTED] = h.now();
  h.f[h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS] += ns * h.ps.length;
  if (!first) h.f[at + R_CPU_FRACTION] = gcCPUFraction(h);
}

/** Both pauses of the cycle that just ended, in ns: what PauseNs has. */
export function cyclePauses(h: Heap): number {
  const at = current(h);
  return h.f[at + R_PAUSE1] + h.f[at + R_PAUSE2];
}

/** The last cycle's sweep is over: its part of the row becomes final. */
export function completeSweep(h: Heap): void {
  const { f } = h;
  const at = current(h);
  if (h.scalar(H_CYCLES) === 0 || f[at + R_NUM] === 0 || f[at + R_SWEPT] !== 0) return;
  // Several Ps may find it over at once: they write the same.
  const swept = sweepOf(h, at);
  f[at + R_FINAL] = swept.spansSwept;
  f[at + R_FINAL + 1] = swept.spansFreed;
  f[at + R_FINAL + 2] = swept.pagesFreed;
  f[at + R_FINAL + 3] = swept.objectsFreed;
  f[at + R_SWEPT] = 1;
}

function sweepOf(h: Heap, at: number) {
  const { f } = h;
  if (f[at + R_SWEPT] !== 0) {
    const [spansSwept, spansFreed, pagesFreed, objectsFreed] = f.subarray(at + R_FINAL, at + R_FINAL + 4);
    return { done: true, spansSwept, spansFreed, pagesFreed, objectsFreed };
  }
  return {
    done: h.scalar(H_SWEEP_DONE) !== 0,
    spansSwept: sumStat(h, T_SPANS_SWEPT) - f[at + R_SPANS_SWEPT],
    spansFreed: sumStat(h, T_SPANS_FREED) - f[at + R_SPANS_FREED],
    pagesFreed: h.scalar(H_PAGES_SWEPT_FREED) - f[at + R_PAGES_FREED],
    objectsFreed: frees(h) - f[at + R_OBJECTS_FREED],
  };
}

/** Share of all CPU since the heap was made that collecting took, without what idle Ps gave: GCCPUFraction. */
export function gcCPUFraction(h: Heap): number {
  const total = h.now() * h.ps.length;
  if (total <= 0) return 0;
  const busy = sumStat(h, T_ASSIST_NS) + sumStat(h, T_DEDICATED_NS) + sumStat(h, T_FRACTIONAL_NS);
  return (busy + h.f[h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS]) / total;
}

/** One cycle, as the API shows it. Times in seconds unless their name says otherwise, sizes in bytes. */
export interface CycleRecord {
  number: number;
  why: (typeof WHY_NAMES)[number];
  forced: boolean;
  startedAt: string;
  /** Seconds since the heap was made. */
  at: number;
  gomaxprocs: number;
  heap: { start: number; end: number; marked: number; goal: number; trigger: number };
  pauses: {
    sweepTermination: number;
    markTermination: number;
    stoppingSweepTermination: number;
    stoppingMarkTermination: number;
  };
  markSeconds: number;
  cpu: { assist: number; dedicated: number; fractional: number; idle: number; pauses: number; fraction: number };
  mark: {
    scanBytes: number;
    objectsScanned: number;
    rootsMarked: number;
    shaded: number;
    assists: number;
    assistScanBytes: number;
  };
  pacer: { consMark: number; utilization: number; assistWorkPerByte: number; runway: number };
  sweep: { done: boolean; spansSwept: number; spansFreed: number; pagesFreed: number; objectsFreed: number };
}

const seconds = (ns: number): number => ns / 1e9;

function read(h: Heap, at: number): CycleRecord {
  const r = h.f.slice(at, at + CYCLE_STRIDE);
  return {
    number: r[R_NUM],
    why: WHY_NAMES[r[R_WHY]],
    forced: r[R_WHY] === Why.forced,
    startedAt: new Date(r[R_STARTED_UNIX]).toISOString(),
    at: seconds(r[R_STARTED]),
    gomaxprocs: r[R_PROCS],
    heap: {
      start: r[R_LIVE_START],
      end: r[R_LIVE_END],
      marked: r[R_MARKED],
      goal: r[R_GOAL],
      trigger: r[R_TRIGGER],
    },
    pauses: {
      sweepTermination: seconds(r[R_PAUSE1]),
      markTermination: seconds(r[R_PAUSE2]),
      stoppingSweepTermination: seconds(r[R_STOPPING1]),
      stoppingMarkTermination: seconds(r[R_STOPPING2]),
    },
    markSeconds: seconds(r[R_MARK]),
    cpu: {
      assist: seconds(r[R_ASSIST]),
      dedicated: seconds(r[R_DEDICATED]),
      fractional: seconds(r[R_FRACTIONAL]),
      idle: seconds(r[R_IDLE]),
      pauses: seconds((r[R_PAUSE1] + r[R_PAUSE2]) * r[R_PROCS]),
      fraction: r[R_CPU_FRACTION],
    },
    mark: {
      scanBytes: r[R_SCAN_WORK],
      objectsScanned: r[R_OBJECTS],
      rootsMarked: r[R_ROOTS],
      shaded: r[R_SHADED],
      assists: r[R_ASSISTS],
      assistScanBytes: r[R_ASSIST_WORK],
    },
    pacer: {
      consMark: r[R_CONS_MARK],
      utilization: r[R_UTILIZATION],
      assistWorkPerByte: r[R_ASSIST_RATIO],
      runway: r[R_RUNWAY],
    },
    sweep: sweepOf(h, at),
  };
}

/** The cycles whose mark is done, newest first, at most 256. */
export function cycleRecords(h: Heap, limit: number = CYCLES): CycleRecord[] {
  const out: CycleRecord[] = [];
  const begun = h.scalar(H_CYCLES);
  for (let n = begun - 1; n >= 0 && n >= begun - CYCLES && out.length < limit; n--) {
    const at = row(h, n);
    // An abandoned cycle, and one that is still marking, has no number.
    if (h.f[at + R_NUM] !== 0) out.push(read(h, at));
  }
  return out;
}
