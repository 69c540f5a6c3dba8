/**
 * Heap profiles of Go programs in the place of recordings: told apart by their first bytes, and turned into a stream by the rate model.
 *
 * A profile is small (a bucket for each stack and size, not an object) and is read whole, up to a bound; what it unpacks to is bounded, too. Reading it and
 * making the stream, up to millions of events, is done by a thread (profile-worker.ts).
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as zlib from 'node:zlib';
import { ReplayInputError } from '../../replay/events.js';
import type { Parsed } from '../../replay/parse.js';
import { DEFAULT_MAX_EVENTS } from '../../replay/profile/generator.js';
import { isProfile, MAX_PROFILE_BYTES } from '../../replay/profile/read.js';
import type { ProfileFacts } from '../../replay/report/document.js';
import type { SimSettings } from '../../replay/settings.js';
import type { TraceHandle, TraceStore } from '../../replay/store.js';

/** Bytes of a file that tell whether it is a profile, and what they may unpack to. */
const HEAD = 4096;
const HEAD_UNPACKED = 8 * 2 ** 20;

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

/** Looks at the beginning of a stream; the stream that is answered has it still. */
export async function peekProfile(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ isProfile: boolean; stream: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let have = 0;
  while (have < HEAD) {
    const next = await iterator.next();
    if (next.done) break;
    head.push(next.value);
    have += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { isProfile: looksLikeProfile(Buffer.concat(head).subarray(0, HEAD)), stream: all() };
}

function looksLikeProfile(head: Uint8Array): boolean {
  if (head[0] !== 0x1f || head[1] !== 0x8b) return isProfile(head);
  try {
    const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: HEAD_UNPACKED };
    return isProfile(zlib.gunzipSync(head, options).subarray(0, HEAD));
  } catch {
    return false;
  }
}

/** All bytes of a profile, of which there are not many. */
export async function collectProfile(stream: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const most = Math.min(limit, MAX_PROFILE_BYTES);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    if (bytes > most) {
      throw new ReplayInputError('replay-too-large', `no heap profile of more than ${most} bytes is read`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

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
