/** What each workload asks for: the same for a seed, within its bounds, and of the kind it says. */

import { describe, expect, it } from 'vitest';
import { Batch, MAX_RECORDS, PIECE_BYTES, Tally } from '../../src/workloads/batch.js';
import { Objects } from '../../src/workloads/objects.js';
import { Prng } from '../../src/workloads/prng.js';
import { KIND_NAMES, WORDS } from '../../src/workloads/texts.js';
import { FakeHeap, PLAN } from './fake.js';

const MiB = 2 ** 20;

describe.each(KIND_NAMES)('%s', (kind) => {
  it('makes the same sequence for a seed, and another for another', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => new FakeHeap(kind, { seed }));
    for (const heap of [a, b, c]) heap.run(300);
    expect(a.tally.allocs).toBeGreaterThan(500);
    expect([b.digest, b.tally]).toEqual([a.digest, a.tally]);
    // These leave nothing to chance.
    if (kind !== 'fragmentation' && kind !== 'holes') expect(c.digest).not.toBe(a.digest);
  });

  it('stays within its bounds, and its batches', () => {
    const heap = new FakeHeap(kind, { bytes: 2 * MiB, objects: 5000 });
    const sent = heap.run(1000);
    expect(Math.max(...sent)).toBeLessThanOrEqual(400);
    // Garbage of the batch under way beside what is held.
    expect(heap.peakBytes).toBeLessThanOrEqual(2 * MiB + 8192);
    expect(heap.live.size).toBeLessThanOrEqual(10_000);
    expect(heap.tally.failed).toBe(0);
    const held = heap.generator.sets.flat().reduce((sum, set) => sum + set.length, 0);
    expect(held).toBe(heap.live.size);
  });

  it('holds what it can free in the end', () => {
    const heap = new FakeHeap(kind);
    heap.run(333);
    heap.clear();
    expect([heap.live.size, heap.liveBytes]).toEqual([0, 0]);
    expect(heap.tally.failed).toBe(0);
  });

  it.each([1, 3])('runs on %i Ps with the smallest batches', (lanes) => {
    const heap = new FakeHeap(kind, { lanes }, 16);
    heap.run(200);
    expect(heap.tally.allocs).toBeGreaterThan(100);
    heap.clear();
    expect(heap.live.size).toBe(0);
  });

  it('bears a heap that has no room', () => {
    const heap = new FakeHeap(kind);
    heap.run(20);
    heap.exhausted = true;
    heap.run(50);
    expect(heap.tally.exhausted).toBeGreaterThan(0);
    heap.exhausted = false;
    heap.run(50);
    heap.clear();
    expect(heap.live.size).toBe(0);
  });

  it('says what it shows', () => {
    expect(WORDS[kind].shows).toMatch(/^[A-Z].*[^.]$/);
    for (const { when } of WORDS[kind].alerts) expect(when).toMatch(/^[a-z].*\d.*[^.]$/);
  });
});

it('larson keeps a steady heap and hands objects on', () => {
  const heap = new FakeHeap('larson');
  heap.run(400);
  expect(heap.liveBytes).toBeGreaterThan(0.95 * PLAN.bytes);
  expect(heap.remote).toBeGreaterThan(1000);
});

it('holes lets two objects a span die, calls for a collection, and allocates as many, once a second at most', () => {
  const heap = new FakeHeap('holes', { bytes: MiB, period: 0.1 });
  heap.run(1000);
  expect(heap.collections.length).toBeGreaterThan(10);
  expect(heap.collections.length).toBeLessThanOrEqual(100);
  // 128 spans of 128 slots: of each two are free whenever a collection is called for.
  expect(new Set(heap.collections)).toEqual(new Set([MiB - 128 * 2 * 64]));
  expect(heap.peakBytes).toBe(MiB);
});

it('peak fills what it may once, lets go of it, and calls for one collection of all Ps together', () => {
  const heap = new FakeHeap('peak', { bytes: MiB });
  heap.run(200);
  expect(heap.peakBytes).toBeGreaterThan(0.95 * MiB);
  expect(heap.collections).toEqual([0]);
});

it('xmalloc frees everything on another P', () => {
  const heap = new FakeHeap('xmalloc');
  heap.run(100);
  expect(heap.remote).toBe(heap.tally.frees);
  expect(heap.tally.frees).toBeGreaterThan(0.9 * heap.tally.allocs);
  heap.clear();
  expect(heap.remote).toBe(heap.tally.frees);
});

it('leak never lets its part go', () => {
  const heap = new FakeHeap('leak', { bytes: 64 * MiB });
  let last = 0;
  for (let i = 0; i < 20; i++) {
    heap.run(20);
    expect(heap.liveBytes).toBeGreaterThan(last);
    last = heap.liveBytes;
  }
  expect(heap.live.size / heap.tally.allocs).toBeCloseTo(0.2, 2);
});

