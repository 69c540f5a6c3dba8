/**
 * A heap profile from a running program: `http://host:6060/debug/pprof/heap` of net/http/pprof.
 *
 * The one place of the replay that opens a connection. Who may ask for which URL is the caller's business (on a server it is off unless
 * configured); here: http and https only, no redirect is followed, since it would lead where the caller did not ask to go, and both the time
 * and the bytes are bounded, the latter as they arrive. Credentials in the URL become basic authentication and appear in no message.
 */

import { ReplayInputError } from '../events.js';

export interface FetchOptions {
  /** Milliseconds for all of it. */
  readonly timeout?: number;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export const DEFAULT_FETCH_TIMEOUT = 30_000;
export const DEFAULT_FETCH_BYTES = 32 << 20;

function failed(why: string): ReplayInputError {
  return new ReplayInputError('replay-fetch-failed', why);
}

function parse(url: string): { url: URL; shown: string; headers: Record<string, string> } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw failed('not a URL: wanted is one like http://127.0.0.1:6060/debug/pprof/heap');
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw failed(`profiles are fetched by http or https, not ${parsed.protocol.slice(0, -1)}`);
  }
  const headers: Record<string, string> = {};
  // What is not a percent code stays as it is, in a password as elsewhere.
  const decode = (text: string): string =>
    text.replace(/(?:%[0-9a-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString());
  if (parsed.username !== '' || parsed.password !== '') {
    const user = `${decode(parsed.username)}:${decode(parsed.password)}`;
    headers.authorization = `Basic ${Buffer.from(user).toString('base64')}`;
    parsed.username = '';
    parsed.password = '';
  }
  return { url: parsed, shown: `${parsed.origin}${parsed.pathname}`, headers };
}

async function collect(response: Response, maxBytes: number, shown: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > maxBytes) throw failed(`${shown} sends more than ${maxBytes} bytes: no heap profile is that large`);
    parts.push(part);
  }
  return Buffer.concat(parts, bytes);
}

/** @returns the file, as it came; readProfile reads it @throws ReplayInputError */
export async function fetchProfile(url: string, options: FetchOptions = {}): Promise<Uint8Array> {
  const { timeout = DEFAULT_FETCH_TIMEOUT, maxBytes = DEFAULT_FETCH_BYTES } = options;
  const target = parse(url);
  const { shown } = target;
  const timer = AbortSignal.timeout(timeout);
  const signal = options.signal === undefined ? timer : AbortSignal.any([timer, options.signal]);
  try {
    const response = await fetch(target.url, { headers: target.headers, redirect: 'manual', signal });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw failed(
        `${shown} redirects to ${response.headers.get('location') ?? 'nowhere'}: ask for the profile where it is`,
      );
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw failed(`${shown} answers ${response.status} ${response.statusText}`.trimEnd());
    }
    const file = await collect(response, maxBytes, shown);
    if (file.length === 0) throw failed(`${shown} answers with nothing`);
    return file;
  } catch (error) {
    if (error instanceof ReplayInputError) throw error;
    if (options.signal?.aborted) throw options.signal.reason;
    if (timer.aborted) throw failed(`${shown} did not send the profile within ${timeout / 1000} s`);
    // fetch says "fetch failed" and hides why in the cause.
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    throw failed(`${shown}: ${cause?.code ?? cause?.message ?? message}`);
  }
}
