/**
 * nelems.json: how many objects a span holds, for 67 classes with and without pointers (133 rows: class 1 without
 * pointers does not exist, those requests are tiny).
 *
 * Compared: class, slot size, pages and objects of every row, by filling a span with real allocations until the next one
 * needs another. Nothing is left out.
 */

import { expect, test } from 'vitest';
import { S_NELEMS, S_NPAGES, S_SPANCLASS, S_WORDS } from '../../src/heap/mspan.js';
import { Golden, golden } from './support.js';

interface Row {
  Class: number;
  Size: number;
  Pages: number;
  Scan: boolean;
  Req: number;
  Nelems: number;
}

test('objects in a span of every class', () => {
  const { rows } = golden<{ rows: Row[] }>('nelems');
  expect(rows.length).toBe(133);
  const g = new Golden();
  const got = rows.map((row) => {
    const first = g.malloc(row.Req, row.Scan);
    const s = g.span(first);
    let n = 1;
    while (g.span(g.malloc(row.Req, row.Scan)) === s) n++;
    const { m } = g.h;
    expect(m[s + S_NELEMS]).toBe(n);
    return {
      Class: m[s + S_SPANCLASS] >> 1,
      Size: m[s + S_WORDS] * 8,
      Pages: m[s + S_NPAGES],
      Scan: (m[s + S_SPANCLASS] & 1) === 0,
      Req: row.Req,
      Nelems: n,
    };
  });
  expect(got).toEqual(rows);
  g.expectSound();
});
