/**
 * The Ms of a heap: the worker threads, one for each P, as the main thread sees them. Starts them, notices their end.
 *
 * What happens when one has ended before its time is for the host to say (`Ended`); it will want a new one for the P.
 */

import { Worker } from 'node:worker_threads';
import type { WorkerData, WorkerMessage } from './worker.js';

/** An M that does not come up in this time is an error. */
const START_MS = 20_000;

/**
 * An M's own JavaScript heap. It makes few objects, and short-lived ones: its answers' JSON, and a recovery's lists of spans. A bound keeps what an
 * M costs at rest and at most near what memory-budget.ts counts; below 2 GiB, V8 also starts with less.
 */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 6 } as const;

/** This module may run from TypeScript sources under a test runner; Ms are always the compiled ones. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith('.ts') ? new URL('../../dist/src/sched/worker.js', here) : new URL('./worker.js', here);
}

export type MData = Omit<WorkerData, 'p' | 'recovers'>;

export interface MEvents {
  /** The M of a P has ended, by itself or by force; `error`: what it died of, if it said so. */
  ended(p: number, error: Error | null): void;
  /** A cycle's mark is done. */
  cycle(numGC: number): void;
}

export class Ms {
  private readonly name: string;
  private readonly data: MData;
  private readonly events: MEvents;
  private readonly workers: Worker[] = [];
  /** By P: settled when its M has come up. */
  private readonly starting: Promise<void>[] = [];

  constructor(name: string, data: MData, events: MEvents) {
    this.name = name;
    this.data = data;
    this.events = events;
  }

  /** Starts the M of a P; resolves when it runs. `recovers`: it replaces one that died. */
  start(p: number, recovers: boolean): Promise<void> {
    const up = this.bringUp(p, recovers);
    this.starting[p] = up;
    return up;
  }

  private bringUp(p: number, recovers: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(workerUrl(), {
        workerData: { ...this.data, p, recovers } satisfies WorkerData,
        name: `goheap ${this.name} P${p}`,
        resourceLimits: RESOURCE_LIMITS,
      });
      this.workers[p] = worker;
      let failure: Error | null = null;
      const timer = setTimeout(() => reject(new Error(`the M of P${p} did not start`)), START_MS);
      worker.on('message', (message: WorkerMessage) => {
        if (message === 'running') {
          clearTimeout(timer);
          resolve();
        } else this.events.cycle(message.numGC);
      });
      worker.on('error', (error: unknown) => {
        failure = error instanceof Error ? error : new Error(String(error));
      });
      worker.on('exit', () => {
        clearTimeout(timer);
        reject(failure ?? new Error(`the M of P${p} ended before it ran`));
        if (this.workers[p] === worker) this.events.ended(p, failure);
      });
    });
  }

  /** Ends the M of a P at once, as a crash would. */
  async terminate(p: number): Promise<void> {
    // Ended while it loads a native module, a worker would take the whole process with it.
    await this.starting[p]?.catch(() => undefined);
    await this.workers[p]?.terminate();
  }

  /** The number of a P's M; -1 if it has none. */
  threadId(p: number): number {
    return this.workers[p]?.threadId ?? -1;
  }

  /** Resolves when the Ms of Ps [`from`, `to`) have ended. */
  async ended(from: number, to: number): Promise<void> {
    await Promise.all(
      this.workers
        .slice(from, to)
        .map((w) => new Promise<void>((resolve) => (w.threadId === -1 ? resolve() : w.once('exit', () => resolve())))),
    );
  }
}
