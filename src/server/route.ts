/**
 * What every route of a heap is given, and how it declares itself.
 *
 * A route plugin is registered under `/v1/heaps/:heap` with `RouteOptions`; it parses, calls the heap, and answers.
 * `problems()` documents the errors of a route once for all: any 4xx or 5xx is a problem document.
 */

import type { FastifyInstance, FastifyReply } from 'fastify';
import type { HeapScheduler } from '../sched/host-api.js';
import type { Config } from './config.js';
import type { HostedHeap } from './hosted.js';
import { PROBLEM_JSON } from './problem.js';
import type { HeapRegistry } from './registry.js';
import { schedProblem } from './sched-errors.js';

/** A heap as the routes see it. */
export type Host = HostedHeap & HeapScheduler;

export interface RouteOptions {
  readonly heaps: HeapRegistry<Host>;
  readonly config: Config;
}

export type RoutePlugin = (app: FastifyInstance, options: RouteOptions, done: (error?: Error) => void) => void;

const problem = (description: string) => ({
  description,
  content: { [PROBLEM_JSON]: { schema: { $ref: 'Problem#' } } },
});

/** The responses that every route of a heap may give beside its own. */
export function problems() {
  return {
    '4xx': problem('The request was refused and changed nothing; `code` says why'),
    '5xx': problem('The heap is full, overloaded, or lost a thread; `code` says which'),
  };
}

/** Runs what may throw a SchedError at once, answering it as a problem. */
export function attempt(reply: FastifyReply, procs: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    reply.send(schedProblem(error, procs));
  }
}

/** One operation as a promise whose failure is a Problem. */
export async function call(host: Host, op: number, p: number, a: ArrayLike<number>) {
  try {
    return await host.call(op, p, a);
  } catch (error) {
    throw schedProblem(error, host.procs);
  }
}

/** A piece of the exchange; a Problem when there is none. */
export function take(host: Host, length: number) {
  try {
    return host.take(length);
  } catch (error) {
    throw schedProblem(error, host.procs);
  }
}

/** Runs an operation that leaves JSON in the exchange (R0: its length) and parses it. */
export async function callJson<T>(host: Host, op: number, first: readonly number[], bytes: number): Promise<T> {
  const piece = take(host, bytes);
  try {
    const { r } = await call(host, op, -1, [...first, piece.offset, piece.length]);
    return JSON.parse(piece.bytes.toString('utf8', 0, r[0])) as T;
  } finally {
    piece.release();
  }
}
