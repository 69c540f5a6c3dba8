/**
 * From the runs of a simulated heap to cells of a grid. No DOM: the tests read it too.
 *
 * A heap of 100 GiB has 13 million pages, which no screen has. So a grid has at most `MOST` cells: where there are more pages a cell stands
 * for several, and has the colour of the run that has most pages in it. Single arenas can be looked at page by page.
 */

import type { HeapMap } from '../../../src/replay/result.js';

/** What the runs are kept as: six numbers a run, one after the other, a quarter of what they need as arrays of arrays. */
export type Runs = Int32Array;
export const FIELDS = 6;
export const [FREE, RELEASED, SPAN] = [0, 1, 2];

export const MOST = 16_384;

export interface Cells {
  /** Pages a cell. */
  pages: number;
  count: number;
  /** Index into the runs, of each cell. */
  run: Int32Array;
}

export function flat(runs: HeapMap['runs']): Runs {
  const out = new Int32Array(runs.length * FIELDS);
  for (let i = 0; i < runs.length; i++) out.set(runs[i], i * FIELDS);
  return out;
}

/** First page of each run, and the end of the last. */
export function starts(runs: Runs): Float64Array {
  const out = new Float64Array(runs.length / FIELDS + 1);
  for (let i = 0; i + 1 < out.length; i++) out[i + 1] = out[i] + runs[i * FIELDS + 1];
  return out;
}

/** The run that has a page, by `starts`. */
export function runAt(first: Float64Array, page: number): number {
  let lo = 0;
  let hi = first.length - 2;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (first[mid] <= page) lo = mid;
    else hi = mid - 1;
  }
  return lo;
}

/** Pages [from, to) as cells. */
export function cellsOf(first: Float64Array, from: number, to: number): Cells {
  const pages = Math.max(1, Math.ceil((to - from) / MOST));
  const count = Math.ceil((to - from) / pages);
  const run = new Int32Array(count);
  if (count === 0) return { pages, count, run };
  let at = runAt(first, from);
  for (let cell = 0; cell < count; cell++) {
    const begin = from + cell * pages;
    const end = Math.min(to, begin + pages);
    let most = 0;
    for (;;) {
      const has = Math.min(end, first[at + 1]) - Math.max(begin, first[at]);
      if (has > most) {
        most = has;
        run[cell] = at;
      }
      if (first[at + 1] >= end) break;
      at++;
    }
    if (first[at + 1] === end && at + 2 < first.length) at++;
  }
  return { pages, count, run };
}
