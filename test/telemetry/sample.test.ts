/** A sample agrees with MemStats, is small, and holds nothing that JSON cannot say. */

import { afterEach, expect, it, vi } from 'vitest';
import { configure } from '../../src/gc/pacing.js';
import { Heap } from '../../src/heap/heap.js';
import { mallocNoscan } from '../../src/heap/malloc.js';
import { readMemStats } from '../../src/heap/memstats.js';
import type { HostStats } from '../../src/sched/host-api.js';
import { lockTotals, MAX_SAMPLE_PS, readSample } from '../../src/telemetry/sample.js';

afterEach(() => {
  vi.restoreAllMocks();
});

/** A heap of many Ps without a thread. */
function idle(procs: number) {
  const heap = Heap.create({ reserve: 128 << 20, arenaSize: 64 << 20, procs });
  configure(heap, 100, Number.POSITIVE_INFINITY);
  const each = <T>(value: T): T[] => new Array(procs).fill(value);
  const stats: HostStats = {
    inFlight: 0,
    ran: each(4_000_000_000),
    stolen: each(0),
    queued: each(4096),
    globalQueued: 0,
    restarts: 0,
    stops: 0,
    stoppedSeconds: 0,
    worldLock: { acquisitions: 0, contended: 0, waitSeconds: 0 },
    ps: each({ status: 'running', m: 1 }),
  };
  return { heap, stats: () => stats };
}

it('agrees with MemStats', () => {
  const source = idle(2);
  const { heap } = source;
  for (let i = 0; i < 5000; i++) mallocNoscan(heap, heap.ps[i & 1], (i * 7) % 3000);
  vi.spyOn(Date, 'now').mockReturnValue(1_700_000_000_123);
  const sample = readSample(source);
  const mem = readMemStats(heap);
  expect(sample).toMatchObject({
    heapAlloc: mem.HeapAlloc,
    heapInuse: mem.HeapInuse,
    heapIdle: mem.HeapIdle,
    heapSys: mem.HeapSys,
    objects: mem.HeapObjects,
    mallocs: mem.Mallocs,
    totalAlloc: mem.TotalAlloc,
    memoryLimit: null,
    phase: 'off',
    numGC: 0,
    sweepDone: true,
    nextGC: 4 << 20,
  });
  expect(sample.t).toBe(1_700_000_000_123);
  expect(sample.rss).toBeGreaterThan(1 << 20);
  expect(sample.refills).toBeGreaterThan(10);
  expect(sample.grows).toBe(sample.refills);
  expect(sample.osGrows).toBeGreaterThan(0);
  expect(sample.cpu.wait).toBeGreaterThanOrEqual(0);
  expect(lockTotals(heap)).toEqual({ contended: 0, waitSeconds: 0 });
});

it('has null for what is off, and the limit when there is one', () => {
  const source = idle(1);
  configure(source.heap, -1, Number.POSITIVE_INFINITY);
  expect(readSample(source)).toMatchObject({ nextGC: null, trigger: null, memoryLimit: null });
  configure(source.heap, -1, 64 << 20);
  const { memoryLimit, nextGC } = readSample(source);
  expect(memoryLimit).toBe(64 << 20);
  expect(nextGC).toBeLessThan(64 << 20);
});

it('stays below 4 KB with 200 Ps', () => {
  const sample = readSample(idle(200));
  expect(sample.ps).toHaveLength(MAX_SAMPLE_PS);
  expect(JSON.stringify(sample).length).toBeLessThan(4000);
});

it('reads as much of a full heap as of an empty one, and writes nothing', () => {
  // What it costs, whatever the machine: accesses to the shared memory, of which a sample is made.
  const { heap, stats } = idle(2);
  let reads = 0;
  const counted = <T extends Int32Array | Float64Array>(array: T): T =>
    new Proxy(array, {
      get: (target, key) => {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
        const value = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
      set: (_, key) => expect.unreachable(`wrote at ${String(key)}`),
    });
  const views = { m: counted(heap.m), f: counted(heap.f) };
  const { load } = Atomics;
  const raw = (array: unknown): Int32Array => (array === views.m ? heap.m : (array as Int32Array));
  vi.spyOn(Atomics, 'load').mockImplementation(((array: unknown, i: number) => {
    reads++;
    return load(raw(array), i);
  }) as typeof Atomics.load);
  const look = (): number => {
    reads = 0;
    readSample({ heap: Object.assign(Object.create(heap) as Heap, views), stats });
    return reads;
  };
  const empty = look();
  for (let i = 0; i < 20_000; i++) mallocNoscan(heap, heap.ps[i & 1], (i * 7) % 3000);
  expect(readMemStats(heap).HeapInuse).toBeGreaterThan(20 << 20);
  // But for the spans in the mcaches: a few words for each, of 136 classes on two Ps.
  expect(look() - empty).toBeLessThanOrEqual(4 * 136 * 2);
  expect(empty).toBeGreaterThan(100);
  expect(empty).toBeLessThan(10_000);
});
