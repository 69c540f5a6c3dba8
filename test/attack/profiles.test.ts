/**
 * Heap profiles that are small and would take gigabytes: what would be decoded is counted before it
 * is, and nothing is multiplied. Nothing here measures time: what is counted, and how much of it
 * was looked at, is the proof.
 */

import { gzipSync } from 'node:zlib';
import { Function as Func, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format';
import { describe, expect, test } from 'vitest';
import { ReplayInputError } from '../../src/replay/events.js';
import { calibrateFromMemStats } from '../../src/replay/profile/calibrate.js';
import { planStream } from '../../src/replay/profile/generator.js';
import { sums } from '../../src/replay/profile/heapprofile.js';
import { parseMemStatsLines } from '../../src/replay/profile/memstats-text.js';
import { modelFromProfile } from '../../src/replay/profile/model.js';
import { readProfile } from '../../src/replay/profile/read.js';
import { countProfile, PROFILE_BOUNDS } from '../../src/replay/profile/wire.js';
import { replayProblem } from '../../src/server/replays/problems.js';
import { length, number, repeated, types } from '../helper/protobuf.js';

/** As fast as can be, where it does not matter how small. */
const packed = (bytes: Uint8Array | string): Buffer => gzipSync(bytes, { level: 1 });

/** What a client is told. */
function refusal(bytes: Uint8Array): { code: string; status: number; detail: string } {
  let error: unknown;
  try {
    readProfile(bytes);
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(ReplayInputError);
  const { problem, unexpected } = replayProblem(error);
  expect(unexpected).toBe(false);
  return { code: problem.code, status: problem.status, detail: problem.message };
}

const SAMPLE = length(2, Buffer.concat([length(1, Buffer.from([1, 1])), length(2, Buffer.from([1, 64, 1, 64]))]));
/** One more than may be of each kind, each as small as it gets. */
const TOO_MANY: [keyof typeof PROFILE_BOUNDS, Buffer][] = [
  ['sampleTypes', length(1, number(1, 1))],
  ['samples', length(2, Buffer.alloc(0))],
  ['labels', length(2, repeated(length(3, Buffer.alloc(0)), 64))],
  ['mappings', length(3, Buffer.alloc(0))],
  ['locations', length(4, Buffer.alloc(0))],
  ['lines', length(4, repeated(length(4, Buffer.alloc(0)), 64))],
  ['functions', length(5, Buffer.alloc(0))],
  ['strings', length(6, Buffer.alloc(0))],
  ['stringBytes', length(6, Buffer.alloc(15_000))],
  ['comments', number(13, 0)],
  ['numbers', number(9, 1)],
];

describe('more than a profile may have', () => {
  test.each(TOO_MANY)('%s', (what, piece) => {
    const { most, what: words } = PROFILE_BOUNDS[what];
    const times = what === 'stringBytes' ? Math.ceil(most / 15_000) : most + 1;
    const { code, status, detail } = refusal(packed(Buffer.concat([types(), SAMPLE, repeated(piece, times)])));
    expect([code, status]).toEqual(['replay-too-large', 413]);
    expect(detail).toContain(`more than ${most} ${words}`);
  });

  test('values and frames of few samples', () => {
    for (const [field, what] of [
      [1, 'frames'],
      [2, 'values'],
    ] as const) {
      const { most, what: words } = PROFILE_BOUNDS[what];
      const content = Buffer.concat([types(), length(2, length(field, Buffer.alloc(most + 1, 1)))]);
      const { code, detail } = refusal(packed(content));
      expect(code).toBe('replay-too-large');
      expect(detail).toContain(words);
    }
    const large = Buffer.from([0xff, 0xff, 0xff, 0xff, 1]);
    const ids = length(2, length(1, repeated(large, PROFILE_BOUNDS.large.most + 1)));
    expect(refusal(Buffer.concat([types(), ids])).detail).toContain(PROFILE_BOUNDS.large.what);
  });

  test('a long string', () => {
    expect(refusal(Buffer.concat([types(), length(6, Buffer.alloc(16_001, 'x'))])).detail).toContain('of one string');
  });

  test('30 million empty strings of 29 KB, 30 million samples', () => {
    for (const field of [6, 2]) {
      const bomb = gzipSync(Buffer.concat([types(), repeated(length(field, Buffer.alloc(0)), 30_000_000)]));
      expect(bomb.length).toBeLessThan(70_000);
      expect(refusal(bomb)).toMatchObject({ code: 'replay-too-large', status: 413 });
    }
  });
});

describe('what a decoder takes for something', () => {
  test('a number of a million bytes, which takes quadratic time', () => {
    const endless = Buffer.concat([Buffer.from([9 << 3]), Buffer.alloc(1_000_000, 0xff), Buffer.from([1])]);
    expect(refusal(Buffer.concat([types(), endless]))).toMatchObject({ code: 'replay-damaged', status: 422 });
  });

  test('lengths that lead out of their message, numbers that do not end, other wire types', () => {
    for (const bad of [
      [(2 << 3) | 2, 5, 1],
      [(2 << 3) | 2, 3, (1 << 3) | 2, 9, 1],
      [9 << 3, 0x80],
      [(9 << 3) | 1],
      [0],
      [0x82, 1, 0],
      [2 << 3, 0],
    ]) {
      expect(refusal(Buffer.concat([types(), Buffer.from(bad)])).code, String(bad)).toBe('replay-damaged');
    }
  });
});

test('locations times lines are not written out', () => {
  const most = 20_000;
  const strings = new StringTable();
  const type = (name: string) => new ValueType({ type: strings.dedup(name), unit: strings.dedup('count') });
  const sampleType = ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'].map(type);
  const profile = new Profile({
    sampleType,
    stringTable: strings,
    function: [new Func({ id: 1, name: strings.dedup('main.f') }), new Func({ id: 2, name: strings.dedup('main.g') })],
    location: [new Location({ id: 1, line: Array.from({ length: most }, () => new Line({ functionId: 1 })) })],
    sample: [1, 2].map((n) => new Sample({ value: [n, 64 * n, n, 64 * n], locationId: Array(most).fill(1) })),
    period: 1,
  });
  const small = gzipSync(profile.encode());
  expect(small.length).toBeLessThan(1000);
  const read = readProfile(small);
  const [{ stack }, other] = read.buckets;
  expect(stack.length).toBe(most);
  expect(stack[0].length).toBe(most);
  // One location, however often it is named.
  expect(new Set([...stack, ...other.stack]).size).toBe(1);
  expect(sums(read, { focus: '^main\\.f$' }).allocBytes).toBe(192);
  expect(sums(read, { ignore: 'main\\.f' }).allocBytes).toBe(0);
  expect(sums(read, { focus: 'main\\.g' }).allocBytes).toBe(0);
});

test('a large program is far from the bounds', () => {
  // 100,000 samples of 64 frames each, 40,000 strings, 20,000 functions.
  const names = Array.from({ length: 40_000 }, (_, i) => length(6, Buffer.from(`package/path.of(*Type).Method${i}`)));
  const functions = Array.from({ length: 20_000 }, (_, i) =>
    length(5, Buffer.concat([number(1, i + 1), number(2, i + 7)])),
  );
  const sample = Buffer.concat([length(1, Buffer.alloc(64, 1)), length(2, Buffer.from([2, 128, 1, 0, 0]))]);
  const content = Buffer.concat([types(), ...names, ...functions, repeated(length(2, sample), 100_000)]);
  const counts = countProfile(content);
  expect(counts).toMatchObject({ samples: 100_000, frames: 6_400_000, values: 400_000, functions: 20_000 });
  expect(readProfile(content).buckets.length).toBe(100_000);
});

describe('the legacy text', () => {
  const head = 'heap profile: 1: 2 [3: 4] @ heap/2\n';

  test('samples and names', () => {
    const samples = PROFILE_BOUNDS.samples.most + 1;
    expect(refusal(packed(head + '1: 5 [1: 5] @\n'.repeat(samples)))).toMatchObject({ code: 'replay-too-large' });
    let names = `${head}1: 5 [1: 5] @\n`;
    for (let i = 0; i <= PROFILE_BOUNDS.functions.most; i++) names += `#\t0x1\tf${i}\tx\n`;
    expect(refusal(Buffer.from(names)).detail).toContain(PROFILE_BOUNDS.functions.what);
  });

  test('60 million empty lines, and a line of megabytes', () => {
    expect(readProfile(packed(`${head}1: 5 [1: 5] @\n${'\n'.repeat(60_000_000)}`)).buckets.length).toBe(1);
    expect(refusal(Buffer.from(`${head}${'1'.repeat(1 << 20)}\n`))).toMatchObject({ code: 'replay-damaged' });
  });

  test('frames share their names', () => {
    const read = readProfile(Buffer.from(head + '1: 5 [1: 5] @ 0x1\n#\t0x1\tmain.f+0x1\tx.go:1\n'.repeat(1000)));
    expect(new Set(read.buckets.flatMap(({ stack }) => stack)).size).toBe(1);
  });
});

describe('MemStats', () => {
  test('thousands of millions of forced collections', () => {
    const profile = readProfile(
      Buffer.from(
        'heap profile: 1: 2 [3: 4] @ heap/2\n1: 50 [9: 450] @\n\n# runtime.MemStats\n# NumForcedGC = 4000000000\n',
      ),
    );
    const model = calibrateFromMemStats(modelFromProfile(profile), profile.memStats!);
    expect(model.forced.length).toBe(1 << 20);
    expect(model.notes.join()).toContain('forced 4000000000 collections');
    expect(planStream(model, { maxEvents: 1000 }).forcedAt.length).toBeLessThanOrEqual(1 << 20);
  });

  test('arrays of more pauses than Go keeps', () => {
    expect(parseMemStatsLines([`# PauseNs = [${'1 '.repeat(30_000)}]`])?.PauseNs?.length).toBe(256);
  });
});
