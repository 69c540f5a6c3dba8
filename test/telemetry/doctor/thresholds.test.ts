/** Every rule on both sides of each of its thresholds, by numbers: no clock and no thread is asked. */

import { describe, expect, it, test } from 'vitest';
import { diagnose, examination, RULES } from '../../../src/telemetry/doctor/doctor.js';
import type { Facts } from '../../../src/telemetry/doctor/facts.js';
import type { Severity } from '../../../src/telemetry/doctor/rule.js';
import { CLASS, cycle, facts, type Happened, MiB, SPC } from './facts.js';

const mem = (changed: Partial<Facts['mem']>): Partial<Facts> => ({ mem: { ...facts().mem, ...changed } });
const gc = (share: number, cycles: number, idle = 0.5): Partial<Happened> => ({
  cycles,
  // Of two Ps and one second.
  cpu: { assist: 0, pause: 0, dedicated: share * 2e9, idle: idle * 2e9 },
});
const contended = (n: number, waitShare: number, rest: Partial<Happened> = {}): Partial<Happened> => ({
  acquisitions: 5000,
  contended: n,
  waitSeconds: waitShare * 2,
  ...rest,
});
const rising = (cycles: number, from: number, to: number): Partial<Facts> => ({
  cycles: [
    ...Array.from({ length: cycles }, (_, i) => cycle(50 - i, to - ((to - from) * i) / cycles)),
    cycle(50 - cycles, from),
    cycle(49 - cycles, from + 1),
  ],
});
const oneObject = (spans: number): Partial<Facts> => ({
  oneObject: facts().oneObject.map((none, spc) => (spc === SPC ? { spans, bytes: spans * 8192 } : none)),
});
const requested = (slotBytes: number, wasted: number): Partial<Facts> => ({
  slotBytes: facts().slotBytes.map((_, c) => (c === CLASS ? slotBytes : 0)),
  requested: facts().requested.map((_, c) => (c === CLASS ? slotBytes * (1 - wasted) : 0)),
});
const limited = (ofLimit: number, limited = false): Partial<Facts> => ({
  memoryLimit: 1000 * MiB,
  mapped: ofLimit * 1000 * MiB,
  limited,
});

it('says nothing of a heap that is well', () => {
  expect(diagnose(facts())).toEqual([]);
  expect(examination(facts())).toMatchObject({ healthy: true, window: 1, summary: expect.stringMatching(/well/) });
});

type Case = [what: string, code: string, expected: Severity | undefined, Partial<Happened>, Partial<Facts>?];

