/**
 * The workloads that there are: what each shows, which alerts it fires when it is given enough to do, and its defaults.
 *
 * The names of alerts are those of the rules in `prometheus/`. A workload without any shows health. Three rules have no workload here: a heap that
 * is down and an M that was replaced are drills (DELETE, terminate), and sweeping keeps up with whatever leaves a P a moment's rest, so that a sweep
 * debt grows only under more load than a polite workload makes.
 */

import type { Generator, GuideStage, Plan } from './generator.js';
import { Lanes } from './generator.js';
import { Fragmentation } from './kinds/fragmentation.js';
import { GcGuide } from './kinds/gcguide.js';
import { Graph } from './kinds/graph.js';
import { Large } from './kinds/large.js';
import { Larson } from './kinds/larson.js';
import { Leak } from './kinds/leak.js';
import { Phases } from './kinds/phases.js';
import { Thrash } from './kinds/thrash.js';
import { Xmalloc } from './kinds/xmalloc.js';

export type AlertName =
  | 'NearMemoryLimit'
  | 'GCThrashing'
  | 'FragmentationHigh'
  | 'RetainedIdle'
  | 'SweepDebtGrowing'
  | 'McacheThrash'
  | 'CentralContention'
  | 'ReservationNearEnd'
  | 'LiveHeapLeak'
  | 'HeapDown'
  | 'MRestarted';

const MiB = 2 ** 20;

export interface Kind {
  /** What one sees, in a sentence. */
  readonly shows: string;
  readonly alerts: readonly AlertName[];
  /** Operations a second, and bytes held, where the request says nothing. */
  readonly rate: number;
  readonly bytes: number;
  /** It only makes sense on a heap with a memory limit, of which it then fills this share by default. */
  readonly ofLimit?: number;
  readonly make: (plan: Plan) => Generator;
}

export const KINDS = {
  larson: {
    shows: 'A healthy server: a steady live heap, nearly every allocation served by an mcache',
    alerts: [],
    rate: 40_000,
    bytes: 32 * MiB,
    make: (plan) => new Larson(plan),
  },
  xmalloc: {
    shows: 'What one P allocates another frees, in spans of one slot: the Ps meet at the lock of an mcentral',
    alerts: ['CentralContention', 'McacheThrash'],
    rate: 100_000,
    bytes: 64 * MiB,
    make: (plan) => new Xmalloc(plan),
  },
  leak: {
    shows:
      'The heap is larger after each collection, though the traffic stays the same; close to the reservation, its end',
    alerts: ['LiveHeapLeak', 'ReservationNearEnd'],
    rate: 20_000,
    bytes: 512 * MiB,
    make: (plan) => new Lanes(plan, Leak),
  },
  fragmentation: {
    shows: 'HeapInuse far above HeapAlloc: a few survivors hold nearly every span',
    alerts: ['FragmentationHigh'],
    rate: 100_000,
    bytes: 32 * MiB,
    make: (plan) => new Lanes(plan, Fragmentation),
  },
  phases: {
    shows: 'Growth, work, then nothing, each time in other sizes: idle memory that is returned slowly',
    alerts: ['RetainedIdle'],
    rate: 100_000,
    bytes: 96 * MiB,
    make: (plan) => new Lanes(plan, Phases),
  },
  thrash: {
    shows: 'A live heap just below GOMEMLIMIT: one collection after the other, until the CPU limiter steps in',
    alerts: ['NearMemoryLimit', 'GCThrashing'],
    rate: 60_000,
    bytes: 64 * MiB,
    ofLimit: 0.85,
    make: (plan) => new Lanes(plan, Thrash),
  },
  large: {
    shows: 'Objects that are spans of their own, or nearly: page searches, zeroing, growth, a refill for every object',
    alerts: ['McacheThrash', 'RetainedIdle'],
    rate: 1000,
    bytes: 256 * MiB,
    make: (plan) => new Lanes(plan, Large),
  },
  graph: {
    shows: 'Pointers overwritten all the time: scanning, the write barrier, garbage that nobody freed',
    alerts: [],
    rate: 120_000,
    bytes: 16 * MiB,
    make: (plan) => new Lanes(plan, Graph),
  },
  gcguide: {
    shows: "The workload of Go's GC guide, from the same JSON, on a real heap",
    alerts: [],
    rate: 200_000,
    bytes: 512 * MiB,
    make: (plan) => new Lanes(plan, GcGuide),
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];

/** The guide's first figure. */
export const DEFAULT_PROFILE: readonly GuideStage[] = [
  { duration: 10, allocRate: 10, scanRate: 1024, newSurvivalRate: 0.14, oldDeathRate: 0.5 },
];
