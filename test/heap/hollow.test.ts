/**
 * A hollow heap against one with bytes: the same random program on both. Whatever the bytes do not decide must be the same, to the number: MemStats, where
 * every span lies, which slots are allocated, what a cycle finds; and check() finds nothing on either.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import { Heap, type P } from '../../src/heap/heap.js';
import { hollowDrop, hollowDropTiny, hollowFree, hollowLarge, hollowSmall, hollowTiny } from '../../src/heap/hollow.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { flushedMemStats, readMemStats } from '../../src/heap/memstats.js';
import { mappedPages } from '../../src/heap/mheap.js';
import {
  allocatedGroup,
  S_ALLOC_COUNT,
  S_BASE,
  S_BITS,
  S_NELEMS,
  S_NPAGES,
  S_SPANCLASS,
  spanOfBit,
  spanOfPage,
} from '../../src/heap/mspan.js';
import { MAX_SMALL_REQUEST, SPC_TO_WORDS, sizeToClass, TINY_SPAN_CLASS } from '../../src/heap/sizeclass.js';
import { effort } from '../helper/effort.js';

const RESERVE = 64 << 20;

function pair(): { real: Heap; hollow: Heap } {
  const geometry = { reserve: RESERVE, arenaSize: 4 << 20, procs: 1 };
  return { real: Heap.create(geometry), hollow: Heap.create({ ...geometry, hollow: true }) };
}

interface Both {
  word: number;
  sub: number;
  bit: number;
  spc: number;
  size: number;
}

/** One object on both heaps, null where both are full. */
function alloc(real: Heap, hollow: Heap, size: number, noscan: boolean): Both | null {
  const p = real.ps[0];
  const q = hollow.ps[0];
  p.sub = 0;
  const word = noscan ? mallocNoscan(real, p, size) : mallocScan(real, p, size);
  let bit: number;
  let spc: number;
  if (size > MAX_SMALL_REQUEST) {
    spc = noscan ? 1 : 0;
    bit = hollowLarge(hollow, q, size, noscan);
  } else if (noscan && size < 16) {
    spc = TINY_SPAN_CLASS;
    bit = hollowTiny(hollow, q, size);
  } else {
    spc = (sizeToClass(noscan || size <= 512 ? size : size + 8) << 1) | (noscan ? 1 : 0);
    bit = hollowSmall(hollow, q, spc, size);
  }
  expect(bit < 0).toBe(word < 0);
  return bit < 0 ? null : { word, sub: noscan && size < 16 ? p.sub : 0, bit, spc, size };
}

function drop(real: Heap, hollow: Heap, o: Both, now: boolean): void {
  const p = real.ps[0];
  const q = hollow.ps[0];
  const tiny = o.spc === TINY_SPAN_CLASS && o.size < 16;
  expect((now ? freeNow : dropRoot)(real, p, o.word, o.sub)).toBe(0);
  if (tiny) {
    if (hollowDropTiny(hollow, q, o.bit) && now) hollowFree(hollow, q, o.spc, o.bit);
    return;
  }
  hollowDrop(hollow, q, o.bit);
  if (now) hollowFree(hollow, q, o.spc, o.bit);
}

/** Where an object lies: its span's first page and its slot there. */
function placeOf(h: Heap, p: P, o: Both): [number, number] {
  const { m } = h;
  if (h.hollow) {
    const s = spanOfBit(h, o.bit);
    return [pageOf(h, s), o.bit - m[s + S_BITS] * 32];
  }
  const s = spanOfPage(p.heap, Math.floor(o.word / 1024));
  const words = o.spc < 2 ? 1 : SPC_TO_WORDS[o.spc];
  return [pageOf(h, s), o.spc < 2 ? 0 : Math.floor((o.word - m[s + S_BASE]) / words)];
}

function pageOf(h: Heap, s: number): number {
  for (let page = 0; page < mappedPages(h); page++) if (spanOfPage(h, page) === s) return page;
  throw new Error('a span that no page belongs to');
}

/** Every span in address order: pages, class, slots, allocated slots as bits. */
function spansOf(h: Heap): unknown[] {
  const { m } = h;
  const out: unknown[] = [];
  for (let page = 0; page < mappedPages(h); ) {
    const s = spanOfPage(h, page);
    if (s === 0) {
      page++;
      continue;
    }
    const groups = Math.ceil(m[s + S_NELEMS] / 32);
    const bits = Array.from({ length: groups }, (_, i) => allocatedGroup(h, s, i));
    out.push([page, m[s + S_NPAGES], m[s + S_SPANCLASS], m[s + S_ALLOC_COUNT], bits]);
    page += m[s + S_NPAGES];
  }
  return out;
}

