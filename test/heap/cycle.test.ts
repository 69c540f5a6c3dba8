/** The mark from the roots, and the cycle around it. */

import { describe, expect, test } from 'vitest';
import { checkCollector } from '../../src/gc/check.js';
import {
  drain,
  droppedSinceMark,
  finishMark,
  gcCycle,
  isMarkDone,
  markAndAdvance,
  startMark,
} from '../../src/gc/cycle.js';
import { Why } from '../../src/gc/state.js';
import {
  H_HEAP_LIVE,
  H_HEAP_MARKED,
  H_NUM_FORCED_GC,
  H_NUM_GC,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  P_ALLOC,
} from '../../src/heap/heap.js';
import { flushedMemStats, readMemStats } from '../../src/heap/memstats.js';
import { S_SWEEPGEN, spanOfPage } from '../../src/heap/mspan.js';
import { Found, resolve, Status } from '../../src/heap/objects.js';
import { NUM_SPAN_CLASSES, PAGE_WORDS } from '../../src/heap/sizeclass.js';
import { sweepAll, sweepOne } from '../../src/heap/sweep.js';
import { type Held, random, World } from './world.js';

const spanOf = (w: World, o: Held): number => spanOfPage(w.h, Math.floor(o.word / PAGE_WORDS));

function isMarked(w: World, o: Held): boolean {
  const found = new Found();
  expect(resolve(w.h, w.p(0), o.word, o.sub, found)).toBe(Status.ok);
  const page = Math.floor(o.word / PAGE_WORDS);
  const start = w.h.m[found.span + 1];
  expect(start).toBeLessThanOrEqual(page);
  return ((w.h.m[w.h.markBits + start * 32 + (found.slot >> 5)] >>> (found.slot & 31)) & 1) === 1;
}

/** Marks everything, and stops before the mark ends. */
function mark(w: World): void {
  startMark(w.h, w.p(0), Why.forced);
  while (!isMarkDone(w.h)) drain(w.h, w.p(0), Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, false);
}

/** Ends the mark and sweeps. */
function finish(w: World): void {
  finishMark(w.h);
  sweepAll(w.h, w.p(0));
}

describe('marking from the roots', () => {
  test('marks exactly what is rooted, in every size', () => {
    const w = new World(2, 64 << 20);
    const rnd = random(7);
    const all: Held[] = [];
    for (let i = 0; i < 3000; i++) {
      const size = [8, 16, 24, 64, 128, 600, 1024, 3000, 9000, 40_000][rnd(10)];
      all.push(w.alloc(w.p(i & 1), size, rnd(2) === 0) as Held);
    }
    const dropped = all.filter(() => rnd(3) === 0);
    const big = all.filter((o) => !dropped.includes(o));
    // 8-byte noscan objects are tiny ones, whose block decides: not here.
    const single = (o: Held): boolean => o.size !== 8;
    for (const o of dropped) w.free(w.p(1), o, false);
    mark(w);
    for (const o of big.filter(single)) expect(isMarked(w, o)).toBe(true);
    for (const o of dropped.filter(single)) expect(isMarked(w, o)).toBe(false);
    for (const o of big) {
      const page = w.h.m[spanOf(w, o) + 1];
      expect((w.h.m[w.h.pageMarks + (page >> 5)] >>> (page & 31)) & 1).toBe(1);
    }
    finish(w);
    w.expectWhole();
  });

  test('counts the bytes of the slots that it marks', () => {
    const w = new World(1);
    const p = w.p(0);
    for (let i = 0; i < 10; i++) w.alloc(p, 100);
    w.alloc(p, 50_000);
    mark(w);
    finish(w);
    const bytes = (10 * 112 + 57_344) / 8;
    expect(w.h.scalar(H_HEAP_MARKED)).toBe(bytes);
    expect(w.h.scalar(H_HEAP_LIVE)).toBe(bytes);
    w.expectWhole();
  });

  test('a tiny block lives while one of its objects does, or while a P fills it', () => {
    const w = new World(2);
    const [p0, p1] = w.h.ps;
    const first = Array.from({ length: 3 }, () => w.alloc(p0, 5) as Held); // one block, full
    const second = w.alloc(p0, 5) as Held; // the block that P0 is filling
    const other = w.alloc(p1, 7) as Held; // that of P1
    for (const o of [...first.slice(0, 2), second, other]) w.free(p0, o, false);
    mark(w);
    expect(isMarked(w, first[2])).toBe(true);
    expect(isMarked(w, second)).toBe(true);
    expect(isMarked(w, other)).toBe(true);
    finish(w);
    w.free(p0, first[2], false);
    // The flush has closed the blocks of both; P0 opens another.
    const third = w.alloc(p0, 5) as Held;
    w.free(p0, third, false);
    mark(w);
    expect(isMarked(w, first[2])).toBe(false);
    expect(isMarked(w, third)).toBe(true);
    finish(w);
    expect(readMemStats(w.h).HeapObjects).toBe(1);
    w.expectWhole();
  });

  test('the hint of a block that was filled further is not believed', () => {
    const w = new World(1);
    const p = w.p(0);
    const a = w.alloc(p, 4) as Held;
    w.free(p, a, false); // every object of the block is dropped: the slot is hinted
    const b = w.alloc(p, 4) as Held;
    expect(b.word >> 1).toBe(a.word >> 1);
    flushedMemStats(w.h); // nobody fills it any more
    gcCycle(w.h, p);
    w.verify(p);
    expect(w.held.size).toBe(1);
    w.free(p, b, false);
    gcCycle(w.h, p);
    expect(readMemStats(w.h).HeapObjects).toBe(0);
    w.expectWhole();
  });
});

