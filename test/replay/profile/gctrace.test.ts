import { expect, test } from 'vitest';
import { allocatedAt, cpuSeconds, parseGctrace } from '../../../src/replay/profile/gctrace.js';
import { PROGRAMS, text } from './fixture.js';

const MB = 2 ** 20;
const LINE =
  'gc 5 @0.132s 17%: 0.029+32+0.005 ms clock, 0.058+2.8/7.2/0.5+0.010 ms cpu, 16->18->11 MB, 19 MB goal, 0 MB stacks, 1 MB globals, 2 P (forced)';

test('every number of a line', () => {
  const { cycles, missing } = parseGctrace(`${LINE}\n`);
  expect(cycles).toEqual([
    {
      number: 5,
      seconds: 0.132,
      cpuShare: 0.17,
      clock: { sweepTermination: 0.000029, mark: 0.032, markTermination: 0.000005 },
      cpu: { sweepTermination: 0.000058, assist: 0.0028, background: 0.0072, idle: 0.0005, markTermination: 0.00001 },
      start: 16 * MB,
      end: 18 * MB,
      marked: 11 * MB,
      goal: 19 * MB,
      gomaxprocs: 2,
      forced: true,
    },
  ]);
  expect(missing).toBe(4);
  // All but idle workers.
  expect(cpuSeconds(cycles[0])).toBeCloseTo(0.010068, 9);
});

/** Cycles, forced ones, whole MB that the sizes account for; the cycles are counted by grep. */
const LOGS: Record<(typeof PROGRAMS)[number], [number, number, number]> = {
  json: [42, 7, 216],
  gob: [59, 33, 85],
  flate: [195, 195, 153],
  goparser: [34, 7, 82],
};

test.each(PROGRAMS)('%s: the log of real benchmarks, between other lines', (name) => {
  const { cycles, missing, otherProcesses } = parseGctrace(text(`${name}.gctrace-bench.txt`));
  const [count, forced, megabytes] = LOGS[name];
  expect(cycles.length).toBe(count);
  expect(cycles.filter((c) => c.forced).length).toBe(forced);
  expect([missing, otherProcesses]).toEqual([0, 0]);
  expect(cycles.every((c, i) => c.number === i + 1 && c.gomaxprocs === 1)).toBe(true);
  expect(allocatedAt(cycles).at(-1)).toBe(megabytes * MB);
});

test('Go 1.27', () => {
  const { cycles } = parseGctrace(text('records.gctrace.txt'));
  expect(cycles.length).toBe(14);
  expect(cycles.filter((c) => c.forced).length).toBe(2);
  expect(cycles.every((c) => c.gomaxprocs === 2)).toBe(true);
});

test('Go 1.17 has no stacks and globals', () => {
  const old = LINE.replace(', 0 MB stacks, 1 MB globals', '').replace(' (forced)', '');
  expect(parseGctrace(old).cycles[0]).toMatchObject({ goal: 19 * MB, gomaxprocs: 2, forced: false });
});

test('other text around, torn lines, lines of gctrace=2 and scavtrace: passed over and counted', () => {
  const at = (n: number): string => LINE.replace('gc 5', `gc ${n}`);
  const log = [
    'starting up',
    `BenchmarkX \t${at(1)}`,
    at(2).slice(0, 70),
    'scav 12 KiB work (bg), 0 KiB work (eager), 4096 KiB now, 44% util',
    `${at(3)}panic: no`,
    'gc 4 ',
    `\r\n${at(5)}\r`,
  ].join('\n');
  const { cycles, missing } = parseGctrace(log);
  expect(cycles.map((c) => c.number)).toEqual([1, 3, 5]);
  expect(missing).toBe(2);
});

test('several processes: the one with the most cycles', () => {
  const at = (n: number): string => LINE.replace('gc 5', `gc ${n}`);
  const { cycles, otherProcesses } = parseGctrace([1, 2, 1, 2, 3, 1].map(at).join('\n'));
  expect(cycles.map((c) => c.number)).toEqual([1, 2, 3]);
  expect(otherProcesses).toBe(2);
});

test('bytes allocated before each cycle, and in all', () => {
  const cycles = [
    { start: 4, end: 5, marked: 2 },
    { start: 6, end: 6, marked: 1 },
    { start: 3, end: 4, marked: 4 },
  ];
  expect(allocatedAt(cycles)).toEqual([4, 9, 11, 12]);
});
