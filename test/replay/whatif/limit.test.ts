/** The search for the smallest limit, on curves that are known. */

import { describe, expect, test } from 'vitest';
import { CURVE_POINTS, type LimitPoint, limitStep, searchLimit } from '../../../src/replay/whatif/limit.js';

const MB = 2 ** 20;
const SETTINGS = { gogc: 100, gomaxprocs: 2 };
const BOUNDS = { low: 100 * MB, high: 400 * MB };

/** A program whose GC CPU falls as the room above what it holds grows. */
function program(gcCpu: (limit: number) => number, more: (limit: number) => Partial<LimitPoint> = () => ({})) {
  const asked: number[] = [];
  const probe = async (limits: readonly number[]): Promise<LimitPoint[]> => {
    asked.push(...limits);
    return limits.map((limit) => ({
      limit,
      gcCpu: [gcCpu(limit) * 0.9, gcCpu(limit)],
      cycles: [1, 2],
      overLimit: [0, 0],
      overLimitMax: [0, 0],
      limitedCycles: [0, 0],
      peakRetained: [limit, limit],
      ...more(limit),
    }));
  };
  return { asked, probe };
}

const hyperbola = (limit: number): number =>
  limit <= BOUNDS.low ? 0.5 : Math.min(0.5, (2 * MB) / (limit - BOUNDS.low));

describe('the smallest limit', () => {
  test.each([0.02, 0.05, 0.1, 0.25])('under %d is found to 1 %%, from above', async (under) => {
    const { asked, probe } = program(hyperbola);
    const search = await searchLimit(BOUNDS, SETTINGS, under, probe);
    const exact = BOUNDS.low + (2 * MB) / under;
    expect(search.smallest).toBeGreaterThanOrEqual(exact);
    expect((search.smallest as number) - exact).toBeLessThanOrEqual(
      Math.max(limitStep(BOUNDS), 0.01 * exact) + limitStep(BOUNDS),
    );
    expect(asked.length).toBeLessThan(CURVE_POINTS + 10);
    expect(search.environment).toBe(`GOGC=100 GOMEMLIMIT=${(search.smallest as number) / MB}MiB`);
    expect(search.curve.map((p) => p.limit)).toEqual([...new Set(asked)].sort((a, b) => a - b));
    for (const limit of asked) expect(limit % MB).toBe(0);
  });

  test('none does where the program needs more without any', async () => {
    const { probe } = program(() => 0.3);
    const search = await searchLimit(BOUNDS, SETTINGS, 0.05, probe);
    expect(search).toMatchObject({ smallest: null, environment: '' });
    expect(search.text).toBe('With GOGC=100 no GOMEMLIMIT up to 1526.0 MiB keeps GC CPU under 5 %.');
  });

  test('more room than is used without a limit is tried where it is needed', async () => {
    const { probe } = program((limit) => (limit < 450 * MB ? 0.11 : 0.09));
    const { smallest } = await searchLimit(BOUNDS, SETTINGS, 0.1, probe);
    expect(smallest).toBeGreaterThanOrEqual(450 * MB);
    expect(smallest).toBeLessThanOrEqual(455 * MB);
  });

  test('all do where the program hardly collects', async () => {
    const { probe } = program(() => 0.001);
    expect((await searchLimit(BOUNDS, SETTINGS, 0.05, probe)).smallest).toBe(BOUNDS.low);
  });

  test('a limit that is not kept, or given up by the CPU limiter, does not count', async () => {
    const kept = program(
      () => 0.001,
      (limit) => (limit < 200 * MB ? { overLimit: [0, 0.5], overLimitMax: [0, 50 * MB] } : {}),
    );
    expect((await searchLimit(BOUNDS, SETTINGS, 0.05, kept.probe)).smallest).toBeGreaterThanOrEqual(200 * MB);
    const limited = program(
      () => 0.001,
      (limit) => (limit < 250 * MB ? { limitedCycles: [0, 3] } : {}),
    );
    expect((await searchLimit(BOUNDS, SETTINGS, 0.05, limited.probe)).smallest).toBeGreaterThanOrEqual(250 * MB);
  });

  test('good limits below a bad one are not trusted', async () => {
    const { probe } = program((limit) => (limit > 210 * MB && limit < 240 * MB ? 0.2 : 0.01));
    const search = await searchLimit(BOUNDS, SETTINGS, 0.05, probe);
    // The coarse curve has a point in the bad stretch.
    expect(search.curve.some((p) => p.gcCpu[1] === 0.2)).toBe(true);
    expect(search.smallest).toBeGreaterThanOrEqual(240 * MB);
  });
});
