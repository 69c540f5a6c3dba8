/**
 * Heap profiles of Go programs in the place of recordings: told apart by their first bytes (replay/profile/peek.ts), and turned into a stream by the rate model.
 *
 * A profile is small (a bucket for each stack and size, not an object) and is read whole, up to a bound; what it unpacks to is bounded, too. Reading it and
 * making the stream, up to millions of events, is done by a thread (profile-worker.ts).
 */

import { ReplayInputError } from '../../replay/events.js';
import type { Parsed } from '../../replay/parse.js';
import { DEFAULT_MAX_EVENTS } from '../../replay/profile/generator.js';
import type { ProfileFacts } from '../../replay/report/document.js';
import type { SimSettings } from '../../replay/settings.js';
import type { TraceHandle, TraceStore } from '../../replay/store.js';
import { ask, threadScript } from '../../threads/thread.js';
import { type Bounds, timeOf } from './bounds.js';

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
  /** Of a BusyClock, which the worker keeps. */
  readonly clock: SharedArrayBuffer;
}

export type FromProfiler =
  | { readonly parsed: Parsed; readonly profiled: Profiled }
  | { readonly code: string; readonly message: string };

/**
 * Fills a store with the stream of a profile. Rejects with ReplayInputError where it is none, with
 * ThreadError where the thread fails, and with the signal's reason; nothing of it runs any more
 * then.
 */
export async function parseProfile(
  bytes: Uint8Array,
  store: TraceStore,
  options: ProfileOptions & { readonly maxEvents: number; readonly signal: AbortSignal; readonly bounds: Bounds },
): Promise<{ parsed: Parsed; profiled: Profiled }> {
  const { signal, seconds, operations, bounds } = options;
  signal.throwIfAborted();
  const maxEvents = Math.min(DEFAULT_MAX_EVENTS, options.maxEvents);
  const time = timeOf(bounds, 'The profile was worked on');
  const { shared: clock } = time.clock;
  const data: ProfileWorkerData = { handle: store.handle, bytes, seconds, operations, maxEvents, clock };
  const answer = await ask<FromProfiler>(threadScript(import.meta.url, 'profile-worker'), {
    name: 'goheap replay profile',
    data,
    memory: bounds.memory,
    time,
    signal,
  });
  if ('code' in answer) throw new ReplayInputError(answer.code, answer.message);
  return answer;
}
