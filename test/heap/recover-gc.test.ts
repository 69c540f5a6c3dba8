/**
 * Recovery, at every point of a cycle where a thread can die. As in recover.test.ts the operation
 * is killed before its first write to shared memory, before its second, and so on. After each death
 * the heap must be whole, everything that is reachable must be there, a mark that was abandoned
 * must be begun anew and end, and two cycles later nothing else may be left.
 *
 * All points take five minutes of a processor or more: CRASH_POINTS=all tries them. Without it, a
 * sample is tried of each scenario that makes more than a few writes.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Collector, type World as Stopping } from '../../src/gc/collector.js';
import { drain, gcCycle } from '../../src/gc/cycle.js';
import { initLimiter } from '../../src/gc/limits.js';
import { configure } from '../../src/gc/pacing.js';
import { cycleRecords } from '../../src/gc/record.js';
import { CYCLE_AT, WHY_NAMES, Why, Y_WHY } from '../../src/gc/state.js';
import {
  GcPhase,
  H_ABANDONED,
  H_GC_PHASE,
  H_NUM_GC,
  H_PHASE_GEN,
  H_RESTART,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  Heap,
  type P,
} from '../../src/heap/heap.js';
import { mallocNoscan } from '../../src/heap/malloc.js';
import { releaseAll } from '../../src/heap/mcache.js';
import { effort, LONG } from '../helper/effort.js';
import { dieAt, fragile, sleeping, snapshot, takeOver } from './crash.js';
import { type Forest, forest } from './forest.js';
import { SCENARIOS, type Scenario } from './gc-scenarios.js';
import { expectQuiet, Graph, slots } from './graph.js';

/**
 * Deaths of each scenario that a test tries by default: so many at the beginning, so many over all;
 * and those at milestones.
 */
const FIRST = effort(2, 5);
const SPREAD = effort(3, 10);
const ALL = process.env.CRASH_POINTS === 'all';
const POINTS = ALL ? 'every write' : `writes at milestones, and at about ${SPREAD} others`;

/** ms: for what hangs. All deaths of a whole cycle take two minutes of a processor. */
const timeout = ALL ? 1_800_000 : 900_000;

/** The P's thread has stopped the world, this moment. */
let stopped = false;
const recording: Stopping = {
  stop: () => {
    stopped = true;
  },
  start: () => {
    stopped = false;
  },
  wake: () => {},
};

interface Prepared {
  g: Graph;
  f: Forest;
  p0: P;
  p1: P;
  bad: Heap;
  x: unknown;
  reset: () => void;
}

function prepare(sc: Scenario<unknown>): Prepared {
  const h = Heap.create({ reserve: 4 << 20, arenaSize: 4 << 20, procs: 2 });
  const bad = fragile(h.memory);
  let ns = 0;
  h.now = bad.now = () => (ns += 1000);
  configure(h, -1, Number.POSITIVE_INFINITY);
  initLimiter(h);
  const g = new Graph(h);
  const f = forest(g);
  const x = sc.setup(g, f);
  g.verify(h.ps[1]);
  const back = snapshot(h);
  const believed = g.save();
  const began = ns;
  const reset = (): void => {
    back();
    believed();
    ns = began;
    stopped = sc.held === true;
    h.poll = bad.poll = () => {};
  };
  return { g, f, p0: h.ps[0], p1: h.ps[1], bad, x, reset };
}

/**
 * What tells how far a cycle is: deaths around the writes that change one of these are always
 * tried.
 */
const MILESTONES = [H_GC_PHASE, H_SWEEPGEN, H_NUM_GC, H_RESTART];

/**
 * The writes before which the operation dies: all of them, or a sample: the first, the last, those
 * at milestones, some between.
 */
function deaths({ g, bad, x, reset }: Prepared, sc: Scenario<unknown>): number[] {
  reset();
  const { m, mheap } = g.h;
  const near = new Set<number>();
  let before = '';
  const watch = (n: number): void => {
    const now = MILESTONES.map((which) => m[mheap + which]).join();
    if (before !== '' && now !== before) for (let i = n - 1; i <= n + 1; i++) near.add(i);
    before = now;
  };
  const { writes } = dieAt(Number.POSITIVE_INFINITY, () => sc.run(bad, bad.ps[0], x, recording), watch);
  const all = Array.from({ length: writes }, (_, n) => n);
  if (ALL || writes <= SPREAD) return all;
  const stride = Math.ceil(writes / SPREAD);
  return all.filter((n) => n < FIRST || n === writes - 1 || near.has(n) || n % stride === writes % stride);
}

