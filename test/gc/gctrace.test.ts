/**
 * gctrace against the lines that Go 1.27 printed (gctrace-auto.txt, gctrace-forced.txt), byte for byte. What differs by design are stacks and
 * globals, which there are none of: Go's numbers are replaced by 0.
 */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { formatMs, gctraceLine } from '../../src/gc/gctrace.js';
import type { CycleRecord } from '../../src/gc/record.js';
import { Server } from '../golden/server.js';

/** What Go's fmtNSAsMS can print: 0; 0.001 to 0.099; 0.10 to 0.99; 1.0 to 9.9; 10 and more. */
const MS = String.raw`(0|0\.0(?:0[1-9]|[1-9]\d)|0\.[1-9]\d|[1-9]\.\d|[1-9]\d+)`;
const INT = String.raw`(0|[1-9]\d*)`;
const LINE = new RegExp(
  `^gc ([1-9]\\d*) @((?:0|[1-9]\\d*)\\.\\d{3})s ${INT}%: ` +
    `${MS}\\+${MS}\\+${MS} ms clock, ${MS}\\+${MS}/${MS}/${MS}\\+${MS} ms cpu, ` +
    `${INT}->${INT}->${INT} MB, ${INT} MB goal, ${INT} MB stacks, ${INT} MB globals, ([1-9]\\d*) P( \\(forced\\))?$`,
);
/** GODEBUG=scavtrace=1, which was on in one of the files. */
const SCAV = new RegExp(
  `^scav ${INT} KiB work \\(bg\\), ${INT} KiB work \\(eager\\), ${INT} KiB now, ${INT}% util(?: \\(forced\\))?$`,
);

