/**
 * What the routes of a heap share: the heap as they see it, its operations as promises, and the problems that any of
 * them can end in.
 *
 * A route parses, calls the heap, and answers; it holds no allocator logic.
 */

import type { FastifyInstance } from 'fastify';
import type { Piece } from '../sched/host-api.js';
import type { ErrorCode } from './errors.js';
import type { ServedHeap } from './hosted.js';
import type { HeapRegistry } from './registry.js';
import { schedProblem } from './sched-errors.js';

/** A heap as the routes see it. */
export type Host = ServedHeap;

/** The heaps of this server. */
export function heapsOf(app: FastifyInstance): HeapRegistry<Host> {
  return app.heaps;
}

/** The problems of everything that runs on a P. */
export const RUNS = ['overloaded', 'm-died'] as const satisfies readonly ErrorCode[];
/** The problems of everything that takes an object's address. */
export const ADDRESSED = [
  ...RUNS,
  'invalid-address',
  'address-outside-heap',
  'never-allocated',
  'interior-address',
  'already-freed',
] as const satisfies readonly ErrorCode[];

/** One operation as a promise whose failure is a Problem. */
export async function call(host: Host, op: number, p: number, a: ArrayLike<number>) {
  try {
    return await host.call(op, p, a);
  } catch (error) {
    throw schedProblem(error, host.procs);
  }
}

/** A piece of the exchange; a Problem when there is none. */
export function take(host: Host, length: number): Piece {
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