/** What was going on when the thread died. */
interface Moment {
  abandoned: boolean;
  why: number;
  restart: number;
  cycles: number;
}

function momentOf(h: Heap): Moment {
  const at = h.mheap;
  const on = h.m[at + H_GC_PHASE] !== GcPhase.off;
  return {
    abandoned: on && h.m[at + H_PHASE_GEN] === h.m[at + H_SWEEPGEN],
    why: h.f[h.pacer + CYCLE_AT + Y_WHY],
    restart: h.m[at + H_RESTART],
    cycles: h.m[at + H_ABANDONED],
  };
}

function expectAbandoned(h: Heap, before: Moment): void {
  const { m, mheap } = h;
  expect(cycleRecords(h, 1)[0]?.number ?? 0).toBe(m[mheap + H_NUM_GC]);
  expect(m[mheap + H_ABANDONED] - before.cycles).toBe(before.abandoned ? 1 : 0);
  expect(m[mheap + H_RESTART]).toBe(before.abandoned || before.restart !== 0 ? before.why + 1 : 0);
}

/** A collector finds what there is to do: the cycle that was abandoned is begun anew, and ends. */
function expectRestarted({ g, p1 }: Prepared, n: number): void {
  const { h } = g;
  const { m, mheap } = h;
  const numGC = m[mheap + H_NUM_GC];
  const restart = m[mheap + H_RESTART];
  // The other P may have begun it already.
  const due = restart !== 0 || m[mheap + H_GC_PHASE] !== GcPhase.off;
  const gc = new Collector(h, p1);
  const busy = (): boolean =>
    m[mheap + H_RESTART] !== 0 || m[mheap + H_GC_PHASE] !== GcPhase.off || m[mheap + H_SWEEP_DONE] === 0;
  for (let i = 0; busy() && i < 10_000; i++) {
    if (n % 3 === 0) {
      gc.share();
      gc.between();
    } else if (n % 3 === 1) gc.idle();
    else gc.collect(Why.forced);
  }
  expect(busy()).toBe(false);
  const cycles = m[mheap + H_NUM_GC] - numGC;
  expect(cycles).toBeGreaterThanOrEqual(due ? 1 : 0);
  expect(cycles).toBeLessThanOrEqual((due ? 1 : 0) + (n % 3 === 2 ? 1 : 0));
  if (restart !== 0 && n % 3 !== 2) expect(cycleRecords(h, 1)[0].why).toBe(WHY_NAMES[restart - 1]);
}

/** Nothing reachable is lost, nothing else survives two cycles, and both Ps can go on. */
function expectAlive(x: Prepared, n: number, leaks: number): void {
  const { g, f, p0, p1 } = x;
  const { h } = g;
  g.verify(p1);
  expectRestarted(x, n);
  expectQuiet(h, 'restarted');
  g.verify(p0);
  gcCycle(h, p1);
  g.prune();
  gcCycle(h, p0);
  expectQuiet(h, 'after two cycles');
  g.verify(p0);
  const is = slots(h);
  const needed = g.needed();
  expect(is.others - needed.others, 'slots that nothing reaches').toBeGreaterThanOrEqual(0);
  expect(is.others - needed.others, 'slots that nothing reaches').toBeLessThanOrEqual(leaks);
  // A tiny object that was never answered may share its block with one that was, and root a block
  // of its own.
  expect(is.tiny - needed.tiny, 'tiny blocks that nothing reaches').toBeLessThanOrEqual(1);
  for (const p of [p0, p1]) {
    const made = [48, 24, 512, 1024, 40_000].map((size) => g.alloc(p, size, [0, 1]));
    for (const size of [64, 3, 2048, 40_000]) g.alloc(p, size);
    made.forEach((node, i) => {
      g.link(p, i === 0 ? f.own.root : made[i - 1], 1, node);
      g.drop(p, node);
    });
  }
  expectQuiet(h, 'after allocating');
  gcCycle(h, p1);
  g.verify(p0);
}

/**
 * What the other P does between the death and the recovery, and after it: `repair` is called where
 * it has to wait for it.
 */
