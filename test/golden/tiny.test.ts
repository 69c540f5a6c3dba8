/**
 * tiny.json: 19 sequences of tiny allocations, each from an empty tiny block.
 *
 * Compared: block and offset in it of every allocation, and all counters of every sequence: blocks, 16-byte mallocs,
 * mallocs, frees, HeapAlloc, tiny allocations. Nothing is left out.
 */

import { describe, expect, test } from 'vitest';
import { T_TINY_ALLOCS } from '../../src/heap/heap.js';
import { delta, Golden, golden } from './support.js';

interface Sequence {
  blocks: number;
  class16Mallocs: number;
  freesDelta: number;
  heapAllocDelta: number;
  mallocsDelta: number;
  tinyAllocsDelta: number;
  rows: [size: number, block: number, offset: number][];
}

const { sequences } = golden<{ sequences: Record<string, Sequence> }>('tiny');

describe('tiny sequences', () => {
  const g = new Golden();
  test('there are 19', () => expect(Object.keys(sequences).length).toBe(19));

  test.each(Object.entries(sequences))('%s', (_, want) => {
    const before = g.stats();
    const tinyBefore = g.h.f[g.p.stats + T_TINY_ALLOCS];
    const blocks = new Map<number, number>();
    const rows = want.rows.map(([size]) => {
      const word = g.malloc(size, false);
      const block = word - (word % 2);
      if (!blocks.has(block)) blocks.set(block, blocks.size);
      return [size, blocks.get(block)!, (word - block) * 8 + (size < 16 ? g.p.sub : 0)];
    });
    const d = delta(before, g.stats());
    expect({
      blocks: blocks.size,
      class16Mallocs: d.bySize[16][0],
      freesDelta: d.Frees,
      heapAllocDelta: d.HeapAlloc,
      mallocsDelta: d.Mallocs,
      rows,
      tinyAllocsDelta: g.h.f[g.p.stats + T_TINY_ALLOCS] - tinyBefore,
    }).toEqual(want);
    g.expectSound();
  });
});
