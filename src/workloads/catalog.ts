/** The workloads that there are: how each is made, and its defaults. What they show is in `texts.ts`. */

import type { Generator, GuideStage, Plan } from './generator.js';
import { Lanes } from './generator.js';
import { Fragmentation } from './kinds/fragmentation.js';
import { GcGuide } from './kinds/gcguide.js';
import { Graph } from './kinds/graph.js';
import { Holes } from './kinds/holes.js';
import { Large } from './kinds/large.js';
import { Larson } from './kinds/larson.js';
import { Leak } from './kinds/leak.js';
import { Peak } from './kinds/peak.js';
import { Phases } from './kinds/phases.js';
import { Thrash } from './kinds/thrash.js';
import { Xmalloc } from './kinds/xmalloc.js';
import type { KindName } from './texts.js';

export { KIND_NAMES, type KindName } from './texts.js';

const MiB = 2 ** 20;

export interface Kind {
  /** Operations a second, and bytes held, where the request says nothing. */
  readonly rate: number;
  readonly bytes: number;
  /** It only makes sense on a heap with a memory limit, of which it then fills this share by default. */
  readonly ofLimit?: number;
  readonly make: (plan: Plan) => Generator;
}

export const KINDS: Readonly<Record<KindName, Kind>> = {
  larson: { rate: 40_000, bytes: 32 * MiB, make: (plan) => new Larson(plan) },
  xmalloc: { rate: 100_000, bytes: 64 * MiB, make: (plan) => new Xmalloc(plan) },
  leak: { rate: 20_000, bytes: 512 * MiB, make: (plan) => new Lanes(plan, Leak) },
  fragmentation: { rate: 100_000, bytes: 128 * MiB, make: (plan) => new Lanes(plan, Fragmentation) },
  holes: { rate: 100_000, bytes: 16 * MiB, make: (plan) => new Lanes(plan, Holes) },
  phases: { rate: 100_000, bytes: 96 * MiB, make: (plan) => new Lanes(plan, Phases) },
  peak: { rate: 20_000, bytes: 256 * MiB, make: (plan) => new Lanes(plan, Peak) },
  thrash: { rate: 60_000, bytes: 64 * MiB, ofLimit: 0.85, make: (plan) => new Lanes(plan, Thrash) },
  large: { rate: 1000, bytes: 256 * MiB, make: (plan) => new Lanes(plan, Large) },
  graph: { rate: 120_000, bytes: 16 * MiB, make: (plan) => new Lanes(plan, Graph) },
  gcguide: { rate: 200_000, bytes: 512 * MiB, make: (plan) => new Lanes(plan, GcGuide) },
};

/** The guide's first figure. */
export const DEFAULT_PROFILE: readonly GuideStage[] = [
  { duration: 10, allocRate: 10, scanRate: 1024, newSurvivalRate: 0.14, oldDeathRate: 0.5 },
];
