import { expect, test } from 'vitest';
import type { HeapProfile, ProfileBucket } from '../../../src/replay/profile/heapprofile.js';
import { sums } from '../../../src/replay/profile/heapprofile.js';
import { allocationRate, modelFromProfile, modelFromTwo, perOperation } from '../../../src/replay/profile/model.js';
import { profile, text } from './fixture.js';

/** Sums of the benchmarks' own figures: bytes and allocations of one operation of each. */
function benchmarks(name: string, which: RegExp): { bytes: number; allocs: number; count: number } {
  const out = { bytes: 0, allocs: 0, count: 0 };
  for (const line of text(name).split('\n')) {
    const match = /(\d+) B\/op\s+(\d+) allocs\/op/.exec(line);
    if (match === null || !which.test(line)) continue;
    out.bytes += Number(match[1]);
    out.allocs += Number(match[2]);
    out.count++;
  }
  return out;
}

/**
 * What a benchmark counts is what its timer covers; a profile covers all. `ignore` names what the benchmarks do with the timer stopped (read in
 * their source, Go 1.19.8). Each benchmark runs N times, after once to try it: N + 1 operations of each are in the profile.
 */
const TIMED = [
  { name: 'json', which: /^Benchmark/, benchmarks: 3, operations: 40 + 1, selection: { ignore: 'codeInit' } },
  { name: 'gob', which: /^Benchmark/, benchmarks: 16, operations: 300 + 1, selection: {} },
  {
    name: 'flate',
    which: /^BenchmarkDecode/,
    benchmarks: 24,
    operations: 5 + 1,
    selection: {
      focus: 'BenchmarkDecode',
      ignore: String.raw`NewWriter|\(\*compressor\)|bytes\.\(\*Buffer\)|regexp|testing\.\(\*B\)\.Run$|os\.`,
    },
  },
] as const;

for (const { name, which, benchmarks: count, operations, selection } of TIMED) {
  const bench = benchmarks(`${name}.bench.txt`, which);
  test(`${name}: bytes and allocations per operation of the whole profile are those of bench.txt within 10 %`, () => {
    expect(bench.count).toBe(count);
    const per = perOperation(modelFromProfile(profile(`${name}.rate1.pb.gz`), { operations, ...selection }));
    expect(Math.abs((per?.bytes ?? 0) / bench.bytes - 1)).toBeLessThan(0.1);
    expect(Math.abs((per?.objects ?? 0) / bench.allocs - 1)).toBeLessThan(0.1);
  });

  test(`${name}: of the sampled profile within 10 %, or three standard errors where it has too few samples for that`, () => {
    const p = profile(`${name}.rate512k.pb.gz`);
    const per = perOperation(modelFromProfile(p, { operations, ...selection }));
    const { samplingError, samplingErrorObjects } = sums(p, selection);
    expect(Math.abs((per?.bytes ?? 0) / bench.bytes - 1)).toBeLessThan(Math.max(0.1, 3 * samplingError));
    expect(Math.abs((per?.objects ?? 0) / bench.allocs - 1)).toBeLessThan(Math.max(0.1, 3 * samplingErrorObjects));
    // The two with a volume worth sampling need no such excuse.
    if (name !== 'flate') {
      expect(Math.abs((per?.bytes ?? 0) / bench.bytes - 1)).toBeLessThan(0.1);
      expect(Math.abs((per?.objects ?? 0) / bench.allocs - 1)).toBeLessThan(0.1);
    }
  });
}

test('goparser: bytes per operation are those that the log of its other run has; objects are fewer by the tiny ones', () => {
  expect(benchmarks('goparser.bench.txt', /./).count).toBe(0);
  const log = text('goparser.gctrace-bench.txt');
  // A result stands on a line of its own, after gctrace's: the first is BenchmarkParse, the second BenchmarkParseOnly.
  const [parse, only] = [...log.matchAll(/(\d+) B\/op\s+(\d+) allocs\/op/g)].map((m) => [Number(m[1]), Number(m[2])]);
  for (const rate of ['rate1', 'rate512k']) {
    const p = profile(`goparser.${rate}.pb.gz`);
    const per = perOperation(modelFromProfile(p, { operations: 31, ignore: 'BenchmarkResolve' }));
    expect(Math.abs((per?.bytes ?? 0) / (parse[0] + only[0]) - 1)).toBeLessThan(0.1);
    expect(per?.objects).toBeLessThan(parse[1] + only[1]);
  }
});

test('one profile: what is in use is the base, the rest is young', () => {
  const p = profile('json.rate1.pb.gz');
  const m = modelFromProfile(p, { seconds: 2, operations: 100 });
  expect(m.baseBytes).toBe(3795696);
  expect(m.sizes.reduce((n, s) => n + (s.base + s.young) * s.size, 0)).toBeCloseTo(241986664, 3);
  expect(allocationRate(m)).toBe(241986664 / 2);
  expect(perOperation(m)?.bytes).toBe(2419866.64);
  expect(m.youngLife).toBe(0);
  expect(allocationRate(modelFromProfile(p))).toBeNull();
  expect(perOperation(modelFromProfile(p))).toBeNull();
});

test('two profiles of one program: difference, and duration by their times', () => {
  const first = profile('records.first.pb.gz');
  const second = profile('records.second.pb.gz');
  const m = modelFromTwo(first, second);
  expect(m.allocBytes).toBeCloseTo(sums(second).allocBytes - sums(first).allocBytes, 3);
  expect(m.baseBytes).toBe(sums(first).inuseBytes);
  expect(m.growthBytes).toBe(sums(second).inuseBytes - sums(first).inuseBytes);
  expect(m.seconds).toBeGreaterThan(0.05);
  expect(m.seconds).toBeLessThan(5);
  // The order does not matter, and a duration that is given wins.
  const swapped = modelFromTwo(second, first, { seconds: 10 });
  expect(swapped.allocBytes).toBe(m.allocBytes);
  expect(swapped.seconds).toBe(10);
  expect(swapped.notes).toHaveLength(1);
});

test('a heap that shrinks between two profiles', () => {
  const p = profile('records.first.pb.gz');
  const bucket = (allocObjects: number, inuseObjects: number): ProfileBucket => ({
    size: 64,
    allocObjects,
    allocBytes: allocObjects * 64,
    inuseObjects,
    inuseBytes: inuseObjects * 64,
    stack: [],
  });
  const at = (timeNs: number, b: ProfileBucket): HeapProfile => ({ ...p, rate: 1, timeNs, buckets: [b] });
  const m = modelFromTwo(at(1e18, bucket(100, 80)), at(1e18 + 3e9, bucket(150, 30)));
  expect(m.sizes).toEqual([{ size: 64, base: 80, growth: -50, young: 50 }]);
  expect(m.growthBytes).toBe(-50 * 64);
  expect(m.seconds).toBe(3);
});

test('tiny objects are known where MemStats stand beside the profile', () => {
  const m = modelFromProfile(profile('records.second.txt'), { operations: 1 });
  const stats = profile('records.second.txt').memStats;
  expect(m.tinyObjects).toBeGreaterThan(0);
  // Objects and tiny ones together are what the runtime counted, at the volume that the profile estimates.
  const scale = m.allocBytes / (stats?.TotalAlloc ?? 1);
  expect(((perOperation(m)?.objects ?? 0) - (m.tinyObjects ?? 0)) / scale + (m.tinyObjects ?? 0)).toBeCloseTo(
    stats?.Mallocs ?? 0,
    0,
  );
});
