/** One moment each at which two Ps, or a P and the collector, can meet; played on one thread. Each was a bug. */

import { describe, expect, test } from 'vitest';
import { storePointer } from '../../src/gc/barrier.js';
import { checkCollector } from '../../src/gc/check.js';
import { Collector } from '../../src/gc/collector.js';
import { drain, finishMark, gcCycle, isMarkDone, startMark } from '../../src/gc/cycle.js';
import { greyWord } from '../../src/gc/mark.js';
import { Why } from '../../src/gc/state.js';
import { blackenSlot } from '../../src/heap/black.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import { H_DEDICATED, HEAP_BASE, Heap } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { fullSwept, fullUnswept, partialUnswept, popSpan, pushSpan } from '../../src/heap/mcentral.js';
import { flushedMemStats, readMemStats } from '../../src/heap/memstats.js';
import { S_START, spanOfPage } from '../../src/heap/mspan.js';
import { Found, pointsInside, resolve, Status } from '../../src/heap/objects.js';
import { makeSpanClass, PAGE_WORDS, SPC_TO_HEAP_BITS, sizeToClass } from '../../src/heap/sizeclass.js';
import { sweepSpan, tryAcquire } from '../../src/heap/sweep.js';
import { TYPE_ALL_POINTERS } from '../../src/heap/types.js';
import { Executor } from '../../src/sched/exec.js';
import { BatchOp, Flag, Op, RECORD_BYTES } from '../../src/sched/ops.js';
import { F_ARGS, F_OP, F_RESULTS, newSchedMemory, Shared } from '../../src/sched/shared.js';

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);

const newHeap = (procs: number): Heap => Heap.create({ reserve: 32 << 20, arenaSize: 4 << 20, procs });
const lo = (word: number) => word << 3;
const hi = (word: number) => BASE_HI + (word >> 29);
const SPC64 = makeSpanClass(sizeToClass(64), false);

function markAll(h: Heap, p = h.ps[0]): void {
  while (!isMarkDone(h)) drain(h, p, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, false);
}

