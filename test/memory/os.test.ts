/** Giving memory back for real: any part of any reservation, and the whole of one. */

import { describe, expect, test } from 'vitest';
import { RELEASE_SLICE, release, releaseMode, releaseWhole, slices } from '../../src/memory/os.js';
import { OS_PAGE, reserve, words64 } from '../../src/memory/reservation.js';

const GIB = 2 ** 30;

test('the slices of a buffer are its whole pages, each once', () => {
  for (const bytes of [2 ** 24, 100 * 2 ** 20, GIB, GIB + 4096, 8 * GIB]) {
    const buffer = reserve(bytes);
    let at = 0;
    for (const { offset, length } of slices(buffer)) {
      expect([offset, offset % OS_PAGE, length % OS_PAGE]).toEqual([at, 0, 0]);
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThanOrEqual(RELEASE_SLICE);
      at += length;
    }
    expect(at).toBeGreaterThanOrEqual(bytes);
    expect(at).toBeLessThanOrEqual(buffer.byteLength);
  }
});

describe.skipIf(releaseMode() === 'accounted')('release', () => {
  test('drops exactly the pages it is told to', () => {
    const buffer = reserve(2 ** 24);
    const w = words64(buffer, 2 ** 24);
    w.fill(1, 0, 8192);
    expect(release(buffer, 8192, 16384)).toBe(true);
    expect(w.subarray(0, 1024).every((x) => x === 1)).toBe(true);
    expect(w.subarray(1024, 3072).every((x) => x === 0)).toBe(true);
    expect(w.subarray(3072, 8192).every((x) => x === 1)).toBe(true);
    expect(release(buffer, 0, 0)).toBe(false);
  });

  // glibc used to carve small ones out of freed memory, where they did not begin on a page.
  test('works in reservations of every size, again and again', () => {
    for (let i = 0; i < 30; i++) {
      const bytes = [4, 8, 16, 24, 31, 40][i % 6] * 2 ** 20;
      const buffer = reserve(bytes);
      const w = words64(buffer, bytes);
      w[w.length - 1] = 1;
      expect(release(buffer, bytes - 8192, 8192), `${bytes} bytes`).toBe(true);
      expect(w[w.length - 1]).toBe(0);
    }
  });

  // A Buffer over more than 4 GiB cannot be made in Node 20.
  test('drops the whole of the largest reservation, in slices, and not on this thread', async () => {
    const buffer = reserve(8 * GIB);
    const w = words64(buffer, 8 * GIB);
    for (const at of [0, GIB / 2, GIB - 1]) w[at] = 1;
    expect(release(buffer, 8 * GIB - 8192, 8192)).toBe(true);
    expect([w[GIB / 2], w[GIB - 1]]).toEqual([1, 0]);
    w[GIB - 1] = 1;
    let turns = 0;
    let over = false;
    const turn = (): void => {
      turns++;
      if (!over) setImmediate(turn);
    };
    setImmediate(turn);
    expect(await releaseWhole(buffer)).toBe(true);
    over = true;
    // The event loop went round between any two slices.
    expect(turns).toBeGreaterThanOrEqual([...slices(buffer)].length - 1);
    expect([w[0], w[GIB / 2], w[GIB - 1]]).toEqual([0, 0, 0]);
  });
});
