/**
 * The allocator against a Map: random programs of allocations, frees, writes, sweeps and flushes, on one P and on two that
 * one thread drives in turn. What must hold in all of them:
 *
 *      no two live objects share a byte, and the bytes of a live object are what its owner wrote
 *      a new object reads zero
 *      freeing twice, freeing inside an object, freeing what is none: told, and nothing changes
 *      a cycle leaves exactly the objects that are held
 *      check() finds nothing
 *
 * fast-check prints the seed and the shortest program that fails.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gcCycle, markAndAdvance } from '../../src/gc/cycle.js';
import { H_SPAN_NEXT } from '../../src/heap/heap.js';
import { ZERO_BASE } from '../../src/heap/malloc.js';
import { flushedMemStats, readMemStats } from '../../src/heap/memstats.js';
import { countAllocated, S_SPANCLASS, S_STATE, SpanState, spanAt, spanOfPage } from '../../src/heap/mspan.js';
import { Status } from '../../src/heap/objects.js';
import { PAGE_WORDS, TINY_SPAN_CLASS } from '../../src/heap/sizeclass.js';
import { sweepAll, sweepOne } from '../../src/heap/sweep.js';
import { effort } from '../helper/effort.js';
import { type Held, World } from './world.js';

class Driver {
  readonly w: World;

  constructor(procs: number) {
    this.w = new World(procs, 16 << 20, 4 << 20);
  }

  pick(n: number): Held | undefined {
    const all = this.w.held;
    if (all.size === 0) return undefined;
    let i = n % all.size;
    for (const o of all.values()) if (i-- === 0) return o;
    return undefined;
  }

  alloc(p: number, size: number, noscan: boolean): void {
    const { w } = this;
    const o = w.alloc(w.p(p), size, noscan);
    if (o === null) return;
    if (size === 0) expect(o.word).toBe(ZERO_BASE);
    // That a byte is shared shows when the other owner's bytes are verified: every object has a fill of its own.
  }

  free(p: number, n: number, now: boolean): void {
    const { w } = this;
    const o = this.pick(n);
    if (o === undefined) return;
    expect(w.free(w.p(p), o, now)).toBe(Status.ok);
    // At once, before anybody else may have got the slot: the second free is told, whichever way it is asked for.
    expect([Status.alreadyFreed, Status.notAllocated, Status.interior]).toContain(w.free(w.p(p), o, !now));
    expect([Status.alreadyFreed, Status.notAllocated, Status.interior]).toContain(w.free(w.p(p), o, now));
  }

  misuse(p: number, n: number): void {
    const { w } = this;
    const heapBytes = w.h.pages * PAGE_WORDS;
    const before = readMemStats(w.h);
    for (const word of [-1, heapBytes, heapBytes + 5, 2 ** 31 - 1]) {
      expect(w.free(w.p(p), { word, sub: 0, size: 8, stamp: 0 }, n % 2 === 0)).toBe(Status.outside);
    }
    expect(w.free(w.p(p), { word: heapBytes - 1, sub: 0, size: 8, stamp: 0 }, false)).toBe(Status.notAllocated);
    const o = this.pick(n);
    if (o !== undefined && o.size >= 16) {
      const inside = { ...o, word: o.word + 1 };
      expect(w.free(w.p(p), inside, n % 2 === 0)).toBe(Status.interior);
      expect(w.free(w.p(p), { ...o, sub: 3 }, n % 2 === 1)).toBe(Status.interior);
    }
    // Looking an address up may sweep its span, as a real free would; nothing else may change.
    expect(readMemStats(w.h).Mallocs).toBe(before.Mallocs);
    expect(readMemStats(w.h).HeapSys).toBe(before.HeapSys);
  }

  write(n: number): void {
    const o = this.pick(n);
    if (o !== undefined) this.w.keep(o);
  }

  collect(p: number, whole: boolean): void {
    const { w } = this;
    if (whole) gcCycle(w.h, w.p(p));
    else markAndAdvance(w.h, w.p(p), true);
  }

  /** Nothing is lost and nothing is left over. */
  finish(): void {
    const { w } = this;
    w.verify(w.p(0));
    w.expectWhole('at the end');
    flushedMemStats(w.h);
    w.expectWhole('flushed');
    gcCycle(w.h, w.p(0));
    w.verify(w.p(0));
    w.expectWhole('collected');
    const { h } = w;
    const slots = new Map<number, number>();
    let allocated = 0;
    for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
      const s = spanAt(h, id);
      if (h.m[s + S_STATE] !== SpanState.inUse) continue;
      allocated += countAllocated(h, s);
    }
    for (const o of w.held.values()) {
      const s = spanOfPage(h, Math.floor(o.word / PAGE_WORDS));
      // Tiny objects share a block; every other object has a slot of its own.
      slots.set(h.m[s + S_SPANCLASS] === TINY_SPAN_CLASS ? o.word & ~1 : o.word, 1);
    }
    expect(allocated - slots.size, 'slots that nobody holds').toBe(0);
    expect(readMemStats(h).HeapObjects).toBe(slots.size);
  }
}

