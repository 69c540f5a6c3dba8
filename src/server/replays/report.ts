/**
 * A replay that is done as a file: the self-contained page, or a table as CSV.
 *
 * The page holds all results, megabytes of them: they are read, parsed and written by a thread made for it, and so many at once.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { IngestReport } from '../../replay/events.js';
import type { CsvTable } from '../../replay/report/csv.js';
import type { ProfileFacts } from '../../replay/report/document.js';
import type { Ranges } from '../../replay/whatif/ranges.js';
import { Problem, retryLater } from '../problem.js';
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
}

export type FromReporter = { readonly bytes: Uint8Array } | { readonly damaged: string };

/** This module may run from TypeScript sources under a test runner; the worker is always the compiled one. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith('.ts')
    ? new URL('../../../dist/src/server/replays/report-worker.js', here)
    : new URL('./report-worker.js', here);
}

let atOnce = 0;

/** Rejects with a Problem, with DamagedError, or with the signal's reason. */
export async function reportOf(replay: Replay, what: ReportKind, signal: AbortSignal): Promise<Uint8Array> {
  const { state, results, hash, ingest, name, variations, profiled } = replay;
  if (state !== 'done' || results === null) {
    throw new Problem('replay-not-done', `The replay is ${state}: it has no report.`, { state });
  }
  if (atOnce >= MAX_AT_ONCE) throw retryLater('overloaded', `${atOnce} reports are being made already.`);
  signal.throwIfAborted();
  atOnce++;
  const worker = new Worker(workerUrl(), {
    workerData: {
      what,
      path: results.path,
      cells: replay.cells.map(({ places, ranges }) => ({ places: places as Places, ranges: ranges as Ranges })),
      name,
      hash: hash as string,
      ingest: ingest as IngestReport,
      variations,
      profile: profiled?.facts ?? null,
    } satisfies ReportWorkerData,
    name: 'goheap replay report',
  });
  const exited = once(worker, 'exit');
  const abort = (): void => void worker.terminate();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const answer = await new Promise<FromReporter>((resolve, reject) => {
      worker.on('message', resolve).on('error', reject);
      worker.on('exit', () => reject(signal.aborted ? signal.reason : new Error('the thread ended without an answer')));
    });
    if ('damaged' in answer) throw new DamagedError(answer.damaged);
    return answer.bytes;
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
    await exited;
    atOnce--;
  }
}
