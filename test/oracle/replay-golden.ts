/**
 * One recording under the settings of a run of real Go 1.27.4 (test/fixtures/golden/replay), simulated, and how far apart the two are.
 *
 * What the golden program had besides the recording: a table with a pointer for each slot (`rootsTable: 'exact'`), about 100 KB of objects of its own
 * (`baseline`), 100 samples by ReadMemStats, which flushes the mcaches (`readMemStats`), in `forced` runs a collection at each (`forcedGCs`). All
 * figures are differences from the baseline, as the data's README says.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_SETTINGS } from '../../src/replay/defaults.js';
import type { SimSettings } from '../../src/replay/settings.js';
import { Simulator } from '../../src/replay/sim/simulator.js';
import { sampleNow } from '../../src/replay/sim/totals.js';
import { ROOT, type Trace } from './recordings.js';

export interface GoStats {
  event: number;
  heap_alloc: number;
  heap_inuse: number;
  total_alloc: number;
  mallocs: number;
  num_gc: number;
}

export interface GoRun {
  label: string;
  gogc: number;
  memlimit: number;
  mode: 'scan' | 'noscan';
  godebug: string;
  force_gc_at_samples: boolean;
  baseline: GoStats;
  end: GoStats;
  tiny_allocs: number;
  samples?: { columns: (keyof GoStats)[]; rows: number[][] };
  by_size?: [number, number, number][];
}

/** Runs by label; those of one label are repetitions, and the first has the samples. */
export function goldenRuns(name: string): Map<string, GoRun[]> {
  const file = join(ROOT, 'test/fixtures/golden/replay', `${name}.json`);
  const out = new Map<string, GoRun[]>();
  for (const run of (JSON.parse(readFileSync(file, 'utf8')) as { runs: GoRun[] }).runs) {
    out.set(run.label, [...(out.get(run.label) ?? []), run]);
  }
  return out;
}

/** NumGC of each repetition. */
export const cyclesOf = (runs: readonly GoRun[]): number[] => runs.map((r) => r.end.num_gc - r.baseline.num_gc);

const NO_LIMIT = 2 ** 62;

export function settingsOf(run: GoRun, trace: Trace, more: Partial<SimSettings> = {}): SimSettings {
  const table = Math.ceil((trace.report.slots * 8) / 8192) * 8192;
  return {
    ...DEFAULT_SETTINGS,
    rootsTable: 'exact',
    gogc: run.gogc,
    memoryLimit: run.memlimit > NO_LIMIT ? null : run.memlimit,
    scan: run.mode === 'scan' ? 'all' : 'none',
    clock: run.godebug.includes('gcstoptheworld') ? 'stw' : 'concurrent',
    forcedGCs: run.force_gc_at_samples ? 100 : 0,
    readMemStats: run.samples !== undefined && !run.force_gc_at_samples ? 100 : 0,
    baseline: Math.max(0, run.baseline.heap_alloc - table),
    ...more,
  };
}

/** How a simulation differs from the run that it repeats: simulated minus real. */
export interface Difference {
  cycles: number;
  totalAlloc: number;
  mallocs: number;
  /** At the samples: greatest differences of HeapAlloc and HeapInuse, bytes; of HeapInuse relative to real Go's and to what is allowed. */
  heapAlloc: number;
  heapInuse: number;
  heapInuseShare: number;
  beyond: number;
  /** Mean of HeapInuse over the samples, above the baseline, relative to real Go's; NaN without samples. */
  meanInuse: number;
  events: number;
  sim: Simulator;
}

/** `allowed`: what HeapInuse may differ by at a sample, given real Go's. */
export function compare(
  run: GoRun,
  trace: Trace,
  more: Partial<SimSettings> = {},
  allowed: (inuse: number) => number = () => 0,
): Difference {
  const sim = new Simulator(settingsOf(run, trace, more), trace.report);
  const before = sampleNow(sim.h, 0);
  for (const chunk of trace.chunks) if (!sim.run(chunk, chunk.length / 2)) break;
  const last = sampleNow(sim.h, sim.events);
  const out: Difference = {
    cycles: last.numGC - before.numGC,
    totalAlloc: last.totalAlloc - before.totalAlloc - (run.end.total_alloc - run.baseline.total_alloc),
    mallocs: last.mallocs - before.mallocs - (run.end.mallocs - run.baseline.mallocs),
    heapAlloc: 0,
    heapInuse: 0,
    heapInuseShare: 0,
    beyond: 0,
    meanInuse: Number.NaN,
    events: sim.events,
    sim,
  };
  if (run.samples === undefined) return out;
  const column = (name: keyof GoStats): number => (run.samples as { columns: string[] }).columns.indexOf(name);
  let ours = 0;
  let theirs = 0;
  for (const [i, row] of run.samples.rows.entries()) {
    const sample = sim.samples[i];
    if (sample?.event !== row[column('event')]) throw new Error(`${run.label}: sample ${i} is not at its event`);
    const alloc = sample.heapAlloc - before.heapAlloc - (row[column('heap_alloc')] - run.baseline.heap_alloc);
    const real = row[column('heap_inuse')] - run.baseline.heap_inuse;
    const inuse = sample.heapInuse - before.heapInuse - real;
    out.heapAlloc = Math.max(out.heapAlloc, Math.abs(alloc));
    out.heapInuse = Math.max(out.heapInuse, Math.abs(inuse));
    out.heapInuseShare = Math.max(out.heapInuseShare, Math.abs(inuse) / Math.max(real, 1));
    out.beyond = Math.max(out.beyond, Math.abs(inuse) - allowed(real));
    ours += sample.heapInuse - before.heapInuse;
    theirs += real;
  }
  out.meanInuse = ours / theirs - 1;
  return out;
}

/** Mean HeapInuse of a golden run's samples, above its baseline. */
export function meanInuse(run: GoRun): number {
  const samples = run.samples as NonNullable<GoRun['samples']>;
  const at = samples.columns.indexOf('heap_inuse');
  return samples.rows.reduce((sum, row) => sum + row[at] - run.baseline.heap_inuse, 0) / samples.rows.length;
}

/** What real Go does when it repeats itself, by recording and GOGC (`100-scan`: with pointers): twelve more runs, sorted. */
export interface Variation {
  runs: Record<string, Record<string, { meanInuse: number[]; numGC: number[] }>>;
}

export function variationOfGo(): Variation {
  return JSON.parse(readFileSync(join(ROOT, 'test/fixtures/golden/replay/variation.json'), 'utf8')) as Variation;
}
