/**
 * The pool of simulator threads: a grid of settings over one recording, on as many cores as there are.
 *
 * The recording is parsed once, by a thread of its own, into a store that all simulations read (store.ts). Each cell of the grid is a task; tasks of
 * several grids share the threads, first come, first served. A simulation tells how far it is, and is told to end, through a few bytes of shared
 * memory: messages would not reach a thread that is busy.
 *
 * A thread is started when a task finds none idle, and ends when it was idle for a while. One that
 * dies fails its own task and no other. One that cannot be started fails a task only where no
 * thread is left that would come to it; else the task waits for one of those. (That is why this is
 * no library's pool: Piscina 5 leaves such a task waiting for ever, and tells of it by an event
 * that ends the process where nobody listens.)
 *
 * On the main thread. `close` ends everything.
 */

import { availableParallelism } from 'node:os';
import { silent, Thread, type ThreadMemory, threadScript } from '../threads/thread.js';
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
import type { FromSimulator, SimAnswer, SimTask } from './sim-worker.js';
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
/** ms after which a thread without work ends. */
const IDLE = 5000;

interface Job {
  readonly task: SimTask;
  resolve(answer: SimAnswer): void;
  reject(error: unknown): void;
}

interface Simulator {
  readonly thread: Thread<SimTask, FromSimulator>;
  /** It has said that it is ready for tasks. */
  ready: boolean;
  job: Job | null;
  idle: NodeJS.Timeout | undefined;
  /** It was idle for so long that it ends. */
  leaving: boolean;
}

export class ReplayPool {
  readonly threads: number;
  private readonly memory: ThreadMemory | undefined;
  private readonly all = new Set<Simulator>();
  /** Jobs that no thread has yet, in their order. */
  private readonly queue: Job[] = [];
  private closed = false;

  /**
   * @param memory bound of each thread's JavaScript heap; what a simulated heap takes is shared
   * memory, and no part of it
   */
  constructor(threads: number = availableParallelism(), memory?: ThreadMemory) {
    this.threads = threads;
    this.memory = memory;
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

  /** Ends all threads; resolves when they are gone. What they were doing rejects. */
  async close(): Promise<void> {
    this.closed = true;
    for (const job of this.queue.splice(0)) job.reject(new Cancelled());
    await Promise.all([...this.all].map(({ thread }) => thread.end()));
  }

  private async run(task: SimTask, signal: AbortSignal | undefined): Promise<SimResult | HeapMap> {
    signal?.throwIfAborted();
    if (this.closed) throw new Cancelled();
    const answer = await new Promise<SimAnswer>((resolve, reject) => {
      this.queue.push({ task, resolve, reject });
      this.next();
    });
    if ('value' in answer) return answer.value;
    if ('cancelled' in answer) throw signal?.reason ?? new Cancelled();
    throw new ReplayInputError(answer.code, answer.message);
  }

  /** Hands jobs to idle threads, and starts threads for those that are left. */
  private next(): void {
    for (const simulator of this.all) {
      if (this.queue.length === 0) return;
      if (simulator.ready && !simulator.leaving && simulator.job === null)
        this.give(simulator, this.queue.shift() as Job);
    }
    const coming = [...this.all].filter(({ ready }) => !ready).length;
    for (let missing = this.queue.length - coming; missing > 0 && this.all.size < this.threads; missing--) this.start();
  }

  private give(simulator: Simulator, job: Job): void {
    clearTimeout(simulator.idle);
    simulator.job = job;
    simulator.thread.ref();
    simulator.thread.post(job.task);
  }

  private start(): void {
    const name = 'goheap replay simulator';
    const thread = new Thread<SimTask, FromSimulator>(threadScript(import.meta.url, 'sim-worker'), {
      name,
      data: null,
      memory: this.memory,
      onMessage: (message) => this.heard(simulator, message),
    });
    const simulator: Simulator = { thread, ready: false, job: null, idle: undefined, leaving: false };
    this.all.add(simulator);
    void thread.ended.then((error) => this.gone(simulator, error ?? silent(name)));
  }

  /** It is ready, or has done its job. */
  private heard(simulator: Simulator, message: FromSimulator): void {
    const { job, thread } = simulator;
    simulator.ready = true;
    simulator.job = null;
    if (message !== 'ready') job?.resolve(message);
    this.next();
    if (simulator.job !== null) return;
    thread.unref();
    simulator.idle = setTimeout(() => {
      simulator.leaving = true;
      void thread.end();
    }, IDLE).unref();
  }

  private gone(simulator: Simulator, error: unknown): void {
    clearTimeout(simulator.idle);
    this.all.delete(simulator);
    const { job, ready } = simulator;
    if (job !== null) {
      job.reject(this.closed ? new Cancelled() : error);
    } else if (!ready && this.all.size === 0) {
      // It did not come up, and nobody is left to do what waits for it.
      for (const waiting of this.queue.splice(0)) waiting.reject(error);
    }
    // Not after one that did not come up: whoever else runs takes what waits when it is done.
    if (ready && !this.closed) this.next();
  }
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
