import { expect, test } from 'vitest';
import { calibrate, calibrateFromMemStats } from '../../../src/replay/profile/calibrate.js';
import { expected, type GcTrace, parseGctrace } from '../../../src/replay/profile/gctrace.js';
import { modelFromProfile, perOperation, suggestedSettings } from '../../../src/replay/profile/model.js';
import { profile, text } from './fixture.js';

const MB = 2 ** 20;

function log(
  cycles: [start: number, end: number, marked: number, forced?: boolean][],
  more: Partial<GcTrace> = {},
): GcTrace {
  const lines = cycles.map(
    ([start, end, marked, forced], i) =>
      `gc ${i + 1} @${i}.000s 1%: 0.1+1+0.1 ms clock, 0.1+0/1/0+0.1 ms cpu, ${start}->${end}->${marked} MB, 99 MB goal, ` +
      `0 MB stacks, 0 MB globals, 4 P${forced ? ' (forced)' : ''}`,
  );
  return { ...parseGctrace(lines.join('\n')), ...more };
}

const json = modelFromProfile(profile('json.rate1.pb.gz'));

test('the young that are alive: what the cycles found, less what was born while they marked, less the base', () => {
  const m = calibrate(
    json,
    log([
      [20, 22, 12],
      [20, 22, 12],
      [9, 9, 4, true],
    ]),
  );
  // Marked 12 MB (cut: 12.49 on average), 2 MB of them born during the mark.
  expect(m.youngLife).toBeCloseTo(expected(12 * MB) - 2 * MB - json.baseBytes, 0);
  expect(m.gomaxprocs).toBe(4);
  expect(m.seconds).toBeCloseTo(2.001, 6);
  // The forced one stands at the end: 20 + 2 + 8 + 2 + (nothing: 9 < 12) of 32 MB allocated.
  expect(m.forced).toEqual([{ at: 1 }]);
  expect(m.allocBytes).toBeCloseTo(32 * MB, 0);
});

test('the duration is that of the run whose volume is played', () => {
  const l = log([[20, 22, 12]]);
  expect(calibrate({ ...json, seconds: 60 }, l).seconds).toBeCloseTo(0.001, 6);
  expect(calibrate({ ...json, seconds: 60 }, l, { volume: 'profile' }).seconds).toBe(60);
});

test('a log that begins in the middle is of the time from there', () => {
  const tail = log([
    [20, 22, 12],
    [20, 22, 12],
  ]);
  const cycles = tail.cycles.map((c) => ({ ...c, number: c.number + 100, seconds: c.seconds + 500 }));
  expect(calibrate(json, { ...tail, cycles, missing: 100 }).seconds).toBeCloseTo(1.001, 6);
});

test('a log that found less than the profile has in use is right', () => {
  const m = calibrate(
    json,
    log([
      [4, 4, 1],
      [4, 4, 1],
    ]),
  );
  expect(m.youngLife).toBe(0);
  // Cut to 1 MB, but the whole profile's base is known to be more: 2 MB at the most.
  expect(m.baseBytes).toBe(json.baseBytes);
  const sampled = modelFromProfile(profile('json.rate512k.pb.gz'));
  const s = calibrate(
    sampled,
    log([
      [4, 4, 1],
      [4, 4, 1],
    ]),
    { volume: 'profile' },
  );
  expect(s.baseBytes).toBeCloseTo(expected(MB), 0);
  expect(s.sizes.reduce((n, x) => n + x.base * x.size, 0)).toBeCloseTo(expected(MB), 0);
  // What was allocated stays.
  expect(s.sizes.reduce((n, x) => n + (x.base + x.young) * x.size, 0)).toBeCloseTo(sampled.allocBytes, 0);
  expect(s.notes.some((note) => note.includes('die at once'))).toBe(true);
});

test("whose volume is played is the caller's choice, and a difference is said", () => {
  const half = log([
    [60, 60, 10],
    [70, 70, 10],
  ]);
  const m = calibrate(json, half, { volume: 'profile' });
  expect(m.allocBytes).toBe(json.allocBytes);
  expect(m.notes.join()).toMatch(/log accounts for 120\.0 MB .* 230\.8 MB; the profile/);
  const byLog = calibrate({ ...json, operations: 100 }, half);
  expect(perOperation(byLog)?.bytes).toBeCloseTo(json.allocBytes / 100, 3);
  expect(byLog.allocBytes).toBeCloseTo(120 * MB, 0);
  expect(byLog.sizes.reduce((n, x) => n + (x.base + x.young) * x.size, 0)).toBeCloseTo(120 * MB, 0);
  expect(byLog.baseBytes).toBe(json.baseBytes);
});

test('the settings that a calibrated model suggests', () => {
  const m = calibrate(json, parseGctrace(text('json.gctrace-bench.txt')));
  expect(suggestedSettings(m)).toMatchObject({ gomaxprocs: 1, scan: 'all', rootsTable: 'none' });
  expect(suggestedSettings(m).timeBase).toEqual({ kind: 'bytesPerSecond', bytes: m.allocBytes / (m.seconds ?? 0) });
  expect(suggestedSettings(json)).not.toHaveProperty('timeBase');
});

test('a size cut to whole MB: half a MB more, but less where it reads nothing', () => {
  expect(expected(20 * MB) / MB).toBeCloseTo(20.5, 1);
  expect(expected(0) / MB).toBeGreaterThan(0.3);
  expect(expected(0) / MB).toBeLessThan(0.4);
  expect(expected(0, 0.9 * MB) / MB).toBeCloseTo(0.95, 2);
  // The least may be more than the whole MB: then it is what counts.
  expect(expected(0, 3 * MB)).toBe(3 * MB);
});

test('MemStats of the same moment tell the live heap by NextGC, and the forced cycles', () => {
  const p = profile('records.second.txt');
  const m = modelFromProfile(p);
  const c = calibrateFromMemStats(m, p.memStats ?? {});
  expect(c.youngLife + m.baseBytes).toBeCloseTo((p.memStats?.NextGC ?? 0) / 2, 0);
  expect(c.forced).toHaveLength(2);
  // Below the floor of 4 MB NextGC says nothing.
  const floor = calibrateFromMemStats(m, { NextGC: 4 * MB });
  expect(floor.youngLife).toBe(0);
  expect(floor.notes.join()).toMatch(/floor/);
});