function same(real: Heap, hollow: Heap, flush: boolean): void {
  const stats = (h: Heap) => {
    const { PauseNs, PauseEnd, PauseTotalNs, LastGC, ...rest } = flush ? flushedMemStats(h) : readMemStats(h);
    return rest;
  };
  expect(stats(hollow)).toEqual(stats(real));
  expect(spansOf(hollow)).toEqual(spansOf(real));
  expect(check(hollow)).toEqual([]);
  expect(check(real)).toEqual([]);
}

const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 15 }) },
  { weight: 8, arbitrary: fc.integer({ min: 16, max: 1200 }) },
  { weight: 3, arbitrary: fc.integer({ min: 1200, max: MAX_SMALL_REQUEST }) },
  { weight: 1, arbitrary: fc.integer({ min: MAX_SMALL_REQUEST + 1, max: 400_000 }) },
);

const step = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fc.constant('alloc'), size, fc.boolean(), fc.integer({ min: 1, max: 60 })) },
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constant('drop'), fc.nat(), fc.constant(false), fc.integer({ min: 1, max: 80 })),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constant('now'), fc.nat(), fc.constant(true), fc.integer({ min: 1, max: 80 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('gc'), fc.nat(), fc.boolean(), fc.constant(1)) },
);

describe('a hollow heap', () => {
  test('does what a heap with bytes does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { real, hollow } = pair();
        const held: Both[] = [];
        for (const [what, n, flag, times] of steps) {
          if (what === 'gc') {
            gcCycle(real, real.ps[0]);
            gcCycle(hollow, hollow.ps[0]);
            same(real, hollow, flag);
          }
          for (let i = 0; i < times && what === 'alloc'; i++) {
            const o = alloc(real, hollow, n, flag);
            if (o === null) break;
            held.push(o);
            if (i % 16 === 0) expect(placeOf(hollow, hollow.ps[0], o)).toEqual(placeOf(real, real.ps[0], o));
          }
          for (let i = 0; i < times && (what === 'drop' || what === 'now') && held.length > 0; i++) {
            const [o] = held.splice((n + i * 7919) % held.length, 1);
            drop(real, hollow, o, flag);
          }
        }
        same(real, hollow, false);
        gcCycle(real, real.ps[0]);
        gcCycle(hollow, hollow.ps[0]);
        same(real, hollow, true);
      }),
      { numRuns: effort(20, 1000) },
    );
  });

  test('names objects of a hundred gigabytes by an int32', () => {
    const h = Heap.create({ reserve: 128 * 2 ** 30, arenaSize: 64 << 20, procs: 1, hollow: true });
    const p = h.ps[0];
    const bits: number[] = [];
    for (let i = 0; i < 100; i++) bits.push(hollowLarge(h, p, 2 ** 30, true));
    expect(readMemStats(h).HeapInuse).toBe(100 * 2 ** 30);
    expect(new Set(bits).size).toBe(100);
    for (const bit of bits) expect(bit | 0).toBe(bit);
    for (const bit of bits) hollowDrop(h, p, bit);
    gcCycle(h, p);
    expect(readMemStats(h)).toMatchObject({ HeapInuse: 0, HeapAlloc: 0 });
    expect(check(h)).toEqual([]);
  });

  test('is full where its reservation ends, and stays whole', () => {
    const h = Heap.create({ reserve: 8 << 20, arenaSize: 4 << 20, procs: 1, hollow: true });
    const p = h.ps[0];
    const bits: number[] = [];
    for (;;) {
      const bit = hollowLarge(h, p, 200_000, true);
      if (bit < 0) break;
      bits.push(bit);
    }
    expect(hollowLarge(h, p, 2 ** 40, true)).toBe(-1);
    expect(bits.length).toBe(Math.floor(1024 / 25));
    expect(check(h)).toEqual([]);
    hollowDrop(h, p, bits[3]);
    hollowFree(h, p, 1, bits[3]);
    expect(hollowLarge(h, p, 200_000, true)).toBeGreaterThanOrEqual(0);
    expect(check(h)).toEqual([]);
  });
});
