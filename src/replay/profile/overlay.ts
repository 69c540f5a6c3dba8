/**
 * Prediction beside reality: what a simulation says of a program, and what a gctrace log or MemStats of the same program measured.
 *
 * The two clocks do not agree (virtual time is a model), so cycles are aligned by what both sides know well: how much had been allocated when
 * a cycle began, as a share of the whole. Both sides' shares come from the same arithmetic over their cycles (`allocatedAt`). Sizes of the log are cut
 * to whole MB; the prediction is cut likewise before means are compared, so that the cut is in neither's favour.
 *
 * Plain data: the CLI prints `rows`, reports and the console draw `measured` over `predicted`.
 */

import type { SimResult } from '../result.js';
import { allocatedAt, cpuSeconds, expected, type GcTrace, type HeapSizes } from './gctrace.js';
import type { GoMemStats } from './memstats-text.js';

const MB = 2 ** 20;

export interface Reality {
  readonly gctrace?: GcTrace;
  readonly memStats?: GoMemStats;
}

/** A number that both sides have. Units: `cycles`, `bytes`, `share` (0 to 1), `objects`. */
export interface OverlayRow {
  readonly name: string;
  readonly unit: 'cycles' | 'bytes' | 'share' | 'objects';
  readonly predicted: number;
  readonly measured: number;
  /** Of the measured, in per cent; null where that is 0. */
  readonly errorPercent: number | null;
}

/** A cycle, to be drawn. */
export interface OverlayPoint {
  /** Share of the side's whole allocation, 0 to 1, when the cycle began: the axis that both sides share. */
  readonly allocated: number;
  /** Seconds of the side's own clock. */
  readonly seconds: number;
  /** Bytes: heap when the cycle began, live after it, its goal. */
  readonly start: number;
  readonly live: number;
  readonly goal: number;
  readonly forced: boolean;
}

export interface Overlay {
  readonly rows: readonly OverlayRow[];
  readonly predicted: readonly OverlayPoint[];
  readonly measured: readonly OverlayPoint[];
  /** What to keep in mind, as sentences. */
  readonly notes: readonly string[];
}

export interface OverlayOptions {
  /** Part of the program's run that was played (StreamPlan.timeShare): the predicted cycles stand for 1 / timeShare as many. */
  readonly timeShare?: number;
}

function row(name: string, unit: OverlayRow['unit'], predicted: number, measured: number): OverlayRow {
  const errorPercent = measured === 0 ? null : ((predicted - measured) / measured) * 100;
  return { name, unit, predicted, measured, errorPercent };
}

interface Side extends HeapSizes {
  readonly seconds: number;
  readonly goal: number;
  readonly forced: boolean;
}

function points(cycles: readonly Side[]): OverlayPoint[] {
  const allocated = allocatedAt(cycles);
  const total = allocated[allocated.length - 1];
  return cycles.map((c, i) => ({
    allocated: total === 0 ? 0 : allocated[i] / total,
    seconds: c.seconds,
    start: c.start,
    live: c.marked,
    goal: c.goal,
    forced: c.forced,
  }));
}

const cut = (bytes: number): number => Math.floor(bytes / MB) * MB;

/** Mean of a size over the cycles that the pacer began (all, if it began none), as cut sizes tell it. */
function mean(cycles: readonly Side[], of: (c: Side) => number): number {
  const paced = cycles.filter((c) => !c.forced);
  const counted = paced.length > 0 ? paced : cycles;
  if (counted.length === 0) return 0;
  return counted.reduce((n, c) => n + expected(cut(of(c))), 0) / counted.length;
}

