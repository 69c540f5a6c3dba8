/**
 * A replay that is done as a file: the self-contained page, or a table as CSV.
 *
 * The page holds all results, megabytes of them: they are read, parsed and written by a thread made for it, and so many at once.
 */

import type { IngestReport } from '../../replay/events.js';
import type { CsvTable } from '../../replay/report/csv.js';
import type { ProfileFacts } from '../../replay/report/document.js';
import type { Ranges } from '../../replay/whatif/ranges.js';
import { ask, threadScript } from '../../threads/thread.js';
import { Problem, retryLater } from '../problem.js';
import { type Bounds, timeOf } from './bounds.js';
import { DamagedError, type Places } from './disk.js';
import type { Replay } from './replay.js';

const MAX_AT_ONCE = 2;

export type ReportKind = { readonly kind: 'html' } | { readonly kind: 'csv'; readonly table: CsvTable };

export interface ReportWorkerData {
  readonly what: ReportKind;
  /** Of the results' file. */
  readonly path: string;
  readonly cells: readonly { readonly places: Places; readonly ranges: Ranges }[];
  readonly name: string;
  readonly hash: string;
  readonly ingest: IngestReport;
  readonly variations: number;
  readonly profile: ProfileFacts | null;
  /** Of a BusyClock, which the worker keeps. */
  readonly clock: SharedArrayBuffer;
}

export type FromReporter = { readonly bytes: Uint8Array } | { readonly damaged: string };

let atOnce = 0;

/**
 * Rejects with a Problem, with DamagedError, with ThreadError where the thread fails, or with the
 * signal's reason; nothing of it runs any more then.
 */
export async function reportOf(
  replay: Replay,
  what: ReportKind,
  bounds: Bounds,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { state, results, hash, ingest, name, variations, profiled } = replay;
  if (state !== 'done' || results === null) {
    throw new Problem('replay-not-done', `The replay is ${state}: it has no report.`, { state });
  }
  if (atOnce >= MAX_AT_ONCE) throw retryLater('overloaded', `${atOnce} reports are being made already.`);
  const time = timeOf(bounds, 'The report was worked on');
  const data: ReportWorkerData = {
    what,
    path: results.path,
    cells: replay.cells.map(({ places, ranges }) => ({ places: places as Places, ranges: ranges as Ranges })),
    name,
    hash: hash as string,
    ingest: ingest as IngestReport,
    variations,
    profile: profiled?.facts ?? null,
    clock: time.clock.shared,
  };
  atOnce++;
  try {
    const answer = await ask<FromReporter>(threadScript(import.meta.url, 'report-worker'), {
      name: 'goheap replay report',
      data,
      memory: bounds.memory,
      time,
      signal,
    });
    if ('damaged' in answer) throw new DamagedError(answer.damaged);
    return answer.bytes;
  } finally {
    atOnce--;
  }
}
