/** A sample agrees with MemStats, is small, and holds nothing that JSON cannot say. */

import { expect, it } from 'vitest';
import { configure } from '../../src/gc/pacing.js';
import { Heap } from '../../src/heap/heap.js';
import { mallocNoscan } from '../../src/heap/malloc.js';
import { readMemStats } from '../../src/heap/memstats.js';
import type { HostStats } from '../../src/sched/host-api.js';
import { lockTotals, MAX_SAMPLE_PS, readSample } from '../../src/telemetry/sample.js';

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
  const asked = Date.now();
  const sample = readSample(source);
  const answered = Date.now();
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
  expect(sample.t).toBeGreaterThanOrEqual(asked);
  expect(sample.t).toBeLessThanOrEqual(answered);
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

it('costs well under a millisecond', () => {
  const source = idle(2);
  for (let i = 0; i < 300; i++) JSON.stringify(readSample(source));
  // Of the CPU, all threads of the process together: the clock on the wall would tell of the machine.
  const before = process.cpuUsage();
  for (let i = 0; i < 1000; i++) JSON.stringify(readSample(source));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000 / 1000).toBeLessThan(1);
});
