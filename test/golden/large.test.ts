/**
 * large.json: 21 objects from 32,752 to 70,000,000 bytes, one after the other.
 *
 * Compared: page, gap to the end of the one before, page alignment, accounted bytes, Mallocs, BySize (empty), and the deltas
 * of HeapInuse, HeapSys, HeapIdle and HeapReleased: all exact, growth in 4 MiB steps, a 70 MB object's by what covers it.
 * Not compared: the first row's gap, which has nothing before it to be measured from. The 70 pages below the first
 * object were Go's own; single-page spans stand for them. Small ones (32,752 and 32,760) are in no BySize row: it ends at 18,432.
 */

import { expect, test } from 'vitest';
import { S_NPAGES, S_START } from '../../src/heap/mspan.js';
import { PAGE_WORDS } from '../../src/heap/sizeclass.js';
import { delta, Golden, golden } from './support.js';

interface Row {
  accounted: number;
  bySize: Record<string, [number, number]>;
  gapPagesFromPrevEnd: number;
  heapIdle: number;
  heapInuse: number;
  heapReleased: number;
  heapSys: number;
  mallocs: number;
  page: number;
  pageAligned: boolean;
  size: number;
}

test('large objects in order', () => {
  const { rows } = golden<{ rows: Row[] }>('large');
  expect(rows.length).toBe(21);
  const g = new Golden();
  g.filler(rows[0].page);
  let end = 0;
  rows.forEach((row, i) => {
    const before = g.stats();
    const word = g.malloc(row.size, false);
    const d = delta(before, g.stats());
    const s = g.span(word);
    const page = g.h.m[s + S_START];
    const got: Row = {
      accounted: d.TotalAlloc,
      bySize: d.bySize,
      gapPagesFromPrevEnd: i === 0 ? row.gapPagesFromPrevEnd : page - end,
      heapIdle: d.HeapIdle,
      heapInuse: d.HeapInuse,
      heapReleased: d.HeapReleased,
      heapSys: d.HeapSys,
      mallocs: d.Mallocs,
      page,
      pageAligned: word % PAGE_WORDS === 0,
      size: row.size,
    };
    expect(got).toEqual(row);
    end = page + g.h.m[s + S_NPAGES];
  });
  g.expectSound();
});
