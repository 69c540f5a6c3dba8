/** The report as text and as CSV: what stands in it, that it adds up, and that it fits. */

import { describe, expect, test } from 'vitest';
import { newIngestReport } from '../../../src/replay/events.js';
import { caveats } from '../../../src/replay/report/caveats.js';
import { CSV_TABLES, csv } from '../../../src/replay/report/csv.js';
import {
  comparisonDocument,
  documentOfResults,
  type ReportDocument,
  reportDocument,
} from '../../../src/replay/report/document.js';
import { isUtf8, toAscii } from '../../../src/replay/report/glyphs.js';
import { pageData, thin } from '../../../src/replay/report/page-data.js';
import { timelinePlot } from '../../../src/replay/report/plot.js';
import { comparisonReport, reportText } from '../../../src/replay/report/text.js';
import { change, percentRange, short, size, sizeRange, time, timeRange } from '../../../src/replay/report/units.js';
import { stackedBar, whereText } from '../../../src/replay/report/where-text.js';
import { WHERE_PARTS } from '../../../src/replay/result.js';
import { searchLimit } from '../../../src/replay/whatif/limit.js';
import { rangesOf } from '../../../src/replay/whatif/ranges.js';
import { simulated } from '../whatif/support.js';

const MB = 2 ** 20;
const base = simulated({ gogc: 100, scan: 'all' });
const others = [
  simulated({ gogc: 50, scan: 'all' }),
  simulated({ gogc: 400, scan: 'all', memoryLimit: 6 * MB }),
  simulated({ gogc: -1, scan: 'all', gomaxprocs: 16 }),
];
const all = [base, ...others].map(({ result }) => result);
const document = documentOfResults('app.mtrace.gz', 'ab'.repeat(32), base.ingest, all);

test('numbers as people read them', () => {
  expect([0, 999, 1023, 1024, 8.31 * MB, 512 * 1024, 3 * 2 ** 40].map(size)).toEqual([
    '0 B',
    '999 B',
    '1.00 KiB',
    '1.00 KiB',
    '8.31 MiB',
    '512 KiB',
    '3.00 TiB',
  ]);
  expect(sizeRange([8.1 * MB, 8.6 * MB])).toBe('8.10..8.60 MiB');
  expect(sizeRange([8.1 * MB, 8.1001 * MB])).toBe('8.10 MiB');
  expect(percentRange([0.0123, 0.25])).toBe('1.23..25.0 %');
  expect([change(10, 13.4), change(10, 8.77), change(0, 5), change(10, 10), change(1, 3)]).toEqual([
    '+34.0 %',
    '−12.3 %',
    '',
    '0 %',
    '+200 %',
  ]);
  expect([time(0), time(0.00123), time(45.6), time(2.5e-5)]).toEqual(['0 s', '1.23 ms', '45.6 s', '25.0 µs']);
  expect(timeRange([0.001, 0.002])).toBe('1.00..2.00 ms');
  expect([7, 999, 1500, 3.2e6].map(short)).toEqual(['7', '999', '1.50k', '3.20M']);
});

