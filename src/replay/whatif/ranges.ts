/**
 * Ranges: what real Go itself does not do twice in the same way is not told as one number.
 *
 * A concurrent collector runs beside the program, and where sysmon happens to take the P away from it differs from run to run. So each concurrent
 * setting is simulated a few times with other moments of preemption (`phase`), and with other objects that have pointers where a share of them is chosen
 * by chance (`seed`). Where that changes a number, its least and greatest are told. With the world stopped and nothing left to chance the
 * result is exact, and simulated once.
 *
 * The first variation is the settings as they stand; of the others only the headline is kept.
 */

import type { Headline } from '../result.js';
import type { SimSettings } from '../settings.js';

/** Variations of each setting unless told otherwise. */
export const DEFAULT_VARIATIONS = 3;
export const MAX_VARIATIONS = 32;

/** ns after which the program's P is taken from it. */
const PREEMPT_NS = 10e6;

/** Least and greatest of all variations. */
export type Range = readonly [min: number, max: number];
export type Ranges = Record<keyof Headline, Range>;

/** The settings themselves first. */
export function variationsOf(settings: SimSettings, n: number = DEFAULT_VARIATIONS): SimSettings[] {
  const phases = settings.clock === 'concurrent';
  const seeds = typeof settings.scan === 'number' && settings.scan > 0 && settings.scan < 100;
  if (!phases && !seeds) return [settings];
  return Array.from({ length: n }, (_, i) => ({
    ...settings,
    phase: phases ? settings.phase + (i * PREEMPT_NS) / n : settings.phase,
    seed: seeds ? settings.seed + i : settings.seed,
  }));
}

export function rangesOf(headlines: readonly Headline[]): Ranges {
  const names = Object.keys(headlines[0]) as (keyof Headline)[];
  return Object.fromEntries(
    names.map((name) => {
      const values = headlines.map((headline) => headline[name]);
      return [name, [Math.min(...values), Math.max(...values)]];
    }),
  ) as unknown as Ranges;
}

/**
 * Whether a memory limit did its work in every variation: memory was above it for less than 1 % of the time, or by no more than 5 % (a mark that is on
 * takes its time, and Go overshoots too), and the CPU limiter never gave it up.
 */
export function keepsLimit(
  limit: number | null,
  ranges: Pick<Ranges, 'overLimit' | 'overLimitMax' | 'limitedCycles'>,
): boolean {
  if (limit === null) return true;
  const near = ranges.overLimit[1] <= 0.01 || ranges.overLimitMax[1] <= 0.05 * limit;
  return near && ranges.limitedCycles[1] === 0;
}

/** The number that stands for a range where one is needed: its middle. */
export const middle = ([min, max]: Range): number => (min + max) / 2;

/** Two settings differ in a number only if their ranges do not meet. */
export const meet = (a: Range, b: Range): boolean => a[0] <= b[1] && b[0] <= a[1];
