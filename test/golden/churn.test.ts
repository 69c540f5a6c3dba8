/**
 * churn.json: 3 seeds x 100,000 random allocations into a table of 3,000 roots; statistics before and after runtime.GC()
 * every 10,000.
 *
 * Compared, at all 20 checkpoints of each seed: Mallocs, Frees, TotalAlloc, HeapAlloc, HeapInuse, HeapObjects and every
 * BySize row. Not compared: HeapIdle, HeapSys, HeapReleased and MSpanInuse, which contain Go's own stacks and work buffers and
 * its background scavenger (golden README, "NOT stable").
 */

import { describe, expect, test } from 'vitest';
import { type Delta, delta, Golden, golden, stable } from './support.js';

interface Run {
  G: number;
  N: number;
  T: number;
  seed: number;
  rows: { deltaFromStart: Delta; ops: number; when: string }[];
}

const runs = golden<Run[]>('churn');

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

describe('random churn', () => {
  test('there are 3 runs of 20 checkpoints', () => expect(runs.map((run) => run.rows.length)).toEqual([20, 20, 20]));

  test.each(runs)('seed $seed', (run) => {
    const g = new Golden();
    const rnd = xorshift32(run.seed);
    const words = new Int32Array(run.T).fill(-1);
    const subs = new Uint8Array(run.T);
    const start = g.stats();
    const rows = run.rows.values();
    const compare = (ops: number, when: string): void => {
      const want = rows.next().value!;
      expect(want.ops).toBe(ops);
      expect(stable(delta(start, g.stats())), `${when} ${ops}`).toEqual(stable(want.deltaFromStart));
    };
    for (let i = 1; i <= run.N; i++) {
      const at = rnd() % run.T;
      const kind = rnd() % 16;
      let size = requestSize(kind, rnd());
      const scan = (rnd() & 1) === 1;
      if (scan) size = Math.max(8, size & ~7);
      // As in Go: the new object is made before the old one is dropped.
      const word = g.malloc(size, scan);
      const sub = scan || size >= 16 ? 0 : g.p.sub;
      if (words[at] >= 0) g.drop(words[at], subs[at]);
      words[at] = word;
      subs[at] = sub;
      if (i % run.G !== 0) continue;
      compare(i, 'before GC');
      g.gc();
      compare(i, 'after GC');
      g.expectSound();
    }
    expect(rows.next().done).toBe(true);
  });
});
