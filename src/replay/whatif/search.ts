/**
 * The search for the smallest GOMEMLIMIT (limit.ts) by simulation.
 *
 * It is made with the settings that it is asked for. If these need more than the share of the CPU without any limit, no limit can help: a limit only
 * adds collections. Then GOGC is turned off, which leaves the limit alone to decide when to collect.
 */

import type { ReplayPool } from '../pool.js';
import type { SimSettings } from '../settings.js';
import type { TraceHandle } from '../store.js';
import { type Evaluated, type EvaluateOptions, evaluate } from './evaluate.js';
import { type LimitPoint, type LimitSearch, limitBounds, pointOf, searchLimit } from './limit.js';

/** `known`: settings that were evaluated already, to be reused. */
export async function findLimit(
  pool: ReplayPool,
  trace: TraceHandle,
  settings: SimSettings,
  under: number,
  known: readonly Evaluated[] = [],
  options: EvaluateOptions = {},
): Promise<LimitSearch> {
  const unlimited = async (wanted: SimSettings): Promise<Evaluated> => {
    const text = JSON.stringify(wanted);
    const have = known.find(({ result }) => JSON.stringify(result.settings) === text);
    return have ?? (await evaluate(pool, trace, [wanted], options))[0];
  };
  let own = { ...settings, memoryLimit: null };
  let free = await unlimited(own);
  if (free.ranges.gcCpu[1] > under && own.gogc >= 0) {
    own = { ...own, gogc: -1 };
    free = await unlimited(own);
  }
  const probe = async (limits: readonly number[]): Promise<LimitPoint[]> => {
    const cells = limits.map((memoryLimit) => ({ ...own, memoryLimit }));
    const evaluated = await evaluate(pool, trace, cells, options);
    return evaluated.map(({ ranges }, i) => pointOf(limits[i], ranges));
  };
  return searchLimit(limitBounds(free.result), own, under, probe);
}
