/**
 * Calibration: what a gctrace log of the program, or its MemStats, knows and a profile does not.
 *
 * - How many bytes are alive beyond the base. A cycle marks the base, the young that are alive, and whatever was allocated while it marked
 *   (that is marked by birth). So the log's mean of marked - (end - start) over the cycles that the pacer began, less the base, is the
 *   mean young life. Cycles that the program forced are left out: they tend to stand between two pieces of work, when nothing young is
 *   alive, and say nothing of what the pacer had to deal with.
 *   Where the log found less than the profile has in use (a sampled profile knows a small live set only roughly, and a growing one is
 *   largest at the end), the log is right: it measured.
 * - When the program forced cycles, by how much it had allocated until then.
 * - GOMAXPROCS, and how long it ran.
 *
 * - How much it allocated: to half a MB a cycle, but of the very run that the log is of. The profile's volume is exact, but often of another run (with
 *   profiling on, or longer). Unless told otherwise the log's is played, since the log is what the prediction will be laid over. Where the two differ, a
 *   note says by how much: the number of cycles goes with the volume.
 */

import { allocatedAt, expected, type GcCycle, type GcTrace } from './gctrace.js';
import type { GoMemStats } from './memstats-text.js';
import type { RateModel } from './model.js';

/** GOGC's floor of the heap goal at 100: below it, NextGC says nothing of the live heap. */
const MIN_GOAL = 4 << 20;
/** Forced collections that are played: more than a stream has room for. */
const MAX_FORCED = 1 << 20;
/** Volumes that differ by more than this are worth a note. */
const DIFFERENT = 0.05;

export interface CalibrateOptions {
  /** Whose count of bytes allocated is played. */
  readonly volume?: 'profile' | 'log';
}

const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** The model with what the log tells. */
export function calibrate(model: RateModel, log: GcTrace, options: CalibrateOptions = {}): RateModel {
  const { cycles } = log;
  const notes = [...model.notes];
  const paced = cycles.filter((c) => !c.forced);
  const counted = paced.length > 0 ? paced : cycles;
  if (paced.length === 0) notes.push('The log has forced cycles only: the live heap is what they found.');
  const base = model.baseBytes + Math.max(0, model.growthBytes) / 2;
  const mean = (of: (c: GcCycle) => number): number => counted.reduce((n, c) => n + of(c), 0) / counted.length;
  // Of a whole profile the base is counted, of a sampled one it may be off by more than there is.
  const least = model.rate > 1 ? 0 : Math.min(model.baseBytes, base);
  // The difference of two sizes that were cut alike is right on average; a size alone is not.
  const reached = Math.max(0, mean((c) => expected(c.marked, least)) - mean((c) => c.end - c.start));
  const toBase = base > reached ? reached / base : 1;
  if (toBase < 1) {
    notes.push(
      `The log's cycles found ${mb(reached)} alive on average, the profile has ${mb(base)} in use: what is more than that is taken to die at once.`,
    );
  }
  const allocated = allocatedAt(cycles);
  const total = allocated[allocated.length - 1];
  const factor = total / model.allocBytes;
  const byLog = options.volume !== 'profile' && total > 0;
  if (Math.abs(factor - 1) > DIFFERENT) {
    notes.push(
      `The log accounts for ${mb(total)} allocated, the profile for ${mb(model.allocBytes)}; the ${byLog ? 'log' : 'profile'} is followed.`,
    );
  }
  if (log.missing > 0) notes.push(`The log lacks the lines of ${log.missing} cycles.`);
  const [first, last] = [cycles[0], cycles[cycles.length - 1]];
  // A log that begins in the middle is of the time from there.
  const seconds = last.seconds + last.clock.mark - (first.number === 1 ? 0 : first.seconds);
  return {
    ...allocate(shrinkBase(model, toBase), byLog ? factor : 1),
    youngLife: Math.max(0, reached - base),
    seconds: byLog ? seconds : (model.seconds ?? seconds),
    gomaxprocs: last.gomaxprocs,
    forced: cycles.flatMap((c, i) => (c.forced ? [{ at: total === 0 ? 0 : Math.min(1, allocated[i] / total) }] : [])),
    notes,
  };
}

/** As much of everything that is allocated in the interval as `factor` says; the base stays. */
function allocate(model: RateModel, factor: number): RateModel {
  if (factor === 1) return model;
  const { allocBytes, allocObjects, baseBytes } = model;
  // Of one profile the base is part of the volume.
  const fixed = model.from === 'one profile' ? baseBytes : 0;
  const rest = Math.max(0, allocBytes * factor - fixed) / Math.max(1, allocBytes - fixed);
  return {
    ...model,
    operations: model.operations === null ? null : model.operations * factor,
    tinyObjects: model.tinyObjects === null ? null : model.tinyObjects * factor,
    allocBytes: allocBytes * factor,
    allocObjects: allocObjects * factor,
    growthBytes: model.growthBytes * rest,
    sizes: model.sizes.map((s) => ({ ...s, growth: s.growth * rest, young: s.young * rest })),
  };
}

/** Fewer objects in the base, and as many more that die young. */
function shrinkBase(model: RateModel, share: number): RateModel {
  if (share === 1) return model;
  const whole = model.from === 'one profile';
  return {
    ...model,
    baseBytes: model.baseBytes * share,
    growthBytes: model.growthBytes * share,
    sizes: model.sizes.map((s) => {
      const growth = s.growth * share;
      // What was allocated in the interval stays the same; of one profile that is the base too.
      const young = s.young + (whole ? s.base * (1 - share) : 0) + Math.max(0, s.growth) - Math.max(0, growth);
      return { size: s.size, base: s.base * share, growth, young };
    }),
  };
}

/** The model with what MemStats of the same moment tell. @param gogc of the program */
export function calibrateFromMemStats(model: RateModel, stats: GoMemStats, gogc = 100): RateModel {
  const { NextGC, NumForcedGC = 0 } = stats;
  const notes = [...model.notes];
  let { youngLife } = model;
  if (NextGC !== undefined && gogc > 0 && NextGC > (MIN_GOAL * gogc) / 100) {
    const marked = NextGC / (1 + gogc / 100);
    youngLife = Math.max(0, marked - model.baseBytes - Math.max(0, model.growthBytes));
  } else {
    notes.push('NextGC is at its floor, and does not tell how much is alive.');
  }
  const times = Math.min(MAX_FORCED, Math.floor(NumForcedGC));
  if (times < Math.floor(NumForcedGC)) {
    notes.push(`The program forced ${NumForcedGC} collections: ${times} of them, evenly spread, are played.`);
  }
  const forced = Array.from({ length: times }, (_, i) => ({ at: (i + 1) / times }));
  return { ...model, youngLife, forced, notes };
}
