/** The pacer against Go 1.27: the simulations of its own tests, to the last bit, and the goals of the released runtime. */

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as C from '../../src/gc/pacer.js';
import { MAX_INT64, Pacer } from '../../src/gc/pacer.js';
import { golden } from '../golden/support.js';
import { golden as internals } from '../heap/pagealloc-golden.js';

type Revise = [
  live: number,
  scan: number,
  heapWork: number,
  stackWork: number,
  globalsWork: number,
  ...after: number[],
];
type End = [bytesMarked: number, assistNs: number, elapsedNs: number, procs: number];

/** One step of TestGcPacer, an application that Go simulates over 50 or 100 cycles. */
interface Application {
  name: string;
  gogc: number;
  memoryLimit: number | string;
  nCores: number;
  globalsBytes: number;
  cycles: {
    stackBytes: number;
    scannableFrac: number;
    heapLiveAtStart: number;
    goalAtStart: number;
    assistAtStart: number;
    revise: Revise[];
    heapMarked: number;
    trigger: number;
    peak: number;
    goal: number;
    endCycle: End;
    utilization: number;
    consMarkAfter: number;
    triggerAfter: number;
    goalAfter: number;
  }[];
}

interface Controller {
  traces: {
    seed: number;
    gogc: number;
    memoryLimit: string;
    procs: number;
    cycles: {
      stack: number;
      globals: number;
      scannableFrac: number;
      triggerBefore: number;
      goalBefore: number;
      heapLiveAtStart: number;
      goalAtStart: number;
      assistWorkPerByteAtStart: number;
      revise: Revise[];
      heapLiveAtEnd: number;
      endCycle: End;
      heapMarked: number;
      consMarkAfter: number;
      triggerAfter: number;
      goalAfter: number;
    }[];
  }[];
}

const AT = 5;

/** A pacer in a shared region with guard words on both sides: it may write nothing but its own. */
function pacer(gogc: number, limit: number): Pacer {
  const f = new Float64Array(new SharedArrayBuffer((AT + C.C_WORDS + 3) * 8)).fill(-7);
  const p = new Pacer(f, AT);
  p.init(gogc, limit);
  return p;
}

const get = (p: Pacer, field: number): number => p.f[AT + field];

function set(p: Pacer, fields: [field: number, value: number][]): void {
  for (const [field, value] of fields) p.f[AT + field] = value;
}

function guarded(p: Pacer): void {
  for (const [i, x] of p.f.entries()) if (i < AT || i >= AT + C.C_WORDS) expect(x).toBe(-7);
}

/** As Go's test harness begins a cycle: the heap grows to the trigger, a given part of it scannable. */
function start(p: Pacer, stack: number, globals: number, scannable: number, procs: number): void {
  const marked = get(p, C.C_HEAP_MARKED);
  const live = Math.max(p.trigger(), marked);
  set(p, [
    [C.C_MAX_STACK_SCAN, stack],
    [C.C_GLOBALS_SCAN, globals],
    [C.C_HEAP_LIVE, live],
    [C.C_HEAP_SCAN, get(p, C.C_HEAP_SCAN) + Math.trunc((live - marked) * scannable)],
  ]);
  p.startCycle(0, procs, false);
}

const INPUTS = [C.C_HEAP_LIVE, C.C_HEAP_SCAN, C.C_HEAP_SCAN_WORK, C.C_STACK_SCAN_WORK, C.C_GLOBALS_SCAN_WORK] as const;

function revise(p: Pacer, row: Revise): void {
  for (const [i, field] of INPUTS.entries()) p.f[AT + field] += row[i];
  p.revise();
}

function end(p: Pacer, [bytesMarked, assistNs, elapsedNs, procs]: End): void {
  set(p, [[C.C_ASSIST_NS, assistNs]]);
  p.endCycle(elapsedNs, procs, false);
  p.resetLive(bytesMarked);
  p.commit(false);
}

