/** Every way in which a profile, a log or a URL can be wrong: one ReplayInputError with a sentence, in bounded time and memory. */

import { gunzipSync, gzipSync } from 'node:zlib';
import { Label, Profile, Sample, StringTable, ValueType } from 'pprof-format';
import { expect, test } from 'vitest';
import { ReplayInputError } from '../../../src/replay/events.js';
import { parseGctrace } from '../../../src/replay/profile/gctrace.js';
import { planStream } from '../../../src/replay/profile/generator.js';
import { sums } from '../../../src/replay/profile/heapprofile.js';
import { parseMemStats } from '../../../src/replay/profile/memstats-text.js';
import { modelFromProfile, modelFromTwo } from '../../../src/replay/profile/model.js';
import { isProfile, readProfile } from '../../../src/replay/profile/read.js';
import { file, profile } from './fixture.js';

const HEAP_TYPES = ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'];

interface Made {
  types?: string[];
  period?: number;
  values?: (number | bigint)[];
  size?: number;
  durationNanos?: bigint;
}

function made({ types = HEAP_TYPES, period = 1, values = [1, 64, 1, 64], size = 64, durationNanos }: Made): Uint8Array {
  const strings = new StringTable();
  const label = size === 0 ? [] : [new Label({ key: strings.dedup('bytes'), num: size })];
  return gzipSync(
    new Profile({
      stringTable: strings,
      sampleType: types.map((t) => new ValueType({ type: strings.dedup(t), unit: strings.dedup('count') })),
      sample: [new Sample({ value: values, label })],
      period,
      durationNanos,
    }).encode(),
  );
}

function error(run: () => unknown): ReplayInputError {
  try {
    run();
  } catch (e) {
    expect(e).toBeInstanceOf(ReplayInputError);
    return e as ReplayInputError;
  }
  throw new Error('no error');
}

const whole = file('json.rate1.pb.gz');
const legacy = file('records.second.txt').toString();

const CASES: [name: string, input: () => Uint8Array, code: string, message: RegExp][] = [
  ['nothing', () => new Uint8Array(0), 'replay-empty', /empty/],
  ['garbage', () => Buffer.from('\u0007\u0001garbage, not a profile'), 'replay-unknown-format', /\/debug\/pprof\/heap/],
  ['gzip of garbage', () => gzipSync(Buffer.alloc(1000, 0xff)), 'replay-unknown-format', /neither/],
  ['a gzip header and no more', () => whole.subarray(0, 5), 'replay-truncated', /cut off/],
  ['a truncated gzip', () => whole.subarray(0, whole.length >> 1), 'replay-truncated', /cut off/],
  ['a damaged gzip', () => Buffer.from(whole).fill(0x55, 2000, 2100), 'replay-damaged', /gzip stream/],
  ['a CPU profile', () => made({ types: ['samples', 'cpu'], values: [1, 10] }), 'replay-profile-kind', /samples, cpu/],
  ['a period of zero', () => made({ period: 0 }), 'replay-profile-period', /MemProfileRate\) is 0/],
  ['a negative period', () => made({ period: -1 }), 'replay-profile-period', /is -1/],
  [
    'a negative count',
    () => made({ values: [-1, -64, 0, 0] }),
    'replay-profile-negative',
    /difference of two profiles/,
  ],
  ['a huge count', () => made({ values: [1, 2n ** 62n, 0, 0] }), 'replay-profile-implausible', /damaged/],
  ['a sample without its values', () => made({ values: [1, 64] }), 'replay-damaged', /no inuse_objects/],
  ['bytes of no objects and no size', () => made({ values: [0, 64, 0, 0], size: 0 }), 'replay-damaged', /no size/],
  ['an object of negative size', () => made({ size: -8 }), 'replay-damaged', /no size/],
  [
    'a legacy header of tcmalloc',
    () => Buffer.from('heap profile: 1: 2 [3: 4] @ heapprofile\n'),
    'replay-profile-kind',
    /heapprofile/,
  ],
  [
    'a legacy header without a rate',
    () => Buffer.from('heap profile: 1: 2 [3: 4] @ heap/0\n'),
    'replay-profile-period',
    /heap\/0/,
  ],
  ['a legacy header of something else', () => Buffer.from('heap profile: none\n'), 'replay-damaged', /line 1/],
  [
    'a legacy line of something else',
    () => Buffer.from(`${legacy.slice(0, legacy.indexOf('\n') + 1)}what?\n`),
    'replay-damaged',
    /line 2.*what\?/,
  ],
  [
    'a legacy line with a negative count',
    () => Buffer.from('heap profile: 1: 2 [3: 4] @ heap/2\n1: -5 [1: 5] @ 0x1\n'),
    'replay-profile-negative',
    /line 2/,
  ],
  [
    'a legacy line with a huge count',
    () => Buffer.from('heap profile: 1: 2 [3: 4] @ heap/2\n1: 5 [1: 9000000000000000000] @ 0x1\n'),
    'replay-profile-implausible',
    /line 2/,
  ],
];

