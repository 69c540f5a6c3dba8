/**
 * A worker thread, from its start to its end: the one place of goheap that makes one.
 *
 * A thread may fail to start: no descriptor, no thread, no memory is left. Node says so by
 * throwing, by an `error` event, or by letting the script's own modules fail to open, and an
 * `error` that nobody awaits yet ends the process. Here every way of ending becomes one promise
 * that never rejects, `ended`, and the errors that callers have to tell apart become a ThreadError:
 *
 *      start     it did not come up, for want of something that may be there again in a while
 *      memory    its JavaScript heap grew beyond `memory`. SharedArrayBuffers, ArrayBuffers and
 *                Buffers are no part of that heap
 *      died      it ended without a reason of its own
 *
 * Everything else (an exception of the script, the signal's reason, what `time.late` makes) is the
 * error itself.
 *
 * A script begins by importing loaded.ts; it is never ended from outside before that has run.
 *
 * Invariants: whoever makes a thread awaits `end` or `ended`; then the thread is gone, and so are
 * its listeners on the signal and its timers. A thread that works longer than it may is ended from
 * outside, in the middle of a loop if need be. Used on the main thread.
 */

import { type Transferable, Worker, type WorkerOptions } from 'node:worker_threads';
import { type BusyClock, whenBusyFor } from './busy.js';
import { Descriptors } from './descriptors.js';
import type { LOADED } from './loaded.js';
import { isScarcity } from './scarcity.js';

export type ThreadFailure = 'start' | 'memory' | 'died';

export class ThreadError extends Error {
  readonly why: ThreadFailure;
  /** `memory`: the bound, in bytes. */
  readonly limit: number;

  constructor(why: ThreadFailure, message: string, options: { limit?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ThreadError';
    this.why = why;
    this.limit = options.limit ?? Number.POSITIVE_INFINITY;
  }
}

/** Bounds of a thread's JavaScript heap, in MiB. Reaching `old` ends the thread. */
export interface ThreadMemory {
  readonly old: number;
  readonly young: number;
}

/** The longest that a thread may work. Time in which its clock is at rest does not count. */
export interface ThreadTime {
  readonly clock: BusyClock;
  /** Milliseconds. */
  readonly limit: number;
  /** The error of a thread that worked longer. */
  late(): Error;
}

export interface ThreadOptions<From> {
  readonly name: string;
  /** The script's `workerData`. */
  readonly data: unknown;
  readonly memory?: ThreadMemory | undefined;
  readonly time?: ThreadTime | undefined;
  /** Ends the thread. */
  readonly signal?: AbortSignal | undefined;
  readonly onMessage?: (message: From) => void;
}

/** What a test may replace: a thread that the system refuses. */
export const system = {
  spawn: (script: URL, options: WorkerOptions): Worker => new Worker(script, options),
};

const descriptors = new Descriptors();
const FIRST: typeof LOADED = 'goheap: loaded';

/**
 * The script `name` beside the module `here` (its import.meta.url). That module may run from
 * TypeScript sources under a test runner; what a thread runs is always the compiled script.
 */
export function threadScript(here: string, name: string): URL {
  if (!here.endsWith('.ts')) return new URL(`./${name}.js`, here);
  const at = here.lastIndexOf('/src/');
  return new URL(`./${name}.js`, `${here.slice(0, at)}/dist${here.slice(at)}`);
}

const LAUNCH = threadScript(import.meta.url, 'launch');

export class Thread<To = never, From = unknown> {
  /**
   * Resolves when the thread is gone: with what it died of, or null where it ended by itself or by
   * `end`. Never rejects.
   */
  readonly ended: Promise<unknown>;
  private readonly worker: Worker | null = null;
  private failure: unknown = null;
  /** Its modules have been read; it is to end. */
  private loaded = false;
  private doomed = false;

