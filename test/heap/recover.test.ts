/**
 * Recovery, at every point where a thread can die: each scenario's operation is killed before its
 * first write to shared memory, before its second, and so on, until it survives. After each death
 * the heap must be whole again, every object that a client was told of must be there with its
 * bytes, and what was never answered must be garbage.
 *
 * All points take minutes. `npm run test:long` tries them, unless CRASH_POINTS=some; `npm test`
 * tries a sample of each scenario, unless CRASH_POINTS=all.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gcCycle, markAndAdvance } from '../../src/gc/cycle.js';
import { configure } from '../../src/gc/pacing.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import type { Heap, P } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { releaseAll } from '../../src/heap/mcache.js';
import { countAllocated, S_SPANCLASS, S_STATE, SpanState, spanAt, spanOfPage } from '../../src/heap/mspan.js';
import { checkRooted, Found, resolve, Status } from '../../src/heap/objects.js';
import { PAGE_WORDS, TINY_SPAN_CLASS } from '../../src/heap/sizeclass.js';
import { addSite } from '../../src/heap/specials.js';
import { sweepAll, sweepOne } from '../../src/heap/sweep.js';
import { effort, LONG } from '../helper/effort.js';
import { dieAt, fragile, sleeping, snapshot, takeOver } from './crash.js';
import { type Held, key, random, World } from './world.js';

const ALL = process.env.CRASH_POINTS === 'all' || (LONG && process.env.CRASH_POINTS !== 'some');
/** Deaths in a sample: so many at the beginning, and about so many over all. */
const FIRST = 4;
const SPREAD = 6;
const POINTS = ALL ? 'every write' : `the first ${FIRST}, the last and about ${SPREAD} more of its writes`;

interface Scenario {
  /**
   * Brings the heap to where the operation is interesting. P0 will die, P1 has objects and caches
   * of its own.
   */
  setup?: (w: World, p0: P, p1: P) => Held | undefined;
  /** The operation, on the view that dies. `o`: what setup answered. */
  run: (h: Heap, p0: P, o: Held) => unknown;
  /** The operation frees `o`, so that afterwards it may or may not be there. */
  frees?: boolean;
  /** It runs with the world stopped. */
  held?: boolean;
}

const many = (w: World, p: P, n: number, size: number, noscan = true): Held[] =>
  Array.from({ length: n }, () => w.alloc(p, size, noscan) as Held);

/**
 * Spans of 64-byte objects where every third is garbage, of 2 KiB ones that are all garbage, tiny
 * blocks, a dead large object.
 */
function littered(w: World, p0: P, p1: P): Held {
  const small = many(w, p0, 300, 64);
  const scan = many(w, p1, 40, 1024, false);
  const wide = many(w, p0, 12, 2048);
  const tiny = many(w, p0, 30, 5);
  const big = w.alloc(p1, 50_000) as Held;
  small.forEach((o, i) => {
    if (i % 3 === 0) w.free(p0, o, false);
  });
  for (const o of wide) w.free(p0, o, false);
  tiny.forEach((o, i) => {
    if (i % 7 !== 0) w.free(p0, o, false);
  });
  for (const o of scan.slice(0, 20)) w.free(p1, o, false);
  const site = (o: Held, n: number): void => {
    const s = spanOfPage(w.h, Math.floor(o.word / PAGE_WORDS));
    addSite(w.h, p0, s, Math.floor((o.word - s) / 8) & 31, 0, n);
  };
  site(small[1], 1);
  w.free(p1, big, false);
  return small[1];
}

function unswept(w: World, p0: P, p1: P): Held {
  const o = littered(w, p0, p1);
  markAndAdvance(w.h, p0, true);
  return o;
}

/**
 * P0's stack of reusable 64-byte slots is full: some of its cached span, one span wholly, some of
 * P1's.
 */
function fullStack(w: World, p0: P, p1: P): Held {
  const mine = many(w, p0, 260, 64);
  const theirs = many(w, p1, 5, 64);
  const freed = [...mine.slice(0, 10), ...theirs.slice(0, 3), ...mine.slice(240, 259)];
  for (const o of freed) w.free(p0, o, true);
  return mine[100];
}

/**
 * A span whose every object is on the stack but one, in a list: flushing the stack gives its pages
 * back.
 */
function wholeSpan(w: World, p0: P): Held {
  const mine = many(w, p0, 40, 2048);
  for (let i = 0; i < 32; i++) w.free(p0, mine[i], true);
  return mine[35];
}

