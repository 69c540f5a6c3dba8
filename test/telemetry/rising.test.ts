/** Counters never fall for a scraper, whatever moment it looks at. */

import { expect, it } from 'vitest';
import type { Heap } from '../../src/heap/heap.js';
import { P_ALLOC, T_SMALL_ALLOC } from '../../src/heap/heap.js';
import { slotsAllocated } from '../../src/heap/memstats.js';
import { Op } from '../../src/sched/ops.js';
import { HeapView, rising } from '../../src/telemetry/view.js';
import { newHost } from '../helper/host.js';

it('keeps each counter of each heap where it was, until it is above', () => {
  const [a, b] = [{} as Heap, {} as Heap];
  expect(rising(a, 'x', [3, 5])).toEqual([3, 5]);
  expect(rising(a, 'x', [2, 6])).toEqual([3, 6]);
  expect(rising(a, 'y', [1, 1])).toEqual([1, 1]);
  expect(rising(b, 'x', [0, 0])).toEqual([0, 0]);
  expect(rising(a, 'x', Float64Array.of(4, 4))).toEqual(Float64Array.of(4, 6));
});

it('does not lose sight of a span between a mcache and its mcentral', async () => {
  const host = await newHost();
  const { heap } = host;
  await host.call(Op.alloc, 0, [64, 0, 1, 0, 0]);
  const p = heap.ps[0];
  const cached = Array.from({ length: 136 }, (_, spc) => heap.m[p.at + P_ALLOC + spc]);
  const before = new HeapView(host).slots.allocs;
  expect(before.reduce((sum, n) => sum + n)).toBe(1);
  expect(new HeapView(host).mem.Mallocs).toBe(1);
  // As a refill has it for a moment: the span is in no mcache, and not counted yet.
  for (let spc = 0; spc < 136; spc++) heap.m[p.at + P_ALLOC + spc] = heap.spans;
  expect(heap.f[p.stats + T_SMALL_ALLOC + 6]).toBe(0);
  expect(slotsAllocated(heap).reduce((sum, n) => sum + n)).toBe(0);
  expect(new HeapView(host).slots.allocs).toEqual(before);
  expect(new HeapView(host).mem.Mallocs).toBe(1);
  cached.forEach((s, spc) => {
    heap.m[p.at + P_ALLOC + spc] = s;
  });
  await host.close();
});
