/**
 * The fetch layer: every request of the console goes through `request`, but for files that are sent (upload.ts).
 *
 * It adds the token, asks for one where the server wants it, and turns everything that is not a success into an
 * `ApiError` with a problem document: what the API answered, or one of our own where it answered nothing.
 */

import { bad } from './toast.js';
import { askToken, authorization, token } from './token.js';
import type { Problem } from './types.js';

export class ApiError extends Error {
  readonly problem: Problem;
  readonly headers: Headers | undefined;

  constructor(problem: Problem, headers?: Headers) {
    super(problem.detail);
    this.problem = problem;
    this.headers = headers;
  }
}

export interface RequestOptions {
  method?: string;
  /** Sent as JSON. */
  json?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Relative to the page, so that the console also works below a path of a proxy. */
export const url = (path: string): URL => new URL(path, document.baseURI);

/** A response with a status of 2xx; throws an ApiError, or an AbortError. */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', json, headers, signal } = options;
  for (;;) {
    const tried = token();
    const init: RequestInit = {
      method,
      cache: 'no-store',
      credentials: 'omit',
      headers: { accept: 'application/json, */*;q=0.5', ...authorization(), ...headers },
    };
    if (signal !== undefined) init.signal = signal;
    if (json !== undefined) {
      init.body = JSON.stringify(json);
      init.headers = { ...init.headers, 'content-type': 'application/json' };
    }
    let response: Response;
    try {
      response = await fetch(url(path), init);
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw new ApiError(problem('unreachable', 'The server does not answer', `${method} ${path} got no answer.`));
    }
    if (response.ok) return response;
    if (response.status === 401 && (await askToken(tried))) continue;
    throw new ApiError(await problemOf(response), response.headers);
  }
}

/** One of our own, where the API said nothing. */
export function problem(code: string, title: string, detail: string, status = 0): Problem {
  return { type: 'about:blank', title, status, code, detail };
}

/** What an answer that is no success says. */
export async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get('content-type') ?? '';
  const { status, statusText } = response;
  if (type.includes('application/problem+json')) {
    const answer = (await response.json().catch(() => undefined)) as Problem | undefined;
    if (typeof answer?.title === 'string') return answer;
  }
  return problem(`http-${status}`, `HTTP ${status}`, statusText || 'The answer says no more.', status);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal === undefined ? {} : { signal });
  return (await response.json()) as T;
}

export async function send<T>(method: string, path: string, json?: unknown): Promise<T> {
  const response = await request(path, { method, json });
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Does what a person asked for, and shows the problem if it fails; undefined then. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApiError) bad(error.problem);
    else if ((error as Error).name !== 'AbortError') throw error;
    return undefined;
  }
}