describe("Go 1.27's pacer, to the last bit", () => {
  const { traces } = internals<Controller>('gccontroller_vectors');

  it(`${traces.length} controllers of 25 cycles`, () => {
    let compared = 0;
    for (const t of traces) {
      const p = pacer(t.gogc, Number(t.memoryLimit));
      const same = (got: number[], want: number[], step: string) => {
        compared += want.length;
        expect(got, `seed ${t.seed}, ${step}`).toStrictEqual(want);
      };
      for (const [i, c] of t.cycles.entries()) {
        same([p.trigger(), p.heapGoal()], [c.triggerBefore, c.goalBefore], `cycle ${i} before`);
        start(p, c.stack, c.globals, c.scannableFrac, t.procs);
        same(
          [get(p, C.C_HEAP_LIVE), p.heapGoal(), get(p, C.C_ASSIST_WORK_PER_BYTE)],
          [c.heapLiveAtStart, c.goalAtStart, c.assistWorkPerByteAtStart],
          `cycle ${i} start`,
        );
        for (const row of c.revise) {
          revise(p, row);
          same([get(p, C.C_ASSIST_WORK_PER_BYTE), p.heapGoal()], [row[5], row[6]], `cycle ${i} revise`);
        }
        same([get(p, C.C_HEAP_LIVE)], [c.heapLiveAtEnd], `cycle ${i} end`);
        end(p, c.endCycle);
        same(
          [get(p, C.C_HEAP_MARKED), get(p, C.C_CONS_MARK), p.trigger(), p.heapGoal()],
          [c.heapMarked, c.consMarkAfter, c.triggerAfter, c.goalAfter],
          `cycle ${i} after`,
        );
      }
      guarded(p);
    }
    expect(traces.length).toBe(40);
    expect(compared).toBeGreaterThan(20_000);
  });

  const dir = new URL('../fixtures/golden/internals/pacer/', import.meta.url);
  const files = readdirSync(dir).filter((name) => name.endsWith('.json'));

  it('has all 19 applications of TestGcPacer', () => {
    expect(files.length).toBe(19);
  });

  for (const file of files) {
    const name = file.slice(0, -'.json'.length);
    it(`${name.slice('pacer_'.length)}`, () => {
      const app = internals<Application>(`pacer/${name}`);
      const p = pacer(app.gogc, Number(app.memoryLimit));
      for (const [i, c] of app.cycles.entries()) {
        start(p, c.stackBytes, app.globalsBytes, c.scannableFrac, app.nCores);
        expect([get(p, C.C_HEAP_LIVE), p.heapGoal(), get(p, C.C_ASSIST_WORK_PER_BYTE)], `${i} start`).toStrictEqual([
          c.heapLiveAtStart,
          c.goalAtStart,
          c.assistAtStart,
        ]);
        for (const row of c.revise) {
          revise(p, row);
          expect(get(p, C.C_ASSIST_WORK_PER_BYTE), `${i} revise`).toBe(row[5]);
        }
        expect(
          [get(p, C.C_HEAP_MARKED), get(p, C.C_TRIGGERED), get(p, C.C_HEAP_LIVE), p.heapGoal()],
          `${i} peak`,
        ).toStrictEqual([c.heapMarked, c.trigger, c.peak, c.goal]);
        end(p, c.endCycle);
        expect(
          [get(p, C.C_UTILIZATION), get(p, C.C_CONS_MARK), p.trigger(), p.heapGoal(), get(p, C.C_LAST_HEAP_GOAL)],
          `${i} after`,
        ).toStrictEqual([c.utilization, c.consMarkAfter, c.triggerAfter, c.goalAfter, c.goal]);
      }
      guarded(p);
    });
  }
});

describe("the released Go 1.27's goals", () => {
  interface Goal {
    gogc: number;
    heapMarked: number;
    stackScan: number;
    globalsScan: number;
    goal: number;
  }

  it('by GOGC: 54 of 54', () => {
    const { rows } = golden<{ rows: Goal[] }>('goal');
    for (const r of rows) {
      const p = pacer(r.gogc, MAX_INT64);
      set(p, [
        [C.C_STACK_SCAN_WORK, r.stackScan],
        [C.C_GLOBALS_SCAN, r.globalsScan],
      ]);
      p.resetLive(r.heapMarked);
      p.commit(false);
      expect(p.heapGoal(), JSON.stringify(r)).toBe(r.goal);
    }
    expect(rows.length).toBe(54);
  });

  it('by memory limit, with GOGC=off: 8 of 8', () => {
    type Stat = Record<'Sys' | 'HeapReleased' | 'HeapIdle' | 'TotalAlloc' | 'HeapAlloc' | 'NextGC', number>;
    const { rows } = golden<{ rows: { limit: number; stat: Stat }[] }>('memlimit');
    for (const { limit, stat } of rows) {
      const p = pacer(-1, limit);
      set(p, [
        [C.C_MAPPED_READY, stat.Sys - stat.HeapReleased],
        [C.C_HEAP_FREE, stat.HeapIdle - stat.HeapReleased],
        [C.C_TOTAL_ALLOC, stat.TotalAlloc],
        [C.C_TOTAL_FREE, stat.TotalAlloc - stat.HeapAlloc],
      ]);
      expect(p.heapGoal(), `limit ${limit}`).toBe(stat.NextGC);
      expect(p.memoryLimitGoal()).toBe(stat.NextGC);
    }
    expect(rows.length).toBe(8);
  });
});
