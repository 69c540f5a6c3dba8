/**
 * The cost model: what the simulated program's and the collector's work take, in virtual nanoseconds.
 *
 * A simulation counts work exactly and has no time of its own. Where time matters (how far the program gets while a mark is on, what share of the CPU
 * the collector has, when the scavenger may work) the counts are multiplied by these. The defaults are of one core at about 3 GHz doing
 * what Go 1.27 does; `goheap replay --calibrate` measures this machine and scales them.
 *
 * What they decide, and what not: in `stw` the sizes and the number of cycles do not depend on them at all. In `concurrent` they move a
 * cycle's beginning by the ratio of marking to allocating, which the pacer learns, as it does in Go.
 */

import type { CostModel } from '../settings.js';

export const DEFAULT_COSTS: CostModel = {
  perEvent: 10,
  perAlloc: 25,
  perAllocByte: 0.15,
  perFault: 1200,
  perScanByte: 0.2,
  perMark: 12,
  perRootSpan: 10,
  perSweep: 150,
  perRelease: 1500,
  perPause: 10_000,
  perCycle: 60_000,
};

/** The model of a machine that is `factor` times as slow at everything. */
export function scaleCosts(costs: CostModel, factor: number): CostModel {
  return Object.fromEntries(Object.entries(costs).map(([name, ns]) => [name, ns * factor])) as unknown as CostModel;
}
