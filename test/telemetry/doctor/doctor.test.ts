/**
 * A heap driven into each state that the doctor knows, and heaps that are well.
 *
 * What a rule compares with the clock, or with what happened in a window, is up to the machine. So
 * heaps at work are found to be well on a clock of their own (simulated.ts), and where such a rule
 * shall speak of a real heap, the test says how long the window was. The thresholds themselves are
 * tested by numbers (thresholds.test.ts).
 */

import { afterEach, describe, expect, it } from 'vitest';
import { Why } from '../../../src/gc/state.js';
import { P_WAITING } from '../../../src/heap/heap.js';
import { mcentralAt } from '../../../src/heap/mcentral.js';
import { lock, unlock } from '../../../src/memory/lock.js';
import type { HeapHost } from '../../../src/sched/host.js';
import { Op } from '../../../src/sched/ops.js';
import type { EffectiveSettings } from '../../../src/server/hosted.js';
import { type Examination, examination, examine } from '../../../src/telemetry/doctor/doctor.js';
import { type Facts, gather, oneObjectSpans } from '../../../src/telemetry/doctor/facts.js';
import { DEFAULT_PROFILE, type KindName } from '../../../src/workloads/catalog.js';
import { type Parameters, Workload } from '../../../src/workloads/workload.js';
import { batch, differences, json, newHost } from '../../helper/host.js';
import { Simulated } from './simulated.js';

const MiB = 2 ** 20;
let host: HeapHost;
let workload: Workload | undefined;
let started = false;

async function start(settings: Partial<EffectiveSettings> = {}): Promise<void> {
  started = true;
  host = await newHost({ reserve: 512 * MiB, ...settings });
}

function load(kind: KindName, parameters: Partial<Parameters> = {}): Workload {
  const base = { seed: 1, duration: 3_600_000, rate: 100_000, bytes: 8 * MiB, p: 'all' as const, keep: false, k: 100 };
  workload = new Workload('w', host, { workload: kind, profile: DEFAULT_PROFILE, ...base, ...parameters });
  return workload;
}

