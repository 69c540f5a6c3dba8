import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { CLASS_TO_SIZE, PAGE_SIZE } from '../../../src/heap/sizeclass.js';
import { sums } from '../../../src/replay/profile/heapprofile.js';
import { isProfile, readProfile } from '../../../src/replay/profile/read.js';
import { file, PROGRAMS, profile, RATES } from './fixture.js';

/** `go tool pprof -sample_index=… -top` of each file, its "total" line in full: alloc_objects, alloc_space, inuse_objects, inuse_space. */
const TOTALS = {
  'json.rate1': [6959217, 241986664, 26198, 3795696],
  'json.rate512k': [7246875, 245999474, 20824, 5379071],
  'gob.rate1': [2310293, 99926328, 226, 25056],
  'gob.rate512k': [2452000, 103501887, 1260, 524496],
  'flate.rate1': [12449, 135266568, 33, 5824],
  'flate.rate512k': [13542, 129117083, 6721, 1048832],
  'goparser.rate1': [2259741, 87238064, 28, 86880],
  'goparser.rate512k': [1987435, 78813121, 6721, 1048832],
} as const;

for (const [name, [allocObjects, allocSpace, inuseObjects, inuseSpace]] of Object.entries(TOTALS)) {
  test(`${name}: sums of all four values`, () => {
    const p = profile(`${name}.pb.gz`);
    const s = sums(p);
    expect(p.form).toBe('profile.proto');
    expect(p.rate).toBe(name.endsWith('rate1') ? 1 : 524288);
    expect([s.allocBytes, s.inuseBytes]).toEqual([allocSpace, inuseSpace]);
    expect(p.buckets.reduce((n, b) => n + b.allocObjects, 0)).toBe(allocObjects);
    expect(p.buckets.reduce((n, b) => n + b.inuseObjects, 0)).toBe(inuseObjects);
    // At rate 1 nothing is scaled: bytes / size are whole objects, and as many as were counted.
    if (p.rate === 1) expect(s.allocObjects).toBeCloseTo(allocObjects, 6);
    expect(s.samplingError > 0).toBe(p.rate > 1);
  });
}

test.each(PROGRAMS.flatMap((name) => RATES.map((rate) => `${name}.${rate}`)))(
  '%s: every size is a size class or whole pages',
  (name) => {
    const classes = new Set(CLASS_TO_SIZE);
    const odd = sums(profile(`${name}.pb.gz`)).sizes.filter(({ size }) => !classes.has(size) && size % PAGE_SIZE !== 0);
    expect(odd).toEqual([]);
  },
);

test('the sampled profile of a program tells the volume that the whole one has, within three standard errors', () => {
  for (const name of PROGRAMS) {
    const whole = sums(profile(`${name}.rate1.pb.gz`));
    const sampled = sums(profile(`${name}.rate512k.pb.gz`));
    expect(Math.abs(sampled.allocBytes - whole.allocBytes)).toBeLessThan(
      3 * sampled.samplingError * sampled.allocBytes,
    );
  }
});

test('the legacy text of a profile says what its profile.proto says, and has MemStats', () => {
  const proto = sums(profile('records.second.pb.gz'));
  const p = profile('records.second.txt');
  const legacy = sums(p);
  expect(p.form).toBe('legacy text');
  expect(p.rate).toBe(524288);
  // Scaled by us there, by the runtime here, which rounds each bucket.
  expect(legacy.allocBytes / proto.allocBytes).toBeCloseTo(1, 6);
  expect(legacy.inuseBytes / proto.inuseBytes).toBeCloseTo(1, 6);
  expect(legacy.sizes.map((s) => s.size)).toEqual(proto.sizes.map((s) => s.size));
  expect(p.memStats?.NumForcedGC).toBe(2);
  expect(p.memStats?.TotalAlloc).toBeGreaterThan(40e6);
});

test('the legacy text has the same stacks as the profile.proto, where symbols are known', () => {
  const build = { focus: String.raw`^main\.build$` };
  const proto = sums(profile('records.second.pb.gz'), build);
  const legacy = sums(profile('records.second.txt'), build);
  expect(proto.allocBytes).toBeGreaterThan(0);
  expect(legacy.allocBytes / proto.allocBytes).toBeCloseTo(1, 6);
});

test('plain or gzip is told by content, in both forms', () => {
  for (const name of ['json.rate1.pb.gz', 'records.second.txt']) {
    const bytes = file(name);
    const plain = name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
    const packed = gzipSync(plain);
    expect(isProfile(plain.subarray(0, 4096))).toBe(true);
    expect(sums(readProfile(packed))).toEqual(sums(readProfile(plain)));
    expect(readProfile(packed).compression).toBe('gzip');
    expect(readProfile(plain).compression).toBe('none');
  }
});

test('focus and ignore choose samples by any function of the stack, as go tool pprof does', () => {
  const p = profile('goparser.rate1.pb.gz');
  const parse = sums(p, { focus: String.raw`\.BenchmarkParse$` });
  const only = sums(p, { focus: String.raw`\.BenchmarkParseOnly$` });
  const both = sums(p, { focus: String.raw`\.BenchmarkParse` });
  expect(parse.allocBytes).toBe(30385672);
  expect(only.allocBytes).toBe(24602640);
  expect(both.allocBytes).toBe(parse.allocBytes + only.allocBytes);
  const rest = sums(p, { ignore: String.raw`\.BenchmarkParse` });
  expect(rest.allocBytes + both.allocBytes).toBe(sums(p).allocBytes);
});
