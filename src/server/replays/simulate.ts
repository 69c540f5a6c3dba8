/**
 * The grid of one replay, on the shared pool of simulator threads.
 *
 * Each cell is simulated in its variations (whatif/ranges.ts), each of them a task. No more tasks are handed to the pool than it has threads, so that
 * replays that run side by side take turns, and one that comes later does not wait for a whole grid. A result goes to disk as it comes; of the other
 * variations only the headlines are kept. So what is held does not grow with the grid.
 */

import type { ReplayPool } from '../../replay/pool.js';
import type { Headline } from '../../replay/result.js';
import type { SimSettings } from '../../replay/settings.js';
import type { TraceHandle } from '../../replay/store.js';
import { rangesOf, variationsOf } from '../../replay/whatif/ranges.js';
import type { Results } from './disk.js';
import { diskProblem } from './problems.js';
import { doneWith, type Replay } from './replay.js';

interface Task {
  readonly cell: number;
  readonly variation: number;
  readonly settings: SimSettings;
}

/**
 * Resolves when all cells are done and on disk; `bytes` of the replay are those of the results. Rejects with the signal's reason, with
 * ReplayInputError, or with a Problem of the disk; then nothing of it runs any more.
 * @param onEvents called with the number of events of each simulation that is done
 */
export async function simulateGrid(
  replay: Replay,
  pool: ReplayPool,
  trace: TraceHandle,
  results: Results,
  signal: AbortSignal,
  onEvents: (events: number) => void,
): Promise<void> {
  const { cells } = replay;
  const tasks = cells.flatMap(({ settings }, cell) =>
    variationsOf(settings, replay.variations).map((varied, variation): Task => ({ cell, variation, settings: varied })),
  );
  const headlines: Headline[][] = cells.map(() => []);
  const missing = cells.map((_, cell) => tasks.filter((task) => task.cell === cell).length);
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  replay.work.total = tasks.length * replay.events;
  replay.work.done = 0;

  const run = async ({ cell, variation, settings }: Task): Promise<void> => {
    const seen = cells[cell];
    let events = 0;
    const [result] = await pool.grid(trace, [settings], {
      signal: either,
      onProgress: ([now]) => {
        if (now.events <= events) return;
        replay.work.done += now.events - events;
        events = now.events;
        if (variation === 0 && seen.state !== 'done') {
          const { state, seconds, cycles, inuse, live } = now;
          Object.assign(seen, { state: state === 'done' ? 'running' : state, events, seconds, cycles, inuse, live });
          seen.moments.add(now);
        }
        replay.tell({ kind: 'progress' });
      },
    });
    const { headline, exhausted } = result;
    replay.work.done += Math.max(0, headline.events - events);
    onEvents(headline.events);
    headlines[cell][variation] = headline;
    if (variation === 0) {
      seen.places = await results.append(result).catch((error) => {
        throw diskProblem(error);
      });
      seen.exhausted = exhausted;
      doneWith(seen, headline);
      replay.bytes = results.size;
      replay.tell({ kind: 'result', cell });
    }
    if (--missing[cell] === 0) seen.ranges = rangesOf(headlines[cell]);
  };

  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < tasks.length && !failed.signal.aborted) await run(tasks[next++]);
  };
  const lanes = Array.from({ length: Math.min(pool.threads, tasks.length) }, () =>
    lane().catch((error) => {
      failed.abort(error);
      throw error;
    }),
  );
  const ended = await Promise.allSettled(lanes);
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}
