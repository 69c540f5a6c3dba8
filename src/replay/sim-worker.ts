/** A thread of the pool (pool.ts): runs one simulation, or makes one picture, for each task. */

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

export default function run(task: SimTask): SimAnswer {
  const { trace, settings, progress, event } = task;
  try {
    return { value: event === null ? simulate(trace, settings, progress) : mapAt(trace, settings, event, progress) };
  } catch (error) {
    if (error instanceof Cancelled) return { cancelled: true };
    if (error instanceof ReplayInputError) return { code: error.code, message: error.message };
    throw error;
  }
}
