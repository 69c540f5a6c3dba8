/**
 * What the simulator promises beside being Go's heap: sums that add up, the same answer for the same question, and settings that mean what they say.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from '../../../src/heap/check.js';
import { H_PAGES_INUSE } from '../../../src/heap/heap.js';
import { mappedPages } from '../../../src/heap/mheap.js';
import { S_ALLOC_COUNT, S_NELEMS, S_NPAGES, S_SPANCLASS, S_WORDS, spanOfPage } from '../../../src/heap/mspan.js';
import { PAGE_SIZE } from '../../../src/heap/sizeclass.js';
import { DEFAULT_SETTINGS } from '../../../src/replay/defaults.js';
import { KIND_SHIFT, Kind } from '../../../src/replay/events.js';
import { type SimResult, WHERE_PARTS, type Where } from '../../../src/replay/result.js';
import type { SimSettings } from '../../../src/replay/settings.js';
import { finish } from '../../../src/replay/sim/finish.js';
import { heapMap } from '../../../src/replay/sim/heapmap.js';
import { Simulator } from '../../../src/replay/sim/simulator.js';
import { whereNow } from '../../../src/replay/sim/where.js';
import { effort } from '../../helper/effort.js';

type Record2 = [kind: number, slot: number, value?: number];

const words = (records: Record2[]): Int32Array =>
  Int32Array.from(records.flatMap(([kind, slot, value = 0]) => [(kind << KIND_SHIFT) | slot, value | 0]));

/** A program of `n` events over `slots` slots with a fixed seed: sizes from 1 byte to 60 KB, most of them small. */
function program(n: number, slots: number, seed = 7): Int32Array {
  let x = seed | 1;
  const next = (): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  const full = new Uint8Array(slots);
  const out: Record2[] = [];
  while (out.length < n) {
    const slot = next() % slots;
    const size = 1 + (next() % (next() % 64 === 0 ? 60_000 : 600));
    if (full[slot] === 0) out.push([Kind.alloc, slot, size]);
    else if (next() % 8 === 0) out.push([Kind.realloc, slot, size]);
    else {
      out.push([Kind.free, slot]);
      full[slot] = 0;
      continue;
    }
    full[slot] = 1;
  }
  return words(out);
}

function run(
  stream: Int32Array,
  settings: Partial<SimSettings> = {},
  chunk = stream.length / 2,
): [SimResult, Simulator] {
  const all = { ...DEFAULT_SETTINGS, ...settings };
  const events = stream.length / 2;
  const sim = new Simulator(all, { events, slots: 4096 });
  for (let loop = 0; loop < all.loops; loop++) {
    if (loop > 0) sim.again();
    for (let i = 0; i < events; i += chunk) {
      const n = Math.min(chunk, events - i);
      if (!sim.run(stream.subarray(i * 2, (i + n) * 2), n)) break;
    }
  }
  return [finish(sim), sim];
}

const sum = (where: Where): number => WHERE_PARTS.reduce((n, part) => n + where[part], 0);
const stream = program(60_000, 3000);

