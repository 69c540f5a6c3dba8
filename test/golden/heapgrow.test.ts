/**
 * heapgrow.json: statistics at every growth of HeapSys while 8 KiB objects are allocated (40 rows).
 *
 * Go's stacks live in the same pages but are taken out of HeapSys and HeapInuse: both are compared with StackInuse (229,376 in
 * every row) added. Besides its 8 KiB objects the Go process took a few pages for itself: before the first object (68
 * pages, `firstPage`), and now and then one more, seen as a page that n did not count. As many single pages are taken here.
 *
 * Compared in every row: the page of the object that grew the heap, n at that moment, the step of HeapSys, HeapSys, HeapInuse,
 * HeapIdle and HeapReleased (after a growth: 4 MiB - 8 KiB, all of it released), MSpanInuse from one growth to the next
 * (512 records of Go's size). Not compared: Mallocs, TotalAlloc, HeapAlloc and HeapObjects, which count Go's own objects; the absolute
 * MSpanInuse; MSpanSys, MCache*, GCSys, BuckHashSys, OtherSys and Sys, which are Go's own tables; NextGC (GOGC=off).
 */

import { expect, test } from 'vitest';
import { S_START } from '../../src/heap/mspan.js';
import { Golden, golden } from './support.js';

interface Row {
  n: number;
  page?: number;
  heapSysStep?: number;
  stat: Record<string, number>;
}

test('the heap grows 4 MiB at a time', () => {
  const { firstPage, rows } = golden<{ firstPage: number; rows: Row[] }>('heapgrow');
  expect(rows.length).toBe(40);
  const g = new Golden();
  const first = rows[0].stat;
  const stacks = first.StackInuse;
  const startPages = (first.HeapInuse + stacks) / 8192;
  const compare = (row: Row): void => {
    const { HeapSys, HeapInuse, HeapIdle, HeapReleased } = g.stats();
    expect({ HeapSys, HeapInuse, HeapIdle, HeapReleased }, `n = ${row.n}`).toEqual({
      HeapSys: row.stat.HeapSys + stacks,
      HeapInuse: row.stat.HeapInuse + stacks,
      HeapIdle: row.stat.HeapIdle,
      HeapReleased: row.stat.HeapReleased,
    });
    expect(row.stat.StackInuse).toBe(stacks);
  };
  g.filler(startPages);
  compare(rows[0]);

  let n = 0;
  let next = startPages;
  let structs = 0;
  rows.slice(1).forEach((row, i) => {
    const own = row.page! - next - (row.n - n - 1);
    if (i === 0) expect(own).toBe(firstPage - startPages);
    g.filler(own);
    const before = g.stats().HeapSys;
    let s = 0;
    for (; n < row.n; n++) {
      expect(g.stats().HeapSys).toBe(before);
      s = g.span(g.malloc(8192, false));
    }
    expect(g.h.m[s + S_START]).toBe(row.page);
    expect(g.stats().HeapSys - before).toBe(row.heapSysStep);
    compare(row);
    const now = g.stats().MSpanInuse;
    if (i > 0) expect(now - structs).toBe(row.stat.MSpanInuse - rows[i].stat.MSpanInuse);
    structs = now;
    next = row.page! + 1;
  });
  g.expectSound();
});
