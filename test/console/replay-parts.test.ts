/** What the Replay tab computes itself: cells of a map, ranges and changes, and that every plot says what it shows. */

import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { bytes, count } from '../../console/src/format.js';
import { cellsOf, flat, MOST, runAt, starts as startsOf } from '../../console/src/replay/map-cells.js';
import { change, range } from '../../console/src/replay/ranges.js';
import * as TEXTS from '../../console/src/replay/texts.js';
import { WHERE_PARTS } from '../../src/replay/result.js';

type Run = [number, number, number, number, number, number];
const run = (pages: number): Run => [2, pages, 1, 0, 1, 1];
const starts = (runs: Run[]): Float64Array => startsOf(flat(runs));

describe('cells of a map', () => {
  it('a page each where there is room', () => {
    const first = starts([run(3), run(1), run(2)]);
    expect([...cellsOf(first, 0, 6).run]).toEqual([0, 0, 0, 1, 2, 2]);
    expect([...cellsOf(first, 2, 5).run]).toEqual([0, 1, 2]);
    expect(cellsOf(starts([]), 0, 0)).toMatchObject({ count: 0, pages: 1 });
  });

  it('of several pages, the run that has most of them', () => {
    const pages = MOST * 4;
    const first = starts([run(3), run(5), run(pages - 8)]);
    const cells = cellsOf(first, 0, pages);
    expect(cells).toMatchObject({ pages: 4, count: MOST });
    expect([...cells.run.slice(0, 4)]).toEqual([0, 1, 2, 2]);
  });

  it('each cell names a run that has most of its pages, whatever the runs', () => {
    const runs = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(runs, fc.nat(), fc.nat(), (sizes, a, b) => {
        const first = starts(sizes.map(run));
        const all = first[first.length - 1];
        const from = a % all;
        const to = from + 1 + (b % (all - from));
        const cells = cellsOf(first, from, to);
        expect(cells.count).toBeLessThanOrEqual(MOST);
        expect(cells.count * cells.pages).toBeGreaterThanOrEqual(to - from);
        const has = (i: number, begin: number, end: number): number =>
          Math.min(end, first[i + 1]) - Math.max(begin, first[i]);
        for (let cell = 0; cell < cells.count; cell += Math.max(1, cells.count >> 6)) {
          const begin = from + cell * cells.pages;
          const end = Math.min(to, begin + cells.pages);
          let most = 0;
          for (let i = runAt(first, begin); i <= runAt(first, end - 1); i++) most = Math.max(most, has(i, begin, end));
          expect(has(cells.run[cell], begin, end)).toBe(most);
        }
      }),
    );
  });
});

describe('ranges', () => {
  test.each([
    [range([6_300_000, 6_340_000], bytes), '6.01–6.05 MiB'],
    [range([6_300_000, 6_300_001], bytes), '6.01 MiB'],
    [range([1000, 2 ** 20], bytes), '1000 B–1.00 MiB'],
    [range([20, 21], count), '20–21'],
    [change([100, 100], [112, 112]), '+12%'],
    [change([100, 100], [97, 97]), '−3.0%'],
    [change([100, 110], [108, 120]), ''],
    [change([0, 0], [5, 5]), ''],
    [change([100_000, 100_000], [100_001, 100_001]), ''],
  ])('%s', (said, expected) => {
    expect(said).toBe(expected);
  });
});

describe('texts', () => {
  it('every part of Sys has a name, a meaning and a colour of its own', () => {
    expect(Object.keys(TEXTS.WHERE_TEXTS)).toEqual([...WHERE_PARTS]);
    const all = Object.values(TEXTS.WHERE_TEXTS);
    for (const i of [0, 1, 2]) expect(new Set(all.map((text) => text[i])).size).toBe(WHERE_PARTS.length);
  });

  it('every plot and table explains itself, by the fields that it shows', () => {
    const { WHERE_TEXTS: _, ...plots } = TEXTS;
    for (const { title, info } of Object.values(plots)) expect(info.length, title).toBeGreaterThan(60);
    for (const { metric, meaning } of [TEXTS.TIMELINE, TEXTS.LIVE, TEXTS.CURVE].flatMap(({ lines }) => [...lines])) {
      expect(meaning.length, metric).toBeGreaterThan(10);
    }
  });
});