describe('where memory went', () => {
  test.each([
    ['garbage, collected', {}],
    ['garbage, by stops', { clock: 'stw' }],
    ['freed at once', { frees: 'immediate' }],
    ['with pointers', { scan: 'all' }],
    ['half with pointers, four Ps', { scan: 50, gomaxprocs: 4, threads: 'modulo' }],
    ['a memory limit', { gogc: -1, memoryLimit: 16 << 20 }],
    ['nothing collected', { gogc: -1 }],
  ] satisfies [string, Partial<SimSettings>][])('adds up at every moment: %s', (_, settings) => {
    const [result, sim] = run(stream, settings);
    for (const moment of [result.peak, result.end]) {
      expect(sum(moment.where)).toBe(moment.where.total);
      for (const part of WHERE_PARTS) expect(moment.where[part], part).toBeGreaterThanOrEqual(0);
    }
    const { where, event } = result.timeline;
    for (let i = 0; i < event.length; i++) {
      for (const [part, column] of where.entries()) expect(column[i], WHERE_PARTS[part]).toBeGreaterThanOrEqual(0);
    }
    // The tails, which are what is left over, are what a walk over the spans finds.
    const { h } = sim;
    let tails = 0;
    let free = 0;
    for (let page = 0; page < mappedPages(h); page++) {
      const s = spanOfPage(h, page);
      if (s === 0) continue;
      const { m } = h;
      if (m[s + S_SPANCLASS] >= 2) {
        tails += m[s + S_NPAGES] * PAGE_SIZE - m[s + S_NELEMS] * m[s + S_WORDS] * 8;
        free += (m[s + S_NELEMS] - m[s + S_ALLOC_COUNT]) * m[s + S_WORDS] * 8;
      }
      page += m[s + S_NPAGES] - 1;
    }
    const now = whereNow(h, sim.program.held);
    expect(now.tails).toBe(tails);
    expect(now.freeSlots + now.mcache).toBeGreaterThanOrEqual(free);
    expect(check(h)).toEqual([]);
  });

  test('what the program holds is what its stream says', () => {
    const live = new Map<number, number>();
    for (let i = 0; i < stream.length; i += 2) {
      const slot = stream[i] & 0xfff_ffff;
      if (stream[i] >>> KIND_SHIFT === Kind.free) live.delete(slot);
      else live.set(slot, stream[i + 1]);
    }
    const bytes = [...live.values()].reduce((a, b) => a + b, 0);
    for (const frees of ['garbage', 'immediate'] as const) {
      const [result] = run(stream, { frees, rootsTable: 'none' });
      expect(result.end.where.requested).toBe(bytes);
      expect(result.lifetimes.neverFreed).toEqual({ objects: live.size, bytes });
      const died = result.lifetimes.objects.reduce((a, b) => a + b, 0);
      expect(result.lifetimes.cycles.reduce((a, b) => a + b, 0)).toBe(died);
      expect(result.lifetimes.map.flat().reduce((a, b) => a + b, 0)).toBe(died);
      expect(result.classes.reduce((n, row) => n + row.requests, 0)).toBe(died + live.size);
    }
  });
});

describe('the same question', () => {
  test('has the same answer, however the stream is cut', () => {
    const whole = JSON.stringify(run(stream, { gogc: 50, gomaxprocs: 2 })[0]);
    expect(JSON.stringify(run(stream, { gogc: 50, gomaxprocs: 2 })[0])).toBe(whole);
    for (const chunk of [1000, 777, 64]) {
      expect(JSON.stringify(run(stream, { gogc: 50, gomaxprocs: 2 }, chunk)[0])).toBe(whole);
    }
  });

  test('has another under another phase or seed, where it may', () => {
    const [a] = run(stream, { scan: 30, seed: 1 });
    const [b] = run(stream, { scan: 30, seed: 2 });
    expect(a.classes).not.toEqual(b.classes);
  });
});

