/** From a query to a grid. What is refused: test/routes/replays-input.test.ts. */

import { describe, expect, it, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../../src/replay/defaults.js';
import { coordinates, type GridQuery, gridOf, profileOptions } from '../../../src/server/replays/grid.js';

const LIMITS = { cells: 64, procs: 64 };
const MiB = 2 ** 20;

const grid = (query: GridQuery, suggested = {}) => gridOf(query, LIMITS, suggested);

it("without anything is Go's own defaults", () => {
  expect(grid({})).toEqual({ cells: [DEFAULT_SETTINGS], variations: 3 });
});

it('is every combination, the base first', () => {
  const { cells } = grid({ gogc: '50,100,off', memlimit: '512MiB,off', procs: '1,4', arena: '64MiB,4MiB' });
  expect(cells).toHaveLength(24);
  expect(cells[0]).toEqual(DEFAULT_SETTINGS);
  const shown = cells.map(coordinates);
  expect(shown.slice(0, 6).map(({ gogc, memlimit }) => `${gogc} ${memlimit}`)).toEqual([
    '100 off',
    '50 512MiB',
    '100 512MiB',
    'off 512MiB',
    '50 off',
    'off off',
  ]);
  expect(new Set(shown.map((each) => JSON.stringify(each))).size).toBe(24);
});

it('takes a value that stands twice once', () => {
  expect(grid({ gogc: '50, 50,50', memlimit: 'off,off' }).cells).toHaveLength(1);
  expect(grid({ memlimit: '1024KiB,1MiB' }).cells).toHaveLength(1);
});

describe('reads', () => {
  test.each<[GridQuery, object]>([
    [{ gogc: '0' }, { gogc: 0 }],
    [{ gogc: 'off' }, { gogc: -1 }],
    [{ memlimit: '1000' }, { memoryLimit: 1000 }],
    [{ memlimit: '9223372036854775807' }, { memoryLimit: null }],
    [{ procs: '64' }, { gomaxprocs: 64 }],
    [{ arena: '4194304' }, { arenaSize: 4 * MiB }],
    [{ clock: 'stw' }, { clock: 'stw' }],
    [{ frees: 'immediate' }, { frees: 'immediate' }],
    [{ scan: 'all' }, { scan: 'all' }],
    [{ scan: '30' }, { scan: 30 }],
    [{ realloc: 'fit' }, { realloc: 'fit' }],
    [{ roots: 'none' }, { rootsTable: 'none' }],
    [{ threads: 'modulo' }, { threads: 'modulo' }],
    [{ time: 'recorded' }, { timeBase: { kind: 'recorded' } }],
    [{ time: '2.5ns' }, { timeBase: { kind: 'nsPerEvent', ns: 2.5 } }],
    [{ time: '100MiB/s' }, { timeBase: { kind: 'bytesPerSecond', bytes: 100 * MiB } }],
    [
      { from: '5', to: '9' },
      { from: 5, to: 9 },
    ],
    [{ loops: '3' }, { loops: 3 }],
    [{ seed: '7' }, { seed: 7 }],
  ])('%j', (query, settings) => {
    expect(grid(query).cells).toEqual([{ ...DEFAULT_SETTINGS, ...settings }]);
  });

  it('variations, and what is said of a profile', () => {
    expect(grid({ variations: '1' }).variations).toBe(1);
    expect(profileOptions({ seconds: '2.5', operations: '100' })).toEqual({ seconds: 2.5, operations: 100 });
    expect(profileOptions({})).toEqual({ seconds: undefined, operations: undefined });
  });
});

it('takes what a profile suggests where the query says nothing', () => {
  const suggested = { scan: 'all', rootsTable: 'none', gomaxprocs: 4 };
  expect(grid({}, suggested).cells).toEqual([{ ...DEFAULT_SETTINGS, ...suggested }]);
  expect(grid({ scan: 'none', procs: '2' }, suggested).cells).toEqual([
    { ...DEFAULT_SETTINGS, ...suggested, scan: 'none', gomaxprocs: 2 },
  ]);
});

it('shows coordinates that mean the same in a query', () => {
  const { cells } = grid({ gogc: 'off', memlimit: '1000B', procs: '3', arena: '4MiB' });
  const { gogc, memlimit, procs, arena } = coordinates(cells[0]);
  expect(grid({ gogc: String(gogc), memlimit, procs: String(procs), arena }).cells).toEqual(cells);
});