afterEach(async () => {
  workload?.stop('stopped');
  await workload?.done;
  workload = undefined;
  if (!started) return;
  started = false;
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

/**
 * No speed of a machine makes them speak: sizes that are asked for, what lives under a bound, a
 * limit that is off.
 */
const NEVER = ['internal-fragmentation', 'leak-suspicion', 'limit-thrash'];

/** Examines a heap while its threads run. */
async function expectCoherent(w: Workload): Promise<void> {
  for (let i = 1; i <= 4; i++) {
    await expect.poll(() => w.rounds, { message: 'the workload goes on' }).toBeGreaterThanOrEqual(20 * i);
    const found = await examine(host, 100);
    for (const code of NEVER) expect(codes(found)).not.toContain(code);
    expect(found.healthy).toBe(found.findings.length === 0);
    expect(found.summary).toMatch(found.healthy ? /well|hardly/ : /worried/);
    expect(found.window).toBeGreaterThan(0);
  }
  expect(w.state).toBe('running');
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What collecting on end looks like, in a window in which the Ps had time for nothing else. */
async function collecting(): Promise<Facts> {
  const facts = await gather(host, async () => {
    for (let i = 0; i < 30; i++) await collect();
  });
  const took = ({ cpu }: Facts['before']) => cpu.assist + cpu.dedicated + cpu.pause;
  const ns = took(facts.after) - took(facts.before);
  expect(ns).toBeGreaterThan(0);
  return { ...facts, seconds: ns / 1e9 / facts.gomaxprocs };
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

  // Windows of 50 ms to a second, from the first allocation on; operations of 1 µs, and of 100 µs
  // on a machine that is busy.
  describe.each([5, 15, 30, 100])('in windows of %i rounds', (rounds) => {
    it.each([
      ['a server at work', 'larson', 1000, 200],
      ['a server at work on a slow machine', 'larson', 100_000, 16],
      ['the workload of the GC guide', 'gcguide', 1000, 500],
      ['the workload of the GC guide on a slow machine', 'gcguide', 100_000, 16],
    ] as const)('about %s', async (_, kind, perRecord, records) => {
      const heap = new Simulated(kind, perRecord, records);
      for (let i = 0; i < 12; i++) expect((await heap.examine(rounds)).findings).toEqual([]);
      expect(heap.tally.allocs).toBeGreaterThan(500);
      expect(heap.tally.failed).toBe(0);
      expect(heap.check()).toEqual([]);
    });
  });

  it('about a heap at rest, whatever it did before', async () => {
    await start();
    await free(await alloc(100, 30_000));
    await collect();
    expect((await examine(host, 100)).findings).toEqual([]);
  });
});

describe('says nothing that does not fit together, while threads run,', () => {
  it('about a server at work', async () => {
    await start();
    await expectCoherent(load('larson', { rate: 40_000 }));
  });

  it('about the workload of the GC guide', async () => {
    await start();
    await expectCoherent(load('gcguide'));
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
    const { cause } = find(examination(await collecting()), 'gc-too-often');
    expect(cause).toMatch(/GOGC=3/);
  });

  it('a memory limit that keeps the collector running, and says nothing of how often it runs', async () => {
    await start({ gomemlimit: 32 * MiB });
    await alloc(MiB, 28);
    const found = examination(await collecting());
    const { severity, numbers } = find(found, 'limit-thrash');
    expect(severity).toBe('critical');
    expect(numbers.memoryLimit).toBe(32 * MiB);
    expect(codes(found)).not.toContain('gc-too-often');
  });

  it('mcaches that do not help', async () => {
    await start({ gogc: 'off' });
    const found = examination(await gather(host, () => alloc(8192, 600)));
    const { cause, numbers } = find(found, 'mcache-thrash');
    expect(cause).toBe('8192-byte slots (size class 51, noscan): 600 refills; a span has 1 slot');
    expect(numbers).toMatchObject({ allocations: 600, refills: 600, unavoidable: 2, refillsPerAllocation: 0.996667 });
  });

  it('Ps that wait at a lock', async () => {
    await start({ gogc: 'off' });
    // From its second span on a P takes the lock each time, to put the last one away.
    await alloc(8192, 1, 1);
    const { m, mheap, ps } = host.heap;
    const at = mcentralAt(host.heap, 103);
    // How often Ps really meet is up to the machine. Here somebody else has the lock whenever P1
    // wants it.
    const meet = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        lock(m, at, 99, mheap + 63);
        const done = alloc(8192, 1, 1);
        while (Atomics.load(m, ps[1].at + P_WAITING) !== at) await turn();
        unlock(m, at);
        await done;
      }
    };
    const facts = await gather(host, meet);
    const waits = (of: Facts['before']) => of.centrals[103].waitSeconds;
    expect(facts.after.centrals[103].contended - facts.before.centrals[103].contended).toBe(60);
    expect(waits(facts.after)).toBeGreaterThan(waits(facts.before));
    // A window in which one P of two did nothing else.
    const found = examination({ ...facts, seconds: waits(facts.after) - waits(facts.before) });
    const { cause, numbers } = find(found, 'central-contention');
    expect(cause).toMatch(/^the mcentral of 8192-byte slots \(size class 51, noscan\): 60 times/);
    expect(numbers.contended).toBeGreaterThanOrEqual(60);
    expect(numbers.waitShare).toBeGreaterThanOrEqual(0.5);
  });

  it('a leak, by what is alive after each cycle', async () => {
    await start();
    for (let i = 0; i < 10; i++) {
      await alloc(MiB, 1);
      await collect();
    }
    const { numbers, cause } = find(await examine(host, 0), 'leak-suspicion');
    expect(numbers.cycles).toBeGreaterThanOrEqual(8);
    expect(cause).toMatch(/rose from .* MiB to .* MiB/);
  });
});

it('lets others in between while it goes through many spans', async () => {
  await start({ gogc: 'off' });
  // A span each; it looks at 20,000 of them a turn.
  await alloc(8192, 50_000);
  let turns = 0;
  let immediate = setImmediate(function next() {
    turns++;
    immediate = setImmediate(next);
  });
  await oneObjectSpans(host.heap);
  clearImmediate(immediate);
  expect(turns).toBeGreaterThanOrEqual(3);
});
