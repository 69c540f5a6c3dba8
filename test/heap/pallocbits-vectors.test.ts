import { describe, expect, it } from 'vitest';
import { ENTRY_WORDS, mergeSummaries } from '../../src/heap/pagesummary.js';
import {
  allocRange,
  allSet,
  clearRange,
  endOf,
  find,
  findBitRange64,
  firstOf,
  indexOf,
  maxOf,
  noneSet,
  popcntRange,
  setRange,
  startOf,
  summarize,
} from '../../src/heap/pallocbits.js';
import { golden, type Hex512, hex64, putBits } from './pagealloc-golden.js';

interface Vectors {
  find: { rows: [Hex512, number, number, number, number][] };
  findBitRange64: { rows: [string, number, number][] };
  mergeSummaries: { rows: [number, number[], number[], number[], number, number, number][] };
  popcntRange: { rows: [Hex512, number, number, number][] };
  summarize: { rows: [Hex512, number, number, number][] };
}

const vectors = golden<Vectors>('pallocbits_vectors');
const B = 5;
const bitmap = (hex: Hex512): Int32Array => {
  // Guard words on both sides: nothing outside the sixteen may matter.
  const m = new Int32Array(B + 21).fill(0x55555555);
  putBits(m, B, hex);
  return m;
};

describe('pallocbits against Go 1.27', () => {
  it(`find: ${vectors.find.rows.length} rows`, () => {
    for (const [bits, npages, searchIdx, index, first] of vectors.find.rows) {
      const found = find(bitmap(bits), B, npages, searchIdx);
      expect([indexOf(found), firstOf(found)], `${bits} ${npages} ${searchIdx}`).toEqual([index, first]);
    }
    expect(vectors.find.rows.length).toBe(300);
  });

  it(`findBitRange64: ${vectors.findBitRange64.rows.length} rows`, () => {
    for (const [c, n, want] of vectors.findBitRange64.rows) {
      const lo = Number.parseInt(c.slice(8), 16) | 0;
      const hi = Number.parseInt(c.slice(0, 8), 16) | 0;
      expect(hex64(lo, hi)).toBe(c);
      expect(findBitRange64(lo, hi, n), `${c} ${n}`).toBe(want);
    }
    expect(vectors.findBitRange64.rows.length).toBe(400);
  });

  it(`popcntRange: ${vectors.popcntRange.rows.length} rows`, () => {
    for (const [bits, i, n, want] of vectors.popcntRange.rows) {
      expect(popcntRange(bitmap(bits), B, i, n), `${bits} ${i} ${n}`).toBe(want);
    }
    expect(vectors.popcntRange.rows.length).toBe(300);
  });

  it(`summarize: ${vectors.summarize.rows.length} rows`, () => {
    for (const [bits, start, max, end] of vectors.summarize.rows) {
      const s = summarize(bitmap(bits), B);
      expect([startOf(s), maxOf(s), endOf(s)], bits.join()).toEqual([start, max, end]);
    }
    expect(vectors.summarize.rows.length).toBe(300);
  });

  it(`mergeSummaries: ${vectors.mergeSummaries.rows.length} rows`, () => {
    for (const [logPages, starts, maxes, ends, start, max, end] of vectors.mergeSummaries.rows) {
      const m = new Int32Array(9 * ENTRY_WORDS).fill(-1);
      starts.forEach((s, i) => {
        m.set([s, maxes[i], ends[i]], i * ENTRY_WORDS);
      });
      expect(mergeSummaries(m, 0, logPages, 8 * ENTRY_WORDS)).toBe(true);
      expect([...m.subarray(8 * ENTRY_WORDS)]).toEqual([start, max, end]);
      expect(mergeSummaries(m, 0, logPages, 8 * ENTRY_WORDS)).toBe(false);
    }
    expect(vectors.mergeSummaries.rows.length).toBe(100);
  });
});

describe('ranges, against bit by bit', () => {
  const bit = (m: Int32Array, b: number, i: number): number => (m[b + (i >> 5)] >> (i & 31)) & 1;
  // The borders of words and of the bitmap, and one page either side.
  const edges = [0, 1, 31, 32, 33, 63, 64, 65, 255, 256, 480, 510, 511];
  const ranges = edges.flatMap((i) => edges.filter((j) => j >= i).map((j): [number, number] => [i, j - i + 1]));

  it.each(ranges)('pages %i, %i of them', (i, n) => {
    for (const fill of [0, -1, 0x33333333]) {
      const set = new Int32Array(16).fill(fill);
      setRange(set, 0, i, n);
      const clear = new Int32Array(16).fill(fill);
      clearRange(clear, 0, i, n);
      // A chunk: free pages, scavenged as `fill` says.
      const chunk = new Int32Array(32).fill(fill, 16);
      const scav = allocRange(chunk, 0, i, n);
      let count = 0;
      for (let p = 0; p < 512; p++) {
        const inside = p >= i && p < i + n;
        const was = (fill >> (p & 31)) & 1;
        if (inside) count += was;
        if (bit(set, 0, p) !== (inside ? 1 : was)) expect.fail(`set ${p}`);
        if (bit(clear, 0, p) !== (inside ? 0 : was)) expect.fail(`clear ${p}`);
        if (bit(chunk, 0, p) !== (inside ? 1 : 0)) expect.fail(`alloc ${p}`);
        if (bit(chunk, 16, p) !== (inside ? 0 : was)) expect.fail(`scavenged ${p}`);
      }
      expect(scav).toBe(count);
      expect(popcntRange(set, 0, i, n)).toBe(n);
      expect(allSet(set, 0, i, n)).toBe(true);
      expect(noneSet(clear, 0, i, n)).toBe(true);
      clearRange(set, 0, i + n - 1, 1);
      setRange(clear, 0, i, 1);
      expect(allSet(set, 0, i, n)).toBe(false);
      expect(noneSet(clear, 0, i, n)).toBe(false);
    }
  });
});

describe('findBitRange64 by construction', () => {
  it('finds a lone run of every length at every place', () => {
    for (let n = 1; n <= 64; n++) {
      for (let at = 0; at + n <= 64; at++) {
        const run = ((1n << BigInt(n)) - 1n) << BigInt(at);
        const lo = Number(BigInt.asIntN(32, run));
        const hi = Number(BigInt.asIntN(32, run >> 32n));
        if (findBitRange64(lo, hi, n) !== at) expect.fail(`run of ${n} at ${at}`);
        if (n < 64 && findBitRange64(lo, hi, n + 1) !== 64) expect.fail(`no run of ${n + 1} at ${at}`);
      }
    }
  });
});
