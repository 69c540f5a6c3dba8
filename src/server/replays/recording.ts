/**
 * Where a recording comes from, and reading it into a store: a file or an upload by the parser's thread, a heap profile by the thread that makes a
 * stream of it, one that a URL names by way of an allow-list.
 */

import type { IngestReport } from '../../replay/events.js';
import { type ParseProgress, type ParseSource, parse } from '../../replay/parse.js';
import { fetchProfile } from '../../replay/profile/fetch.js';
import { collectProfile, peekProfile } from '../../replay/profile/peek.js';
import type { TraceStore } from '../../replay/store.js';
import type { Config } from '../config.js';
import { Problem } from '../problem.js';
import { boundsOf } from './bounds.js';
import { type Profiled, type ProfileOptions, parseProfile } from './profile.js';

export type RecordingSource = ParseSource | { readonly url: URL };

export interface Read {
  readonly report: IngestReport;
  readonly hash: string;
  /** null: it is no profile. */
  readonly profiled: Profiled | null;
}

export interface ReadOptions extends ProfileOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ParseProgress) => void;
}

/** A URL that may be fetched. Throws a Problem for every other. */
export function allowedUrl(text: string, allowed: Config['replayFetch']): URL {
  if (allowed === 'off') {
    throw new Problem('fetch-not-allowed', 'This server fetches nothing: GOHEAP_REPLAY_FETCH is off.', {
      field: 'url',
    });
  }
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {}
  if (url === undefined || !allowed.includes(url.origin)) {
    throw new Problem('fetch-not-allowed', `"url" must be at one of ${allowed.join(', ')}.`, { field: 'url', allowed });
  }
  return url;
}

/** What only says something of a profile that is read must not be said elsewhere. Throws a Problem. */
export function noProfile({ seconds, operations }: ProfileOptions, why: string): void {
  const field = seconds !== undefined ? 'seconds' : operations !== undefined ? 'operations' : undefined;
  if (field === undefined) return;
  const allowed = `left out, ${why}`;
  throw new Problem('invalid-setting', `"${field}" must be ${allowed}.`, { field, allowed });
}

/**
 * Rejects with ReplayInputError where it cannot be read, with ThreadError, and with the signal's
 * reason; readers of the store then get an error too.
 */
export async function readRecording(
  from: RecordingSource,
  store: TraceStore,
  config: Config,
  options: ReadOptions,
): Promise<Read> {
  const { signal, onProgress, seconds, operations } = options;
  const { replayUpload, replayText, replayEvents, replayObjects } = config;
  const limits = { bytes: replayUpload, textBytes: replayText, events: replayEvents, slots: replayObjects };
  const ofProfile = async (bytes: Uint8Array): Promise<Read> => {
    const how = { seconds, operations, maxEvents: replayEvents, signal, bounds: boundsOf('profile', config) };
    const { parsed, profiled } = await parseProfile(bytes, store, how);
    return { ...parsed, profiled };
  };
  let source: ParseSource;
  if ('url' in from) {
    return ofProfile(await fetchProfile(from.url.href, { signal, maxBytes: replayUpload }));
  } else if ('stream' in from) {
    const { stream, isProfile } = await peekProfile(from.stream, signal);
    if (isProfile) {
      const tooLarge = (most: number): string => `no heap profile of more than ${most} bytes is read`;
      return ofProfile(await collectProfile(stream, replayUpload, tooLarge));
    }
    source = { stream };
  } else {
    source = from;
  }
  noProfile(options, 'as the recording is no heap profile');
  const { memory, time } = boundsOf('parser', config);
  return { ...(await parse(source, store, { limits, signal, onProgress, memory, time })), profiled: null };
}
