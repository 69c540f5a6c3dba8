/**
 * zero.json: objects are written full, dropped and collected; those that come next read zero (8 sizes).
 *
 * Compared: objects allocated and objects that are not all zero (none), in spans that kept a live object, in spans that went
 * back to the heap and came again, and through immediate reuse. Not compared: reusedAddresses, which tells which
 * pages of that Go process happened to be free; here every round but those of the fresh heap must reuse some.
 */

import { expect, test } from 'vitest';
import { freeNow } from '../../src/heap/free.js';
import { usableSize } from '../../src/heap/sizeclass.js';
import { Golden, golden } from './support.js';

interface Row {
  allocated: number;
  nonZeroObjects: number;
  reusedAddresses: number;
  size: number;
}

const { rows } = golden<{ rows: Row[] }>('zero');

test.each(rows)('objects of $size bytes', (row) => {
  const g = new Golden(512 * 2 ** 20);
  const { w } = g.h;
  const words = usableSize(row.size, true) >> 3;
  const fill = (word: number): void => void w.fill(-1.5, word, word + words);
  const nonZero = (objects: number[]): number =>
    objects.filter((word) => w.subarray(word, word + words).some((x) => !Object.is(x, 0))).length;
  const make = (): number[] => Array.from({ length: row.allocated }, () => g.malloc(row.size, false));

  let old = make();
  expect(nonZero(old)).toBe(row.nonZeroObjects);
  // First the last object is kept, and its span with it; then none; then the slots are freed for immediate reuse.
  for (const round of ['keep one', 'keep none', 'immediate'] as const) {
    for (const word of old) fill(word);
    const kept = round === 'keep one' ? old.pop() : undefined;
    for (const word of old) {
      if (round === 'immediate') freeNow(g.h, g.p, word, 0);
      else g.drop(word);
    }
    if (round !== 'immediate') g.gc();
    // As many rounds of objects as it takes to come to the old addresses again: page caches are not refilled at once.
    const before = new Set(old);
    const seen: number[] = [];
    let reused = 0;
    for (let i = 0; i < 600 && reused === 0; i++) {
      const objects = make();
      expect(nonZero(objects), round).toBe(row.nonZeroObjects);
      reused += objects.filter((word) => before.has(word)).length;
      for (const word of objects) fill(word);
      seen.push(...objects);
      if (row.size > 100_000) {
        for (const word of objects) g.drop(word);
        g.gc();
        seen.length = 0;
      }
    }
    expect(reused, round).toBeGreaterThan(0);
    for (const word of seen) g.drop(word);
    if (kept !== undefined) g.drop(kept);
    g.gc();
    old = make();
    expect(nonZero(old)).toBe(row.nonZeroObjects);
  }
  g.expectSound();
});
