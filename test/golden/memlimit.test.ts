/**
 * memlimit.json: NextGC under 8 memory limits with GOGC=off, about 16 MiB of 8 KiB objects being live.
 *
 * Go's own number depends on its stacks and on what its metadata takes, which are not ours; the rule does not. Here it stands once, in
 * integers, over nothing but fields of MemStats. It gives Go's NextGC from Go's fields (8 of 8), and NextGC of a real heap from that heap's
 * fields: to the byte, and without a limit, where the number is beyond 2^53, as the double next to it.
 *
 * MemStats are read in Go's way, mcaches flushed. Otherwise TotalAlloc counts slots that the pacer, here as in Go, does not know of yet.
 */

import { describe, expect, test } from 'vitest';
import { type GCMemStats, memStats, withGC } from '../../src/gc/memstats.js';
import { configure } from '../../src/gc/pacing.js';
import { Why } from '../../src/gc/state.js';
import { H_HEAP_LIVE } from '../../src/heap/heap.js';
import { flushedMemStats } from '../../src/heap/memstats.js';
import { scavengeAll } from '../../src/heap/scavenge.js';
import { GoProgram } from './program.js';
import { golden } from './support.js';

type Stat = Pick<GCMemStats, 'Sys' | 'HeapReleased' | 'HeapIdle' | 'HeapAlloc'>;

interface Row {
  limit: number;
  NextGC: number;
  mappedReady: number;
  nonHeap: number;
  overage: number;
  stat: Stat & { NextGC: number };
}

const MiB = 2 ** 20;
const OFF = Number.POSITIVE_INFINITY;
const { rows } = golden<{ rows: Row[] }>('memlimit');

/** memoryLimitGoal of the facts, section 6.4, from MemStats. Also its inputs, as the golden rows name them. */
function rule(stat: Stat, limit: number, marked: number) {
  const big = (n: number): bigint => BigInt(n);
  const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  const L = limit >= 2 ** 53 ? 2n ** 63n - 1n : big(limit);
  const mappedReady = big(stat.Sys) - big(stat.HeapReleased);
  const nonHeap = mappedReady - (big(stat.HeapIdle) - big(stat.HeapReleased)) - big(stat.HeapAlloc);
  const overage = max(0n, mappedReady - L);
  const inputs = { mappedReady: Number(mappedReady), nonHeap: Number(nonHeap), overage: Number(overage) };
  if (nonHeap + overage >= L) return { ...inputs, goal: marked };
  let goal = L - nonHeap - overage;
  const headroom = max(1n << 20n, (goal / 100n) * 3n);
  goal = goal < headroom || goal - headroom < headroom ? headroom : goal - headroom;
  return { ...inputs, goal: Number(max(goal, big(marked))) };
}

/** A heap with a memory limit, whose statistics are read as Go reads them. */
class Limited extends GoProgram {
  objects(bytes: number): number[] {
    return Array.from({ length: bytes / 8192 }, () => this.malloc(8192, false));
  }

  read(): GCMemStats {
    return withGC(this.h, flushedMemStats(this.h));
  }

  /** NextGC is what the rule says of the heap's own statistics. */
  compare(limit: number, what: string): number {
    const stat = this.read();
    expect(stat.NextGC, `${what}, limit ${limit}`).toBe(rule(stat, limit, this.marked).goal);
    // Nothing is cached now, so that reading without flushing is no different.
    expect(memStats(this.h).NextGC).toBe(stat.NextGC);
    return stat.NextGC;
  }
}

test('the rule gives what Go measured', () => {
  expect(rows.length).toBe(8);
  for (const { limit, stat, NextGC, mappedReady, nonHeap, overage } of rows) {
    expect(rule(stat, limit, 0), `limit ${limit}`).toEqual({ mappedReady, nonHeap, overage, goal: NextGC });
    expect(stat.NextGC).toBe(NextGC);
  }
});

