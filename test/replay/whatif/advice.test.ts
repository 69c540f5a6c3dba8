/** The curve, its knee, and the sentences. */

import { describe, expect, test } from 'vitest';
import {
  advise,
  type Candidate,
  type CurvePoint,
  frontier,
  knee,
  sentence,
} from '../../../src/replay/whatif/advice.js';
import { environmentLine } from '../../../src/replay/whatif/axes.js';
import { simulated, withNumbers } from './support.js';

const MB = 2 ** 20;
const { result: one } = simulated({}, 5000);

function candidate(
  gogc: number,
  memory: number,
  gcCpu: number,
  more: Partial<(typeof one)['headline']> = {},
): Candidate {
  const settings = { ...one.settings, gogc };
  const made = withNumbers(
    { ...one, settings },
    { peakRetained: memory * MB, gcCpu, overLimit: 0, limitedCycles: 0, ...more },
  );
  return { name: environmentLine(settings), ...made };
}

const points = (...list: [number, number][]): CurvePoint[] =>
  list.map(([memory, gcCpu], cell) => ({ cell, memory, gcCpu }));

test('a setting that another one beats in both is not on the curve', () => {
  const curve = frontier(points([20, 0.1], [10, 0.2], [15, 0.25], [20, 0.12], [30, 0.05], [30, 0.05]));
  expect(curve.map((p) => p.cell)).toEqual([1, 0, 4]);
});

describe('the knee', () => {
  const cases: [string, [number, number][], number][] = [
    [
      'of a hyperbola is where both are small',
      [
        [10, 0.4],
        [12, 0.15],
        [20, 0.08],
        [40, 0.05],
      ],
      1,
    ],
    [
      'of a straight line is its beginning',
      [
        [10, 0.3],
        [20, 0.2],
        [30, 0.1],
      ],
      0,
    ],
    ['one point', [[10, 0.3]], 0],
    [
      'two points: −50 % of GC CPU for +10 % of memory',
      [
        [10, 0.2],
        [11, 0.1],
      ],
      1,
    ],
    [
      'two points: −10 % of GC CPU for +100 % of memory',
      [
        [10, 0.2],
        [20, 0.18],
      ],
      0,
    ],
    [
      'memory is all the same: the least GC CPU',
      [
        [1000, 0.3],
        [1002, 0.2],
        [1005, 0.1],
      ],
      2,
    ],
    [
      'GC CPU is all the same: the least memory',
      [
        [10, 0.012],
        [20, 0.011],
        [40, 0.01],
      ],
      0,
    ],
  ];
  test.each(cases)('%s', (_name, list, at) => {
    expect(knee(points(...list)).at).toBe(at);
  });
});

describe('a sentence', () => {
  const base = candidate(100, 50, 0.1);
  const cases: [Candidate, string][] = [
    [candidate(150, 71, 0.066), 'GOGC=150 costs +21.0 MiB for −34 % GC CPU'],
    [candidate(50, 40, 0.15), 'GOGC=50 saves 10.0 MiB for +50 % GC CPU'],
    [candidate(200, 40, 0.05), 'GOGC=200 saves 10.0 MiB and 50 % GC CPU'],
    [candidate(75, 60, 0.12), 'GOGC=75 costs +10.0 MiB for +20 % GC CPU'],
    [candidate(110, 50, 0.095), 'GOGC=110 needs the same memory for −5.0 % GC CPU'],
    [candidate(90, 40, 0.1), 'GOGC=90 saves 10.0 MiB for the same GC CPU'],
    [candidate(99, 50, 0.1), 'GOGC=99 changes neither memory nor GC CPU'],
  ];
  test.each(cases)('%#', (cell, text) => {
    expect(sentence(cell, base)).toBe(text);
  });

  test('where the base never collects', () => {
    expect(sentence(candidate(50, 40, 0.02), candidate(400, 50, 0))).toBe(
      'GOGC=50 saves 10.0 MiB for +2.0 % of the CPU',
    );
  });
});

describe('advice', () => {
  test('names the knee, the sentence and what to set', () => {
    const cells = [candidate(100, 50, 0.1), candidate(50, 45, 0.3), candidate(200, 100, 0.08), candidate(-1, 400, 0)];
    const advice = advise(cells);
    expect(advice.curve.map((p) => p.cell)).toEqual([1, 0, 2, 3]);
    expect(advice).toMatchObject({ recommended: 0, sentence: 'GOGC=100 is the base already', environment: 'GOGC=100' });
  });

  test('leaves out what could not be kept, was given up, or filled the heap', () => {
    const full = candidate(200, 10, 0.01);
    const cells: Candidate[] = [
      candidate(100, 50, 0.1),
      {
        ...candidate(50, 10, 0.01),
        result: { ...candidate(50, 10, 0.01).result, settings: { ...one.settings, gogc: 50, memoryLimit: 8 * MB } },
        ranges: candidate(50, 10, 0.01, { overLimit: 0.5, overLimitMax: 4 * MB }).ranges,
      },
      { ...full, result: { ...full.result, exhausted: { event: 1, size: 2 } } },
    ];
    expect(advise(cells).curve.map((p) => p.cell)).toEqual([0]);
    const none = advise([{ ...full, result: { ...full.result, exhausted: { event: 1, size: 2 } } }]);
    expect(none).toMatchObject({ recommended: null, environment: '', sentence: '' });
  });

  test('compares only settings with the same GOMAXPROCS and arenas', () => {
    const other = candidate(100, 10, 0.01);
    const procs = { ...other, result: { ...other.result, settings: { ...other.result.settings, gomaxprocs: 4 } } };
    expect(advise([candidate(100, 50, 0.1), procs]).curve.map((p) => p.cell)).toEqual([0]);
  });
});
