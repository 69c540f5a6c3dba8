/**
 * sizes.json: every request from 0 to 40,000 bytes without pointers, every eighth with pointers.
 *
 * Compared: usable bytes (what append may grow into) and accounted bytes (the TotalAlloc delta of a real allocation,
 * from an empty tiny block) of every size, and the one address of all zero-size objects. Nothing is left out.
 */

import { expect, test } from 'vitest';
import { Found, resolve, usableBytes } from '../../src/heap/objects.js';
import { MAX_SMALL_REQUEST, usableSize } from '../../src/heap/sizeclass.js';
import { Golden, golden } from './support.js';

type Run = [first: number, last: number, usable: number, accounted: number];
const file = golden<{ noscan: Run[]; scan_step8: Run[]; zeroSizeSameAddress: boolean }>('sizes');

function compare(runs: Run[], scan: boolean, step: number): number {
  const g = new Golden();
  const found = new Found();
  const wrong: string[] = [];
  let n = 0;
  let before = g.totalAlloc();
  for (const [first, last, usable, accounted] of runs) {
    for (let size = first; size <= last; size += step) {
      const word = g.malloc(size, scan);
      const sub = g.p.sub;
      const total = g.totalAlloc();
      const got = [usableSize(size, !scan), total - before];
      if (got[0] !== usable || got[1] !== accounted) wrong.push(`size ${size}: ${got}, Go ${[usable, accounted]}`);
      before = total;
      n++;
      if (size === 0) continue;
      // What a client may really use: the slot, or what was asked for of a large object.
      const status = resolve(g.h, g.p, word, size < 16 && !scan ? sub : 0, found);
      const room = size > MAX_SMALL_REQUEST ? size : !scan && size < 16 ? 16 : usable;
      if (status !== 0 || usableBytes(g.h, found) !== room) wrong.push(`size ${size}: room ${usableBytes(g.h, found)}`);
      g.drop(word, size < 16 && !scan ? sub : 0);
      if (n % 1000 !== 0) continue;
      expect(g.stats().TotalAlloc).toBe(total);
      g.gc();
    }
  }
  expect(wrong).toEqual([]);
  g.gc();
  g.expectSound();
  return n;
}

test('every size without pointers', () => {
  expect(compare(file.noscan, false, 1)).toBe(40_001);
});

test('every eighth size with pointers', () => {
  expect(compare(file.scan_step8, true, 8)).toBe(5_001);
});

test('zero-size objects share one address', () => {
  const g = new Golden();
  expect(g.malloc(0, false) === g.malloc(0, true)).toBe(file.zeroSizeSameAddress);
  g.expectSound();
});