function workOn({ g, f, p1 }: Prepared, n: number, world: Stopping): void {
  const { h } = g;
  const { root, children, leaves } = f.own;
  const gc = new Collector(h, p1, world);
  const live = g.reachable();
  const kept = children.filter((node) => live.has(node));
  const attend = (): void => {
    if (p1.attention) gc.service();
  };
  if (h.scalar(H_GC_PHASE) === GcPhase.mark) drain(h, p1, 1, Number.POSITIVE_INFINITY, n % 2 === 0);
  // What only one object has moves to another, which may be marked already.
  g.link(p1, kept[0], 0, kept[20]);
  g.link(p1, kept[10], 5, null);
  const fresh = g.alloc(p1, 48, [0, 5]);
  g.link(p1, root, 7, fresh);
  g.drop(p1, fresh);
  g.link(p1, fresh, 0, g.alloc(p1, 1024, [3]));
  attend();
  g.drop(p1, g.alloc(p1, 50_000, [0]), n % 2 === 0);
  g.alloc(p1, 4);
  g.drop(p1, leaves[n % 30], n % 2 === 0);
  g.drop(p1, leaves[(n % 30) + 1], n % 2 === 1);
  gc.share();
  for (let i = 0; i < 100; i++) {
    attend();
    g.link(p1, root, 6, g.alloc(p1, 48, [0, 5]));
  }
  if (n % 4 === 0) gc.idle();
  if (n % 4 === 1) gc.collect(Why.forced);
  if (n % 4 === 2) {
    world.stop();
    releaseAll(h, p1);
    world.start();
  }
}

describe.each(Object.entries(SCENARIOS))('%s', (_name, sc) => {
  // Both tests put the heap back before each death.
  let x: Prepared;
  let points: number[];
  beforeAll(() => {
    x = prepare(sc);
    points = deaths(x, sc);
  });
  /** The ordinary run shares the points out between the two tests. */
  const ofTest = (which: number): number[] =>
    LONG || sc.held === true ? points : points.filter((_, i) => i % 2 === which);
  afterAll(() => {
    x = undefined as unknown as Prepared;
  });

  test(`dies at ${POINTS}`, { timeout }, () => {
    const { g, p0, bad } = x;
    for (const n of ofTest(0)) {
      x.reset();
      expect(dieAt(n, () => sc.run(bad, bad.ps[0], x.x, recording)).lived).toBe(false);
      try {
        const before = momentOf(g.h);
        takeOver(g.h, p0, stopped);
        expectAbandoned(g.h, before);
        expectQuiet(g.h, 'recovered');
        sc.believe?.(g, x.x);
        expectAlive(x, n, sc.leaks ?? 0);
      } catch (error) {
        throw new Error(`died at write ${n}: ${(error as Error).stack}`);
      }
    }
  });

  test.skipIf(sc.held === true)(`dies at ${POINTS}, while the other P works on`, { timeout }, () => {
    const { g, p0, bad } = x;
    const { h } = g;
    for (const n of ofTest(1)) {
      x.reset();
      expect(dieAt(n, () => sc.run(bad, bad.ps[0], x.x, recording)).lived).toBe(false);
      let recovered = false;
      // Safepoints that P1 passes before it is made to stand still.
      let passes = n % 5;
      const repair = (): void => {
        if (recovered) return;
        recovered = true;
        const before = momentOf(h);
        takeOver(h, p0, stopped);
        expectAbandoned(h, before);
        expectQuiet(h, 'recovered, P1 stands still', [1]);
      };
      h.poll = () => {
        if (passes-- <= 0) repair();
      };
      const asleep = (): void => {
        if (recovered) throw new Error('P1 still waits after the recovery');
        repair();
      };
      try {
        if (stopped) repair();
        sleeping(asleep, () => workOn(x, n, { stop: repair, start: () => {}, wake: () => {} }));
        repair();
        sc.believe?.(g, x.x);
        expectAlive(x, n, sc.leaks ?? 0);
      } catch (error) {
        throw new Error(`died at write ${n}: ${(error as Error).stack}`);
      }
    }
  });
});

test('two died: the second, half way through an allocation, had its mcache given up with the first', () => {
  const h = Heap.create({ reserve: 4 << 20, arenaSize: 4 << 20, procs: 3 });
  configure(h, -1, Number.POSITIVE_INFINITY);
  const g = new Graph(h);
  const [p0, p1, p2] = h.ps;
  g.alloc(p1, 64);
  // Never answered: its thread dies here. Meanwhile P0 dies, about to stop the world.
  mallocNoscan(h, p1, 64);
  takeOver(h, p0, true);
  takeOver(h, p1, false);
  expectQuiet(h, 'recovered');
  gcCycle(h, p2);
  expect(slots(h)).toEqual(g.needed());
  g.verify(p2);
});