/** Each of them was found by reading, by model.test.ts, or by test/sched/gc-model.test.ts. */
describe('bugs', () => {
  test('a flush while marking whitens what was black and not handed out', () => {
    const h = newHeap(1);
    const [p] = h.ps;
    const gc = new Collector(h, p);
    mallocScan(h, p, 64);
    gc.begin(Why.forced);
    flushedMemStats(h);
    expect(checkCollector(h)).toEqual([]);
    gc.collect(Why.forced);
    expect(check(h)).toEqual([]);
  });

  test('a tiny object that is freed at once takes no neighbour with it', () => {
    const h = newHeap(1);
    const [p] = h.ps;
    const a = mallocNoscan(h, p, 4);
    const aSub = p.sub;
    const b = mallocNoscan(h, p, 4);
    const bSub = p.sub;
    const c = mallocNoscan(h, p, 8);
    mallocNoscan(h, p, 8); // another block is filled now
    expect(b >> 1).toBe(a >> 1);
    const holder = mallocScan(h, p, 16);
    storePointer(h, p, holder, lo(a) | aSub, hi(a));
    expect(dropRoot(h, p, a, aSub)).toBe(Status.ok);
    expect(dropRoot(h, p, c, 0)).toBe(Status.ok);
    h.w32[a * 2] = 0x1234;
    expect(freeNow(h, p, b, bSub)).toBe(Status.ok);
    mallocNoscan(h, p, 16);
    expect(h.w32[a * 2]).toBe(0x1234);
    expect(resolve(h, p, a, aSub, new Found())).toBe(Status.ok);
  });

  test('a slot that is used again keeps its pointer bits, whoever allocates beside it', () => {
    const h = newHeap(2);
    const [p0, p1] = h.ps;
    const first = mallocScan(h, p0, 64, TYPE_ALL_POINTERS, 1, 0); // one pointer, and P0's span has it
    freeNow(h, p1, first, 0); // P1 may use its slot again
    const { w32 } = h;
    const bits = SPC_TO_HEAP_BITS[SPC64];
    let between = false;
    let again = 0;
    // P0 reads the word of the bitmap that both slots' bits stand in, and writes it back after P1 has written it.
    const racing = new Proxy(w32, {
      get(target, at) {
        const value = Reflect.get(target, at);
        if (Number(at) === bits && !between) {
          between = true;
          Object.assign(h, { w32 });
          again = mallocScan(h, p1, 64);
        }
        return value;
      },
      set: (target, at, value) => Reflect.set(target, at, value),
    });
    Object.assign(h, { w32: racing });
    mallocScan(h, p0, 64);
    Object.assign(h, { w32 });
    expect(between).toBe(true);
    const child = mallocNoscan(h, p0, 64);
    storePointer(h, p1, again + 3, lo(child), hi(child));
    dropRoot(h, p0, child, 0);
    gcCycle(h, p0);
    expect(pointsInside(h, p0, child)).toBe(true);
  });

  test('a large object that was met before it was blackened is scanned from its beginning in the next cycle', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    startMark(h, p, Why.forced);
    const big = mallocScan(h, p, 400_000);
    const child = mallocNoscan(h, p, 64);
    // As if Q had met it, by its root, before P came to blacken it.
    const s = spanOfPage(h, big / PAGE_WORDS);
    h.m[h.markBits + h.m[s + S_START] * 32] = 0;
    h.m[h.scanBits + h.m[s + S_START] * 32] = 0;
    greyWord(h, q, big);
    drain(h, q, 1, Number.POSITIVE_INFINITY, true);
    blackenSlot(h, p, s, 0);
    markAll(h, q);
    finishMark(h);
    storePointer(h, p, big, lo(child), hi(child));
    dropRoot(h, p, child, 0);
    gcCycle(h, p);
    expect(pointsInside(h, p, child)).toBe(true);
    expect(checkCollector(h)).toEqual([]);
  });

  test('an object without a root gets its chance to be stored, though a cycle passes before', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    const gcs = h.ps.map((each) => new Collector(h, each));
    const k = new Shared(newSchedMemory(2));
    const exec = new Executor(h, p, k, gcs[0]);
    const holder = mallocScan(h, q, 64);
    flushedMemStats(h); // into a list, to be swept by somebody
    gcs[0].begin(Why.forced);
    markAll(h);
    gcs[0].end();
    const s = popSpan(h, q, SPC64, partialUnswept(h));
    expect(tryAcquire(h, s)).toBe(true);
    // Q is sweeping the holder's span. While P waits for it, standing still for whoever stops the world, a whole cycle passes.
    h.poll = () => {
      h.poll = () => {};
      sweepSpan(h, q, s, false);
      gcs[1].collect(Why.forced);
    };
    k.exchange32.set([BatchOp.alloc | (Flag.unrooted << 8), 0, 64, 0], 0);
    k.exchange32.set([BatchOp.store, 0, lo(holder), hi(holder)], 4);
    const frame = k.frame(0);
    k.m[frame + F_OP] = Op.batch;
    k.m.set([0, 2, 2 * RECORD_BYTES], frame + F_ARGS);
    exec.run(frame);
    expect(k.m[frame + F_RESULTS]).toBe(0); // records that failed
    expect(pointsInside(h, p, h.w32[holder * 2] >>> 3)).toBe(true);
    gcs[0].collect(Why.forced);
    gcs[0].collect(Why.forced);
    expect(readMemStats(h).HeapObjects).toBe(2);
    expect(check(h)).toEqual([]);
  });

  test('a holder that a cycle took away while its target was looked up is told to be gone', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    const gcs = h.ps.map((each) => new Collector(h, each));
    const k = new Shared(newSchedMemory(2));
    const exec = new Executor(h, p, k, gcs[0]);
    const target = mallocNoscan(h, q, 64);
    flushedMemStats(h);
    gcs[0].begin(Why.forced);
    const top = mallocScan(h, p, 64);
    const dead = mallocScan(h, p, 64); // black: it outlives this mark
    storePointer(h, p, top, lo(dead), hi(dead));
    for (const word of [dead, top]) dropRoot(h, p, word, 0);
    markAll(h);
    gcs[0].end();
    const s = popSpan(h, q, SPC64 + 1, partialUnswept(h));
    expect(tryAcquire(h, s)).toBe(true);
    const first = mallocScan(h, p, 64); // keeps the span
    h.poll = () => {
      h.poll = () => {};
      sweepSpan(h, q, s, false);
      gcs[1].collect(Why.forced);
      mallocScan(h, q, 64); // Q has the dead slots in its cache now, zeroed
    };
    const frame = k.frame(0);
    k.m[frame + F_OP] = Op.setPointer;
    k.m.set([lo(dead), hi(dead), 0, lo(target), hi(target)], frame + F_ARGS);
    exec.run(frame);
    expect(k.m[frame + F_RESULTS]).toBe(Status.notAllocated);
    expect(first).toBeGreaterThan(dead);
    let again = 0;
    while (again !== dead) again = mallocScan(h, q, 64);
    expect(h.w32[again * 2]).toBe(0);
  });

  test('a large object can be freed at once while its sweeper holds it', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    const gc = new Collector(h, p);
    const big = mallocNoscan(h, p, 50_000);
    gc.begin(Why.forced);
    markAll(h);
    gc.end();
    const s = popSpan(h, q, 1, fullUnswept(h));
    expect(tryAcquire(h, s)).toBe(true);
    sweepSpan(h, q, s, true); // swept, and not in its list yet
    h.poll = () => {
      h.poll = () => {};
      pushSpan(h, q, s, fullSwept(h));
    };
    expect(freeNow(h, p, big, 0)).toBe(Status.ok);
    h.poll(); // for one that did not wait
    gc.collect(Why.forced);
    expect(readMemStats(h).HeapObjects).toBe(0);
    expect(check(h)).toEqual([]);
  });

  test('a dedicated worker whose cycle ended gives its claim to no other', () => {
    const h = newHeap(4);
    const gcs = h.ps.map((each) => new Collector(h, each));
    for (let i = 0; i < 2000; i++) mallocScan(h, h.ps[0], 64);
    gcs[0].begin(Why.forced);
    expect(h.scalar(H_DEDICATED)).toBe(1);
    h.poll = () => {
      h.poll = () => {};
      markAll(h, h.ps[1]);
      finishMark(h);
      gcs[1].begin(Why.forced);
    };
    gcs[0].share();
    expect(h.scalar(H_DEDICATED)).toBe(1);
  });
});
