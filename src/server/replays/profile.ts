/**
 * Heap profiles of Go programs in the place of recordings: told apart by their first bytes (replay/profile/peek.ts), and turned into a stream by the rate model.
 *
 * A profile is small (a bucket for each stack and size, not an object) and is read whole, up to a bound; what it unpacks to is bounded, too. Reading it and
 * making the stream, up to millions of events, is done by a thread (profile-worker.ts).
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ReplayInputError } from '../../replay/events.js';
import type { Parsed } from '../../replay/parse.js';
import { DEFAULT_MAX_EVENTS } from '../../replay/profile/generator.js';
import type { ProfileFacts } from '../../replay/report/document.js';
import type { SimSettings } from '../../replay/settings.js';
import type { TraceHandle, TraceStore } from '../../replay/store.js';

/** What only a profile has. */
export interface Profiled {
  readonly facts: ProfileFacts;
  /** Settings that suit its stream, where a client names no others. */
  readonly suggested: Partial<SimSettings>;
}

export interface ProfileOptions {
  /** Length of the interval that the profile is of, in seconds; and its operations. */
  readonly seconds: number | undefined;
  readonly operations: number | undefined;
}

export interface ProfileWorkerData extends ProfileOptions {
  readonly handle: TraceHandle;
  readonly bytes: Uint8Array;
  readonly maxEvents: number;
}

export type FromProfiler =
  | { readonly parsed: Parsed; readonly profiled: Profiled }
  | { readonly code: string; readonly message: string };

/** This module may run from TypeScript sources under a test runner; the worker is always the compiled one. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith('.ts')
    ? new URL('../../../dist/src/server/replays/profile-worker.js', here)
    : new URL('./profile-worker.js', here);
}

/** Fills a store with the stream of a profile. Rejects with ReplayInputError where it is none, and with the signal's reason. */
export async function parseProfile(
  bytes: Uint8Array,
  store: TraceStore,
  options: ProfileOptions & { readonly maxEvents: number; readonly signal: AbortSignal },
): Promise<{ parsed: Parsed; profiled: Profiled }> {
  const { signal, seconds, operations } = options;
  signal.throwIfAborted();
  const maxEvents = Math.min(DEFAULT_MAX_EVENTS, options.maxEvents);
  const worker = new Worker(workerUrl(), {
    workerData: { handle: store.handle, bytes, seconds, operations, maxEvents } satisfies ProfileWorkerData,
    name: 'goheap replay profile',
  });
  const exited = once(worker, 'exit');
  const abort = (): void => void worker.terminate();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const answer = await new Promise<FromProfiler>((resolve, reject) => {
      worker.on('message', resolve).on('error', reject);
      worker.on('exit', () => reject(signal.aborted ? signal.reason : new Error('the thread ended without an answer')));
    });
    if ('code' in answer) throw new ReplayInputError(answer.code, answer.message);
    return answer;
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
    await exited;
  }
}
