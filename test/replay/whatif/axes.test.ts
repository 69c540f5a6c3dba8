/** Grids, their base and their order; variations and ranges; comparison. */

import { expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../../src/replay/defaults.js';
import { cellName, environmentLine, gridOf, tableOrder, varying } from '../../../src/replay/whatif/axes.js';
import { compare } from '../../../src/replay/whatif/compare.js';
import { keepsLimit, meet, rangesOf, variationsOf } from '../../../src/replay/whatif/ranges.js';
import { simulated, withNumbers } from './support.js';

const MB = 2 ** 20;
const axes = { gogc: [50, 100], memoryLimit: [null, 64 * MB], gomaxprocs: [1, 4], arenaSize: [64 * MB] };

test('a grid has every combination once, and Go’s default first', () => {
  const cells = gridOf(DEFAULT_SETTINGS, axes) ?? [];
  expect(cells).toHaveLength(8);
  expect(new Set(cells.map((cell) => JSON.stringify(cell))).size).toBe(8);
  expect(cells[0]).toMatchObject({ gogc: 100, memoryLimit: null, gomaxprocs: 1 });
  expect(gridOf(DEFAULT_SETTINGS, axes, { gogc: 50, gomaxprocs: 4 })?.[0]).toMatchObject({
    gogc: 50,
    gomaxprocs: 4,
    memoryLimit: null,
  });
  expect(gridOf(DEFAULT_SETTINGS, axes, { gogc: 75 })).toBeUndefined();
  expect(gridOf(DEFAULT_SETTINGS, { ...axes, gogc: [25, 50, 25] })).toHaveLength(8);
});

test('names tell what varies; tables are in the order of the knobs', () => {
  const cells =
    gridOf(DEFAULT_SETTINGS, { ...axes, gogc: [100, -1, 50], memoryLimit: [64 * MB, null], gomaxprocs: [1] }) ?? [];
  expect(varying(cells)).toEqual(['gogc', 'memoryLimit']);
  expect(tableOrder(cells).map((i) => cellName(cells[i], varying(cells)))).toEqual([
    'GOGC=50 GOMEMLIMIT=off',
    'GOGC=100 GOMEMLIMIT=off',
    'GOGC=off GOMEMLIMIT=off',
    'GOGC=50 GOMEMLIMIT=64MiB',
    'GOGC=100 GOMEMLIMIT=64MiB',
    'GOGC=off GOMEMLIMIT=64MiB',
  ]);
  expect(environmentLine({ gogc: -1, memoryLimit: 512 * MB })).toBe('GOGC=off GOMEMLIMIT=512MiB');
  expect(cellName(DEFAULT_SETTINGS, [])).toBe('GOGC=100');
});

test('a concurrent setting has variations, an exact one is simulated once', () => {
  const three = variationsOf(DEFAULT_SETTINGS, 3);
  expect(three[0]).toEqual(DEFAULT_SETTINGS);
  expect(new Set(three.map((s) => s.phase)).size).toBe(3);
  for (const { phase } of three) expect(phase).toBeLessThan(10e6);
  expect(variationsOf({ ...DEFAULT_SETTINGS, clock: 'stw' }, 3)).toHaveLength(1);
  const seeds = variationsOf({ ...DEFAULT_SETTINGS, clock: 'stw', scan: 30 }, 3).map((s) => s.seed);
  expect(new Set(seeds).size).toBe(3);
});

test('ranges span what was seen; they meet or not', () => {
  const { result } = simulated({}, 5000);
  const { headline } = result;
  const ranges = rangesOf([
    headline,
    { ...headline, cycles: headline.cycles + 3 },
    { ...headline, cycles: headline.cycles + 1 },
  ]);
  expect(ranges.cycles).toEqual([headline.cycles, headline.cycles + 3]);
  expect(ranges.peakInuse).toEqual([headline.peakInuse, headline.peakInuse]);
  expect(meet([1, 2], [2, 3])).toBe(true);
  expect(meet([1, 2], [2.1, 3])).toBe(false);
  const over = (overLimit: number, overLimitMax: number, limitedCycles = 0) =>
    keepsLimit(100 * MB, withNumbers(result, { overLimit, overLimitMax, limitedCycles }).ranges);
  expect([over(0, 0), over(0.5, 4 * MB), over(0.009, 50 * MB)]).toEqual([true, true, true]);
  expect([over(0.5, 6 * MB), over(0, 0, 1)]).toEqual([false, false]);
});

test('two recordings: each number with its change, classes by how much they changed', () => {
  const a = simulated({}, 20_000).result;
  const b = simulated({}, 40_000).result;
  const side = (name: string, result: typeof a) => ({
    name,
    cells: [{ name: 'GOGC=100', ranges: rangesOf([result.headline]) }],
    results: [result],
  });
  const { cells, classes } = compare(side('a', a), side('b', b));
  const events = cells[0].numbers.find(({ name }) => name === 'events');
  expect(events).toMatchObject({ before: [20_000, 20_000], after: [40_000, 40_000], percent: 100, same: false });
  const changes = classes.map(({ spans }) => Math.abs(spans[1] - spans[0]));
  expect(changes).toEqual([...changes].sort((x, y) => y - x));
  expect(classes.length).toBeGreaterThan(10);
  const same = compare(side('a', a), side('a', a));
  expect(same.classes).toEqual([]);
  expect(same.cells[0].numbers.every((n) => n.same)).toBe(true);
});