describe('settings', () => {
  test('a window begins with what is live, and ends where it says', () => {
    const [result] = run(stream, { from: 20_000, to: 30_000 });
    expect(result.headline.events).toBe(10_000);
    const [all] = run(stream.subarray(0, 60_000));
    expect(all.headline.events).toBe(30_000);
    expect(result.end.where.requested).toBe(all.end.where.requested);
  });

  test('loops keep what was never freed', () => {
    const [once] = run(stream, { rootsTable: 'none' });
    const [thrice] = run(stream, { rootsTable: 'none', loops: 3 });
    expect(thrice.headline.events).toBe(3 * once.headline.events);
    expect(thrice.end.where.requested).toBe(3 * once.end.where.requested);
  });

  test('a realloc that fits stays where it is, if asked', () => {
    const records: Record2[] = [[Kind.alloc, 0, 100]];
    for (let i = 0; i < 10; i++) records.push([Kind.realloc, 0, 101 + i]);
    const mallocs = (realloc: 'new' | 'fit'): number => {
      const [result, sim] = run(words(records), { realloc, rootsTable: 'none' });
      expect(check(sim.h)).toEqual([]);
      return result.headline.mallocs;
    };
    expect(mallocs('new')).toBe(11);
    expect(mallocs('fit')).toBe(1);
  });

  test('sizes beyond 4 GiB, and a heap of a hundred gigabytes', () => {
    const records: Record2[] = [];
    for (let i = 0; i < 20; i++) records.push([Kind.high, 1], [Kind.alloc, i, 2 ** 30]);
    const [result, sim] = run(words(records), { gogc: -1, rootsTable: 'none' });
    expect(result.exhausted).toBeNull();
    expect(result.headline.peakInuse).toBe(20 * 5 * 2 ** 30);
    expect(sim.h.scalar(H_PAGES_INUSE) * PAGE_SIZE).toBe(100 * 2 ** 30);
  });

  test('a full heap ends it, and says where', () => {
    const records: Record2[] = Array.from({ length: 100 }, (_, i) => [Kind.alloc, i, 1 << 20]);
    const [result, sim] = run(words(records), { gogc: -1, reserve: 64 << 20, rootsTable: 'none' });
    expect(result.exhausted).toEqual({ event: 65, size: 1 << 20 });
    expect(result.warnings.join()).toMatch(/full at event 65/);
    expect(check(sim.h)).toEqual([]);
  });

  test('recorded times are the clock, and the collector comes on top', () => {
    const records: Record2[] = [];
    for (let i = 0; i < 1000; i++) records.push([Kind.time, 0, 1_000_000], [Kind.alloc, i, 100]);
    const [result] = run(words(records), { timeBase: { kind: 'recorded' }, rootsTable: 'none' });
    expect(result.headline.seconds).toBeGreaterThanOrEqual(1);
    expect(result.headline.seconds).toBeLessThan(1.01);
    const [rate] = run(words(records), { timeBase: { kind: 'bytesPerSecond', bytes: 112_000 }, rootsTable: 'none' });
    expect(rate.headline.seconds).toBeGreaterThanOrEqual(1);
    expect(rate.headline.seconds).toBeLessThan(1.01);
  });

  test('the program may collect by itself', () => {
    const [result] = run(
      words([
        [Kind.alloc, 0, 100],
        [Kind.free, 0],
        [Kind.collect, 0],
        [Kind.alloc, 0, 100],
      ]),
      { gogc: -1 },
    );
    expect(result.headline).toMatchObject({ cycles: 1, forcedCycles: 1 });
  });
});

test('any program leaves a whole heap', () => {
  const settings = fc.record({
    gogc: fc.constantFrom(-1, 1, 50, 100, 400),
    memoryLimit: fc.constantFrom(null, 1 << 20, 8 << 20, 64 << 20),
    gomaxprocs: fc.integer({ min: 1, max: 5 }),
    arenaSize: fc.constantFrom(4 << 20, 64 << 20),
    clock: fc.constantFrom('stw' as const, 'concurrent' as const),
    frees: fc.constantFrom('garbage' as const, 'immediate' as const),
    scan: fc.constantFrom('none' as const, 'all' as const, 40),
    realloc: fc.constantFrom('new' as const, 'fit' as const),
    rootsTable: fc.constantFrom('exact' as const, 'segments' as const, 'none' as const),
    threads: fc.constantFrom('one' as const, 'modulo' as const),
    readMemStats: fc.constantFrom(0, 7),
    phase: fc.nat({ max: 10_000_000 }),
  });
  fc.assert(
    fc.property(settings, fc.integer(), fc.integer({ min: 10, max: 2000 }), (chosen, seed, slots) => {
      const [result, sim] = run(program(6000, slots, seed), { ...chosen, reserve: 1 << 30 });
      expect(check(sim.h)).toEqual([]);
      expect(sum(result.end.where)).toBe(result.end.where.total);
      for (const part of WHERE_PARTS) expect(result.end.where[part], part).toBeGreaterThanOrEqual(0);
      const map = heapMap(sim.h, 0, 0);
      expect(map.runs.reduce((n, r) => n + r[1], 0)).toBe(map.pages);
      const used = map.runs.filter((r) => r[0] === 2).reduce((n, r) => n + r[1], 0);
      expect(used * PAGE_SIZE).toBe(result.memstats.HeapInuse);
    }),
    { numRuns: effort(6, 60) },
  );
});
