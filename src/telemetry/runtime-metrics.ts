/**
 * runtime/metrics: what a Go program reads with `metrics.Read`, under Go's own names.
 *
 *     /gc/heap/live:bytes            uint64
 *     /cpu/classes/user:cpu-seconds  float64
 *     /gc/pauses:seconds             float64-histogram
 *
 * client_golang makes its metrics from these, and writes into each help text which one it was made from. So a heap's
 * Prometheus page holds all that is needed: name and description are taken from the help, the value from the same
 * `read`, and the two pages cannot disagree. Only the histograms are read anew: client_golang joins their buckets into
 * a dozen, here they have the resolution in which Go's runtime counts. What the page leaves out (`left-out.ts`) is
 * therefore left out here, for the same reasons.
 *
 * A uint64 is written with all its digits, since a reader that knows the type expects to get them: GOGC=off is
 * 18446744073709551615, no memory limit 9223372036854775807. The first and the last boundary of a histogram may be
 * infinite, which JSON cannot say: they are the strings "-Inf" and "+Inf".
 *
 * Reads what a scrape reads: stops nothing, locks nothing, walks nothing.
 */

import { stoppingPauses, totalPauses } from '../gc/pauses.js';
import { BOUNDARIES, NUM_COUNTS } from '../gc/timehistogram.js';
import type { Heap } from '../heap/heap.js';
import { CLASS_TO_SIZE, NUM_SIZE_CLASSES } from '../heap/sizeclass.js';
import type { Family, Out } from './family.js';
import { whyLeftOut } from './left-out.js';
import { HEAP_TABLE } from './table.js';
import { HeapView, type Scraped } from './view.js';

export type RuntimeKind = 'uint64' | 'float64' | 'float64-histogram';

export interface RuntimeMetric {
  readonly name: string;
  readonly kind: RuntimeKind;
  readonly description: string;
  readonly cumulative: boolean;
  /** The value as JSON. */
  read(view: HeapView): string;
}

interface Histogram {
  /** Count i is of what lies in [buckets[i], buckets[i + 1]). */
  readonly buckets: readonly number[];
  counts(view: HeapView): ArrayLike<number>;
}

/** Go's buckets: one for each size class, from 1 on, and one for what is larger than all. */
const BY_SIZE: readonly number[] = [
  1,
  ...Array.from({ length: NUM_SIZE_CLASSES - 1 }, (_, i) => CLASS_TO_SIZE[i + 1] + 1),
  Number.POSITIVE_INFINITY,
];

function bySize(slots: Float64Array, large: number): Float64Array {
  const counts = new Float64Array(NUM_SIZE_CLASSES);
  counts.set(slots.subarray(1, NUM_SIZE_CLASSES));
  counts[NUM_SIZE_CLASSES - 1] = large;
  return counts;
}

const pauses = (at: (h: Heap) => number): Histogram => ({
  buckets: BOUNDARIES,
  counts: ({ heap }) => heap.f.subarray(at(heap), at(heap) + NUM_COUNTS),
});

const HISTOGRAMS: Readonly<Record<string, Histogram>> = {
  '/gc/heap/allocs-by-size:bytes': {
    buckets: BY_SIZE,
    counts: ({ slots, mem }) => bySize(slots.allocs, mem.LargeMallocs),
  },
  '/gc/heap/frees-by-size:bytes': {
    buckets: BY_SIZE,
    counts: ({ slots, mem }) => bySize(slots.frees, mem.LargeFrees),
  },
  '/gc/pauses:seconds': pauses(totalPauses),
  '/sched/pauses/stopping/gc:seconds': pauses(stoppingPauses),
  '/sched/pauses/total/gc:seconds': pauses(totalPauses),
};

/** How client_golang ends the help of a metric that it made from one of these. */
const SOURCED = /^(.*) Sourced from (\/\S+:\S+)\.$/;

/** Every metric, in Go's order: by name. */
export const RUNTIME_METRICS: readonly RuntimeMetric[] = HEAP_TABLE.flatMap((family) => {
  const source = SOURCED.exec(family.help);
  return source === null ? [] : [metricOf(family, source[2], source[1])];
}).sort((a, b) => (a.name < b.name ? -1 : 1));

function metricOf(family: Family<HeapView>, name: string, description: string): RuntimeMetric {
  const cumulative = family.type !== 'gauge';
  const histogram = HISTOGRAMS[name];
  if (histogram !== undefined) {
    const buckets = `"buckets":[${histogram.buckets.map(boundary).join()}]}`;
    const read = (view: HeapView): string =>
      `{"counts":[${Array.from(histogram.counts(view), uint64).join()}],${buckets}`;
    return { name, kind: 'float64-histogram', description, cumulative, read };
  }
  const kind = name.endsWith('seconds') ? 'float64' : 'uint64';
  const text = kind === 'float64' ? String : uint64;
  const read = (view: HeapView): string => {
    family.read(view, one);
    return text(one.read);
  };
  return { name, kind, description, cumulative, read };
}

/** Keeps the one value of a family. */
class One implements Out {
  read = 0;

  value(value: number): void {
    this.read = value;
  }

  histogram(): void {
    throw new Error('a histogram that runtime-metrics.ts does not know');
  }

  summary(): void {
    throw new Error('runtime/metrics has no summaries');
  }
}

const one = new One();

/** A double as the uint64 that it stands for. While a heap runs, a difference of two counts can be below 0 for a moment. */
export function uint64(value: number): string {
  if (!(value > 0)) return '0';
  if (value >= 2 ** 64) return '18446744073709551615';
  // No count reaches it: it is math.MaxInt64, to which no double is nearer.
  if (value === 2 ** 63) return '9223372036854775807';
  const whole = Math.floor(value);
  return whole <= Number.MAX_SAFE_INTEGER ? String(whole) : BigInt(whole).toString();
}

function boundary(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '"+Inf"';
  return value === Number.NEGATIVE_INFINITY ? '"-Inf"' : String(value);
}

const BY_NAME = new Map(RUNTIME_METRICS.map((metric) => [metric.name, metric]));

/** Everything of a metric but its value is always the same text. */
const HEADS = new Map(
  RUNTIME_METRICS.map((metric) => {
    const { name, kind, description, cumulative } = metric;
    return [metric, `${JSON.stringify({ name, kind, description, cumulative }).slice(0, -1)},"value":`];
  }),
);

/** The first of these names that is no metric here; undefined if all are. */
export function unknownMetric(names: readonly string[]): string | undefined {
  return names.find((name) => !BY_NAME.has(name));
}

/** Why a metric of Go's is not here, if it is one that was left out. */
export function whyNoMetric(name: string): string | undefined {
  const theirs = `go${name.replace(/[^A-Za-z0-9]/g, '_')}`;
  return whyLeftOut(theirs) ?? whyLeftOut(`${theirs}_total`);
}

/** The metrics with these names, or all of them, as JSON: each once, in Go's order, all seen at one moment. */
export function runtimeMetricsJson(heap: Scraped, names?: readonly string[]): string {
  const wanted = names === undefined ? undefined : new Set(names);
  const view = new HeapView(heap);
  const items: string[] = [];
  for (const metric of RUNTIME_METRICS) {
    if (wanted !== undefined && !wanted.has(metric.name)) continue;
    items.push(`${HEADS.get(metric)}${metric.read(view)}}`);
  }
  return `{"metrics":[${items.join()}]}`;
}
