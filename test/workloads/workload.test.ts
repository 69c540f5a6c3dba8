/** Each workload on a real heap with real threads: it starts, stays within its bounds, stops, and leaves the heap whole and empty. */

import { afterEach, describe, expect, it } from 'vitest';
import { readMemStats } from '../../src/heap/memstats.js';
import type { HeapHost } from '../../src/sched/host.js';
import { Op } from '../../src/sched/ops.js';
import type { EffectiveSettings } from '../../src/server/hosted.js';
import { DEFAULT_PROFILE, KIND_NAMES, type KindName } from '../../src/workloads/catalog.js';
import { Workloads } from '../../src/workloads/registry.js';
import { type Parameters, Workload } from '../../src/workloads/workload.js';
import { crashes, differences, json, newHost } from '../helper/host.js';

const MiB = 2 ** 20;
const BASE: Omit<Parameters, 'workload'> = {
  seed: 7,
  duration: 60_000,
  rate: 50_000,
  bytes: 8 * MiB,
  p: 'all',
  keep: false,
  k: 16,
  profile: DEFAULT_PROFILE,
};

let host: HeapHost;
afterEach(async () => {
  await host.close();
  expect(crashes).toEqual([]);
});

async function start(
  workload: KindName,
  parameters: Partial<Parameters> = {},
  settings: Partial<EffectiveSettings> = {},
) {
  host = await newHost({ reserve: 256 * MiB, ...settings });
  return new Workload('w', host, { workload, ...BASE, ...parameters });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function untilRounds(w: Workload, rounds: number): Promise<void> {
  await expect.poll(() => w.rounds).toBeGreaterThanOrEqual(rounds);
}

/** Whole, and nothing of it left. */
async function expectEmpty(): Promise<void> {
  await json(host, Op.sweep, 2);
  expect(await differences(host)).toEqual([]);
  expect(readMemStats(host.heap).HeapAlloc).toBe(0);
}

describe.each(KIND_NAMES)('%s', (kind) => {
  it('starts, stays within its bounds, stops and frees everything', async () => {
    const w = await start(kind, {}, kind === 'thrash' ? { gomemlimit: 24 * MiB } : {});
    let most = 0;
    while (w.rounds < 25 || most === 0) {
      await pause(5);
      most = Math.max(most, w.live.bytes);
    }
    expect(w.state).toBe('running');
    expect(w.tally.allocs).toBeGreaterThan(100);
    expect(w.tally.failed).toBe(0);
    expect(most).toBeLessThanOrEqual(BASE.bytes);
    expect(most).toBeGreaterThan(0);
    w.stop('stopped');
    await w.done;
    expect([w.state, w.ending]).toEqual(['done', 'stopped']);
    expect(w.live).toEqual({ objects: 0, bytes: 0 });
    expect(w.tally.failed).toBe(0);
    const { rounds } = w;
    await expectEmpty();
    await pause(50);
    expect(w.rounds).toBe(rounds);
  });
});

it('ends by itself, in time', async () => {
  const begun = Date.now();
  const w = await start('larson', { duration: 300 });
  await w.done;
  expect(w.ending).toBe('duration');
  expect(Date.now() - begun).toBeGreaterThanOrEqual(300);
  await expectEmpty();
});

it('goes no faster than its rate', async () => {
  const w = await start('larson', { rate: 2000 });
  await expect.poll(() => w.tally.allocs).toBeGreaterThan(400);
  const seconds = (Date.now() - w.startedAt.getTime()) / 1000;
  w.stop('stopped');
  await w.done;
  expect(w.tally.allocs).toBeLessThan(2000 * seconds + 64);
});

it('keeps its objects when told to', async () => {
  const w = await start('leak', { keep: true });
  await untilRounds(w, 30);
  w.stop('stopped');
  await w.done;
  const { objects, bytes } = w.live;
  expect(objects).toBeGreaterThan(100);
  await json(host, Op.sweep, 2);
  expect(readMemStats(host.heap).HeapAlloc).toBeGreaterThanOrEqual(bytes);
  expect(await differences(host)).toEqual([]);
});

it('runs on one P where one is named', async () => {
  const w = await start('xmalloc', { p: 1 });
  await untilRounds(w, 20);
  w.stop('stopped');
  await w.done;
  expect(host.stats().ran[0] - host.stats().stolen[0]).toBe(0);
  await expectEmpty();
});

it('gives up on a heap that is full, and empties it', async () => {
  const w = await start('leak', { bytes: 256 * MiB, rate: 200_000 }, { reserve: 64 * MiB, gogc: 'off' });
  await w.done;
  expect(w.ending).toBe('heap-full');
  expect(w.tally.exhausted).toBeGreaterThan(0);
  await expectEmpty();
}, 60_000);

it('goes on when an M dies, and loses no more than the record at the edge', async () => {
  const w = await start('larson', { rate: 100_000 });
  for (let i = 0; i < 4; i++) {
    await untilRounds(w, w.rounds + 5);
    await host.terminateM(i & 1);
  }
  await untilRounds(w, w.rounds + 20);
  expect(w.state).toBe('running');
  w.stop('stopped');
  await w.done;
  await json(host, Op.sweep, 2);
  expect(await differences(host)).toEqual([]);
  expect(readMemStats(host.heap).HeapObjects).toBeLessThanOrEqual(w.setbacks['m-died'] ?? 0);
});

it('ends with its heap', async () => {
  const w = await start('phases');
  await untilRounds(w, 10);
  await host.close();
  await w.done;
  expect(w.ending).toBe('heap-deleted');
});

it('leaves the event loop alone', async () => {
  const w = await start('graph', { rate: 200_000 });
  await untilRounds(w, 5);
  // Whoever else wants the loop gets a turn at least as often as the workload.
  let turns = 0;
  const before = w.rounds;
  while (w.rounds < before + 40) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  expect(turns).toBeGreaterThanOrEqual(w.rounds - before);
  w.stop('stopped');
  await w.done;
  await expectEmpty();
});

it('are limited in number, and the last that ended are remembered', async () => {
  host = await newHost({ reserve: 256 * MiB });
  const all = new Workloads<HeapHost>(2);
  const [a, b] = [0, 1].map(() => all.start(host, { workload: 'larson', ...BASE }));
  expect([all.running, all.full, a.id, b.id]).toEqual([2, true, 'larson-1', 'larson-2']);
  expect(all.list(host).map(({ id }) => id)).toEqual(['larson-2', 'larson-1']);
  a.stop('stopped');
  await a.done;
  expect([all.running, all.full]).toEqual([1, false]);
  for (let i = 0; i < 20; i++) {
    const w = all.start(host, { workload: 'leak', ...BASE });
    w.stop('stopped');
    await w.done;
  }
  expect(all.get(host, 'larson-1')).toBeUndefined();
  expect(all.get(host, 'larson-2')).toBe(b);
  expect(all.list(host).length).toBeLessThanOrEqual(18);
  all.stopAll('stopped');
  await b.done;
  await expectEmpty();
});
