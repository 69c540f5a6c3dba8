/**
 * Two recordings under the same settings: what became of memory and of the collector, setting by setting, and which sizes account for it.
 *
 * The recordings may differ in length, so that totals are those of a run, and shares are shares. Sizes are compared by class: bytes asked for over
 * the run, and bytes of spans at the peak.
 */

import type { Headline, SimResult } from '../result.js';
import { meet, middle, type Range, type Ranges } from './ranges.js';

/** What is compared, in the order of a table. */
export const COMPARED = [
  'events',
  'totalAlloc',
  'peakLive',
  'meanInuse',
  'peakRetained',
  'cycles',
  'gcCpu',
  'gcCpuSeconds',
] as const satisfies readonly (keyof Headline)[];
export type Compared = (typeof COMPARED)[number];

export interface ComparedNumber {
  readonly name: Compared;
  readonly before: Range;
  readonly after: Range;
  /** Of `before`, by the middles; null where that is 0. */
  readonly percent: number | null;
  /** The ranges meet: no difference that Go itself would not make. */
  readonly same: boolean;
}

export interface ComparedCell {
  readonly name: string;
  readonly numbers: ComparedNumber[];
}

export interface ComparedClass {
  /** 0: large objects. */
  readonly sizeClass: number;
  readonly size: number;
  readonly noscan: boolean;
  /** Bytes asked for over the run, and of spans at the peak: before, after. */
  readonly requested: readonly [number, number];
  readonly spans: readonly [number, number];
}

export interface Comparison {
  /** Names of the two recordings. */
  readonly before: string;
  readonly after: string;
  /** In the order of the grid. */
  readonly cells: ComparedCell[];
  /** Of the base: classes whose spans at the peak, or requests, changed; the greatest change at the peak first. */
  readonly classes: ComparedClass[];
}

export interface Side {
  readonly name: string;
  readonly cells: readonly { readonly name: string; readonly ranges: Ranges }[];
  readonly results: readonly SimResult[];
}

export function compare(a: Side, b: Side): Comparison {
  return {
    before: a.name,
    after: b.name,
    cells: a.cells.map(({ name, ranges }, i) => ({
      name,
      numbers: COMPARED.map((key) => {
        const before = ranges[key];
        const after = b.cells[i].ranges[key];
        const from = middle(before);
        const percent = from === 0 ? null : ((middle(after) - from) / from) * 100;
        return { name: key, before, after, percent, same: meet(before, after) };
      }),
    })),
    classes: classes(a.results[0], b.results[0]),
  };
}

function classes(a: SimResult, b: SimResult): ComparedClass[] {
  const rows = new Map<number, { -readonly [K in keyof ComparedClass]: ComparedClass[K] }>();
  [a, b].forEach((side, at) => {
    for (const { sizeClass, size, noscan, requestedBytes, spanBytes } of side.classes) {
      const key = sizeClass * 2 + (noscan ? 1 : 0);
      const row = rows.get(key) ?? { sizeClass, size, noscan, requested: [0, 0], spans: [0, 0] };
      row.requested = at === 0 ? [requestedBytes, 0] : [row.requested[0], requestedBytes];
      row.spans = at === 0 ? [spanBytes, 0] : [row.spans[0], spanBytes];
      rows.set(key, row);
    }
  });
  const change = ([x, y]: readonly [number, number]): number => Math.abs(y - x);
  return [...rows.values()]
    .filter((row) => change(row.requested) > 0 || change(row.spans) > 0)
    .sort((x, y) => change(y.spans) - change(x.spans) || change(y.requested) - change(x.requested));
}
