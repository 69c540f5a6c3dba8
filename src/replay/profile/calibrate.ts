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
 * The volume stays the profile's: a log tells it only to half a MB a cycle, and often comes from another run. Where the two differ by
 * much, a note says so.
 */

import { allocatedAt, type GcTrace, MIDDLE } from './gctrace.js';
import type { GoMemStats } from './memstats-text.js';
import type { RateModel } from './model.js';

/** GOGC's floor of the heap goal at 100: below it, NextGC says nothing of the live heap. */
const MIN_GOAL = 4 << 20;
const DIFFERENT = 0.25;

const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** The model with what the log tells. */
export function calibrate(model: RateModel, log: GcTrace): RateModel {
  const { cycles } = log;
  const notes = [...model.notes];
  const paced = cycles.filter((c) => !c.forced);
  const counted = paced.length > 0 ? paced : cycles;
  if (paced.length === 0) notes.push('The log has forced cycles only: the live heap is what they found.');
  const reached = counted.reduce((n, c) => n + Math.max(0, c.marked - (c.end - c.start)), 0) / counted.length + MIDDLE;
  const base = model.baseBytes + Math.max(0, model.growthBytes) / 2;
  const toBase = base > reached ? reached / base : 1;
  if (toBase < 1) {
    notes.push(
      `The log's cycles found ${mb(reached)} alive on average, the profile has ${mb(base)} in use: what is more than that is taken to die at once.`,
    );
  }
  const allocated = allocatedAt(cycles);
  const total = allocated[allocated.length - 1];
  if (Math.abs(total - model.allocBytes) > DIFFERENT * model.allocBytes) {
    notes.push(
      `The log accounts for ${mb(total)} allocated, the profile for ${mb(model.allocBytes)}: they may not be of the same work.`,
    );
  }
  if (log.missing > 0) notes.push(`The log lacks the lines of ${log.missing} cycles.`);
  const last = cycles[cycles.length - 1];
  return {
    ...shrinkBase(model, toBase),
    youngLife: Math.max(0, reached - base),
    seconds: model.seconds ?? last.seconds + last.clock.mark,
    gomaxprocs: last.gomaxprocs,
    forced: cycles.flatMap((c, i) => (c.forced ? [{ at: total === 0 ? 0 : Math.min(1, allocated[i] / total) }] : [])),
    notes,
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
  const forced = Array.from({ length: NumForcedGC }, (_, i) => ({ at: (i + 1) / NumForcedGC }));
  return { ...model, youngLife, forced, notes };
}
