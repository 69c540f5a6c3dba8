/** A heap driven into each state that the doctor knows, and heaps that are well. */

import { afterEach, describe, expect, it } from 'vitest';
import { Why } from '../../../src/gc/state.js';
import { mcentralAt } from '../../../src/heap/mcentral.js';
import { lock, unlock } from '../../../src/memory/lock.js';
import type { HeapHost } from '../../../src/sched/host.js';
import { Op } from '../../../src/sched/ops.js';
import type { EffectiveSettings } from '../../../src/server/hosted.js';
import { type Examination, examine } from '../../../src/telemetry/doctor/doctor.js';
import { DEFAULT_PROFILE, type KindName } from '../../../src/workloads/catalog.js';
import { type Parameters, Workload } from '../../../src/workloads/workload.js';
import { batch, differences, json, newHost } from '../../helper/host.js';

const MiB = 2 ** 20;
let host: HeapHost;
let workload: Workload | undefined;

async function start(settings: Partial<EffectiveSettings> = {}): Promise<void> {
  host = await newHost({ reserve: 512 * MiB, ...settings });
}

function load(kind: KindName, parameters: Partial<Parameters> = {}): Workload {
  const base = { seed: 1, duration: 600_000, rate: 100_000, bytes: 8 * MiB, p: 'all' as const, keep: false, k: 100 };
  workload = new Workload('w', host, { workload: kind, profile: DEFAULT_PROFILE, ...base, ...parameters });
  return workload;
}

afterEach(async () => {
  workload?.stop('stopped');
  await workload?.done;
  workload = undefined;
  expect(await differences(host)).toEqual([]);
  await host.close();
});

const codes = ({ findings }: Examination): string[] => findings.map(({ code }) => code);
const collect = () => json(host, Op.gc, Why.forced);

/** Allocates on one P; the addresses. */
async function alloc(size: number, count: number, p = 0): Promise<number[]> {
  const out: number[] = [];
  for (let left = count; left > 0; left -= 50_000) {
    const n = Math.min(left, 50_000);
    const made = await batch(
      host,
      Array.from({ length: n }, () => ({ op: 'alloc', size }) as const),
      p,
    );
    for (const { address } of made) out.push(address);
  }
  return out;
}

async function free(addresses: readonly number[]): Promise<void> {
  for (let i = 0; i < addresses.length; i += 50_000) {
    const part = addresses.slice(i, i + 50_000);
    await batch(
      host,
      part.map((address) => ({ op: 'free', address }) as const),
    );
  }
}

/** Examines until this is found: a load takes a while to show. */
async function until(code: string, seconds = 20): Promise<Examination> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const examination = await examine(host, 1000);
    if (codes(examination).includes(code) || Date.now() > end) return examination;
  }
}

function find(examination: Examination, code: string) {
  const finding = examination.findings.find((f) => f.code === code);
  expect(finding, JSON.stringify(examination, null, 1)).toBeDefined();
  const { numbers, threshold, cause, meaning, action, title } = finding!;
  for (const n of [...Object.values(numbers), ...Object.values(threshold)]) expect(Number.isFinite(n)).toBe(true);
  for (const text of [cause, meaning, action]) expect(text.length).toBeGreaterThan(20);
  expect(title).not.toMatch(/\.$/);
  expect(examination.healthy).toBe(false);
  expect(examination.summary).toContain('worried');
  return finding!;
}

describe('is silent', () => {
  it('about a heap that was just made', async () => {
    await start();
    const examination = await examine(host, 50);
    expect(examination).toMatchObject({ healthy: true, findings: [] });
    expect(examination.summary).toMatch(/hardly been used/);
  });

  it('about a server at work', async () => {
    await start();
    load('larson', { rate: 40_000 });
    for (let i = 0; i < 6; i++) {
      const examination = await examine(host, 1000);
      expect(examination.findings).toEqual([]);
      expect(examination.summary).toMatch(/well/);
    }
  });

  it('about the workload of the GC guide', async () => {
    await start();
    load('gcguide');
    for (let i = 0; i < 4; i++) expect((await examine(host, 1000)).findings).toEqual([]);
  });

  it('about a heap at rest, whatever it did before', async () => {
    await start();
    await free(await alloc(100, 30_000));
    await collect();
    expect((await examine(host, 300)).findings).toEqual([]);
  });
});

