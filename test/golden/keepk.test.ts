/**
 * keepk.json: eight spans of a class are filled, every k-th object is kept, runtime.GC() (161 rows: 23 classes x 7 k).
 *
 * Compared: objects per span, objects, live ones, spans with a live one, and the deltas of Mallocs, Frees, TotalAlloc,
 * HeapAlloc, HeapInuse, HeapObjects and BySize of both the allocation and the collection. Not compared: HeapIdle, HeapSys,
 * HeapReleased and MSpanInuse (golden README, "NOT stable").
 */

import { expect, test } from 'vitest';
import { type Delta, delta, Golden, golden, stable } from './support.js';

interface Row {
  afterAlloc: Delta;
  afterGC: Delta;
  class: number;
  keepEvery: number;
  live: number;
  n: number;
  objectsPerSpan: number;
  req: number;
  scan: boolean;
  size: number;
  spans: number;
  spansWithLive: number;
}

test('spans that keep every k-th object', () => {
  const { rows } = golden<{ rows: Row[] }>('keepk');
  expect(rows.length).toBe(161);
  const g = new Golden();
  for (const row of rows) {
    const { perSpan, objects } = g.fillUp(row.req, row.scan);
    expect(perSpan).toBe(row.objectsPerSpan);
    const start = g.stats();
    const kept: number[] = [];
    const dropped: number[] = [];
    for (let i = 0; i < row.n; i++) (i % row.keepEvery === 0 ? kept : dropped).push(g.malloc(row.req, row.scan));
    const full = g.stats();
    for (const word of dropped) g.drop(word);
    g.gc();
    const end = g.stats();
    expect({
      afterAlloc: stable(delta(start, full)),
      afterGC: stable(delta(full, end)),
      live: kept.length,
      spansWithLive: new Set(kept.map((word) => g.span(word))).size,
      spans: row.n / perSpan,
    }).toEqual({
      afterAlloc: stable(row.afterAlloc),
      afterGC: stable(row.afterGC),
      live: row.live,
      spansWithLive: row.spansWithLive,
      spans: row.spans,
    });
    for (const word of [...kept, ...objects]) g.drop(word);
    g.gc();
    expect(g.stats().HeapInuse).toBe(0);
  }
  g.expectSound();
});