const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 15 }) },
  { weight: 4, arbitrary: fc.constantFrom(8, 16, 24, 48, 64, 512, 513, 1024, 2048) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 2000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 2001, max: 33_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 32_700, max: 400_000 }) },
);
const n = fc.nat(1 << 20);
const p = fc.nat(1);

type Step = (d: Driver, procs: number) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(p, size, fc.boolean(), fc.integer({ min: 1, max: 40 }))
      .map(([q, bytes, noscan, times]): Step => {
        const step: Step = (d, procs) => {
          for (let i = 0; i < Math.min(times, Math.ceil(200_000 / (bytes + 1))); i++) d.alloc(q % procs, bytes, noscan);
        };
        return named(step, `alloc ${times} of ${bytes} ${noscan ? '' : 'scan '}on P${q}`);
      }),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(p, n, fc.boolean(), fc.integer({ min: 1, max: 60 })).map(([q, which, now, times]): Step => {
      const step: Step = (d, procs) => {
        for (let i = 0; i < times; i++) d.free(q % procs, which + i * 7, now);
      };
      return named(step, `free ${times} from ${which}${now ? ' now' : ''} on P${q}`);
    }),
  },
  { weight: 1, arbitrary: fc.tuple(p, n).map(([q, w]) => named((d, k) => d.misuse(q % k, w), `misuse ${w} on P${q}`)) },
  { weight: 2, arbitrary: n.map((which) => named((d) => d.write(which), `write ${which}`)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(p, fc.boolean())
      .map(([q, whole]) => named((d, k) => d.collect(q % k, whole), `${whole ? 'gc' : 'mark'} on P${q}`)),
  },
  { weight: 1, arbitrary: p.map((q) => named((d, k) => void sweepOne(d.w.h, d.w.p(q % k)), `sweep one on P${q}`)) },
  { weight: 1, arbitrary: p.map((q) => named((d, k) => void sweepAll(d.w.h, d.w.p(q % k)), `sweep on P${q}`)) },
  { weight: 1, arbitrary: fc.constant(named((d) => void flushedMemStats(d.w.h), 'flush')) },
  { weight: 1, arbitrary: fc.constant(named((d) => d.w.expectWhole('on the way'), 'check')) },
);

/** Gives a step the words that fast-check prints for it. */
function named(run: Step, words: string): Step {
  return Object.assign(run, { [fc.toStringMethod]: () => words });
}

test.each([1, 2])('random programs on %i P', (procs) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (program) => {
      const d = new Driver(procs);
      for (const run of program) run(d, procs);
      d.finish();
    }),
    { numRuns: Number(process.env.MODEL_RUNS ?? effort(30, 300)) },
  );
});