test.each(CASES)('%s', (_name, input, code, message) => {
  const e = error(() => readProfile(input()));
  expect(e.code).toBe(code);
  expect(e.message).toMatch(message);
  expect(e.message).not.toContain('\n');
});

test('a gzip bomb costs no more than the bound', () => {
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  expect(bomb.length).toBeLessThan(100_000);
  const e = error(() => readProfile(bomb, 1 << 20));
  expect(e.code).toBe('replay-too-large');
});

test('huge counts that add up to more than a number can hold', () => {
  const p = readProfile(made({ values: [1, 2 ** 52, 0, 0] }));
  const many = { ...p, buckets: Array.from({ length: 100 }, () => p.buckets[0]) };
  expect(error(() => sums(many)).code).toBe('replay-profile-implausible');
});

test('a profile.proto cut anywhere is an error or a profile, never another exception', () => {
  const plain = gunzipSync(file('flate.rate512k.pb.gz'));
  for (let length = 1; length < plain.length; length += 37) {
    try {
      readProfile(plain.subarray(0, length));
    } catch (e) {
      expect(e).toBeInstanceOf(ReplayInputError);
    }
  }
});

test('a profile.proto with any byte changed is an error or a profile, never another exception', () => {
  const plain = gunzipSync(file('flate.rate512k.pb.gz'));
  for (let at = 0; at < plain.length; at += 41) {
    const bad = Buffer.from(plain);
    bad[at] ^= 0xff;
    try {
      sums(readProfile(bad));
    } catch (e) {
      expect(e, `byte ${at}`).toBeInstanceOf(ReplayInputError);
    }
  }
});

test('other files are not taken for profiles', () => {
  for (const head of [
    '= Start\n@ ./a:[0x1] + 0x5 0x10\n',
    '{"a": 1}',
    'gc 1 @0.007s 3%: ',
    '202: malloc 0xb4 1024\n',
    '\n\n\n\n',
  ]) {
    expect(isProfile(Buffer.from(head)), head).toBe(false);
  }
});

test('models of nonsense', () => {
  const p = profile('json.rate1.pb.gz');
  expect(error(() => modelFromProfile(p, { seconds: 0 })).message).toMatch(/duration .* positive/);
  expect(error(() => modelFromProfile(p, { operations: Number.NaN })).message).toMatch(/operations/);
  expect(error(() => modelFromProfile(p, { focus: '(' })).code).toBe('replay-profile-selection');
  expect(error(() => modelFromProfile(p, { focus: 'no such function' })).message).toMatch(/focus/);
  expect(error(() => modelFromTwo(p, profile('json.rate512k.pb.gz'))).message).toMatch(/different rates/);
  expect(error(() => modelFromTwo(p, profile('gob.rate1.pb.gz'))).code).toBe('replay-profile-pair');
  expect(error(() => modelFromTwo(p, p)).code).toBe('replay-profile-empty');
  expect(error(() => planStream(modelFromProfile(p), { maxEvents: 10 })).code).toBe('replay-profile-events');
});

test('logs and statistics without any', () => {
  expect(error(() => parseGctrace('no gc here\n')).message).toMatch(/GODEBUG=gctrace=1/);
  expect(error(() => parseGctrace('')).code).toBe('replay-gctrace-empty');
  expect(error(() => parseMemStats('# hello\n')).code).toBe('replay-memstats-empty');
  expect(error(() => parseMemStats('{"cmdline": []}')).code).toBe('replay-memstats-empty');
  expect(error(() => parseMemStats('{"memstats": {"HeapAlloc": ')).code).toBe('replay-damaged');
});

test('a line of ten million characters is read in no time', () => {
  const long = `gc ${'1'.repeat(5_000_000)} @${'1'.repeat(5_000_000)}`;
  expect(error(() => parseGctrace(long)).code).toBe('replay-gctrace-empty');
});