const CASES: Case[] = [
  // Ps that meet often and lose no time by it are well: these are the numbers of a real server at work on a busy machine.
  ['146 waits in 0.5 % of the time', 'central-contention', undefined, contended(146, 0.0047)],
  ['many waits in 4.9 % of the time', 'central-contention', undefined, contended(4000, 0.049)],
  ['many waits in 5 % of the time', 'central-contention', 'warning', contended(4000, 0.05)],
  ['50 waits in 5 % of the time', 'central-contention', 'warning', contended(50, 0.05)],
  ['49 long waits', 'central-contention', undefined, contended(49, 0.5)],
  ['waits for the heap lock', 'central-contention', 'warning', contended(80, 0.2, { at: 'heap' })],

  // Two Ps, one class, one cycle: four refills say nothing.
  ['one in ninety', 'mcache-thrash', undefined, { allocations: 1000, refills: 15 }],
  ['one in ten, twelve times the ideal', 'mcache-thrash', 'warning', { allocations: 1000, refills: 104 }],
  ['nearly one in ten', 'mcache-thrash', undefined, { allocations: 1000, refills: 103 }],
  ['one in two', 'mcache-thrash', 'warning', { allocations: 500, refills: 254 }],
  ['one in two of few', 'mcache-thrash', undefined, { allocations: 499, refills: 254 }],
  ['one in nine, 99 allocations a class', 'mcache-thrash', undefined, { allocations: 990, refills: 150, classes: 10 }],
  [
    'one in nine, 100 allocations a class',
    'mcache-thrash',
    'warning',
    { allocations: 1000, refills: 151, classes: 10 },
  ],
  ['one in two, after many cycles', 'mcache-thrash', undefined, { allocations: 500, refills: 254, cycles: 103 }],

  ['a fifth of the CPU', 'gc-too-often', 'warning', gc(0.2, 2)],
  ['less than a fifth', 'gc-too-often', undefined, gc(0.199, 2, 0)],
  ['a quarter, inside one long mark', 'gc-too-often', undefined, gc(0.25, 1)],
  ['ten cycles a second, a tenth of what is busy', 'gc-too-often', 'warning', gc(0.02, 10, 0.8)],
  ['ten cycles a second, less of what is busy', 'gc-too-often', undefined, gc(0.0199, 10, 0.8)],
  ['nine cycles a second', 'gc-too-often', undefined, gc(0.1, 9, 0.8)],

  ['85 % of the limit, a fifth of the CPU', 'limit-thrash', 'critical', gc(0.2, 2), limited(0.85)],
  ['85 % of the limit, inside one long mark', 'limit-thrash', undefined, gc(0.25, 1), limited(0.85)],
  ['84 % of the limit', 'limit-thrash', undefined, gc(0.2, 2), limited(0.84)],
  ['85 % of the limit, five cycles a second', 'limit-thrash', 'warning', gc(0.1, 5), limited(0.85)],
  ['85 % of the limit, four cycles a second', 'limit-thrash', undefined, gc(0.1, 4), limited(0.85)],
  ['85 % of the limit, the limiter on', 'limit-thrash', 'critical', gc(0.1, 0), limited(0.85, true)],

  ['eight cycles, 30 % more', 'leak-suspicion', 'warning', {}, rising(8, 100 * MiB, 130 * MiB)],
  ['eight cycles, 29 % more', 'leak-suspicion', undefined, {}, rising(8, 100 * MiB, 129 * MiB)],
  ['seven cycles', 'leak-suspicion', undefined, {}, rising(7, 100 * MiB, 200 * MiB)],
  ['eight cycles of little', 'leak-suspicion', undefined, {}, rising(8, MiB, 4.9 * MiB)],
  ['eight cycles of enough', 'leak-suspicion', 'warning', {}, rising(8, MiB, 5 * MiB)],

  ['a fifth wasted', 'internal-fragmentation', 'warning', {}, requested(MiB, 0.25)],
  ['less wasted', 'internal-fragmentation', undefined, {}, requested(MiB, 0.1875)],
  ['a fifth of little', 'internal-fragmentation', undefined, {}, requested(MiB - 1024, 0.25)],

  [
    '70 % free at GOGC=100',
    'external-fragmentation',
    'warning',
    {},
    mem({ HeapInuse: 100 * MiB, HeapAlloc: 30 * MiB }),
  ],
  ['69 % free', 'external-fragmentation', undefined, {}, mem({ HeapInuse: 100 * MiB, HeapAlloc: 31 * MiB })],
  ['85 % free', 'external-fragmentation', 'critical', {}, mem({ HeapInuse: 100 * MiB, HeapAlloc: 15 * MiB })],
  ['8 MiB free', 'external-fragmentation', 'warning', {}, mem({ HeapInuse: 10 * MiB, HeapAlloc: 2 * MiB })],
  ['less than 8 MiB free', 'external-fragmentation', undefined, {}, mem({ HeapInuse: 9.9 * MiB, HeapAlloc: 2 * MiB })],
  [
    '70 % free at GOGC=300',
    'external-fragmentation',
    undefined,
    {},
    { gogc: 300, ...mem({ HeapInuse: 100 * MiB, HeapAlloc: 30 * MiB }) },
  ],

  ['a quarter of the spans', 'one-object-spans', 'warning', {}, oneObject(4800)],
  ['less than a quarter', 'one-object-spans', undefined, {}, oneObject(4799)],

  [
    'half of it kept',
    'retained-idle',
    'warning',
    {},
    mem({ HeapInuse: 32 * MiB, HeapIdle: 32 * MiB, HeapReleased: 0 }),
  ],
  ['less than half', 'retained-idle', undefined, {}, mem({ HeapInuse: 33 * MiB, HeapIdle: 32 * MiB, HeapReleased: 0 })],
  ['little of it', 'retained-idle', undefined, {}, mem({ HeapInuse: MiB, HeapIdle: 40 * MiB, HeapReleased: 9 * MiB })],
];

describe.each([...new Set(CASES.map(([, code]) => code))])('%s', (code) => {
  test.each(CASES.filter(([, of]) => of === code))('%s', (_what, _code, expected, happened, changed) => {
    const finding = diagnose(facts(happened, changed)).find((f) => f.code === code);
    expect(finding?.severity).toBe(expected);
    if (finding === undefined) return;
    for (const n of [...Object.values(finding.numbers), ...Object.values(finding.threshold)]) {
      expect(Number.isFinite(n)).toBe(true);
    }
  });
});

it('has cases for every rule, on both sides', () => {
  for (const { code } of RULES) {
    const expected = CASES.filter(([, of]) => of === code).map(([, , severity]) => severity);
    expect(expected, code).toContain(undefined);
    expect(expected.filter((severity) => severity !== undefined).length, code).toBeGreaterThan(0);
  }
});

it('has nothing to add on how often a collector runs that its limit keeps running', () => {
  const codes = (changed: Partial<Facts>) => diagnose(facts(gc(0.3, 20), changed)).map(({ code }) => code);
  expect(codes({})).toEqual(['gc-too-often']);
  expect(codes(limited(0.9))).toEqual(['limit-thrash']);
});

it('names the worst first', () => {
  const all = diagnose(facts({ ...gc(0.3, 20), ...contended(400, 0.1) }, limited(0.9)));
  expect(all.map(({ severity }) => severity)).toEqual(['critical', 'warning']);
});

it('tells which locks, and for how long', () => {
  const [{ cause, numbers }] = diagnose(facts(contended(400, 0.1)));
  expect(cause).toBe('the mcentral of 64-byte slots (size class 6, noscan): 400 times; 10 % of all P time waited.');
  expect(numbers).toEqual({
    acquisitions: 5000,
    contended: 400,
    contendedShare: 0.08,
    waitSeconds: 0.2,
    waitShare: 0.1,
  });
});
