/**
 * How an error travels: an exception inside, `application/problem+json` (RFC 9457) outside.
 *
 * A route raises one with `throw new Problem('heap-not-found', 'There is no heap named "x".')`, or from an async
 * handler lets it reject; the error handler turns it into the answer. Where an error is one result among thousands (an
 * operation of a batch) no exception is made: `problemItem()` gives the same `code` and words as a plain object.
 *
 * A problem below 500 is the client's affair: it carries no stack trace, which also keeps a flood of bad requests
 * from costing more than good ones.
 */

import { ERRORS, type ErrorCode } from './errors.js';

export const PROBLEM_JSON = 'application/problem+json';

/** Members beside the standard ones. `field` and `allowed` go with every answer about a value. */
export interface ProblemMembers {
  /** The value that was wrong: `size`, `ops[3].address`. */
  field?: string;
  /** What it may be, in words or as a list. */
  allowed?: string | readonly string[];
  /** The position in a batch. */
  index?: number;
  /** The limit that was exceeded. */
  limit?: number;
  [name: string]: unknown;
}

export interface ProblemDocument extends ProblemMembers {
  type: string;
  title: string;
  status: number;
  code: ErrorCode;
  detail: string;
  instance?: string;
  requestId?: string;
}

/** The path of the page that explains a code: the `type` of its problem. */
export function problemType(code: ErrorCode): string {
  return `/problems/${code}`;
}

export class Problem extends Error {
  readonly code: ErrorCode;
  readonly members: ProblemMembers;
  /** Response headers that belong to the error, such as Retry-After. */
  readonly headers: Record<string, string>;
  /** Fastify's name for the status; it assigns to it too, but `status` is what is sent. */
  statusCode: number;

  constructor(code: ErrorCode, detail: string, members: ProblemMembers = {}, headers: Record<string, string> = {}) {
    const depth = Error.stackTraceLimit;
    if (ERRORS[code].status < 500) Error.stackTraceLimit = 0;
    super(detail);
    Error.stackTraceLimit = depth;
    this.name = 'Problem';
    this.code = code;
    this.members = members;
    this.headers = headers;
    this.statusCode = ERRORS[code].status;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  document(instance?: string, requestId?: string): ProblemDocument {
    const { status, title } = ERRORS[this.code];
    return {
      type: problemType(this.code),
      title,
      status,
      code: this.code,
      detail: this.message,
      ...(instance === undefined ? undefined : { instance }),
      ...(requestId === undefined ? undefined : { requestId }),
      ...this.members,
    };
  }
}

/** An error as one item of a longer answer: `{"error": {"code", "detail", …}}`. */
export interface ProblemItem extends ProblemMembers {
  code: ErrorCode;
  detail: string;
}

export function problemItem(code: ErrorCode, detail: string, members?: ProblemMembers): ProblemItem {
  return members === undefined ? { code, detail } : { code, detail, ...members };
}

/** A 503 that tells the client when to come again, in whole seconds. */
export function retryLater(code: 'overloaded' | 'shutting-down' | 'm-died', detail: string, seconds = 1): Problem {
  return new Problem(code, detail, {}, { 'retry-after': String(Math.max(1, Math.ceil(seconds))) });
}
