import { describe, expect, it } from 'vitest';
import {
  BOUNDARIES,
  LE,
  lowerBoundSum,
  NUM_BUCKETS,
  NUM_COUNTS,
  NUM_SUB_BUCKETS,
  rebucket,
  rebucketExponentially,
  recordTime,
  TIME_HISTOGRAM_WORDS,
  timeHistogramIndex,
} from '../../src/gc/timehistogram.js';
import { BY_SIZE_BOUNDS } from '../../src/telemetry/families-gc.js';
import { golden } from '../heap/pagealloc-golden.js';

interface Vectors {
  numBuckets: number;
  numSubBuckets: number;
  rows: [ns: number, bucket: number, sub: number][];
  boundariesSeconds: (number | '-Inf' | '+Inf')[];
}

const vectors = golden<Vectors>('timehistogram_vectors');
const AT = 3;
const region = () => new Float64Array(new SharedArrayBuffer((AT + TIME_HISTOGRAM_WORDS + 1) * 8));

describe('timeHistogram', () => {
  it(`counts where Go 1.27 does: ${vectors.rows.length} durations`, () => {
    expect([NUM_BUCKETS, NUM_SUB_BUCKETS]).toEqual([vectors.numBuckets, vectors.numSubBuckets]);
    for (const [ns, bucket, sub] of vectors.rows) {
      const want = bucket < 0 ? 0 : bucket === NUM_BUCKETS ? NUM_COUNTS - 1 : 1 + bucket * NUM_SUB_BUCKETS + sub;
      const f = region();
      recordTime(f, AT, ns);
      expect([f.indexOf(1) - AT, f.reduce((a, x) => a + x)], `${ns} ns`).toEqual([want, 1]);
    }
    expect(vectors.rows.length).toBe(124);
  });

  it(`has Go 1.27's ${vectors.boundariesSeconds.length} boundaries, to the last bit`, () => {
    const infinities: Record<string, number> = { '-Inf': Number.NEGATIVE_INFINITY, '+Inf': Number.POSITIVE_INFINITY };
    expect(BOUNDARIES).toStrictEqual(vectors.boundariesSeconds.map((b) => infinities[b] ?? b));
    expect(BOUNDARIES.length).toBe(NUM_COUNTS + 1);
  });

  it('counts at and around each boundary on its side', () => {
    for (let i = 1; i <= NUM_COUNTS - 1; i++) {
      const ns = Math.round(BOUNDARIES[i] * 1e9);
      expect([timeHistogramIndex(ns - 1), timeHistogramIndex(ns)], `${ns} ns`).toEqual([i - 1, i]);
      if (ns > 0) expect(timeHistogramIndex(ns - 0.25)).toBe(i - 1);
    }
    expect(timeHistogramIndex(Number.POSITIVE_INFINITY)).toBe(NUM_COUNTS - 1);
  });
});

describe('what Prometheus gets', () => {
  it("has client_golang's le", () => {
    expect(LE).toStrictEqual([
      6.399999999999999e-8, 6.399999999999999e-7, 7.167999999999999e-6, 8.191999999999999e-5, 0.0009175039999999999,
      0.010485759999999998, 0.11744051199999998,
    ]);
  });

  it('rebuckets sizes by the same rule', () => {
    const sizes = [1, 9, 17, 25, 33, 49, 65, 81, 97, 113, 129, 145, 161, 321, Number.POSITIVE_INFINITY];
    const coarse = rebucketExponentially(sizes, 2, Number.POSITIVE_INFINITY);
    expect(coarse).toEqual([1, 9, 25, 65, 145, 321, Number.POSITIVE_INFINITY]);
    expect(coarse.slice(1, -1).map((b) => Math.round(b))).toEqual(BY_SIZE_BOUNDS.slice(0, 5).map((b) => Math.round(b)));
  });

  it('puts every duration below its le, and above the one before', () => {
    for (let ns = -5; ns < 2 ** 48; ns = ns < 100 ? ns + 1 : Math.floor(ns * 1.01)) {
      const f = region();
      recordTime(f, AT, ns);
      const coarse = new Float64Array(LE.length + 1);
      rebucket(f, AT, coarse);
      expect(coarse.reduce((a, x) => a + x)).toBe(1);
      const le = LE.findIndex((bound) => ns / 1e9 <= bound);
      expect(coarse.indexOf(1), `${ns} ns`).toBe(le < 0 ? LE.length : le);
    }
  });

  it('adds regions up, and sums from below', () => {
    const f = region();
    for (const ns of [-1, 5, 1000, 1000, 2e6, 5e9, 2 ** 50]) recordTime(f, AT, ns);
    const coarse = new Float64Array(LE.length + 1);
    rebucket(f, AT, coarse);
    expect([...coarse]).toEqual([2, 0, 2, 0, 0, 1, 0, 2]);
    expect(lowerBoundSum(coarse)).toBe(6.4e-7 * 2 + 0.000917504 + 0.117440512 * 2);
    rebucket(f, AT, coarse);
    expect([...coarse]).toEqual([4, 0, 4, 0, 0, 2, 0, 4]);
  });
});
