/**
 * flush.json: four spans with the free slots 10 to 19 each, and a ReadMemStats before every allocation: flushing the mcache
 * puts the cached span at the tail of its list, so that the spans take turns.
 *
 * Compared: span and slot of every allocation. Nothing is left out.
 */

import { expect, test } from 'vitest';
import { Golden, golden } from './support.js';

test('spans take turns when the mcache is flushed', () => {
  const want = golden<{ objectsPerSpan: number; size: number; class: number; seq: [number, number][] }>('flush');
  const g = new Golden();
  const spans: number[] = [];
  const dropped: number[] = [];
  for (let i = 0; i < 4 * want.objectsPerSpan; i++) {
    const word = g.malloc(want.size, false);
    const slot = g.slot(word);
    if (slot === 0) spans.push(g.span(word));
    if (slot >= 10 && slot < 20) dropped.push(word);
  }
  expect(spans.length).toBe(4);
  for (const word of dropped) g.drop(word);
  g.gc();
  const seq = want.seq.map(() => {
    g.stats();
    const word = g.malloc(want.size, false);
    return [spans.indexOf(g.span(word)), g.slot(word)];
  });
  expect(seq.length).toBe(30);
  expect(seq).toEqual(want.seq);
  g.expectSound();
});