describe('a real heap with GOGC=off', () => {
  test("NextGC under Go's 8 limits", () => {
    const g = new Limited();
    // As Go's program: objects, some of them garbage, three collections, then one limit after another.
    const kept = g.objects(16 * MiB);
    for (const word of g.objects(4 * MiB)) g.drop(word);
    for (let i = 0; i < 3; i++) g.collector.collect(Why.forced);
    expect(g.marked).toBe(16 * MiB);
    for (const { limit, NextGC, nonHeap } of rows) {
      configure(g.h, -1, limit >= 2 ** 53 ? OFF : limit);
      const ours = g.compare(limit, 'live');
      // What Go keeps beside its heap and we do not comes back as room for objects, less 3 % where those are the headroom.
      const stat = g.read();
      const more = nonHeap - rule(stat, limit, g.marked).nonHeap;
      expect(more).toBeGreaterThan(0);
      if (limit >= 2 ** 53) continue;
      const parts = (of: number): number => Math.max(MiB, Math.floor((limit - of) / 100) * 3);
      expect(ours - NextGC).toBe(more + parts(nonHeap) - parts(nonHeap - more));
    }
    expect(kept.length).toBe(2048);
    g.expectSound();
  });

  test('NextGC under any limit, whatever state the heap is in', () => {
    const g = new Limited();
    const limits = [0, 1, 1000, 64 << 10, 2 * MiB, 2 ** 53 - 1, OFF];
    for (let i = 0; i < 60; i++) limits.push((i + 1) * 777_777);
    let compared = 0;
    const all = (what: string): void => {
      for (const limit of limits) {
        configure(g.h, -1, limit);
        g.compare(limit, what);
        compared++;
      }
      g.expectSound();
    };
    all('empty');
    const objects = g.objects(24 * MiB);
    all('before the first collection');
    g.collector.collect(Why.forced);
    all('all live');
    for (let i = 0; i < objects.length; i += 2) g.drop(objects[i]);
    all('half of it dropped');
    g.collector.begin(Why.forced);
    g.compare(limits.at(-1)!, 'marking');
    g.collector.collect(Why.forced);
    all('half of it free');
    expect(scavengeAll(g.h, g.p)).toBeGreaterThan(0);
    all('released');
    for (const size of [48, 1000, 30_000, 300_000]) for (let i = 0; i < 50; i++) g.malloc(size, i % 2 === 0);
    all('objects of other sizes');
    expect(compared).toBe(7 * limits.length);
  });
});

test('with GOGC on, the smaller goal holds', () => {
  const g = new Limited();
  g.objects(16 * MiB);
  g.collector.collect(Why.forced);
  const seen = { limit: 0, percent: 0 };
  for (const gogc of [0, 10, 50, 100, 400, 100_000]) {
    for (const { limit } of rows) {
      configure(g.h, gogc, limit >= 2 ** 53 ? OFF : limit);
      const stat = g.read();
      // The sweep was over when this was derived: no term for it.
      const percent = Math.max(Math.floor((4 * MiB * gogc) / 100), g.marked + Math.floor((g.marked * gogc) / 100));
      const limited = rule(stat, limit, g.marked).goal;
      seen[limited < percent ? 'limit' : 'percent']++;
      expect(stat.NextGC, `GOGC=${gogc} GOMEMLIMIT=${limit}`).toBe(Math.min(limited, percent));
    }
  }
  expect(seen).toEqual({ limit: 11, percent: 37 });
  g.expectSound();
});

test('cycles begin where the limit says, to the page', () => {
  const g = new Limited({ stopTheWorld: 1 });
  const limit = 24 * MiB;
  configure(g.h, -1, limit);
  const ring = g.objects(8 * MiB);
  g.collector.collect(Why.forced);
  let at = 0;
  const distances: number[] = [];
  for (let since = 1; distances.length < 6; since++) {
    const word = g.malloc(8192, false);
    const stat = memStats(g.h);
    // The new object's slot is in the mcache: the pacer, as Go's, will hear of it at the next refill.
    const { goal } = rule({ ...stat, HeapAlloc: stat.HeapAlloc - 8192 }, limit, g.marked);
    const trigger = Math.max(Math.floor((goal - g.marked) / 64) * 61 + g.marked, goal - 4 * MiB);
    const due = g.h.scalar(H_HEAP_LIVE) * 8 >= trigger;
    if (g.p.attention) g.collector.service();
    const began = g.numGC > stat.NumGC;
    if (began !== due) expect.fail(`${since} objects after cycle ${stat.NumGC}: due ${due}, began ${began}`);
    g.drop(ring[at]);
    ring[at] = word;
    at = (at + 1) % ring.length;
    if (!began) continue;
    expect(g.marked).toBe(8 * MiB + 8192);
    distances.push(since);
    since = 0;
  }
  // Far less than with GOGC=100, and the same each time once the heap has the size that it keeps.
  expect(Math.max(...distances)).toBeLessThan(16 * 128);
  expect(new Set(distances.slice(1)).size).toBe(1);
  g.expectSound();
});