describe('finds', () => {
  it('internal fragmentation, and the size class', async () => {
    await start({ gogc: 'off' });
    await alloc(33, 100_000);
    const finding = find(await examine(host, 0), 'internal-fragmentation');
    expect(finding.cause).toMatch(/^48-byte slots \(size class 5\): 3.1 MiB asked for in 4.6 MiB of slots$/);
    expect(finding.numbers.requestedBytes).toBe(3_300_000);
    expect(finding.numbers.wastedShare).toBeCloseTo(15 / 48, 3);
  });

  it('external fragmentation, and spans that one object holds', async () => {
    await start({ gogc: 'off' });
    const addresses = await alloc(64, 300_000);
    await free(addresses.filter((_, i) => i % 126 !== 0));
    // Nothing is wrong before a collection: it is garbage, and more may live.
    expect(codes(await examine(host, 0))).toEqual([]);
    await collect();
    const examination = await examine(host, 0);
    const external = find(examination, 'external-fragmentation');
    expect(external.severity).toBe('critical');
    expect(external.cause).toMatch(/^64-byte slots \(size class 6, noscan\): 18.* MiB free, 0.8 % of the slots used$/);
    const one = find(examination, 'one-object-spans');
    expect(one.numbers.spans).toBeGreaterThan(2300);
    expect(one.cause).toMatch(/^64-byte slots \(size class 6, noscan\): 23\d\d spans, 18/);
    expect(examination.findings[0].code).toBe('external-fragmentation');
  });

  it('retained idle memory', async () => {
    await start({ gogc: 'off' });
    await free(await alloc(MiB, 100));
    await collect();
    const { numbers, cause } = find(await examine(host, 0), 'retained-idle');
    expect(numbers.retainedBytes).toBeGreaterThan(90 * MiB);
    expect(cause).toMatch(/^The most that was ever in use is 100/);
  });

  it('a collector that runs too often', async () => {
    await start({ gogc: 3 });
    load('thrash', { bytes: 24 * MiB, rate: 200_000 });
    const { cause } = find(await until('gc-too-often'), 'gc-too-often');
    expect(cause).toMatch(/GOGC=3/);
  });

  it('a memory limit that keeps the collector running, and says nothing of how often it runs', async () => {
    await start({ gomemlimit: 32 * MiB });
    load('thrash', { bytes: 28 * MiB, rate: 200_000 });
    const examination = await until('limit-thrash');
    const { severity, numbers } = find(examination, 'limit-thrash');
    expect(['warning', 'critical']).toContain(severity);
    expect(numbers.memoryLimit).toBe(32 * MiB);
    expect(codes(examination)).not.toContain('gc-too-often');
  });

  it('mcaches that do not help', async () => {
    await start();
    load('xmalloc', { bytes: 64 * MiB });
    const { cause, numbers } = find(await until('mcache-thrash'), 'mcache-thrash');
    expect(cause).toMatch(/^8192-byte slots \(size class 51, noscan\): \d+ refills; a span has 1 slot/);
    expect(numbers.refillsPerAllocation).toBeGreaterThan(0.9);
  });

  it('Ps that wait at a lock', async () => {
    await start();
    load('xmalloc', { bytes: 64 * MiB });
    // How often Ps really meet depends on the machine: here somebody else keeps the lock for a while, again and again.
    const { m } = host.heap;
    const at = mcentralAt(host.heap, 103);
    const keeper = setInterval(() => {
      lock(m, at, 99, host.heap.mheap + 63);
      const until = performance.now() + 1;
      while (performance.now() < until);
      unlock(m, at);
    }, 4);
    const examination = await until('central-contention');
    clearInterval(keeper);
    const { cause, numbers } = find(examination, 'central-contention');
    expect(cause).toMatch(/^the mcentral of 8192-byte slots \(size class 51, noscan\): \d+ times/);
    expect(numbers.contendedPerSecond).toBeGreaterThan(50);
  });

  it('a leak, by what is alive after each cycle', async () => {
    await start();
    load('leak', { bytes: 400 * MiB, rate: 200_000 });
    const { numbers, cause } = find(await until('leak-suspicion'), 'leak-suspicion');
    expect(numbers.cycles).toBeGreaterThanOrEqual(8);
    expect(cause).toMatch(/rose from .* MiB to .* MiB/);
  });
});

it('does not hold up the event loop over a heap of many spans', async () => {
  await start({ gogc: 'off' });
  // A span each.
  await alloc(8192, 40_000);
  let longest = 0;
  let last = performance.now();
  const watch = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 0);
  const before = performance.eventLoopUtilization();
  await examine(host, 300);
  const { active } = performance.eventLoopUtilization(before);
  clearInterval(watch);
  // Of 300 ms, with a machine that does other things as well.
  expect(active).toBeLessThan(150);
  expect(longest).toBeLessThan(100);
});
