/** Go's runtime/metrics of a heap against Go 1.27's own list, and against the heap's Prometheus page. */

import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { pausesOf, stoppingPauses, totalPauses } from '../../src/gc/pauses.js';
import { LE, rebucket } from '../../src/gc/timehistogram.js';
import { check } from '../../src/heap/check.js';
import { dropRoot } from '../../src/heap/free.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { BY_SIZE_BOUNDS } from '../../src/telemetry/families-gc.js';
import {
  RUNTIME_METRICS,
  runtimeMetricsJson,
  uint64,
  unknownMetric,
  whyNoMetric,
} from '../../src/telemetry/runtime-metrics.js';
import { heapText } from '../../src/telemetry/table.js';
import { newHeap, type ParsedFamily, parse, scraped } from './support.js';

interface Theirs {
  name: string;
  kind: string;
  description: string;
  cumulative: boolean;
  boundaries?: 'bytes' | 'seconds';
}

const FIXTURE = new URL('../fixtures/telemetry/runtime_metrics.json', import.meta.url);
const go: { boundaries: Record<string, (number | string)[]>; metrics: Theirs[] } = JSON.parse(
  readFileSync(FIXTURE, 'utf8'),
);

interface Metric {
  name: string;
  kind: string;
  description: string;
  cumulative: boolean;
  value: number | { counts: number[]; buckets: (number | string)[] };
}

const read = (json: string): Metric[] => JSON.parse(json).metrics;

/** A heap in which everything has happened once: sizes of all kinds, frees, cycles, pauses. */
function usedHeap() {
  const h = newHeap();
  const p = h.ps[0];
  const dead: number[] = [];
  for (const size of [1, 8, 16, 17, 100, 1000, 30_000, 32_761, 100_000]) {
    for (let i = 0; i < 10; i++) {
      const word = mallocNoscan(h, p, size);
      if (i % 2 === 0 && size >= 16) dead.push(word);
      mallocScan(h, p, size);
    }
  }
  for (const word of dead) dropRoot(h, p, word, 0);
  gcCycle(h, p);
  for (const ns of [0, 100, 700, 30_000, 2_000_000, 5e9]) pausesOf(h, ns * 3, ns);
  mallocNoscan(h, p, 50_000);
  return h;
}

describe('the list', () => {
  const theirs = new Map(go.metrics.map((m) => [m.name, m]));

  it("has Go's names, kinds, descriptions, and what is cumulative, word for word", () => {
    expect(RUNTIME_METRICS.length).toBeGreaterThan(50);
    for (const { name, kind, description, cumulative } of RUNTIME_METRICS) {
      const m = theirs.get(name);
      expect(m, name).toBeDefined();
      // metrics.KindFloat64Histogram.
      const golden = m?.kind === 'histogram' ? 'float64-histogram' : m?.kind;
      expect({ kind, description, cumulative }, name).toEqual({
        kind: golden,
        description: m?.description,
        cumulative: m?.cumulative,
      });
    }
  });

  it("is in Go's order, each name once", () => {
    const names = RUNTIME_METRICS.map((m) => m.name);
    expect(names).toEqual(go.metrics.map((m) => m.name).filter((name) => names.includes(name)));
  });

  it('has all of them, but for those that are left out with a reason', () => {
    const ours = new Set(RUNTIME_METRICS.map((m) => m.name));
    for (const { name } of go.metrics) {
      expect(ours.has(name) !== (whyNoMetric(name) !== undefined), `${name} is here, or left out, not both`).toBe(true);
    }
  });
});

