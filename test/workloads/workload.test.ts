/** Each workload on a real heap with real threads: it starts, stays within its bounds, stops, and leaves the heap whole and empty. */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { readMemStats } from '../../src/heap/memstats.js';
import type { HeapHost } from '../../src/sched/host.js';
import { Op } from '../../src/sched/ops.js';
import type { EffectiveSettings } from '../../src/server/hosted.js';
import { DEFAULT_PROFILE, KIND_NAMES, type KindName } from '../../src/workloads/catalog.js';
import { Workloads } from '../../src/workloads/registry.js';
import { type Driven, type Parameters, Workload } from '../../src/workloads/workload.js';
import { crashes, differences, json, newHost } from '../helper/host.js';

const MiB = 2 ** 20;
const BASE: Omit<Parameters, 'workload'> = {
  seed: 7,
  // Far longer than a test may take: each ends its workload itself.
  duration: 3_600_000,
  rate: 50_000,
  bytes: 8 * MiB,
  p: 'all',
  keep: false,
  k: 16,
  profile: DEFAULT_PROFILE,
};

let host: HeapHost;
afterEach(async () => {
  vi.useRealTimers();
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

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function untilRounds(w: Workload, rounds: number): Promise<void> {
  await expect.poll(() => w.rounds, { message: `${rounds} rounds` }).toBeGreaterThanOrEqual(rounds);
}

/**
 * The heap, with somebody who looks after every answer: what comes and goes between two polls is
 * seen as well.
 */
function watched(answered: () => void): Driven & { sent: number } {
  const driven: Driven & { sent: number } = {
    sent: 0,
    heap: host.heap,
    procs: host.procs,
    take: (length: number) => host.take(length),
    submit: (op, p, a, done) => {
      driven.sent++;
      host.submit(op, p, a, (error, g) => {
        done(error, g);
        answered();
      });
    },
  };
  return driven;
}

/** The workload's timers, by hand. Its heap goes on by itself. */
function byHand(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
}

/** Whole, and nothing of it left. */
async function expectEmpty(): Promise<void> {
  await json(host, Op.sweep, 2);
  expect(await differences(host)).toEqual([]);
  expect(readMemStats(host.heap).HeapAlloc).toBe(0);
}

describe.each(KIND_NAMES)('%s', (kind) => {
  it('starts, stays within its bounds, stops and frees everything', async () => {
    const limit: Partial<EffectiveSettings> = kind === 'thrash' ? { gomemlimit: 24 * MiB } : {};
    host = await newHost({ reserve: 256 * MiB, ...limit });
    let most = 0;
    const heap = watched(() => {
      most = Math.max(most, w.live.bytes);
    });
    const w = new Workload('w', heap, { workload: kind, ...BASE });
    const enough = () => w.rounds >= 10 && w.tally.allocs > 100 && most > 0;
    await expect.poll(enough, { message: '10 rounds, and something held' }).toBe(true);
    expect(w.state).toBe('running');
    expect(w.tally.failed).toBe(0);
    expect(most).toBeLessThanOrEqual(BASE.bytes);
    expect(most).toBeGreaterThan(0);
    w.stop('stopped');
    await w.done;
    expect([w.state, w.ending]).toEqual(['done', 'stopped']);
    expect(w.live).toEqual({ objects: 0, bytes: 0 });
    expect(w.tally.failed).toBe(0);
    const { rounds } = w;
    const { sent } = heap;
    await expectEmpty();
    // Some periods later.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([w.rounds, heap.sent]).toEqual([rounds, sent]);
  });
});

it('ends by itself, in time', async () => {
  host = await newHost({ reserve: 256 * MiB });
  byHand();
  const w = new Workload('w', host, { workload: 'larson', ...BASE, duration: 300 });
  vi.advanceTimersByTime(299);
  expect([w.state, w.ending]).toEqual(['running', undefined]);
  vi.advanceTimersByTime(1);
  expect(w.ending).toBe('duration');
  await w.done;
  expect(w.ending).toBe('duration');
  await expectEmpty();
});

it('goes no faster than its rate, and makes up for nothing', async () => {
  host = await newHost({ reserve: 256 * MiB });
  byHand();
  const w = new Workload('w', host, { workload: 'larson', ...BASE, rate: 2000 });
  const sent = () => w.tally.allocs + w.tally.frees + w.tally.failed;
  for (let ms = 1; ms <= 1000; ms++) {
    vi.advanceTimersByTime(1);
    while (host.stats().inFlight > 0) await turn();
    expect(sent()).toBeLessThanOrEqual((2000 * ms) / 1000);
  }
  // All that it may, but for the round that is due next.
  expect(sent()).toBeGreaterThan(1900);
  expect(w.late).toBe(0);
  const before = w.rounds;
  // A second in which no answer can come: one round of it is begun.
  vi.advanceTimersByTime(1000);
  expect(w.rounds).toBe(before + 1);
  expect(w.late).toBeGreaterThan(50);
  w.stop('stopped');
  await w.done;
  await expectEmpty();
});

it('keeps its objects when told to', async () => {
  const w = await start('leak', { keep: true });
  await untilRounds(w, 15);
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
  await untilRounds(w, 10);
  w.stop('stopped');
  await w.done;
  expect(host.stats().ran[0] - host.stats().stolen[0]).toBe(0);
  await expectEmpty();
});

it('gives up on a heap that is full, and empties it', async () => {
  const w = await start('leak', { bytes: 256 * MiB, rate: 800_000 }, { reserve: 64 * MiB, gogc: 'off' });
  await w.done;
  expect(w.ending).toBe('heap-full');
  expect(w.tally.exhausted).toBeGreaterThan(0);
  await expectEmpty();
});

it('goes on when an M dies, and loses no more than the record at the edge', async () => {
  const w = await start('larson', { rate: 100_000 });
  for (let i = 0; i < 4; i++) {
    await untilRounds(w, w.rounds + 2);
    await host.terminateM(i & 1);
  }
  await untilRounds(w, w.rounds + 8);
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
  while (w.rounds < before + 20) {
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