describe('a cycle', () => {
  test('advances, empties every mcache, and leaves the rest to sweep', () => {
    const w = new World(2);
    const [p0, p1] = w.h.ps;
    for (let i = 0; i < 300; i++) w.alloc(i & 1 ? p0 : p1, 64);
    const keep = w.alloc(p0, 40_000) as Held;
    markAndAdvance(w.h, p0, false);
    expect(w.h.scalar(H_SWEEPGEN)).toBe(2);
    expect(w.h.scalar(H_NUM_GC)).toBe(1);
    expect(w.h.scalar(H_NUM_FORCED_GC)).toBe(0);
    expect(w.h.scalar(H_SWEEP_DONE)).toBe(0);
    for (const p of w.h.ps) {
      for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) expect(w.h.m[p.at + P_ALLOC + spc]).toBe(w.h.spans);
    }
    // Cached spans were swept by the flush, a large object was not.
    expect(w.h.m[spanOf(w, keep) + S_SWEEPGEN]).toBe(0);
    w.expectWhole();
    sweepAll(w.h, p1);
    expect(w.h.m[spanOf(w, keep) + S_SWEEPGEN]).toBe(2);
    expect(w.h.scalar(H_SWEEP_DONE)).toBe(1);
    expect(sweepOne(w.h, p0)).toBe(-1);
    w.verify(p0);
    w.expectWhole();
  });

  test('finishes the sweep of the one before', () => {
    const w = new World(1);
    const p = w.p(0);
    const objects = Array.from({ length: 500 }, () => w.alloc(p, 512) as Held);
    for (const o of objects.slice(0, 100)) w.free(p, o, false);
    markAndAdvance(w.h, p, true);
    w.expectWhole();
    markAndAdvance(w.h, p, true);
    w.expectWhole();
    sweepAll(w.h, p);
    expect(readMemStats(w.h).HeapObjects).toBe(400);
    expect(w.h.scalar(H_NUM_FORCED_GC)).toBe(2);
    w.verify(p);
  });

  test('takes back what was to be handed out black when an mcache is flushed while marking', () => {
    const w = new World(2);
    for (const p of w.h.ps) for (let i = 0; i < 40; i++) w.alloc(p, 64, i % 2 === 0);
    startMark(w.h, w.p(0), Why.forced);
    for (const p of w.h.ps) w.alloc(p, 64);
    flushedMemStats(w.h);
    w.expectWhole();
    expect(checkCollector(w.h)).toEqual([]);
    for (const p of w.h.ps) w.alloc(p, 64);
    while (!isMarkDone(w.h)) drain(w.h, w.p(1), Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, false);
    finish(w);
    w.verify(w.p(0));
    w.expectWhole();
  });

  test('is needed after a root was dropped, by whichever P, and not before', () => {
    const w = new World(2);
    const [p0, p1] = w.h.ps;
    const a = w.alloc(p0, 64) as Held;
    const b = w.alloc(p0, 64) as Held;
    expect(droppedSinceMark(w.h)).toBe(false);
    w.free(p1, a, false);
    expect(droppedSinceMark(w.h)).toBe(true);
    gcCycle(w.h, p0);
    expect(droppedSinceMark(w.h)).toBe(false);
    w.free(p0, b, true);
    expect(droppedSinceMark(w.h)).toBe(true);
    gcCycle(w.h, p0);
    expect(readMemStats(w.h).HeapObjects).toBe(0);
    expect(droppedSinceMark(w.h)).toBe(false);
  });

  test('is needed again while it kept a tiny block for the P that filled it', () => {
    const w = new World(1);
    const p = w.p(0);
    w.free(p, w.alloc(p, 3) as Held, false);
    gcCycle(w.h, p);
    expect(readMemStats(w.h).HeapObjects).toBe(1);
    expect(droppedSinceMark(w.h)).toBe(true);
    gcCycle(w.h, p);
    expect(readMemStats(w.h).HeapObjects).toBe(0);
    expect(droppedSinceMark(w.h)).toBe(false);
  });

  test('many of them keep a changing heap whole', () => {
    const w = new World(2, 64 << 20);
    const rnd = random(99);
    for (let round = 0; round < 25; round++) {
      for (let i = 0; i < 300; i++) w.alloc(w.p(rnd(2)), 1 + rnd(rnd(8) === 0 ? 60_000 : 900), rnd(3) > 0);
      for (const o of [...w.held.values()]) if (rnd(2) === 0) w.free(w.p(rnd(2)), o, rnd(4) === 0);
      gcCycle(w.h, w.p(rnd(2)));
      w.verify(w.p(0));
      w.expectWhole();
    }
    for (const o of [...w.held.values()]) w.free(w.p(0), o, false);
    flushedMemStats(w.h);
    gcCycle(w.h, w.p(0));
    expect(readMemStats(w.h)).toMatchObject({ HeapObjects: 0, HeapAlloc: 0, HeapInuse: 0 });
    w.expectWhole();
  });
});
