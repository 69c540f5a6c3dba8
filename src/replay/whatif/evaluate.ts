/**
 * Running settings, each in its variations, on the pool of simulator threads.
 *
 * Every variation is a task of its own, so that they use all threads. Of all but the first only the headline is kept as it comes in: a
 * full result is up to a few MB.
 */

import { setMaxListeners } from 'node:events';
import type { CellProgress, ReplayPool } from '../pool.js';
import type { Headline, SimResult } from '../result.js';
import type { SimSettings } from '../settings.js';
import type { TraceHandle } from '../store.js';
import { DEFAULT_VARIATIONS, type Ranges, rangesOf, variationsOf } from './ranges.js';

export interface Evaluated {
  /** Of the settings as they stand. */
  readonly result: SimResult;
  /** Over the variations. */
  readonly ranges: Ranges;
}

export interface EvaluateProgress {
  /** Simulations: all, and those that are done. */
  readonly simulations: number;
  readonly done: number;
  /** Events of all of them so far. */
  readonly events: number;
}

export interface EvaluateOptions {
  /** Of each setting, 3 unless told otherwise. */
  readonly variations?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EvaluateProgress) => void;
  /** How far each setting's first variation is: for whoever draws it meanwhile. */
  readonly onCell?: (cell: number, progress: CellProgress) => void;
  /** Called once for each setting, when all of its variations are done. */
  readonly onEvaluated?: (cell: number, evaluated: Evaluated) => void;
}

/** Answers in the order of `cells`. Rejects as ReplayPool.grid does, and leaves nothing running then. */
export async function evaluate(
  pool: ReplayPool,
  trace: TraceHandle,
  cells: readonly SimSettings[],
  options: EvaluateOptions = {},
): Promise<Evaluated[]> {
  const jobs = cells.flatMap((settings, cell) =>
    variationsOf(settings, options.variations ?? DEFAULT_VARIATIONS).map((varied, variation) => ({
      cell,
      variation,
      varied,
    })),
  );
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([failed.signal, options.signal]);
  // One for each task, all of which may wait.
  setMaxListeners(0, signal);
  const events = new Float64Array(jobs.length);
  let done = 0;
  const results: SimResult[] = new Array(cells.length);
  const headlines: Headline[][] = cells.map(() => []);
  const missing = cells.map((_, cell) => jobs.filter((job) => job.cell === cell).length);
  const out: Evaluated[] = new Array(cells.length);
  const tell = (): void =>
    options.onProgress?.({ simulations: jobs.length, done, events: events.reduce((a, b) => a + b, 0) });
  const running = jobs.map(async ({ cell, variation, varied }, job) => {
    const [result] = await pool.grid(trace, [varied], {
      signal,
      onProgress: ([progress]) => {
        if (progress.events === events[job] && progress.state !== 'done') return;
        events[job] = progress.events;
        if (variation === 0) options.onCell?.(cell, progress);
        tell();
      },
    });
    events[job] = result.headline.events;
    done++;
    headlines[cell][variation] = result.headline;
    if (variation === 0) results[cell] = result;
    if (--missing[cell] > 0) return;
    out[cell] = { result: results[cell], ranges: rangesOf(headlines[cell]) };
    options.onEvaluated?.(cell, out[cell]);
  });
  try {
    await Promise.all(running);
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(running);
    throw options.signal?.aborted ? options.signal.reason : error;
  }
  tell();
  return out;
}
