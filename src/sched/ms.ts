/**
 * The Ms of a heap: the worker threads, one for each P, as the main thread sees them. Starts them,
 * notices their end.
 *
 * What happens when one has ended before its time is for the host to say (`MEvents.ended`); it will
 * want a new one for the P. An M that does not come up is told by `start` alone, once it is gone:
 * so a P never has two.
 */

import { silent, Thread, threadScript } from '../threads/thread.js';
import type { WorkerData, WorkerMessage } from './worker.js';

/**
 * An M of a new heap that does not come up in this time is an error: long enough for a busy
 * machine.
 */
const START_MS = 60_000;

/**
 * An M's own JavaScript heap. It makes few objects, and short-lived ones: the JSON of what it
 * returns, and a recovery's lists of spans. A bound keeps what an M costs at rest and at most near
 * what memory-budget.ts counts; below 2 GiB, V8 also starts with less.
 */
const MEMORY = { old: 1024, young: 6 } as const;

export type MData = Omit<WorkerData, 'p' | 'recovers'>;

export interface MEvents {
  /**
   * The M of a P, which had come up, has ended, by itself or by force; `error`: what it died of, if
   * it said so.
   */
  ended(p: number, error: Error | null): void;
  /** A cycle's mark is done. */
  cycle(numGC: number): void;
}

export class Ms {
  private readonly name: string;
  private readonly data: MData;
  private readonly events: MEvents;
  private readonly threads: Thread<never, WorkerMessage>[] = [];
  /** By P: settled when its M has come up. */
  private readonly starting: Promise<void>[] = [];

  constructor(name: string, data: MData, events: MEvents) {
    this.name = name;
    this.data = data;
    this.events = events;
  }

  /**
   * Starts the M of a P; resolves when it runs. Rejects when it has ended before it ran; or, unless
   * it replaces one that died (`recovers`), when that takes too long. The thread may come up yet in
   * this case.
   */
  start(p: number, recovers: boolean): Promise<void> {
    const up = this.bringUp(p, recovers);
    this.starting[p] = up;
    return up;
  }

  private bringUp(p: number, recovers: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let running = false;
      const name = `goheap ${this.name} P${p}`;
      const thread = new Thread<never, WorkerMessage>(threadScript(import.meta.url, 'worker'), {
        name,
        memory: MEMORY,
        data: { ...this.data, p, recovers } satisfies WorkerData,
        onMessage: (message) => {
          if (message === 'running') {
            running = true;
            clearTimeout(timer);
            resolve();
          } else this.events.cycle(message.numGC);
        },
      });
      this.threads[p] = thread;
      const late = (): void => reject(new Error(`the M of P${p} did not start`));
      const timer = recovers ? undefined : setTimeout(late, START_MS);
      void thread.ended.then((reason) => {
        clearTimeout(timer);
        const error = reason === null || reason instanceof Error ? reason : new Error(String(reason));
        if (running) this.events.ended(p, error);
        else reject(error ?? silent(name));
      });
    });
  }

  /** Ends the M of a P at once, as a crash would. */
  async terminate(p: number): Promise<void> {
    // Ended while it loads a native module, a worker would take the whole process with it.
    await this.starting[p]?.catch(() => undefined);
    await this.threads[p]?.end();
  }

  /** The number of a P's M; -1 if it has none. */
  threadId(p: number): number {
    return this.threads[p]?.id ?? -1;
  }

  /** Resolves when the Ms of Ps [`from`, `to`) have ended. */
  async ended(from: number, to: number): Promise<void> {
    await Promise.all(this.threads.slice(from, to).map(({ ended }) => ended));
  }
}