const linesOf = (name: string): string[] =>
  readFileSync(new URL(`../fixtures/golden/go1.27/gctrace-${name}.txt`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');

const FILES = { auto: linesOf('auto'), forced: linesOf('forced') };

/** A record that has the numbers of a line, each as far into what is cut off as it can be. */
function recordOf(line: string, cut: 'least' | 'most'): CycleRecord {
  const match = LINE.exec(line)!;
  const n = match.slice(1, 19).map(Number);
  // The line was cut down to these digits: anything up to the next one prints the same.
  const seconds = (i: number): number => {
    const [, decimals = ''] = match[i + 1].split('.');
    const step = n[i] === 0 ? 1e3 : 1e6 / 10 ** decimals.length;
    return (Math.round(n[i] * 1e6) + (cut === 'most' ? step - 1 : 0)) / 1e9;
  };
  const bytes = (i: number): number => n[i] * 2 ** 20 + (cut === 'most' && n[i] < 2 ** 30 ? 2 ** 20 - 1 : 0);
  return {
    number: n[0],
    why: match[19] === undefined ? 'heap' : 'forced',
    forced: match[19] !== undefined,
    startedAt: '',
    at: (Math.round(n[1] * 1e9) + (cut === 'most' ? 999_999 : 0)) / 1e9,
    gomaxprocs: n[17],
    heap: { start: bytes(11), end: bytes(12), marked: bytes(13), goal: bytes(14), trigger: 0 },
    pauses: {
      sweepTermination: seconds(3),
      markTermination: seconds(5),
      stoppingSweepTermination: 0,
      stoppingMarkTermination: 0,
    },
    markSeconds: seconds(4),
    cpu: {
      assist: seconds(7),
      // Printed as one.
      dedicated: seconds(8) / 2,
      fractional: seconds(8) / 2,
      idle: seconds(9),
      pauses: 0,
      fraction: (n[2] + (cut === 'most' ? 0.999 : 0.001)) / 100,
    },
    mark: { scanBytes: 0, objectsScanned: 0, rootsMarked: 0, shaded: 0, assists: 0, assistScanBytes: 0 },
    pacer: { consMark: 0, utilization: 0, assistWorkPerByte: 0, runway: 0 },
    sweep: { done: true, spansSwept: 0, spansFreed: 0, pagesFreed: 0, objectsFreed: 0 },
  };
}

const withoutRoots = (line: string): string =>
  line.replace(/\d+ MB stacks, \d+ MB globals/, '0 MB stacks, 0 MB globals');

describe("Go's lines", () => {
  test('every one of them is understood', () => {
    const all = Object.values(FILES).flat();
    const gc = all.filter((line) => LINE.test(line));
    expect(all.filter((line) => !LINE.test(line) && !SCAV.test(line))).toEqual([]);
    expect([gc.length, all.length]).toEqual([55, 69]);
  });

  test.each(Object.keys(FILES) as (keyof typeof FILES)[])(
    'are printed again, byte for byte: gctrace-%s.txt',
    (name) => {
      for (const line of FILES[name].filter((each) => LINE.test(each))) {
        for (const cut of ['least', 'most'] as const) expect(gctraceLine(recordOf(line, cut))).toBe(withoutRoots(line));
      }
    },
  );

  test('the two pauses count as CPU time of every P', () => {
    const record = { ...recordOf(FILES.auto[1], 'least'), gomaxprocs: 8 };
    expect(gctraceLine(record)).toContain(
      '0.003+0.19+0 ms clock, 0.024+0.17/0/0+0 ms cpu, 3->4->3 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 8 P',
    );
  });

  test('a whole number of milliseconds since the start does not become one less', () => {
    const record = recordOf(FILES.auto[0], 'least');
    for (let ms = 0; ms < 5000; ms++) {
      const text = `@${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}s `;
      expect(gctraceLine({ ...record, at: ms / 1000 })).toContain(text);
      expect(gctraceLine({ ...record, at: (ms * 1e6 + 999_999) / 1e9 })).toContain(text);
    }
  });
});

/** Go's fmtNSAsMS and itoaDiv (runtime/mgc.go), as they stand: digits from the right into a buffer. */
function fmtNSAsMS(ns: bigint): string {
  const itoaDiv = (value: bigint, dec: number): string => {
    const buf: string[] = [];
    let val = value;
    let i = 23;
    const idec = i - dec;
    while (val >= 10n || i >= idec) {
      buf[i--] = String(val % 10n);
      if (i === idec) buf[i--] = '.';
      val /= 10n;
    }
    buf[i] = String(val);
    return buf.slice(i).join('');
  };
  if (ns >= 10_000_000n) return itoaDiv(ns / 1_000_000n, 0);
  let x = ns / 1000n;
  if (x === 0n) return '0';
  let dec = 3;
  while (x >= 100n) {
    x /= 10n;
    dec--;
  }
  return itoaDiv(x, dec);
}

describe('a time', () => {
  test.each([
    [0, '0'],
    [999, '0'],
    [1000, '0.001'],
    [99_999, '0.099'],
    [100_000, '0.10'],
    [999_999, '0.99'],
    [1_000_000, '1.0'],
    [1_690_000, '1.6'],
    [9_999_999, '9.9'],
    [10_000_000, '10'],
    [10_999_999, '10'],
    [123_456_789, '123'],
    [86_400e9, '86400000'],
  ])('of %i ns is %s ms', (ns, text) => {
    expect(formatMs(ns)).toBe(text);
    expect(formatMs((ns / 1e9) * 1e9)).toBe(text);
  });

  const NS = fc.oneof(
    fc.integer({ min: 0, max: 2e4 }),
    fc.integer({ min: 0, max: 2e7 }),
    fc.integer({ min: 0, max: 2 ** 52 }),
  );

  it('is written as Go writes it', () => {
    fc.assert(
      fc.property(NS, (ns) => formatMs(ns) === fmtNSAsMS(BigInt(ns))),
      { numRuns: 5000 },
    );
  });

  it('is the same when it comes back from seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e15 }), (ns) => formatMs((ns / 1e9) * 1e9) === formatMs(ns)),
      { numRuns: 5000 },
    );
  });

  it('can be read back: cut off, to two digits or to the millisecond', () => {
    const exact = new RegExp(`^${MS}$`);
    fc.assert(
      fc.property(NS, (ns) => {
        const text = formatMs(ns);
        const read = Number(text) * 1e6;
        expect(text).toMatch(exact);
        expect(read).toBeLessThanOrEqual(ns + 1e-3);
        expect(ns - read).toBeLessThan(ns >= 10e6 ? 1e6 : Math.max(1000, ns / 10));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a server with GODEBUG=gctrace=1', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ GOMAXPROCS: '2', GOHEAP_RESERVE: '64MiB', GODEBUG: 'gctrace=1' });
  });
  afterAll(() => server.stop());

  const SOON = { timeout: 60_000, interval: 10 };
  const lines = (): string[] => server.stderr.split('\n').slice(0, -1);
  const printed = (n: number): Promise<void> => vi.waitFor(() => expect(lines()).toHaveLength(n), SOON);

  it('prints a line for each cycle, the one that the answer has', async () => {
    expect(server.stderr).toBe('');
    const answers: { gctrace: string }[] = [];
    for (let i = 0; i < 3; i++) {
      await server.json('POST', '/alloc', { size: 1000, count: 1000 });
      answers.push(await server.json('POST', '/gc', {}));
    }
    await printed(3);
    expect(lines()).toEqual(answers.map(({ gctrace }) => gctrace));
    for (const [i, line] of lines().entries()) {
      expect(line).toMatch(LINE);
      expect(line).toMatch(new RegExp(`^gc ${i + 1} @.* MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P \\(forced\\)$`));
    }
    await server.check();
  });

  it('says which heap it is, if not the default one, and tells cycles that nobody forced apart', async () => {
    const before = lines().length;
    await server.json('PUT', '', { gogc: 50 }, 'other');
    for (let i = 0; i < 4; i++) {
      const { addresses } = await server.json('POST', '/alloc', { size: 8192, count: 256, p: 0 }, 'other');
      await server.json('POST', '/free', { addresses }, 'other');
    }
    await vi.waitFor(() => expect(lines().length).toBeGreaterThan(before), SOON);
    const [line] = lines().slice(before);
    expect(line).toMatch(/^other: gc 1 @/);
    expect(line.slice('other: '.length)).toMatch(LINE);
    expect(line).toMatch(/2 P$/);
    await server.check('other');
  });
});
