/**
 * mix.json: n allocations of a size, from zero free slots of its class (270 rows).
 *
 * Compared: objects per span and the deltas of Mallocs, Frees, TotalAlloc, HeapAlloc, HeapInuse, HeapObjects and every
 * BySize row. Not compared: HeapIdle, HeapSys and HeapReleased, which depend on where in its 4 MiB step the process stood,
 * and MSpanInuse, which moves 64 records at a time (golden README, "NOT stable").
 */

import { expect, test } from 'vitest';
import { type Delta, delta, Golden, golden, stable } from './support.js';

interface Row {
  delta: Delta;
  n: number;
  objectsPerSpan: number;
  scan: boolean;
  size: number;
}

test('n allocations of a size', () => {
  const { rows } = golden<{ rows: Row[] }>('mix');
  expect(rows.length).toBe(270);
  const g = new Golden();
  for (const row of rows) {
    const { perSpan, objects } = g.fillUp(row.size, row.scan);
    const before = g.stats();
    for (let i = 0; i < row.n; i++) objects.push(g.malloc(row.size, row.scan));
    const got = delta(before, g.stats());
    expect({ ...stable(got), perSpan }, `${row.n} x ${row.size}, scan ${row.scan}`).toEqual({
      ...stable(row.delta),
      perSpan: row.objectsPerSpan,
    });
    for (const word of objects) g.drop(word);
    g.gc();
  }
  g.expectSound();
});
