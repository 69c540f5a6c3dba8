/**
 * A thread of the pool (pool.ts): runs one simulation, or makes one picture, for each task.
 *
 * The records of a simulated heap lie in shared memory, whose size V8 does not see: it would keep those of several heaps before it looked for
 * garbage. What a heap of a few GB leaves behind is not worth a word; after a large one (100 GB: 70 MB) the thread collects before it takes the next
 * task. Not always, since such a collection throws compiled code away as well.
 */

import '../threads/loaded.js';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { PAGE_SIZE } from '../heap/sizeclass.js';
import { ReplayInputError } from './events.js';
import type { HeapMap, SimResult } from './result.js';
import type { SimSettings } from './settings.js';
import { Cancelled, mapAt, simulate } from './sim/run.js';
import type { TraceHandle } from './store.js';

export interface SimTask {
  readonly trace: TraceHandle;
  readonly settings: SimSettings;
  readonly progress: SharedArrayBuffer;
  /** A picture at this event instead of a result. */
  readonly event: number | null;
}

/** Errors do not keep their class between threads. */
export type SimAnswer =
  | { readonly value: SimResult | HeapMap }
  | { readonly cancelled: true }
  | { readonly code: string; readonly message: string };
/** What the pool hears: first that the thread is ready, then an answer for each task. */
export type FromSimulator = 'ready' | SimAnswer;

/** HeapSys of a simulation after which is collected. */
const LARGE = 4 * 2 ** 30;
/** ms in which V8 gives memory back that it has found to be free. */
const GIVE_BACK = 30;

/** The last task had a large heap. */
let large = false;

async function run(task: SimTask): Promise<SimAnswer> {
  if (large) await collect();
  large = false;
  const { trace, settings, progress, event } = task;
  try {
    if (event !== null) {
      const map = mapAt(trace, settings, event, progress);
      large = map.pages * PAGE_SIZE >= LARGE;
      return { value: map };
    }
    const value = simulate(trace, settings, progress);
    large = value.headline.heapSys >= LARGE;
    return { value };
  } catch (error) {
    if (error instanceof Cancelled) return { cancelled: true };
    if (error instanceof ReplayInputError) return { code: error.code, message: error.message };
    throw error;
  }
}

/** Twice: the first finds what is free, and memory is given back beside the thread, or by the next. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  // No frame of the last task is left on the stack by then.
  await setTimeout(0);
  gc();
  await setTimeout(GIVE_BACK);
  gc();
}

parentPort?.on('message', (task: SimTask) => {
  // What it throws ends the thread, and is the pool's error then.
  void run(task).then((answer) => parentPort?.postMessage(answer satisfies FromSimulator));
});
parentPort?.postMessage('ready' satisfies FromSimulator);
