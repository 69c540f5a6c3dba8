/**
 * reuseorder.json: six spans, a pattern of freed slots, runtime.GC(), and where the next allocations go (120 rows), with the
 * mcache flushed before the collection or not.
 *
 * Compared: span and slot of every allocation after the collection, as runs [span, first slot, stride, count], -k being the k-th span
 * at a new address; objects per span; how many were freed. Not compared: the page numbers of new spans, since Go took
 * stacks and work buffers in between. Where Go's page allocator answers a new span with the very pages of one that was freed
 * whole, the file shows the old span's number (multi-page spans, straight from first fit); whether it does
 * depends on the free pages that Go's own spans left, so a span freed whole counts as new on both sides.
 */

import { describe, expect, test } from 'vitest';
import { Golden, golden } from './support.js';

interface Row {
  allocatedAfter: number;
  class: number;
  flushBeforeGC: boolean;
  freed: number;
  objectsPerSpan: number;
  pattern: string;
  scan: boolean;
  sequence: [span: number, firstSlot: number, stride: number, count: number][];
  size: number;
  spans: number;
}

const PATTERNS: Record<string, (span: number, slot: number, nelems: number) => boolean> = {
  odd: (_, slot) => slot % 2 === 1,
  third: (_, slot) => slot % 3 === 1,
  lastslot: (_, slot, nelems) => slot === nelems - 1,
  firstslot: (_, slot) => slot === 0,
  evenspans: (span) => span % 2 === 0,
  span2: (span) => span === 2,
  spans23: (span) => span === 2 || span === 3,
  firsthalf: (_, slot, nelems) => slot < nelems >> 1,
  mixed: (span, slot) => (span % 2 === 1 && slot % 2 === 1) || span === 4 || (span === 0 && slot === 3),
  all: () => true,
};

const rows = golden<Row[]>('reuseorder');

describe('where freed slots are reused', () => {
  test('there are 120 rows', () => expect(rows.length).toBe(120));

  test.each(rows)('class $class, scan $scan, $pattern, flush $flushBeforeGC', (row) => {
    const g = new Golden();
    const request = row.scan && row.size > 512 ? row.size - 8 : row.size;
    const nelems = row.objectsPerSpan;
    const objects = Array.from({ length: row.spans * nelems }, () => g.malloc(request, row.scan));
    const spanOf = objects.map((word) => g.span(word));
    const bases = Array.from({ length: row.spans }, (_, i) => spanOf[i * nelems]);
    expect(new Set(bases).size).toBe(row.spans);
    expect(objects.map((word, i) => bases.indexOf(spanOf[i]) * nelems + g.slot(word))).toEqual([...objects.keys()]);
    const wasAt = new Map(objects.map((word, i) => [word, i] as const));

    if (row.flushBeforeGC) g.stats();
    const live = new Array<number>(row.spans).fill(0);
    let freed = 0;
    objects.forEach((word, i) => {
      if (PATTERNS[row.pattern](Math.floor(i / nelems), i % nelems, nelems)) {
        g.drop(word);
        freed++;
      } else live[Math.floor(i / nelems)]++;
    });
    expect(freed).toBe(row.freed);
    g.gc();

    // A new span is the one with a new number, or one that was freed whole.
    const fresh = new Map<number, number>();
    const number = (key: number): number => {
      if (!fresh.has(key)) fresh.set(key, -1 - fresh.size);
      return fresh.get(key)!;
    };
    const got = Array.from({ length: row.allocatedAfter }, () => {
      const word = g.malloc(request, row.scan);
      const old = wasAt.get(word);
      const span = old === undefined ? -1 : Math.floor(old / nelems);
      return [span >= 0 && live[span] > 0 ? span : number(1000 + g.span(word)), g.slot(word)];
    });
    fresh.clear();
    const want = row.sequence.flatMap(([span, slot, stride, count]) =>
      Array.from({ length: count }, (_, i) => [span >= 0 && live[span] > 0 ? span : number(span), slot + i * stride]),
    );
    expect(got).toEqual(want);
    g.expectSound();
  });
});
