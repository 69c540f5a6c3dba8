/**
 * The smallest GOMEMLIMIT that keeps GC CPU under a share, and the curve of GC CPU against the limit on which it lies.
 *
 * A limit near the live heap has Go collect without end: the death spiral that GOMEMLIMIT is feared for. First a coarse curve, in equal ratios from
 * what the program holds at its peak to what it needs without a limit; then bisection between the smallest limit of the curve from which on all
 * are good, and the one below it, down to 1 % or the step. A limit is good if GC CPU stays under the share in every variation, and the limit is
 * kept (ranges.ts says when it is).
 *
 * Nothing here simulates: `probe` does. That GC CPU falls with the limit is not assumed where the curve has been looked at.
 */

import { formatGoSize } from '../../server/gosize.js';
import type { SimResult } from '../result.js';
import { keepsLimit, type Range, type Ranges } from './ranges.js';

/** Points of the coarse curve. */
export const CURVE_POINTS = 8;
const CLOSE = 0.01;
/** How much farther than its upper bound the curve goes where it has to, in steps of this factor. */
const GROW = 1.25;
const MOST = 4;

export interface LimitPoint {
  /** Bytes. */
  readonly limit: number;
  readonly gcCpu: Range;
  readonly cycles: Range;
  /** Share of the time above the limit, and the most that it was above; cycles in which the CPU limiter was on. */
  readonly overLimit: Range;
  readonly overLimitMax: Range;
  readonly limitedCycles: Range;
  readonly peakRetained: Range;
}

export interface LimitSearch {
  /** The share that GC CPU was to stay under. */
  readonly under: number;
  /** The settings that were searched with. `gogc` -1: the limit alone decides. */
  readonly gogc: number;
  readonly gomaxprocs: number;
  /** Bytes between which was searched: what is held at the peak and Go's own memory; what is used without a limit. */
  readonly low: number;
  readonly high: number;
  /** All limits that were simulated, ascending: the death spiral. */
  readonly curve: LimitPoint[];
  /** Bytes, null: no limit does it. */
  readonly smallest: number | null;
  /** "GOGC=off GOMEMLIMIT=34MiB", or ''. */
  readonly environment: string;
  readonly text: string;
}

export interface LimitBounds {
  readonly low: number;
  readonly high: number;
}

/** Where to search, from a run without a limit. */
export function limitBounds(unlimited: SimResult): LimitBounds {
  const { headline, settings, peak, end } = unlimited;
  const own = Math.max(peak.where.metadata, end.where.metadata);
  const low = headline.peakLive + Math.min(own, settings.runtimeSys);
  // What a limit counts: everything mapped and not released.
  return { low, high: Math.max(low, headline.peakRetained + own) };
}

/** Limits are multiples of this: nobody sets GOMEMLIMIT to the byte. */
export function limitStep({ high }: LimitBounds): number {
  return high >= 64 * 2 ** 20 ? 2 ** 20 : 64 * 2 ** 10;
}

export function pointOf(limit: number, ranges: Ranges): LimitPoint {
  const { gcCpu, cycles, overLimit, overLimitMax, limitedCycles, peakRetained } = ranges;
  return { limit, gcCpu, cycles, overLimit, overLimitMax, limitedCycles, peakRetained };
}

function good(point: LimitPoint, under: number): boolean {
  return point.gcCpu[1] <= under && keepsLimit(point.limit, point);
}

export async function searchLimit(
  bounds: LimitBounds,
  settings: { readonly gogc: number; readonly gomaxprocs: number },
  under: number,
  probe: (limits: readonly number[]) => Promise<LimitPoint[]>,
): Promise<LimitSearch> {
  const { low, high } = bounds;
  const { gogc, gomaxprocs } = settings;
  const step = limitStep(bounds);
  const round = (bytes: number): number => Math.ceil(bytes / step) * step;
  const ratio = high / low;
  const limits = Array.from({ length: CURVE_POINTS }, (_, i) => round(low * ratio ** (i / (CURVE_POINTS - 1))));
  const curve = await probe([...new Set(limits)]);
  // What is used without a limit is not yet enough room for a limit that nobody notices: the pacer keeps a distance from it.
  for (let factor = GROW; !good(curve[curve.length - 1], under) && factor <= MOST; factor *= GROW) {
    curve.push(...(await probe([round(high * factor)])));
  }
  let smallest: number | null = null;
  let from = curve.length;
  while (from > 0 && good(curve[from - 1], under)) from--;
  if (from < curve.length) {
    smallest = curve[from].limit;
    let bad = from > 0 ? curve[from - 1].limit : round(low);
    while (smallest - bad > Math.max(step, CLOSE * smallest)) {
      const limit = round((smallest + bad) / 2);
      if (limit >= smallest || limit <= bad) break;
      const [point] = await probe([limit]);
      curve.push(point);
      if (good(point, under)) smallest = limit;
      else bad = limit;
    }
  }
  curve.sort((a, b) => a.limit - b.limit);
  const percent = `${Number((under * 100).toPrecision(3))} %`;
  const words = gogc < 0 ? 'GOGC=off' : `GOGC=${gogc}`;
  const text =
    smallest === null
      ? `With ${words} no GOMEMLIMIT up to ${(curve[curve.length - 1].limit / 2 ** 20).toFixed(1)} MiB keeps GC CPU under ${percent}.`
      : `With ${words}, GOMEMLIMIT=${formatGoSize(smallest)} is the smallest that keeps GC CPU under ${percent} (the program holds ${(low / 2 ** 20).toFixed(1)} MiB at its peak, with Go’s own memory).`;
  const environment = smallest === null ? '' : `${words} GOMEMLIMIT=${formatGoSize(smallest)}`;
  return { under, gogc, gomaxprocs, low, high, curve, smallest, environment, text };
}
