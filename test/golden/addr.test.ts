/**
 * addr.json: where 80 consecutive spans of a class lie (48 rows).
 *
 * The process had used the pages below `firstBasePage`, and what was left of the 64-page block around it stood in the P's
 * page cache: single-page spans up to there bring a heap into the same state. A span of several pages then leaves the cache
 * where its 64 pages end, and goes on behind them.
 *
 * Compared: every base page (absolute, from 0xc000000000), hence every step and jump; slots ascending by the slot size;
 * the user's offset in its slot; objects and pages per span; the deltas of Mallocs, Frees, TotalAlloc, HeapAlloc,
 * HeapInuse, HeapObjects, BySize, and of HeapSys, HeapIdle and HeapReleased too, which follow from the page positions. Not
 * compared: MSpanInuse, whose phase within 64 records depends on what Go allocated before.
 */

import { describe, expect, test } from 'vitest';
import { S_BASE, S_NELEMS, S_NPAGES, S_START, S_WORDS } from '../../src/heap/mspan.js';
import { type Delta, delta, Golden, golden, stable } from './support.js';

interface Row {
  basePageSteps: number[];
  basePages: number[];
  class: number;
  delta: Delta;
  firstBasePage: number;
  firstBasePageMod64: number;
  objectsPerSpan: number;
  pagesPerSpan: number;
  req: number;
  scan: boolean;
  size: number;
  slotsAscendingByElemsize: boolean;
  userOffsetInSlot: number;
}

const rows = golden<Row[]>('addr');

describe('80 spans in a row', () => {
  test('there are 48 rows', () => expect(rows.length).toBe(48));

  test.each(rows)('class $class, scan $scan', (row) => {
    const g = new Golden();
    const { m } = g.h;
    g.filler(row.firstBasePage);
    const before = g.stats();
    const basePages: number[] = [];
    const offsets = new Set<number>();
    let ascending = true;
    for (let i = 0; i < row.basePages.length; i++) {
      let s = 0;
      for (let slot = 0; slot < row.objectsPerSpan; slot++) {
        const word = g.malloc(row.req, row.scan);
        if (slot === 0) {
          s = g.span(word);
          basePages.push(m[s + S_START]);
          expect([m[s + S_NELEMS], m[s + S_NPAGES], m[s + S_WORDS] * 8]).toEqual([
            row.objectsPerSpan,
            row.pagesPerSpan,
            row.size,
          ]);
        }
        const slotWord = m[s + S_BASE] + slot * m[s + S_WORDS];
        offsets.add((word - slotWord) * 8);
        if (g.span(word) !== s || g.slot(word) !== slot) ascending = false;
      }
    }
    expect(basePages).toEqual(row.basePages);
    expect(basePages.slice(1).map((page, i) => page - basePages[i])).toEqual(row.basePageSteps);
    expect(ascending).toBe(row.slotsAscendingByElemsize);
    expect([...offsets]).toEqual([row.userOffsetInSlot]);
    expect(row.firstBasePage % 64).toBe(row.firstBasePageMod64);
    const got = delta(before, g.stats());
    expect(got).toEqual({
      ...stable(row.delta),
      HeapIdle: row.delta.HeapIdle,
      HeapSys: row.delta.HeapSys,
      HeapReleased: row.delta.HeapReleased,
    });
    g.expectSound();
  });
});
