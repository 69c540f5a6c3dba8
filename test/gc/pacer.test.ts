/** The pacer by itself: bounds, limits, settings. */

import { describe, expect, it } from 'vitest';
import * as C from '../../src/gc/pacer.js';
import { MAX_INT64, MAX_UINT64, Pacer } from '../../src/gc/pacer.js';

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

describe('Pacer', () => {
  it('triggers a heap before its first cycle at 61/64 of the minimum', () => {
    const p = pacer(100, MAX_INT64);
    expect([p.heapGoal(), p.minTrigger(), p.maxTrigger(), p.trigger()]).toEqual([
      4 << 20,
      ((4 << 20) / 64) * 45,
      ((4 << 20) / 64) * 61,
      ((4 << 20) / 64) * 61,
    ]);
    expect(get(p, C.C_TRIGGERED)).toBe(MAX_UINT64);
  });

  it('keeps trigger within its bounds and below the goal', () => {
    let x = 1;
    const random = (n: number) => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return Math.floor((x / 2 ** 32) * n);
    };
    for (let i = 0; i < 2000; i++) {
      const p = pacer([-1, 0, 10, 100, 1000][random(5)], [MAX_INT64, 16 << 20, 256 << 20][random(3)]);
      set(p, [
        [C.C_HEAP_SCAN_WORK, random(1 << 24)],
        [C.C_CONS_MARK, random(1000) / 100],
        [C.C_MAPPED_READY, random(1 << 28)],
        [C.C_HEAP_FREE, random(1 << 24)],
        [C.C_TOTAL_ALLOC, random(1 << 28)],
      ]);
      p.resetLive(random(1 << 27));
      p.commit(random(2) === 0);
      const goal = p.heapGoal();
      expect(p.trigger()).toBeLessThanOrEqual(goal);
      if (get(p, C.C_HEAP_MARKED) >= goal) continue;
      expect(p.trigger()).toBeGreaterThanOrEqual(p.minTrigger());
      expect(p.trigger()).toBeLessThanOrEqual(p.maxTrigger());
    }
  });

  it('answers the old settings, and takes a negative limit for a question', () => {
    const p = pacer(100, 1 << 30);
    expect(p.setGCPercent(-5)).toBe(100);
    expect(p.setGCPercent(200)).toBe(-1);
    expect(get(p, C.C_HEAP_MINIMUM)).toBe(8 << 20);
    expect(p.setMemoryLimit(-1)).toBe(1 << 30);
    expect(p.setMemoryLimit(Number.POSITIVE_INFINITY)).toBe(1 << 30);
    expect(get(p, C.C_MEMORY_LIMIT)).toBe(MAX_INT64);
  });

  it('multiplies without losing a byte', () => {
    const marked = 16 * 2 ** 30 - 123457;
    for (const gogc of [99, 1_000_003, 43_654_321]) {
      const p = pacer(gogc, MAX_INT64);
      p.resetLive(marked);
      p.commit(true);
      const want = BigInt(marked) + (BigInt(marked) * BigInt(gogc)) / 100n;
      expect(get(p, C.C_GC_PERCENT_GOAL)).toBe(Number(want));
    }
  });

  it('without any limit has the double next to what Go has', () => {
    for (const nonHeap of [0, 3, 7, 8, 107, 108, 4782200, 2 ** 33 + 12345]) {
      const p = pacer(-1, MAX_INT64);
      set(p, [[C.C_MAPPED_READY, nonHeap]]);
      const goal = 2n ** 63n - 1n - BigInt(nonHeap);
      expect(p.heapGoal()).toBe(Number(goal - (goal / 100n) * 3n));
      expect(p.trigger()).toBeGreaterThan(2 ** 62);
    }
  });

  it('under a hopeless memory limit aims at the marked heap', () => {
    const p = pacer(100, 10 << 20);
    set(p, [[C.C_MAPPED_READY, 11 << 20]]);
    p.resetLive(1 << 20);
    p.commit(false);
    expect([p.heapGoal(), p.trigger()]).toEqual([1 << 20, 1 << 20]);
  });

  it('takes inputs of different instants, in which less is mapped than used, for no other memory', () => {
    const p = pacer(-1, 1000 << 20);
    set(p, [
      [C.C_MAPPED_READY, 5 << 20],
      [C.C_TOTAL_ALLOC, 6 << 20],
    ]);
    expect(p.heapGoal()).toBe(970 << 20);
  });

  it.each([
    // procs, dedicated, fractional, idle, idle when periodic
    [1, 0, 0.25, 1, 1],
    [2, 0, 0.25, 2, 1],
    [3, 0, 0.25, 3, 1],
    [4, 1, 0, 3, 0],
    [5, 1, 0, 4, 0],
    [6, 1, 0.5 / 6, 5, 0],
    [7, 2, 0, 5, 0],
    [8, 2, 0, 6, 0],
    [16, 4, 0, 12, 0],
  ])('mark workers for %i Ps: %i dedicated, %f fractional', (procs, dedicated, fractional, idle, periodic) => {
    const p = pacer(100, MAX_INT64);
    p.startCycle(0, procs, false);
    expect([get(p, C.C_DEDICATED_WANTED), get(p, C.C_FRACTIONAL_GOAL)]).toEqual([dedicated, fractional]);
    expect(get(p, C.C_MAX_IDLE_WORKERS)).toBe(idle);
    p.startCycle(0, procs, true);
    expect(get(p, C.C_MAX_IDLE_WORKERS)).toBe(periodic);
  });

  it('a cycle begins with no work and no time spent', () => {
    const p = pacer(100, MAX_INT64);
    const counted = [
      C.C_HEAP_SCAN_WORK,
      C.C_STACK_SCAN_WORK,
      C.C_GLOBALS_SCAN_WORK,
      C.C_ASSIST_NS,
      C.C_IDLE_NS,
      C.C_DEDICATED_NS,
      C.C_FRACTIONAL_NS,
    ];
    set(p, [...counted.map((field): [number, number] => [field, 9]), [C.C_HEAP_LIVE, 4000000]]);
    p.startCycle(77, 4, false);
    expect(counted.map((field) => get(p, field))).toEqual(counted.map(() => 0));
    expect([get(p, C.C_TRIGGERED), get(p, C.C_MARK_START)]).toEqual([4000000, 77]);
  });

  it('counts idle workers into cons/mark, and keeps the largest of five', () => {
    const p = pacer(100, MAX_INT64);
    const measured: number[] = [];
    for (const [i, allocated] of [4000, 3000, 2000, 1000, 500, 250, 125].entries()) {
      set(p, [[C.C_HEAP_LIVE, 1 << 20]]);
      p.startCycle(0, 4, false);
      set(p, [
        [C.C_HEAP_LIVE, (1 << 20) + allocated],
        [C.C_HEAP_SCAN_WORK, 1000],
        [C.C_ASSIST_NS, 400],
        [C.C_IDLE_NS, 800],
      ]);
      p.endCycle(1000, 4, true);
      measured.push((allocated * (0.35 + 0.2)) / (1000 * 0.65));
      expect(get(p, C.C_CONS_MARK)).toBe(Math.max(...measured.slice(-5)));
      expect([get(p, C.C_UTILIZATION), get(p, C.C_IDLE_UTILIZATION), get(p, C.C_USER_FORCED)]).toEqual([0.35, 0.2, 1]);
      expect(get(p, C.C_LAST_CONS_MARK + 3), `${i}`).toBe(measured.at(-1));
    }
  });

  it('a heap without anything to scan paces without a runway', () => {
    const p = pacer(100, MAX_INT64);
    for (let i = 0; i < 10; i++) {
      set(p, [[C.C_HEAP_LIVE, p.trigger()]]);
      p.startCycle(0, 4, false);
      set(p, [[C.C_HEAP_LIVE, p.heapGoal()]]);
      p.revise();
      p.endCycle(1000, 4, false);
      p.resetLive(10 << 20);
      p.commit(false);
      expect([get(p, C.C_CONS_MARK), get(p, C.C_RUNWAY), p.heapGoal()]).toEqual([0, 0, 20 << 20]);
      expect(p.trigger()).toBe(p.maxTrigger());
    }
  });

  it('the first scan work after none moves the goal to its bound', () => {
    const p = pacer(100, MAX_INT64);
    set(p, [
      [C.C_HEAP_LIVE, 4000000],
      [C.C_HEAP_SCAN, 1 << 20],
    ]);
    p.startCycle(0, 4, false);
    set(p, [[C.C_HEAP_SCAN_WORK, 4096]]);
    p.revise();
    expect(get(p, C.C_ASSIST_WORK_PER_BYTE)).toBe(((1 << 20) - 4096) / (2 * p.heapGoal() - 4000000));
    expect(get(p, C.C_ASSIST_BYTES_PER_WORK)).toBe((2 * p.heapGoal() - 4000000) / ((1 << 20) - 4096));
  });

  it('a cycle with nothing left to the mutator teaches nothing', () => {
    const p = pacer(100, MAX_INT64);
    p.startCycle(0, 1, false);
    set(p, [
      [C.C_HEAP_LIVE, 1 << 20],
      [C.C_HEAP_SCAN_WORK, 1000],
      [C.C_ASSIST_NS, 900],
    ]);
    p.endCycle(1000, 1, false);
    expect([get(p, C.C_CONS_MARK), get(p, C.C_UTILIZATION)]).toEqual([0, 1.15]);
  });

  it('names goals to the scavenger', () => {
    const p = pacer(100, 100 << 20);
    const goals = () => [get(p, C.C_SCAV_GC_PERCENT_GOAL), get(p, C.C_SCAV_MEMORY_LIMIT_GOAL)];
    p.scavengeGoals(50 << 20, 0, 50 << 20, 4096);
    expect(goals()).toEqual([MAX_UINT64, MAX_UINT64]);
    // Mapped more than 95% of the limit.
    set(p, [[C.C_MAPPED_READY, (95 << 20) + 1]]);
    p.scavengeGoals(50 << 20, 0, 50 << 20, 4096);
    expect(goals()).toEqual([MAX_UINT64, 95 << 20]);
    // The goal halves: so does what is to be retained, plus 10%, rounded up to the page.
    set(p, [
      [C.C_MAPPED_READY, 0],
      [C.C_LAST_HEAP_GOAL, 8 << 20],
      [C.C_HEAP_FREE, 3 << 20],
    ]);
    const want = Math.ceil(((5 << 20) + 1 + Math.floor(((5 << 20) + 1) / 10)) / 4096) * 4096;
    p.scavengeGoals(4 << 20, 3 << 20, (10 << 20) + 2, 4096);
    expect(goals()).toEqual([want, MAX_UINT64]);
    // The same from the inputs.
    set(p, [
      [C.C_HEAP_INUSE, 4 << 20],
      [C.C_LAST_HEAP_INUSE, (10 << 20) + 2],
    ]);
    p.scavengeGoals();
    expect(goals()).toEqual([want, MAX_UINT64]);
    // Within a page of it: off.
    p.scavengeGoals(want + 4095, 0, (10 << 20) + 2, 4096);
    expect(goals()[0]).toBe(MAX_UINT64);
    p.scavengeGoals(want, 4096, (10 << 20) + 2, 4096);
    expect(goals()[0]).toBe(want);
  });
});
