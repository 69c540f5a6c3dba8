/**
 * What of a document goes into the report page: everything that is drawn, and not more than can be seen.
 *
 * A page that is mailed around should stay small: timelines are merged to 500 intervals, and lists of cycles and log lines keep their last ones.
 */

import type { Series, SimResult, Timeline } from '../result.js';
import type { Comparison } from '../whatif/compare.js';
import type { ComparisonDocument, ReportDocument } from './document.js';

export const PAGE_INTERVALS = 500;
export const PAGE_CYCLES = 1000;

export type PageResult = Omit<SimResult, 'samples' | 'memstats'>;
export type PageDocument = Omit<ReportDocument, 'results'> & { readonly results: PageResult[] };

export interface PageData {
  readonly version: string;
  readonly documents: PageDocument[];
  readonly comparison: Comparison | null;
}

export function pageData(document: ReportDocument | ComparisonDocument, version: string): PageData {
  const two = 'documents' in document;
  return {
    version,
    documents: (two ? document.documents : [document]).map(trimmed),
    comparison: two ? document.comparison : null,
  };
}

function trimmed(document: ReportDocument): PageDocument {
  return {
    ...document,
    results: document.results.map(({ samples: _, memstats: __, ...result }) => ({
      ...result,
      timeline: thin(result.timeline, PAGE_INTERVALS),
      cycles: result.cycles.slice(-PAGE_CYCLES),
      gctrace: result.gctrace.slice(-PAGE_CYCLES),
    })),
  };
}

/** At most `most` intervals: neighbours become one, in equal groups. */
export function thin(timeline: Timeline, most: number): Timeline {
  const n = timeline.event.length;
  const group = Math.ceil(n / most);
  if (group <= 1) return timeline;
  const ends: number[] = [];
  for (let i = group; i < n; i += group) ends.push(i);
  ends.push(n);
  const lasts = (values: readonly number[]): number[] => ends.map((end) => values[end - 1]);
  const groups = <T>(of: (from: number, to: number) => T): T[] =>
    ends.map((end, i) => of(i === 0 ? 0 : ends[i - 1], end));
  const series = ({ min, mean, max }: Series): Series => ({
    min: groups((from, to) => Math.min(...min.slice(from, to))),
    mean: groups((from, to) => Math.round(sum(mean.slice(from, to)) / (to - from))),
    max: groups((from, to) => Math.max(...max.slice(from, to))),
  });
  // Shares of time: weighted by how long each interval was.
  const lasted = timeline.seconds.map((s, i) => s - (i === 0 ? 0 : timeline.seconds[i - 1]));
  const gcCpu = groups((from, to) => {
    const all = sum(lasted.slice(from, to));
    const busy = sum(timeline.gcCpu.slice(from, to).map((share, i) => share * lasted[from + i]));
    return all <= 0 ? 0 : Math.round((busy / all) * 1e6) / 1e6;
  });
  return {
    event: lasts(timeline.event),
    seconds: lasts(timeline.seconds),
    live: series(timeline.live),
    heapAlloc: series(timeline.heapAlloc),
    inuse: series(timeline.inuse),
    retained: series(timeline.retained),
    sys: series(timeline.sys),
    goal: series(timeline.goal),
    cycles: lasts(timeline.cycles),
    gcCpu,
    where: timeline.where.map(lasts),
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
