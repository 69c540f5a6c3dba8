/**
 * The pool of simulator threads: a grid of settings over one recording, on as many cores as there are.
 *
 * The recording is parsed once, by a thread of its own, into a store that all simulations read (store.ts). Each cell of the grid is a task; tasks of
 * several grids share the threads, first come, first served. A simulation tells how far it is, and is told to end, through a few bytes of shared
 * memory: messages would not reach a thread that is busy.
 *
 * On the main thread. `close` ends everything.
 */

import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { ReplayInputError } from './events.js';
import type { HeapMap, SimResult } from './result.js';
import type { SimSettings } from './settings.js';
import {
  Cancelled,
  PROGRESS_BYTES,
  PROGRESS_CANCEL,
  PROGRESS_CYCLES,
  PROGRESS_EVENTS,
  PROGRESS_INUSE,
  PROGRESS_LIVE,
  PROGRESS_SECONDS,
} from './sim/run.js';
import type { SimAnswer, SimTask } from './sim-worker.js';
import type { TraceHandle } from './store.js';

/** How far one simulation of a grid is. */
export interface CellProgress {
  /** Index in the grid. */
  cell: number;
  state: 'waiting' | 'running' | 'done';
  events: number;
  /** Virtual. */
  seconds: number;
  cycles: number;
  inuse: number;
  live: number;
}

export interface GridOptions {
  readonly signal?: AbortSignal;
  /** Called every 100 ms while the grid runs, and once when it is done. */
  readonly onProgress?: (cells: readonly CellProgress[]) => void;
  /** Called as each cell is done. */
  readonly onResult?: (cell: number, result: SimResult) => void;
}

const PROGRESS_MS = 100;

export class ReplayPool {
  readonly threads: number;
  private readonly pool: Piscina<SimTask, SimAnswer>;

  constructor(threads: number = availableParallelism()) {
    this.threads = threads;
    this.pool = new Piscina({
      filename: workerUrl().href,
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: 5000,
      // A simulated heap is large address space and little memory; what JavaScript itself holds of it is small.
      concurrentTasksPerWorker: 1,
    });
  }

  /** Results in the grid's order. Rejects with the signal's reason when it is aborted, with ReplayInputError where the recording cannot be read. */
  async grid(trace: TraceHandle, cells: readonly SimSettings[], options: GridOptions = {}): Promise<SimResult[]> {
    const { signal, onProgress, onResult } = options;
    const shared = cells.map(() => new SharedArrayBuffer(PROGRESS_BYTES));
    const done = cells.map(() => false);
    const tell = (): void => onProgress?.(cells.map((_, cell) => progressOf(cell, shared[cell], done[cell])));
    const timer = onProgress === undefined ? undefined : setInterval(tell, PROGRESS_MS);
    const cancel = (): void => {
      for (const each of shared) Atomics.store(new Int32Array(each), PROGRESS_CANCEL, 1);
    };
    signal?.addEventListener('abort', cancel);
    try {
      signal?.throwIfAborted();
      const running = cells.map(async (settings, cell) => {
        const result = (await this.run({ trace, settings, progress: shared[cell], event: null }, signal)) as SimResult;
        done[cell] = true;
        onResult?.(cell, result);
        return result;
      });
      try {
        return await Promise.all(running);
      } catch (error) {
        cancel();
        // Nothing of this grid runs on once this has been answered.
        await Promise.allSettled(running);
        throw error;
      }
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', cancel);
      tell();
    }
  }

  /** The heap's pages after so many events. */
  async mapAt(trace: TraceHandle, settings: SimSettings, event: number, signal?: AbortSignal): Promise<HeapMap> {
    const progress = new SharedArrayBuffer(PROGRESS_BYTES);
    const cancel = (): void => void Atomics.store(new Int32Array(progress), PROGRESS_CANCEL, 1);
    signal?.addEventListener('abort', cancel);
    try {
      return (await this.run({ trace, settings, progress, event }, signal)) as HeapMap;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }

  private async run(task: SimTask, signal: AbortSignal | undefined): Promise<SimResult | HeapMap> {
    signal?.throwIfAborted();
    const answer = await this.pool.run(task);
    if ('value' in answer) return answer.value;
    if ('cancelled' in answer) throw signal?.reason ?? new Cancelled();
    throw new ReplayInputError(answer.code, answer.message);
  }
}

/** This module may run from TypeScript sources under a test runner; the worker is always the compiled one. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith('.ts') ? new URL('../../dist/src/replay/sim-worker.js', here) : new URL('./sim-worker.js', here);
}

function progressOf(cell: number, shared: SharedArrayBuffer, done: boolean): CellProgress {
  const f = new Float64Array(shared, 0, 7);
  return {
    cell,
    state: done ? 'done' : f[PROGRESS_EVENTS] > 0 ? 'running' : 'waiting',
    events: f[PROGRESS_EVENTS],
    seconds: f[PROGRESS_SECONDS],
    cycles: f[PROGRESS_CYCLES],
    inuse: f[PROGRESS_INUSE],
    live: f[PROGRESS_LIVE],
  };
}

export { Cancelled };
