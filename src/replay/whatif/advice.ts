/**
 * What to set: the curve of memory against GC CPU, its knee, and a sentence for each setting.
 *
 * Memory is the most that the operating system has to provide (HeapSys - HeapReleased at its peak), since that is what a container's limit is made
 * for; GC CPU is the collector's share of GOMAXPROCS × time, as in GCCPUFraction. Only settings that differ from the base in GOGC and GOMEMLIMIT are
 * candidates: GOMAXPROCS and the arena size are not what one sets to save memory. A setting is on the curve if no other one needs less of both.
 *
 *      GC CPU │ ●                      With both axes stretched to 0 … 1, the knee is the point of the curve farthest below the line
 *             │                        from its first to its last point: where more memory begins to buy little.
 *             │    ● ← knee            Where memory hardly differs along the curve (1 %), the least GC CPU is taken instead; where
 *             │          ●      ●      GC CPU hardly does (half a percentage point), the least memory.
 *             └───────────────── memory
 */

import type { SimResult } from '../result.js';
import { environmentLine } from './axes.js';
import { keepsLimit, middle, type Ranges } from './ranges.js';

/** Along the curve, a difference of less than this is none. */
const SAME_MEMORY = 0.01;
const SAME_CPU = 0.005;

export interface CurvePoint {
  /** Index into the results. */
  readonly cell: number;
  /** Bytes, and share of the CPU: middles of their ranges. */
  readonly memory: number;
  readonly gcCpu: number;
}

export interface Advice {
  /** By memory, ascending. Empty where every setting ended with a full heap. */
  readonly curve: CurvePoint[];
  /** Index into the results, null: there is none to recommend. */
  readonly recommended: number | null;
  /** Why that one, as a sentence. */
  readonly why: string;
  /** The recommended setting against the base: "GOGC=150 costs +21 MiB for −34 % GC CPU". */
  readonly sentence: string;
  /** "GOGC=150 GOMEMLIMIT=512MiB", '' where none is recommended. */
  readonly environment: string;
}

export interface Candidate {
  readonly name: string;
  readonly result: SimResult;
  readonly ranges: Ranges;
}

/** The first candidate is the base. */
export function advise(cells: readonly Candidate[]): Advice {
  const [base] = cells;
  const points: CurvePoint[] = [];
  cells.forEach(({ result, ranges }, cell) => {
    const { settings, exhausted } = result;
    if (settings.gomaxprocs !== base.result.settings.gomaxprocs) return;
    if (settings.arenaSize !== base.result.settings.arenaSize) return;
    if (exhausted !== null || !keepsLimit(settings.memoryLimit, ranges)) return;
    points.push({ cell, memory: middle(ranges.peakRetained), gcCpu: middle(ranges.gcCpu) });
  });
  const curve = frontier(points);
  if (curve.length === 0) {
    return {
      curve,
      recommended: null,
      why: 'No setting can be recommended: the heap was full, or the memory limit could not be kept.',
      sentence: '',
      environment: '',
    };
  }
  const { at, why } = knee(curve);
  const recommended = curve[at].cell;
  // They differ in nothing but what stands in the environment.
  const named = (cell: number): Candidate => ({ ...cells[cell], name: environmentLine(cells[cell].result.settings) });
  return {
    curve,
    recommended,
    why,
    sentence: recommended === 0 ? `${named(0).name} is the base already` : sentence(named(recommended), base),
    environment: environmentLine(cells[recommended].result.settings),
  };
}

/** Points of which no other one needs less of both, by memory. Of equal ones the first. */
export function frontier(points: readonly CurvePoint[]): CurvePoint[] {
  const sorted = [...points].sort((a, b) => a.memory - b.memory || a.gcCpu - b.gcCpu || a.cell - b.cell);
  const out: CurvePoint[] = [];
  for (const point of sorted) {
    if (out.length === 0 || point.gcCpu < out[out.length - 1].gcCpu) out.push(point);
  }
  return out;
}

/** Where on the curve one should be. The curve is not empty. */
export function knee(curve: readonly CurvePoint[]): { at: number; why: string } {
  const first = curve[0];
  const last = curve[curve.length - 1];
  if (curve.length === 1) return { at: 0, why: 'No other setting of the grid needs less memory or less GC CPU.' };
  const memory = last.memory - first.memory;
  const cpu = first.gcCpu - last.gcCpu;
  if (memory <= SAME_MEMORY * first.memory) {
    return {
      at: curve.length - 1,
      why: 'Peak memory is the same within 1 % along the curve: the least GC CPU decides.',
    };
  }
  if (cpu <= SAME_CPU) {
    return {
      at: 0,
      why: 'GC CPU is the same within half a percentage point along the curve: the least memory decides.',
    };
  }
  let at = 0;
  let farthest = Number.NEGATIVE_INFINITY;
  curve.forEach((point, i) => {
    const below = 1 - (point.memory - first.memory) / memory - (point.gcCpu - last.gcCpu) / cpu;
    if (below > farthest + 1e-12) {
      farthest = below;
      at = i;
    }
  });
  if (curve.length === 2) {
    // Two points have no knee: relative differences decide.
    at = memory / first.memory < cpu / first.gcCpu ? 1 : 0;
    const why =
      at === 1 ? 'saves more of the GC CPU than it costs in memory' : 'saves more memory than it costs in GC CPU';
    return { at, why: `Of two settings on the curve, the one that ${why}, each in per cent.` };
  }
  return { at, why: 'The knee of the curve: with less memory GC CPU rises fast, with more it falls slowly.' };
}

/** What a setting does against another: "GOGC=150 costs +21.0 MiB for −34 % GC CPU". */
export function sentence(cell: Candidate, base: Candidate): string {
  const memory = middle(cell.ranges.peakRetained) - middle(base.ranges.peakRetained);
  const cpuBase = middle(base.ranges.gcCpu);
  const cpu = middle(cell.ranges.gcCpu) - cpuBase;
  const percent = cpuBase === 0 ? null : (cpu / cpuBase) * 100;
  const less = `${(Math.abs(memory) / 2 ** 20).toFixed(1)} MiB`;
  const share =
    percent === null
      ? `${(Math.abs(cpu) * 100).toFixed(1)} % of the CPU`
      : `${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0)} % GC CPU`;
  // Below what is shown.
  const sameMemory = Math.abs(memory) < 0.05 * 2 ** 20;
  const sameCpu = percent === null ? Math.abs(cpu) < 5e-4 : Math.abs(percent) < 0.05;
  if (sameMemory && sameCpu) return `${cell.name} changes neither memory nor GC CPU`;
  if (sameMemory) return `${cell.name} needs the same memory for ${cpu > 0 ? '+' : '−'}${share}`;
  if (sameCpu) return `${cell.name} ${memory > 0 ? `costs +${less}` : `saves ${less}`} for the same GC CPU`;
  if (memory > 0) return `${cell.name} costs +${less} for ${cpu > 0 ? '+' : '−'}${share}`;
  return cpu > 0 ? `${cell.name} saves ${less} for +${share}` : `${cell.name} saves ${less} and ${share}`;
}