const site = (h: Heap, p0: P, o: Held): boolean => {
  const s = spanOfPage(h, Math.floor(o.word / PAGE_WORDS));
  return addSite(h, p0, s, Math.floor((o.word - Math.floor(o.word / PAGE_WORDS) * PAGE_WORDS) / 8), o.sub, 7);
};

const SCENARIOS: Record<string, Scenario> = {
  'first allocation of a heap': { run: (h, p) => mallocNoscan(h, p, 64) },
  'allocation from the cached span': {
    setup: (w, p0) => many(w, p0, 3, 64)[0],
    run: (h, p) => mallocNoscan(h, p, 64),
  },
  'next group of the cached span': { setup: (w, p0) => many(w, p0, 32, 64)[0], run: (h, p) => mallocNoscan(h, p, 64) },
  'refill with a new span': { setup: (w, p0) => many(w, p0, 126, 64)[0], run: (h, p) => mallocNoscan(h, p, 64) },
  'refill with a swept partial span': {
    setup: (w, p0, p1) => {
      littered(w, p0, p1);
      gcCycle(w.h, p1);
      return undefined;
    },
    run: (h, p) => mallocNoscan(h, p, 64),
  },
  'refill that sweeps': { setup: unswept, run: (h, p) => mallocNoscan(h, p, 64) },
  'refill of tiny blocks that sweeps': { setup: unswept, run: (h, p) => mallocNoscan(h, p, 3) },
  'new span after reclaiming': { setup: unswept, run: (h, p) => mallocNoscan(h, p, 4096) },
  'new tiny block': { setup: (w, p0) => many(w, p0, 2, 9)[0], run: (h, p) => mallocNoscan(h, p, 9) },
  'tiny object in the current block': { setup: (w, p0) => many(w, p0, 1, 3)[0], run: (h, p) => mallocNoscan(h, p, 3) },
  'small scan object': { setup: (w, p0) => many(w, p0, 2, 24, false)[0], run: (h, p) => mallocScan(h, p, 24) },
  'scan object with a header': {
    setup: (w, p0) => many(w, p0, 2, 1024, false)[0],
    run: (h, p) => mallocScan(h, p, 1024),
  },
  'eight-byte pointers': { run: (h, p) => mallocScan(h, p, 8) },
  'large object': { run: (h, p) => mallocNoscan(h, p, 100_000) },
  'large object that grows the heap': {
    setup: (w, p0) => many(w, p0, 1, 2_500_000)[0],
    run: (h, p) => mallocNoscan(h, p, 3_000_000),
  },
  'large object in dirty pages': {
    setup: (w, p0) => {
      w.free(p0, w.alloc(p0, 100_000) as Held, true);
      return undefined;
    },
    run: (h, p) => mallocScan(h, p, 90_000),
  },
  'large object that reclaims': { setup: unswept, run: (h, p) => mallocNoscan(h, p, 60_000) },
  'large object that does not fit': { run: (h, p) => mallocNoscan(h, p, 8_200_000) },
  'drop of a root': {
    setup: (w, p0) => many(w, p0, 3, 64)[1],
    run: (h, p, o) => dropRoot(h, p, o.word, o.sub),
    frees: true,
  },
  'drop of a root in an unswept span': {
    setup: unswept,
    run: (h, p, o) => dropRoot(h, p, o.word, o.sub),
    frees: true,
  },
  'drop of the last tiny object of a block': {
    setup: (w, p0) => many(w, p0, 2, 12)[0],
    run: (h, p, o) => dropRoot(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free in the cached span': {
    setup: (w, p0) => many(w, p0, 3, 64)[1],
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free in a listed span': {
    setup: (w, p0) => many(w, p0, 200, 64)[1],
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free of an object with a site': {
    setup: (w, p0) => {
      const o = many(w, p0, 3, 64)[1];
      site(w.h, p0, o);
      return o;
    },
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free of a large object': {
    setup: (w, p0) => many(w, p0, 1, 100_000)[0],
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free of the last tiny object of a block': {
    setup: (w, p0) => many(w, p0, 2, 12)[0],
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free of a tiny block that nobody fills': {
    setup: (w, p0) => many(w, p0, 3, 12)[1],
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'reuse of a slot': {
    setup: (w, p0) => {
      w.free(p0, many(w, p0, 3, 64)[1], true);
      return undefined;
    },
    run: (h, p) => mallocNoscan(h, p, 64),
  },
  'immediate free that flushes the stack': {
    setup: fullStack,
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'immediate free that gives spans back': {
    setup: wholeSpan,
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    frees: true,
  },
  'site of an object': { setup: (w, p0) => many(w, p0, 3, 64)[1], run: site },
  'flush of the mcache': {
    setup: littered,
    run: (h, p) => releaseAll(h, p),
  },
  'sweep of one span': { setup: unswept, run: (h, p) => sweepOne(h, p) },
  'sweep of everything': { setup: unswept, run: (h, p) => sweepAll(h, p) },
  'mark, and flush of every P': { setup: littered, run: (h, p) => markAndAdvance(h, p, true), held: true },
  'mark with sweeping left to do': { setup: unswept, run: (h, p) => markAndAdvance(h, p, true), held: true },
};

/** Allocated slots, tiny blocks apart. */
function slots(h: Heap): { tiny: number; others: number } {
  let tiny = 0;
  let others = 0;
  for (let id = 1; id < h.m[h.mheap + 8]; id++) {
    const s = spanAt(h, id);
    if (h.m[s + S_STATE] !== SpanState.inUse) continue;
    if (h.m[s + S_SPANCLASS] === TINY_SPAN_CLASS) tiny += countAllocated(h, s);
    else others += countAllocated(h, s);
  }
  return { tiny, others };
}

/** What must be allocated when only held objects are: tiny ones share blocks. */
function expected(w: World): { tiny: number; others: number } {
  const blocks = new Set<number>();
  let others = 0;
  for (const o of w.held.values()) {
    const s = spanOfPage(w.h, Math.floor(o.word / PAGE_WORDS));
    if (w.h.m[s + S_SPANCLASS] === TINY_SPAN_CLASS) blocks.add(o.word >> 1);
    else others++;
  }
  return { tiny: blocks.size, others };
}

interface Prepared {
  w: World;
  p0: P;
  p1: P;
  bad: Heap;
  o: Held;
  reset: () => void;
}

function prepare(sc: Scenario): Prepared {
  const w = new World(2);
  const [p0, p1] = w.h.ps;
  // As the host does before there is any thread.
  configure(w.h, -1, Number.POSITIVE_INFINITY);
  many(w, p1, 4, 64);
  many(w, p1, 2, 6);
  many(w, p1, 2, 40, false);
  // How many writes an operation makes must not depend on how long it takes.
  const bad = fragile(w.h.memory);
  let ns = 0;
  w.h.now = bad.now = () => (ns += 1000);
  const o = sc.setup?.(w, p0, p1) as Held;
  w.expectWhole('before');
  const back = snapshot(w.h);
  const held = [...w.held.values()].map((x) => ({ ...x }));
  const began = ns;
  const reset = (): void => {
    back();
    ns = began;
    w.held.clear();
    for (const x of held) w.held.set(key(x), { ...x });
  };
  return { w, p0, p1, bad, o, reset };
}

/**
 * The writes before which the operation dies: all of them, or a sample: the first few, then some
 * that are spread over all.
 */
function deaths({ bad, o, reset }: Prepared, sc: Scenario): number[] {
  reset();
  const { writes } = dieAt(Number.POSITIVE_INFINITY, () => sc.run(bad, bad.ps[0], o));
  const all = Array.from({ length: writes }, (_, n) => n);
  expect(all.length).toBeGreaterThan(0);
  if (ALL || writes <= SPREAD) return all;
  const stride = Math.ceil(writes / SPREAD);
  return all.filter((n) => n < FIRST || n === writes - 1 || n % stride === writes % stride);
}

/** A free that died may have happened or not. If not, the object must be there as it was. */
function forgetIfFreed(w: World, o: Held): void {
  const found = new Found();
  const status = resolve(w.h, w.p(0), o.word, o.sub, found);
  if (status !== Status.ok || checkRooted(w.h, found) !== Status.ok) w.held.delete(key(o));
}

/** The heap works on: nothing is lost, nothing leaks, and both Ps can allocate. */
function expectAlive({ w, p0, p1 }: Prepared, context: string): void {
  w.verify(p1);
  gcCycle(w.h, p1);
  w.expectWhole(`${context}, after a cycle`);
  w.verify(p0);
  const is = slots(w.h);
  const should = expected(w);
  expect(is.others, `${context}: slots`).toBeLessThanOrEqual(should.others);
  expect(is.tiny, `${context}: tiny blocks`).toBeLessThanOrEqual(should.tiny);
  for (const p of [p0, p1]) {
    for (const size of [64, 3, 2048, 64, 40_000]) w.alloc(p, size);
    w.alloc(p, 24, false);
    w.alloc(p, 1024, false);
  }
  w.expectWhole(`${context}, after allocating`);
  w.verify(p0);
}

describe.each(Object.entries(SCENARIOS))('%s', (_name, sc) => {
  // Both tests put the heap back before each death.
  let x: Prepared;
  let points: number[];
  beforeAll(() => {
    x = prepare(sc);
    points = deaths(x, sc);
  });
  afterAll(() => {
    x = undefined as unknown as Prepared;
  });

  test(`dies at ${POINTS}`, () => {
    const { w, p0, bad, o } = x;
    for (const n of points) {
      x.reset();
      expect(dieAt(n, () => sc.run(bad, bad.ps[0], o)).lived).toBe(false);
      const context = `died at write ${n}`;
      takeOver(w.h, p0, sc.held === true);
      if (sc.frees) forgetIfFreed(w, o);
      w.expectWhole(context);
      try {
        expectAlive(x, context);
      } catch (error) {
        throw new Error(`${context}: ${(error as Error).message}`);
      }
    }
  });

  test.skipIf(sc.held === true)(`dies at ${POINTS} while the other P works on`, () => {
    const { w, p0, p1, bad, o } = x;
    for (const n of points) {
      x.reset();
      expect(dieAt(n, () => sc.run(bad, bad.ps[0], o)).lived).toBe(false);
      const context = `died at write ${n}`;
      let recovered = 0;
      const repair = (): void => {
        if (recovered++ > 0) throw new Error(`${context}: P1 still waits after the recovery`);
        takeOver(w.h, p0, false);
        expect(check(w.h, { hands: [1] }), `${context}, P1 asleep`).toEqual([]);
      };
      w.h.poll = repair;
      try {
        sleeping(repair, () => {
          const mine = [...w.held.values()].find((h) => h.size === 64 && spanOfPage(w.h, h.word >> 10) !== 0);
          w.alloc(p1, 64);
          w.alloc(p1, 2048);
          w.alloc(p1, 4);
          w.alloc(p1, 50_000);
          if (mine !== undefined && mine !== o) w.free(p1, mine, n % 2 === 0);
          many(w, p1, 130, 64);
          if (n % 3 === 0) releaseAll(w.h, p1);
        });
        if (recovered === 0) takeOver(w.h, p0, false);
        if (sc.frees) forgetIfFreed(w, o);
        w.expectWhole(context);
        expectAlive(x, context);
      } catch (error) {
        throw new Error(`${context}: ${(error as Error).stack}`);
      }
    }
  });
});

test('one heap survives many deaths', () => {
  const rnd = random(20_260_101);
  const w = new World(2, 16 << 20);
  const [p0, p1] = w.h.ps;
  const bad = fragile(w.h.memory);
  const b0 = bad.ps[0];
  let ns = 0;
  w.h.now = bad.now = () => (ns += 1000);
  const pick = (): Held => [...w.held.values()][rnd(w.held.size)];
  let died = 0;
  const steps = effort(60, 400);
  for (let i = 0; i < steps; i++) {
    for (let k = 0; k < 12; k++) w.alloc(w.p(rnd(2)), 1 + rnd([15, 100, 2000, 60_000][rnd(4)]), rnd(3) > 0);
    for (let k = 0; k < 9 && w.held.size > 20; k++) w.free(w.p(rnd(2)), pick(), rnd(2) === 0);
    const o = pick();
    const ops: [boolean, () => unknown][] = [
      [false, () => mallocNoscan(bad, b0, 1 + rnd([15, 100, 2000, 60_000][rnd(4)]))],
      [false, () => dropRoot(bad, b0, o.word, o.sub)],
      [false, () => freeNow(bad, b0, o.word, o.sub)],
      [false, () => sweepAll(bad, b0)],
      [true, () => markAndAdvance(bad, b0, true)],
      [true, () => releaseAll(bad, b0)],
    ];
    const [held, run] = ops[rnd(ops.length)];
    const { lived, result } = dieAt(rnd(2) === 0 ? rnd(40) : rnd(3000), run);
    // An allocation that lived is never answered here: its caller gives it back.
    if (lived && run === ops[0][1] && (result as number) >= 0) dropRoot(w.h, p0, result as number, b0.sub);
    if (!lived) {
      died++;
      takeOver(w.h, p0, held);
    }
    forgetIfFreed(w, o);
    w.expectWhole(`step ${i}`);
    w.verify(p1);
    if (rnd(10) === 0) gcCycle(w.h, p1);
  }
  expect(died).toBeGreaterThan(steps / 5);
});