function gctraceRows(result: SimResult, log: GcTrace, timeShare: number): OverlayRow[] {
  const { headline } = result;
  const { cycles } = log;
  const forced = cycles.reduce((n, c) => n + (c.forced ? 1 : 0), 0);
  const last = cycles[cycles.length - 1];
  const seconds = last.seconds + last.clock.sweepTermination + last.clock.mark + last.clock.markTermination;
  const cpu = cycles.reduce((n, c) => n + cpuSeconds(c), 0);
  const pauses = cycles.reduce((n, c) => n + c.clock.sweepTermination + c.clock.markTermination, 0);
  const paced = headline.cycles - headline.forcedCycles;
  const allocated = (side: readonly HeapSizes[]): number => allocatedAt(side).at(-1) ?? 0;
  const cutSizes = result.cycles.map((c) => ({ start: cut(c.start), end: cut(c.end), marked: cut(c.marked) }));
  const rows = [
    row('cycles', 'cycles', (paced + headline.forcedCycles) / timeShare, last.number),
    row('cycles begun by the pacer', 'cycles', paced / timeShare, last.number - forced),
    row('allocated, as the cycles tell', 'bytes', allocated(cutSizes) / timeShare, allocated(cycles)),
    row(
      'live heap, mean',
      'bytes',
      mean(result.cycles, (c) => c.marked),
      mean(cycles, (c) => c.marked),
    ),
    row(
      'heap at start of a cycle, mean',
      'bytes',
      mean(result.cycles, (c) => c.start),
      mean(cycles, (c) => c.start),
    ),
    row(
      'heap goal, mean',
      'bytes',
      mean(result.cycles, (c) => c.goal),
      mean(cycles, (c) => c.goal),
    ),
  ];
  if (seconds > 0) {
    rows.push(
      row('GC CPU', 'share', headline.gcCpu, cpu / (seconds * last.gomaxprocs)),
      row('pauses', 'share', headline.pauseTotal / Math.max(headline.seconds, Number.MIN_VALUE), pauses / seconds),
    );
  }
  return rows;
}

function memStatsRows(result: SimResult, stats: GoMemStats, timeShare: number, haveLog: boolean): OverlayRow[] {
  const sim = result.memstats;
  const rows: OverlayRow[] = [];
  const add = (name: string, unit: OverlayRow['unit'], predicted: number, measured: number | undefined): void => {
    if (measured !== undefined) rows.push(row(name, unit, predicted, measured));
  };
  add('TotalAlloc', 'bytes', sim.TotalAlloc / timeShare, stats.TotalAlloc);
  add('Mallocs', 'objects', sim.Mallocs / timeShare, stats.Mallocs);
  if (!haveLog) add('NumGC', 'cycles', sim.NumGC / timeShare, stats.NumGC);
  add('HeapSys', 'bytes', sim.HeapSys, stats.HeapSys);
  add('HeapInuse', 'bytes', sim.HeapInuse, stats.HeapInuse);
  add('HeapReleased', 'bytes', sim.HeapReleased, stats.HeapReleased);
  add('NextGC', 'bytes', sim.NextGC, stats.NextGC);
  if (!haveLog) add('GCCPUFraction', 'share', sim.GCCPUFraction, stats.GCCPUFraction);
  return rows;
}

export function overlay(result: SimResult, reality: Reality, options: OverlayOptions = {}): Overlay {
  const { gctrace, memStats } = reality;
  const timeShare = options.timeShare ?? 1;
  const rows: OverlayRow[] = [];
  const notes: string[] = [];
  if (gctrace !== undefined) {
    rows.push(...gctraceRows(result, gctrace, timeShare));
    notes.push(
      'The log cuts sizes to whole MB; means of both sides are of cut sizes, each taken for what it was on average.',
    );
    if (gctrace.missing > 0) notes.push(`The log lacks the lines of ${gctrace.missing} cycles; they are counted.`);
    if (gctrace.otherProcesses > 0) {
      notes.push(`The log has ${gctrace.otherProcesses} other processes too; the one with the most cycles is shown.`);
    }
    const procs = gctrace.cycles[gctrace.cycles.length - 1].gomaxprocs;
    if (procs !== result.settings.gomaxprocs) {
      notes.push(`The program ran with GOMAXPROCS=${procs}, the simulation with ${result.settings.gomaxprocs}.`);
    }
  }
  if (memStats !== undefined) {
    rows.push(...memStatsRows(result, memStats, timeShare, gctrace !== undefined));
    notes.push('MemStats include what the program and its runtime allocated before and beside the recording.');
  }
  if (timeShare < 1) {
    notes.push(`${(timeShare * 100).toPrecision(3)} % of the run was simulated: counts are scaled up by that.`);
  }
  return {
    rows,
    predicted: points(result.cycles),
    measured: gctrace === undefined ? [] : points(gctrace.cycles),
    notes,
  };
}
