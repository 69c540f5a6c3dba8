/** churn.json: how it is read, and the rule by which Go's program made its random allocations. */

import { type Delta, golden } from './support.js';

export interface Run {
  /** runtime.GC() after so many operations, of so many in all, on a table of so many roots. */
  G: number;
  N: number;
  T: number;
  seed: number;
  rows: { deltaFromStart: Delta; ops: number; when: string }[];
}

export const runs = golden<Run[]>('churn');

export interface Operation {
  /** The root that the new object replaces. */
  at: number;
  size: number;
  scan: boolean;
}

/** The operations of a run, in order. */
export function* operations(run: Run): Generator<Operation> {
  const rnd = xorshift32(run.seed);
  for (let i = 0; i < run.N; i++) {
    const at = rnd() % run.T;
    const kind = rnd() % 16;
    const size = requestSize(kind, rnd());
    const scan = (rnd() & 1) === 1;
    yield { at, size: scan ? Math.max(8, size & ~7) : size, scan };
  }
}

function xorshift32(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function requestSize(kind: number, r: number): number {
  if (kind <= 8) return 16 + (r % 1009);
  if (kind <= 12) return 1 + (r % 15);
  if (kind <= 14) return 1024 + (r % 31_737);
  return 32_768 + (r % 100_000);
}