describe('the values', () => {
  it("have Go's boundaries, to the last bit, and a count for each two", () => {
    const histograms = read(runtimeMetricsJson(scraped(usedHeap()))).filter((m) => m.kind === 'float64-histogram');
    expect(histograms).toHaveLength(5);
    for (const { name, value } of histograms) {
      const { boundaries = '' } = go.metrics.find((m) => m.name === name) as Theirs;
      if (typeof value === 'number') throw new Error(name);
      expect(value.buckets, name).toEqual(go.boundaries[boundaries]);
      expect(value.counts, name).toHaveLength(value.buckets.length - 1);
    }
  });

  it("are the Prometheus page's", () => {
    const h = usedHeap();
    // CPU time goes by between two looks.
    const heap = scraped(h);
    const before = byName(parse(heapText('go', heap)));
    const metrics = read(runtimeMetricsJson(heap));
    const after = byName(parse(heapText('go', heap)));
    for (const { name, value, cumulative } of metrics) {
      const least = before.get(name);
      if (typeof value !== 'number') expect(least, name).toEqual(joined(name, value.counts));
      else if (!cumulative) expect(value, name).toBe(least);
      else {
        expect(value, name).toBeGreaterThanOrEqual(least as number);
        expect(value, name).toBeLessThanOrEqual(after.get(name) as number);
      }
    }
    expect(check(h)).toEqual([]);
  });

  it('count each size class for itself, and what is larger than all in the last bucket', () => {
    const h = newHeap();
    const p = h.ps[0];
    for (const size of [8, 16, 16, 24, 32_760, 32_761, 1 << 20]) mallocScan(h, p, size);
    const [{ value }] = read(runtimeMetricsJson(scraped(h), ['/gc/heap/allocs-by-size:bytes']));
    if (typeof value === 'number') throw new Error('no histogram');
    const at = (size: number): number => {
      const i = value.buckets.findIndex((b) => b === '+Inf' || size < Number(b)) - 1;
      return value.counts[i];
    };
    expect([8, 16, 24, 32, 32_768, 40_960].map(at)).toEqual([1, 2, 1, 0, 1, 2]);
  });

  it('say what the settings are, to the last digit', () => {
    const h = newHeap();
    const off = runtimeMetricsJson(scraped(h, {}, { gogc: 'off' }), ['/gc/gogc:percent', '/gc/gomemlimit:bytes']);
    expect(off).toContain('"value":18446744073709551615}');
    expect(off).toContain('"value":9223372036854775807}');
    const set = runtimeMetricsJson(scraped(h, {}, { gogc: 50, gomemlimit: 1 << 20 }), [
      '/gc/gomemlimit:bytes',
      '/gc/gogc:percent',
    ]);
    expect(read(set).map((m) => m.value)).toEqual([50, 1 << 20]);
  });
});

/** The page's values by Go's names; of a histogram, its buckets, each for itself. */
function byName(page: Map<string, ParsedFamily>): Map<string, number | number[]> {
  const out = new Map<string, number | number[]>();
  for (const { help, samples, type } of page.values()) {
    const source = / Sourced from (\S+)\.$/.exec(help);
    if (source === null) continue;
    if (type !== 'histogram') out.set(source[1], samples[0].value);
    else {
      const sums = samples.filter((s) => s.name.endsWith('_bucket')).map((s) => s.value);
      out.set(
        source[1],
        sums.map((n, i) => n - (sums[i - 1] ?? 0)),
      );
    }
  }
  return out;
}

/** Counts in Go's buckets, joined into client_golang's. */
function joined(name: string, counts: number[]): number[] {
  if (name.endsWith(':seconds')) {
    const out = new Float64Array(LE.length + 1);
    rebucket(Float64Array.from(counts), 0, out);
    return [...out];
  }
  const out: number[] = new Array(BY_SIZE_BOUNDS.length + 1).fill(0);
  const { boundaries } = go.metrics.find((m) => m.name === name) as Theirs;
  const bounds = go.boundaries[boundaries as string];
  counts.forEach((n, i) => {
    // A bucket's largest value is just below its upper boundary.
    const upper = bounds[i + 1] === '+Inf' ? Number.POSITIVE_INFINITY : Number(bounds[i + 1]) - 1;
    const at = BY_SIZE_BOUNDS.findIndex((le) => upper <= le);
    out[at < 0 ? out.length - 1 : at] += n;
  });
  return out;
}

test('the pauses are those that were counted', () => {
  const h = usedHeap();
  const names = ['/gc/pauses:seconds', '/sched/pauses/total/gc:seconds', '/sched/pauses/stopping/gc:seconds'];
  const [gc, stopping, total] = read(runtimeMetricsJson(scraped(h), names)).map((m) => m.value);
  expect(gc).toEqual(total);
  expect(stopping).not.toEqual(total);
  const region = (at: number): number[] => [...h.f.subarray(at, at + 162)];
  expect(total).toMatchObject({ counts: region(totalPauses(h)) });
  expect(stopping).toMatchObject({ counts: region(stoppingPauses(h)) });
});

test('names are known, or left out for a reason, or neither', () => {
  expect(unknownMetric(['/gc/heap/live:bytes', '/gc/pauses:seconds'])).toBeUndefined();
  expect(unknownMetric(['/gc/heap/live:bytes', '/gc/heap/dead:bytes', '/x:y'])).toBe('/gc/heap/dead:bytes');
  expect(whyNoMetric('/gc/heap/dead:bytes')).toBeUndefined();
  expect(whyNoMetric('/sched/latencies:seconds')).toMatch(/stamped/);
  expect(whyNoMetric('/sched/goroutines-created:goroutines')).toMatch(/exact/);
});

test.each([
  [0, '0'],
  [-8, '0'],
  [Number.NaN, '0'],
  [12.5, '12'],
  [2 ** 53, '9007199254740992'],
  [2 ** 63 - 1024, '9223372036854774784'],
  [2 ** 63, '9223372036854775807'],
  [2 ** 63 + 2048, '9223372036854777856'],
  [2 ** 64, '18446744073709551615'],
  [Number.POSITIVE_INFINITY, '18446744073709551615'],
])('%d is written %s', (value, text) => {
  expect(uint64(value)).toBe(text);
});
