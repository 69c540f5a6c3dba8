import { describe, expect, it } from 'vitest';
import { fillAligned64, findScavengeCandidate } from '../../src/heap/scavengecandidate.js';
import { golden, type Hex512, hex64, putBits } from './pagealloc-golden.js';

interface Vectors {
  fillAligned: { rows: [string, number, string][] };
  findScavengeCandidate: { rows: [Hex512, Hex512, number, number, number, number, number][] };
  physHugePageSize: number;
}

const vectors = golden<Vectors>('scavenge_candidate_vectors');

describe('scavenge candidates against Go 1.27', () => {
  it(`fillAligned: ${vectors.fillAligned.rows.length} rows`, () => {
    for (const [x, size, want] of vectors.fillAligned.rows) {
      const lo = Number.parseInt(x.slice(8), 16) | 0;
      const hi = Number.parseInt(x.slice(0, 8), 16) | 0;
      expect(hex64(fillAligned64(lo, hi, size), fillAligned64(hi, lo, size)), `${x} ${size}`).toBe(want);
    }
    expect(vectors.fillAligned.rows.length).toBe(200);
  });

  const rows = vectors.findScavengeCandidate.rows;
  it(`findScavengeCandidate: ${rows.length} rows`, () => {
    for (const [alloc, scav, searchIdx, minPages, maxPages, start, npages] of rows) {
      const m = new Int32Array(40).fill(0x0f0f0f0f);
      putBits(m, 4, alloc);
      putBits(m, 20, scav);
      const phys = { minPages, hugePages: vectors.physHugePageSize / 8192 };
      const found = findScavengeCandidate(m, 4, searchIdx, maxPages, phys);
      expect([found & 1023, found >> 10], `${alloc} ${scav} ${searchIdx} ${minPages} ${maxPages}`).toEqual([
        start,
        npages,
      ]);
    }
    expect(rows.length).toBe(400);
  });
});