it('fragmentation keeps one in k, in order', () => {
  const heap = new FakeHeap('fragmentation', { lanes: 1, k: 10, bytes: MiB });
  heap.run(5000);
  const kept = [...heap.live.values()];
  const per = 2 ** 20 / 8;
  const expected = [64, 128, 96, 256, 48, 192, 80, 384].map((size) => Math.ceil(Math.floor(per / size) / 10));
  expect(kept).toHaveLength(expected.reduce((a, b) => a + b));
  expect(heap.liveBytes).toBeLessThan(MiB / 9);
  // Of a wave the survivors are equally far apart.
  const addresses = [...heap.live].filter(([, { size }]) => size === 64).map(([address]) => address);
  const gaps = addresses.slice(1).map((address, i) => Math.abs(address - addresses[i]) / 8);
  expect(new Set(gaps)).toEqual(new Set([10]));
});

it('phases come and go in different sizes', () => {
  const heap = new FakeHeap('phases', { bytes: MiB });
  const seen: number[] = [];
  for (let i = 0; i < 5000; i++) {
    heap.run(1);
    seen.push(heap.liveBytes);
  }
  expect(Math.max(...seen)).toBeGreaterThan(0.95 * MiB);
  let returns = 0;
  for (let i = 1; i < seen.length; i++) if (seen[i] === 0 && seen[i - 1] > 0) returns++;
  expect(returns).toBeGreaterThanOrEqual(3);
});

it('graph roots nothing but its tables', () => {
  const heap = new FakeHeap('graph', { bytes: MiB });
  heap.run(500);
  const sizes = new Set([...heap.live.values()].map(({ size }) => size));
  expect(sizes).toEqual(new Set([512]));
  expect(heap.tally.stores).toBeGreaterThan(5000);
});

describe('gcguide', () => {
  it('allocates at its rate, keeps the share that survives, and lets the old die with the cycles', () => {
    let numGC = 0;
    const stage = { duration: 10, allocRate: 20, scanRate: 1024, newSurvivalRate: 0.25, oldDeathRate: 0.5 };
    const heap = new FakeHeap('gcguide', { profile: [stage], numGC: () => numGC, bytes: 1024 * MiB }, 1000);
    heap.run(100);
    expect(heap.tally.bytes / MiB).toBeCloseTo(20, 0);
    expect(heap.liveBytes / heap.tally.bytes).toBeCloseTo(0.25, 1);
    // A first cycle: all of it becomes old, and half of that goes.
    const before = heap.liveBytes;
    numGC = 1;
    heap.run(30);
    expect(heap.liveBytes).toBeCloseTo(before / 2 + (0.3 * 20 * MiB) / 4, -6);
  });

  it('goes through its stages', () => {
    const stage = { scanRate: 100, newSurvivalRate: 0, oldDeathRate: 0 };
    const profile = [
      { ...stage, duration: 1, allocRate: 4 },
      { ...stage, duration: 1, allocRate: 16 },
    ];
    const heap = new FakeHeap('gcguide', { profile }, 1000);
    heap.run(100);
    const first = heap.tally.bytes;
    heap.run(100);
    expect(first / MiB).toBeCloseTo(4, 0);
    expect((heap.tally.bytes - first) / MiB).toBeCloseTo(16, 0);
    expect(heap.live.size).toBe(0);
  });
});

describe('a batch whose M died', () => {
  function half() {
    const words = new Int32Array(PIECE_BYTES / 4);
    const batch = new Batch({ words, offset: 0 }, 0, 10);
    const set = new Objects();
    for (let i = 1; i <= 4; i++) set.put(i * 64, 64);
    for (let i = 0; i < 2; i++) batch.alloc(32, set);
    for (let i = 0; i < 3; i++) batch.free(set, 0);
    expect([set.length, set.promised]).toEqual([1, 64 + 64]);
    words.set([1000, 0, 2000, 0], MAX_RECORDS * 4);
    return { batch, set, tally: new Tally() };
  }
  const addresses = (set: Objects) =>
    Array.from({ length: set.length }, (_, i) => set.address(i)).sort((a, b) => a - b);

  it('counts what was done, puts back what was not, and lets go of what may have been', () => {
    const { batch, set, tally } = half();
    // The first free (64) is done, the second (256) may be, the third (192) is not.
    batch.settle(3, true, tally);
    expect(addresses(set)).toEqual([128, 192, 1000, 2000]);
    expect(tally).toMatchObject({ allocs: 2, frees: 1, bytes: 64, failed: 0 });
    expect(set.promised).toBe(set.bytes);
  });

  it('is as if it had never been, when it was not begun', () => {
    const { batch, set, tally } = half();
    batch.settle(0, false, tally);
    expect(addresses(set)).toEqual([64, 128, 192, 256]);
    expect([set.promised, set.promisedObjects, batch.length]).toEqual([256, 4, 0]);
    expect(tally).toMatchObject({ allocs: 0, frees: 0 });
  });
});

it('a seed gives the same numbers everywhere', () => {
  const rng = new Prng(1);
  expect([rng.below(1000), rng.below(1000), rng.size(16, 1024), rng.chance(0.5)]).toMatchInlineSnapshot(`
    [
      2,
      527,
      947,
      false,
    ]
  `);
  const sizes = Array.from({ length: 10_000 }, () => rng.size(16, 1024));
  expect([Math.min(...sizes), Math.max(...sizes)]).toEqual([16, 1024]);
});