  constructor(script: URL, options: ThreadOptions<From>) {
    const { name, data, memory, time, signal, onMessage } = options;
    if (signal?.aborted) {
      this.ended = Promise.resolve(signal.reason);
      return;
    }
    if (!descriptors.take()) {
      const none = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      this.ended = Promise.resolve(notStarted(name, none));
      return;
    }
    let worker: Worker;
    try {
      const resourceLimits = nodeLimits(memory);
      worker = system.spawn(LAUNCH, { name, argv: [script.href], workerData: data, resourceLimits });
    } catch (error) {
      descriptors.up();
      this.ended = Promise.resolve(notStarted(name, error));
      return;
    }
    this.worker = worker;
    let coming = true;
    const up = (): void => {
      if (coming) descriptors.up();
      coming = false;
    };
    worker.once('online', up);
    const fail = (error: unknown): void => {
      this.failure ??= error;
      this.kill();
    };
    worker.on('message', (message: From | typeof LOADED) => {
      if (message === FIRST) {
        this.loaded = true;
        if (this.doomed) void worker.terminate();
        return;
      }
      if (this.doomed) return;
      try {
        onMessage?.(message);
      } catch (error) {
        fail(error);
      }
    });
    worker.on('messageerror', fail);
    // What the error means depends on messages that may still be under way: they come through
    // another port, and the one of the error is read first when both wait. Node hands out all
    // messages before it says that the thread is gone.
    let raised = false;
    worker.on('error', (error: unknown) => {
      raised ||= this.failure === null;
      this.failure ??= error;
    });
    const abort = (): void => fail(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const stopClock = time === undefined ? undefined : whenBusyFor(time.clock, time.limit, () => fail(time.late()));
    this.ended = new Promise((resolve) => {
      worker.once('exit', () => {
        signal?.removeEventListener('abort', abort);
        stopClock?.();
        up();
        resolve(raised ? explain(name, this.failure, this.loaded, memory) : this.failure);
      });
    });
  }

  /** Its number; -1 once it is gone. */
  get id(): number {
    return this.worker?.threadId ?? -1;
  }

  post(message: To, transfer: readonly Transferable[] = []): void {
    this.worker?.postMessage(message, transfer);
  }

  /** A thread that only waits does not keep the process alive. */
  unref(): void {
    this.worker?.unref();
  }

  ref(): void {
    this.worker?.ref();
  }

  /** Ends the thread at once, wherever it is; resolves when it is gone. */
  async end(): Promise<void> {
    this.kill();
    await this.ended;
  }

  private kill(): void {
    this.doomed = true;
    // loaded.ts says why not before.
    if (this.loaded) void this.worker?.terminate();
  }
}

/**
 * Starts a thread for the one message that it answers with. Resolves or rejects when the thread is
 * gone.
 */
export async function ask<From>(script: URL, options: Omit<ThreadOptions<From>, 'onMessage'>): Promise<From> {
  let thread: Thread<never, From> | undefined;
  try {
    return await new Promise<From>((resolve, reject) => {
      thread = new Thread<never, From>(script, { ...options, onMessage: resolve });
      void thread.ended.then((error) => reject(error ?? silent(options.name)));
    });
  } finally {
    await thread?.end();
  }
}

/** The error of a thread that ended by itself, when something was still expected of it. */
export function silent(name: string): ThreadError {
  return new ThreadError('died', `the thread "${name}" ended without an answer`);
}

function nodeLimits(memory: ThreadMemory | undefined): WorkerOptions['resourceLimits'] {
  if (memory === undefined) return undefined;
  return { maxOldGenerationSizeMb: memory.old, maxYoungGenerationSizeMb: memory.young };
}

function notStarted(name: string, cause: unknown): ThreadError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ThreadError('start', `the thread "${name}" could not be started: ${why}`, { cause });
}

function explain(name: string, thrown: unknown, loaded: boolean, memory: ThreadMemory | undefined): unknown {
  const error = thrown as NodeJS.ErrnoException | null | undefined;
  if (error?.code === 'ERR_WORKER_INIT_FAILED') return notStarted(name, error);
  // The modules of the script could not be read; without a descriptor Node takes some of them for
  // missing. What a thread lacks later is its own affair.
  if (!loaded && (isScarcity(error) || error?.code === 'ERR_MODULE_NOT_FOUND')) return notStarted(name, error);
  if (error?.code !== 'ERR_WORKER_OUT_OF_MEMORY') return error;
  const limit = memory === undefined ? undefined : memory.old * 2 ** 20;
  return new ThreadError('memory', `the thread "${name}" ran out of its JavaScript memory`, { limit, cause: error });
}