describe('the report', () => {
  const text = reportText(document);

  test('fits 100 columns, in ASCII too', () => {
    for (const line of `${text}${toAscii(text)}`.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the range of ASCII.
    expect(toAscii(text)).toMatch(/^[\x00-\x7f]*$/);
    expect(toAscii(text)).not.toContain('?');
    expect(isUtf8({ LANG: 'de_DE.UTF-8' })).toBe(true);
    expect([isUtf8({}), isUtf8({ LANG: 'C' }), isUtf8({ LC_ALL: 'POSIX', LANG: 'en_US.UTF-8' })]).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('has every part', () => {
    for (const part of [
      'WHAT IF',
      'MEMORY OVER TIME',
      'WHERE IT WENT',
      'SIZE CLASSES',
      'LIFETIMES',
      'WHAT TO SET',
      'KEEP IN MIND',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toContain(`  Set: ${document.advice.environment}\n`);
    expect(text).toContain(`${document.advice.sentence}.`);
    for (const caveat of document.caveats) expect(text.replace(/\s+/g, ' ')).toContain(caveat);
  });

  test('compares each setting with the base', () => {
    // Fewer collections with GOGC=400 than with the base; none with GOGC=off.
    const row = text.split('\n').filter((line) => /^ +off +off +16 /.test(line));
    expect(row).toHaveLength(3);
    expect(row[1]).toMatch(/│ +0 +−100 % │/);
    expect(text.split('\n').filter((line) => /^ +base +100 +off +1 /.test(line))).toHaveLength(3);
  });

  test('says what it warns of, and of which setting', () => {
    const warned = { ...all[1], warnings: ['Something is wrong.'] };
    const one = documentOfResults('a', '', base.ingest, [all[0], warned]);
    expect(reportText(one)).toContain('! GOGC=50: Something is wrong.');
    const both = documentOfResults('a', '', base.ingest, [{ ...all[0], warnings: ['Something is wrong.'] }, warned]);
    expect(reportText(both)).toContain('! Something is wrong.');
  });

  test('tells what was tolerated in the recording', () => {
    const ingest = {
      ...base.ingest,
      badLines: 2,
      bad: [{ at: 7, unit: 'line' as const, text: 'x\u0000y', why: 'no event' }],
      unknownFrees: 3,
      truncated: true,
    };
    const told = reportText(documentOfResults('a', '', ingest, [all[0]])).replace(/\s+/g, ' ');
    expect(told).toContain('Tolerated: 2 bad lines, 3 frees of unknown addresses');
    expect(told).toContain('line 7: no event: "x\\u0000y"');
    expect(told).toContain('cut off in the middle');
  });
});

test('ranges are shown where variations differ', () => {
  const evaluated = all.map((result, i) => ({
    result,
    ranges: rangesOf([
      result.headline,
      { ...result.headline, meanInuse: result.headline.meanInuse * (i === 0 ? 2 : 1) },
    ]),
  }));
  const text = reportText(reportDocument({ name: 'a', hash: '', ingest: base.ingest, evaluated, variations: 2 }));
  expect(text).toMatch(/base +100 +off +1 │ +\d+(\.\d+)?\.\.\d+(\.\d+)? [KM]iB/);
  expect(text).toContain('a..b: the ends over 2 runs');
});

test('the limit’s curve and the sentence are shown', async () => {
  const limit = await searchLimit({ low: 6 * MB, high: 20 * MB }, { gogc: 100, gomaxprocs: 1 }, 0.05, async (limits) =>
    limits.map((l) => ({
      limit: l,
      gcCpu: [0.3 * ((6 * MB) / l) ** 4, 0.3 * ((6 * MB) / l) ** 4] as const,
      cycles: [1, 1],
      overLimit: [0, 0],
      overLimitMax: [0, 0],
      limitedCycles: [0, 0],
      peakRetained: [l, l],
    })),
  );
  const text = reportText({ ...document, limit });
  expect(text).toContain('THE SMALLEST LIMIT');
  expect(text).toContain(`Set: GOGC=100 GOMEMLIMIT=`);
  expect(text.split('\n').filter((line) => line.includes('◀')).length).toBeGreaterThanOrEqual(2);
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
});

describe('where memory went', () => {
  test('the numbers add up to Sys, and the bar is as wide as it should be', () => {
    const { where } = base.result.peak;
    expect(WHERE_PARTS.reduce((sum, part) => sum + where[part], 0)).toBe(where.total);
    for (const width of [10, 61, 94]) expect(stackedBar(where, width)).toHaveLength(width);
    const number = (line: string) => Number(line.replace(/^.*? {2,}([\d,]+) .*$/, '$1').replaceAll(',', ''));
    const lines = whereText(base.result.peak, 96);
    const parts = lines.filter((line) => /^ {2}[^ =] /.test(line)).map(number);
    expect(parts).toHaveLength(WHERE_PARTS.length);
    const sys = lines.find((line) => line.startsWith('  = Sys')) as string;
    expect(parts.reduce((a, b) => a + b, 0)).toBe(number(sys));
    expect(number(sys)).toBe(where.total);
    const heapSys = lines.find((line) => line.startsWith('  = HeapSys')) as string;
    expect(number(heapSys)).toBe(where.total - where.metadata);
  });

  test('a bar of nothing is empty', () => {
    expect(stackedBar({ ...base.result.peak.where, total: 0 }, 20)).toBe('');
  });
});

describe('the plot', () => {
  test('shows each collection, and live below in use below retained', () => {
    const lines = timelinePlot(base.result, { width: 96, height: 12 });
    const marks = lines.find((line) => line.trimStart().startsWith('GC')) as string;
    expect(base.result.headline.cycles).toBeGreaterThan(1);
    expect([...marks].filter((c) => c === '▲').length).toBeGreaterThan(0);
    expect([...marks].filter((c) => c === '▲').length).toBeLessThanOrEqual(base.result.headline.cycles);
    // From the top down, a column never goes from live back to something above it.
    const order = ' ░▒█';
    for (let column = 12; column < 96; column++) {
      const levels = lines
        .slice(0, 12)
        .map((line) => order.indexOf(line[column] ?? ' '))
        .filter((level) => level >= 0);
      expect(levels).toEqual([...levels].sort((a, b) => a - b));
    }
  });

  test('of one interval, or none', () => {
    const tiny = simulated({}, 20).result;
    expect(timelinePlot(tiny).length).toBeGreaterThan(10);
    const none = { ...tiny, timeline: thin({ ...tiny.timeline, event: [] }, 10) };
    expect(timelinePlot(none).length).toBeGreaterThan(10);
  });
});

test('timelines of the page are merged, and keep ends and extremes', () => {
  const { timeline } = base.result;
  const merged = thin(timeline, 50);
  expect(timeline.event.length).toBeGreaterThan(100);
  expect(merged.event.length).toBeLessThanOrEqual(50);
  expect(merged.event.at(-1)).toBe(timeline.event.at(-1));
  expect(Math.max(...merged.inuse.max)).toBe(Math.max(...timeline.inuse.max));
  expect(Math.min(...merged.live.min)).toBe(Math.min(...timeline.live.min));
  expect(merged.where).toHaveLength(WHERE_PARTS.length);
  for (const column of [merged.seconds, merged.cycles, merged.gcCpu, ...merged.where])
    expect(column).toHaveLength(merged.event.length);
  expect(thin(timeline, 10_000)).toBe(timeline);
  expect(JSON.stringify(pageData(document, '1')).length).toBeLessThan(2 * MB);
});

describe('CSV', () => {
  /** Fields of RFC 4180. */
  const parse = (text: string): string[][] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((m) => m[1]).slice(0, -1));

  test.each(CSV_TABLES)('%s has a header, and rows as wide', (table) => {
    const rows = csv([document], table)
      .trimEnd()
      .split('\n')
      .map((line) => line.split(',').length);
    expect(new Set(rows).size).toBe(1);
    if (table === 'grid') expect(rows).toHaveLength(1 + all.length);
    if (table === 'where') expect(rows).toHaveLength(1 + 2 * all.length);
    if (table === 'classes') expect(rows).toHaveLength(1 + all.reduce((n, r) => n + r.classes.length, 0));
  });

  test('the grid’s columns are stable', () => {
    const [header, first] = csv([document], 'grid').split('\n');
    expect(header.split(',').slice(0, 13)).toEqual(
      'recording,cell,base,gogc,gomemlimit,gomaxprocs,arena_size,events,events_min,events_max,seconds,seconds_min,seconds_max'.split(
        ',',
      ),
    );
    expect(first.split(',').slice(0, 8)).toEqual([
      'app.mtrace.gz',
      document.cells[0].name,
      '1',
      '100',
      'off',
      '1',
      String(64 * MB),
      '60000',
    ]);
  });

  test('names with commas, quotes, line ends and formulas stay one field', () => {
    const name = (text: string) =>
      csv([{ ...document, name: text } as ReportDocument], 'where').split(/\n(?=[^"]*(?:"[^"]*"[^"]*)*$)/)[1];
    expect(name('a,b"c')).toMatch(/^"a,b""c",/);
    expect(name('=1+1')).toMatch(/^'=1\+1,/);
    expect(parse(csv([document], 'grid'))[1][0]).toBe('app.mtrace.gz');
  });
});

test('two recordings are told side by side', () => {
  const second = documentOfResults('new.mtrace.gz', 'cd'.repeat(32), base.ingest, [
    simulated({ scan: 'all' }, 30_000).result,
    ...all.slice(1),
  ]);
  const text = comparisonReport(comparisonDocument(document, second));
  expect(text).toContain('TWO RECORDINGS');
  expect(text).toMatch(/ {2}events +60,000 +30,000 +−50\.0 %/);
  expect(text).toContain('WHAT TO SET, new.mtrace.gz');
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
});

describe('caveats', () => {
  const of = (format: string, threads = 1) => caveats({ ...newIngestReport(format), threads }).join(' ');

  test('a C program’s recording has no pointer graph, and frees are not unreachability', () => {
    expect(of('mtrace')).toContain('no pointer graph');
    expect(of('mtrace')).toContain('not the time when an object became unreachable');
    expect(of('goalloc')).not.toContain('Recordings of C programs');
  });

  test('many threads are a warning, one is none', () => {
    expect(of('aosp', 393)).toContain('WARNING: 393 threads');
    expect(of('aosp', 2)).not.toContain('WARNING');
    expect(of('aosp', 1)).not.toContain('WARNING');
  });

  test('a profile is a model', () => {
    expect(of('pprof')).toContain('a model of the profile, not a recording');
  });

  test('events run in the order that was recorded', () => {
    for (const format of ['mtrace', 'valgrind', 'goalloc', 'goheap'])
      expect(of(format)).toContain('one thread at a time');
  });
});
