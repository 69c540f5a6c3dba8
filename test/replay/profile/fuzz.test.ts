/**
 * Whatever comes in as a profile, a log or MemStats: a model that plays to its end by the rules of
 * events.ts, or a ReplayInputError that a client is told as one of bad input, never as a mistake of
 * ours.
 */

import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ReplayInputError } from '../../../src/replay/events.js';
import { calibrate, calibrateFromMemStats } from '../../../src/replay/profile/calibrate.js';
import { parseGctrace } from '../../../src/replay/profile/gctrace.js';
import { ProfileStream } from '../../../src/replay/profile/generator.js';
import { parseMemStats } from '../../../src/replay/profile/memstats-text.js';
import { modelFromProfile, modelFromTwo, type RateModel } from '../../../src/replay/profile/model.js';
import { looksLikeProfile } from '../../../src/replay/profile/peek.js';
import { readProfile } from '../../../src/replay/profile/read.js';
import { replayProblem } from '../../../src/server/replays/problems.js';
import { effort } from '../../helper/effort.js';
import { length, number, types } from '../../helper/protobuf.js';
import { Collected, conserved } from '../readers/support.js';
import { file, text } from './fixture.js';

vi.setConfig({ testTimeout: effort(120_000, 1_200_000) });

const EVENTS = 1000;

function play(model: RateModel): void {
  const sink = new Collected();
  const stream = new ProfileStream(model, sink, { maxEvents: EVENTS });
  while (stream.step(EVENTS)) {}
  sink.events();
  conserved(stream.report);
  // As it is posted, kept and sent.
  expect(JSON.stringify(stream.report).length).toBeLessThan(32_768);
}

/** `known`: its code is one of those that a server passes on. */
function survives(work: () => void, known = true): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ReplayInputError)) throw error;
    if (known) expect(replayProblem(error), `${error.code} ${error.message}`).toMatchObject({ unexpected: false });
    expect(error.message.length).toBeLessThan(1000);
  }
}

function read(bytes: Uint8Array): void {
  looksLikeProfile(bytes);
  survives(() => {
    const profile = readProfile(bytes);
    for (const { stack } of profile.buckets.slice(0, 10)) stack.flat();
    const model = modelFromProfile(profile);
    play(model);
    if (profile.memStats !== null) play(calibrateFromMemStats(model, profile.memStats));
  });
}

const edits = fc.array(
  fc.record({
    at: fc.nat(),
    length: fc.nat(40),
    to: fc.nat(),
    kind: fc.constantFrom('byte', 'bit', 'cut', 'double', 'digit', 'digits'),
    byte: fc.nat(255),
  }),
  { minLength: 1, maxLength: 8 },
);
type Edit = typeof edits extends fc.Arbitrary<(infer E)[]> ? E : never;

function edited(original: Uint8Array, changes: readonly Edit[]): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (const { at, length: n, to, kind, byte } of changes) {
    if (bytes.length === 0) break;
    const from = at % bytes.length;
    if (kind === 'byte') bytes[from] = byte;
    else if (kind === 'bit') bytes[from] ^= 1 << (byte & 7);
    else if (kind === 'digit') bytes[from] = 48 + (byte % 10);
    else if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + n)]);
    else {
      const more = kind === 'digits' ? Buffer.alloc(n % 20, '9') : bytes.subarray(from, from + n);
      const target = to % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, target), more, bytes.subarray(target)]);
    }
  }
  return bytes;
}

const legacy = file('records.second.txt');
/** The end of it is what calibration reads. */
const SEEDS: [string, Buffer][] = [
  ['flate.rate512k.pb.gz', gunzipSync(file('flate.rate512k.pb.gz'))],
  ['records.second.pb.gz', gunzipSync(file('records.second.pb.gz'))],
  [
    'records.second.txt',
    Buffer.concat([legacy.subarray(0, 1500), legacy.subarray(legacy.indexOf('# runtime.MemStats'))]),
  ],
];

describe('mutated profiles', () => {
  test.each(SEEDS)('%s', (_name, seed) => {
    fc.assert(
      fc.property(edits, (changes) => read(edited(seed, changes))),
      { numRuns: effort(300, 5000) },
    );
  });

  test('packed, and mutated then', () => {
    const packed = gzipSync(SEEDS[2][1]);
    fc.assert(
      fc.property(edits, (changes) => read(edited(packed, changes))),
      { numRuns: effort(300, 5000) },
    );
    const gz = file('records.second.pb.gz');
    fc.assert(
      fc.property(edits, (changes) => read(edited(gz, changes))),
      { numRuns: effort(300, 5000) },
    );
  });
});

test('any numbers', () => {
  const numbers = fc.oneof(
    fc.nat(1000),
    fc.maxSafeNat(),
    fc.constantFrom(0, 1, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 2048),
  );
  const samples = fc.array(fc.tuple(fc.array(numbers, { minLength: 3, maxLength: 5 }), fc.option(numbers)), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(numbers, numbers, samples, (period, duration, all) => {
      const messages = all.map(([values, size]) => {
        const label = size === null ? [] : [length(3, Buffer.concat([number(1, 6), number(3, size)]))];
        return length(2, Buffer.concat([...values.map((value) => number(2, value)), ...label]));
      });
      read(Buffer.concat([types(), number(12, period), number(10, duration), ...messages]));
      const lines = all.map(([values]) => `${values[0]}: ${values[1]} [${values[2]}: ${values[3] ?? 1}] @ 0x1\n`);
      const stats = `# runtime.MemStats\n# NumForcedGC = ${period}\n# NextGC = ${duration}\n# Mallocs = 7\n# TotalAlloc = 9\n`;
      read(Buffer.from(`heap profile: 1: 2 [3: 4] @ heap/${period}\n${lines.join('')}${stats}`));
    }),
    { numRuns: effort(300, 3000) },
  );
});

describe('mutated logs', () => {
  const profile = readProfile(file('records.second.pb.gz'));
  const first = readProfile(file('records.first.pb.gz'));

  test('gctrace', () => {
    const log = Buffer.from(text('records.gctrace.txt'));
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = edited(log, changes).toString();
        survives(() => play(calibrate(modelFromProfile(profile), parseGctrace(bytes))), false);
        survives(() => play(calibrate(modelFromTwo(first, profile), parseGctrace(bytes))), false);
      }),
      { numRuns: effort(300, 5000) },
    );
  });

  test('MemStats, as lines and as JSON', () => {
    const lines = Buffer.from(legacy.subarray(legacy.indexOf('# runtime.MemStats')));
    const json = Buffer.from(JSON.stringify({ memstats: parseMemStats(lines.toString()) }));
    for (const seed of [lines, json]) {
      fc.assert(
        fc.property(edits, (changes) => {
          const bytes = edited(seed, changes).toString();
          survives(() => play(calibrateFromMemStats(modelFromProfile(profile), parseMemStats(bytes))), false);
        }),
        { numRuns: effort(200, 3000) },
      );
    }
  });
});
