/** Both pages of a heap whose threads run: no counter falls from scrape to scrape, CPU classes add up, settings show. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Why } from '../../src/gc/state.js';
import { H_NUM_GC, T_WAIT_NS } from '../../src/heap/heap.js';
import type { HeapHost } from '../../src/sched/host.js';
import { Op } from '../../src/sched/ops.js';
import { heapText } from '../../src/telemetry/table.js';
import { batch, crashes, differences, json, newHost } from '../helper/host.js';
import { counters, MIB, parse, sum } from './support.js';

let host: HeapHost;
beforeAll(async () => {
  host = await newHost({ gomaxprocs: 2, reserve: 512 * MIB });
});
afterAll(async () => {
  expect(await differences(host)).toEqual([]);
  expect(crashes).toEqual([]);
  await host.close();
});

const ns = (seconds: number): number => Math.round(seconds * 1e9);

/** The CPU classes in ns, which must add up whenever they are read. */
function cpu(source = host): (name: string) => number {
  const page = parse(heapText('go', source));
  const of = (name: string): number => ns(sum(page, `go_cpu_classes_${name}_cpu_seconds_total`));
  const gc = of('gc_mark_assist') + of('gc_mark_dedicated') + of('gc_mark_idle') + of('gc_pause');
  expect(gc).toBe(of('gc_total'));
  expect(of('scavenge_assist') + of('scavenge_background')).toBe(of('scavenge_total'));
  expect(gc + of('scavenge_total') + of('idle') + of('user')).toBe(of('total'));
  for (const name of ['user', 'idle', 'gc_pause']) expect(of(name)).toBeGreaterThanOrEqual(0);
  return of;
}

let kept: number[] = [];

/** Allocates, and drops what is older than the last few thousand objects. */
async function churn(n: number): Promise<void> {
  const items = Array.from({ length: n }, (_, i) => ({
    op: 'alloc' as const,
    size: 64 + ((i * 97) % 4000),
    noscan: i % 2 === 0,
  }));
  const made = await batch(host, items);
  kept.push(...made.map((o) => o.address));
  if (kept.length < 6000) return;
  const drop = kept.slice(0, kept.length - 3000);
  kept = kept.slice(drop.length);
  await batch(
    host,
    drop.map((address) => ({ op: 'free' as const, address })),
  );
}

describe('a heap at rest', () => {
  it('is idle, though nobody wakes its Ms to say so', async () => {
    // Its own: what was once read of a heap never falls, and this reads what is far ahead.
    const resting = await newHost({ gomaxprocs: 2, reserve: 512 * MIB });
    const { heap } = resting;
    const { now } = heap;
    /** Below zero while the P sleeps; another number whenever it slept anew. */
    const sleeps = () => heap.ps.map((p) => heap.f[p.stats + T_WAIT_NS]);
    let looks = 0;
    // On this thread alone time stands still, and then moves by a fifth of a second. Each look
    // begins long after the last, so that none is held up by what the one before has shown. Now and
    // then an M wakes up for the scavenger: that look does not count.
    const look = () => {
      let at = now() + ++looks * 1e10;
      heap.now = () => at;
      try {
        const before = sleeps();
        if (before.some((ns) => ns >= 0)) return 'somebody is awake';
        const earlier = cpu(resting);
        at += 2e8;
        const later = cpu(resting);
        if (sleeps().some((ns, p) => ns !== before[p])) return 'somebody was awake';
        return { idle: later('idle') - earlier('idle'), total: later('total') - earlier('total') };
      } finally {
        heap.now = now;
      }
    };
    await expect.poll(look).toEqual({ idle: 4e8, total: 4e8 });
    expect(await differences(resting)).toEqual([]);
    await resting.close();
  });
});

describe('a heap under load', () => {
  it('has counters that never fall and CPU classes that add up, while it collects', async () => {
    const cycles = host.heap.scalar(H_NUM_GC);
    let before = counters(host);
    // How many cycles that makes depends on how fast the collector is.
    for (let i = 0; i < 60 || host.heap.scalar(H_NUM_GC) <= cycles + 3; i++) {
      const work = Promise.all([churn(500), churn(500)]);
      for (let scrape = 0; scrape < 3; scrape++) {
        cpu();
        const after = counters(host);
        for (const [series, value] of before) expect(after.get(series), series).toBeGreaterThanOrEqual(value);
        before = after;
        await new Promise(setImmediate);
      }
      await work;
    }
    const page = parse(heapText('spans', host));
    expect(sum(page, 'goheap_mark_seconds_total')).toBeGreaterThan(0);
    expect(sum(page, 'goheap_mark_scanned_bytes_total')).toBeGreaterThan(0);
  });

  it('follows its settings', async () => {
    const shown = () => {
      const page = parse(heapText('go', host));
      const of = (name: string): number => sum(page, `go_${name}`);
      return [of('gc_gogc_percent'), of('gc_gomemlimit_bytes'), of('gc_heap_goal_bytes')];
    };
    // No cycle is under way that would change the goal meanwhile.
    await json(host, Op.gc, Why.forced);
    const [gogc, limit, goal] = shown();
    expect([gogc, limit]).toEqual([100, 2 ** 63]);
    await host.update({ gogc: 400, gomemlimit: 4096 * MIB });
    const after = shown();
    expect(after.slice(0, 2)).toEqual([400, 4096 * MIB]);
    expect(after[2]).toBeGreaterThan(1.5 * goal);
    await host.update({ gogc: 'off', gomemlimit: 'off' });
    expect(shown().slice(0, 2)).toEqual([2 ** 64, 2 ** 63]);
  });
});
