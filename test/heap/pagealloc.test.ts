/** Named cases after those of Go's own mpagealloc_test and mpagecache_test. */

import { describe, expect, it } from 'vitest';
import { MAX_SEARCH_ADDR, PageAlloc } from '../../src/heap/pagealloc.js';
import {
  PAGE_CACHE_WORDS,
  pageCacheAlloc,
  pageCacheEmpty,
  pageCacheFlush,
  pageCachePages,
  pageCacheScav,
  pageCacheScavPages,
} from '../../src/heap/pagecache.js';

/** An allocator with the given chunks mapped, the listed page ranges allocated, and room for a page cache behind it. */
function heap(chunks: number[], used: [page: number, n: number][] = [], capacity = 8192) {
  const words = PageAlloc.words(capacity);
  const m = new Int32Array(words + PAGE_CACHE_WORDS);
  const pa = new PageAlloc(m, 0, capacity);
  for (const c of chunks) pa.grow(c * 512, 512);
  for (const [page, n] of used) pa.allocRange(page, n);
  return { m, pa, pc: words };
}

const check = (pa: PageAlloc): void => pa.checkSummaries((msg) => expect.fail(msg));
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('grow', () => {
  // biome-ignore format: a table
  const cases: [name: string, chunks: number[], ranges: [number, number][]][] = [
    ['one', [0], [[0, 1]]],
    ['contiguous 2', [0, 1], [[0, 2]]],
    ['contiguous 5', [0, 1, 2, 3, 4], [[0, 5]]],
    ['not from the start', [7], [[7, 8]]],
    ['discontiguous', [0, 2, 4], [[0, 1], [2, 3], [4, 5]]],
    ['mixed', [0, 1, 2, 4], [[0, 3], [4, 5]]],
    ['wildly discontiguous', [0, 1, 2, 0x10, 0x21, 0x1fff], [[0, 3], [16, 17], [33, 34], [8191, 8192]]],
    ['filling a gap, out of order', [3, 1, 2, 0], [[0, 4]]],
    ['across roots of the tree', [4095, 4096], [[4095, 4097]]],
  ];
  it.each(cases)('%s', (_name, chunks, ranges) => {
    const { pa } = heap(chunks);
    expect(pa.inUse()).toEqual(ranges);
    expect(pa.end).toBe(Math.max(...chunks) + 1);
    expect(pa.searchAddr).toBe(Math.min(...chunks) * 512);
    check(pa);
    // All of it is free and scavenged; nothing lies in the gaps.
    for (const c of [...chunks].sort((a, b) => a - b)) expect([pa.alloc(512), pa.scav]).toEqual([c * 512, 512]);
    expect(pa.alloc(1)).toBe(-1);
    check(pa);
  });

  it('refuses what is mapped, unaligned or beyond the capacity', () => {
    const { pa } = heap([0], [], 4);
    for (const [page, n] of [
      [0, 512],
      [512, 100],
      [100, 512],
      [2048, 512],
      [512, 2048],
      [-512, 512],
      [512, 0],
    ]) {
      expect(() => pa.grow(page, n), `${page} ${n}`).toThrow('pagealloc');
    }
    expect(pa.inUse()).toEqual([[0, 1]]);
    check(pa);
  });

  it('starts from zeroed memory with nothing at all', () => {
    const { m, pa, pc } = heap([]);
    expect([pa.alloc(1), pa.find(1), pa.searchAddr, pa.end]).toEqual([-1, -1, MAX_SEARCH_ADDR, 0]);
    expect(pa.allocToCache(m, pc)).toBe(false);
    check(pa);
  });
});

describe('alloc', () => {
  interface Case {
    chunks: number[];
    used?: [number, number][];
    /** npages, page expected, scavenged pages expected (default: all). */
    hits: [number, number, number?][];
  }
  // biome-ignore format: a table
  const cases: Record<string, Case> = {
    'all free 1': { chunks: [0], hits: [[1, 0], [1, 1], [1, 2], [1, 3], [1, 4]] },
    'all free 2': { chunks: [0], hits: [[2, 0], [2, 2], [2, 4], [2, 6]] },
    'all free 5': { chunks: [0], hits: [[5, 0], [5, 5], [5, 10]] },
    'all free 64': { chunks: [0], hits: [[64, 0], [64, 64], [64, 128]] },
    'all free 65': { chunks: [0], hits: [[65, 0], [65, 65], [65, 130]] },
    'a whole chunk': { chunks: [0, 1], hits: [[512, 0], [512, 512], [1, -1]] },
    'not many free 3': {
      chunks: [0],
      used: [[0, 2], [3, 1], [5, 4], [12, 400]],
      hits: [[3, 9], [3, 412], [1, 2], [1, 4]],
    },
    'none free': { chunks: [0], used: [[0, 512]], hits: [[1, -1], [2, -1], [512, -1]] },
    'straddle 2': { chunks: [0, 1], used: [[0, 511]], hits: [[2, 511], [1, 513]] },
    'straddle 5': { chunks: [0, 1], used: [[0, 510], [515, 509]], hits: [[5, 510], [5, -1]] },
    'straddle 64': { chunks: [0, 1], used: [[0, 480], [544, 480]], hits: [[64, 480], [64, -1], [1, -1]] },
    'a run over three chunks': { chunks: [0, 1, 2], used: [[0, 500]], hits: [[600, 500], [436, 1100], [1, -1]] },
    'no run over a gap': { chunks: [0, 2], used: [[0, 511], [1100, 10]], hits: [[2, 1024], [1, 511], [77, 1110]] },
    'over a block of eight': { chunks: upTo(16), used: [[0, 4000]], hits: [[200, 4000], [4000, -1], [3992, 4200]] },
    'over two roots': { chunks: [4094, 4095, 4096, 4097], hits: [[1024 + 3, 4094 * 512], [1021, 4094 * 512 + 1027]] },
    'far away': { chunks: [0, 1, 0x1ffe, 0x1fff], used: [[0, 1024]], hits: [[1024, 0x1ffe * 512], [1, -1]] },
    'lower hole too small': { chunks: [0], used: [[0, 10], [15, 100]], hits: [[6, 115], [5, 10], [1, 121]] },
  };
  it.each(Object.entries(cases))('%s', (_name, { chunks, used, hits }) => {
    const { pa } = heap(chunks, used);
    for (const [n, page, scav = page < 0 ? 0 : n] of hits) {
      expect(pa.find(n), `find ${n}`).toBe(page);
      expect([pa.alloc(n), pa.scav], `alloc ${n}`).toEqual([page, scav]);
      check(pa);
    }
  });

  it.each([1, 2, 3, 4, 5, 8, 16, 64, 1024, 1025, 2048, 2049])('exhausts four chunks by %i pages', (n) => {
    const { pa } = heap([0, 1, 2, 3]);
    const fits = Math.floor(2048 / n);
    for (let i = 0; i < fits; i++) if (pa.alloc(n) !== i * n) expect.fail(`allocation ${i}`);
    expect(pa.alloc(n)).toBe(-1);
    expect(pa.alloc(1)).toBe(fits * n === 2048 ? -1 : fits * n);
    check(pa);
  });

  it('moves the search address to the first free page, never into a gap', () => {
    const chunks = [0, ...upTo(16).map((i) => i + 9)];
    const { pa } = heap(chunks, [[0, 512]]);
    // The run shows while the tree is still looking at chunks 8 to 15 as one; chunk 8 is not mapped.
    expect(pa.alloc(9 * 512)).toBe(9 * 512);
    expect(pa.searchAddr).toBe(9 * 512);
    expect(pa.alloc(1)).toBe(18 * 512);
    expect(pa.searchAddr).toBe(18 * 512);
    check(pa);
  });

  it('refuses a request of no pages', () => {
    const { pa } = heap([0]);
    for (const n of [0, -1, Number.NaN]) expect(() => pa.alloc(n)).toThrow(RangeError);
  });
});

describe('free', () => {
  // biome-ignore format: a table
  const cases: [name: string, used: [number, number][], frees: [number, number][], then: [number, number][]][] = [
    ['1', [[0, 2048]], [[0, 1], [1, 1], [2, 1]], [[3, 0], [1, -1]]],
    ['in many places', [[0, 2048]], [[200, 1], [64, 2], [1000, 5], [2047, 1]], [[5, 1000], [2, 64], [1, 200], [1, 2047], [1, -1]]],
    ['joins its neighbours', [[0, 2048]], [[100, 10], [120, 10], [110, 10]], [[30, 100], [1, -1]]],
    ['over the border', [[0, 2048]], [[505, 14]], [[14, 505], [1, -1]]],
    ['whole chunks', [[0, 2048]], [[500, 1048]], [[1048, 500], [1, -1]]],
    ['everything', [[0, 2048]], [[0, 2048]], [[2048, 0], [1, -1]]],
  ];
  it.each(cases)('%s', (_name, used, frees, then) => {
    const { pa } = heap([0, 1, 2, 3], used);
    for (const [page, n] of frees) {
      pa.free(page, n);
      expect(pa.isAllocated(page) || pa.isScavenged(page)).toBe(false);
      check(pa);
    }
    // Freed pages are still backed by memory: none of them counts as scavenged.
    for (const [n, page] of then) expect([pa.alloc(n), pa.scav]).toEqual([page, 0]);
    check(pa);
  });

  it('refuses what is not allocated, and changes nothing', () => {
    const { m, pa } = heap(
      [0, 2],
      [
        [10, 20],
        [500, 12],
        [1024, 12],
      ],
      16,
    );
    const before = m.slice();
    for (const [page, n] of [
      [9, 1],
      [9, 2],
      [29, 2],
      [500, 13],
      [500, 600],
      [600, 1],
      [-1, 1],
      [10, 0],
      [1e6, 1],
    ]) {
      expect(() => pa.free(page, n), `${page} ${n}`).toThrow('pagealloc');
    }
    for (const [page, n] of [
      [9, 2],
      [29, 1],
      [499, 2],
      [30, 600],
      [512, 1],
    ]) {
      expect(() => pa.allocRange(page, n), `${page} ${n}`).toThrow('pagealloc');
    }
    expect(m).toEqual(before);
  });

  it('allocating and freeing in turn gives the same page again', () => {
    const { pa } = heap([0]);
    for (const n of [1, 2, 7, 64, 65, 512]) {
      for (let i = 0; i < 3; i++) {
        expect(pa.alloc(n)).toBe(0);
        pa.free(0, n);
      }
    }
    check(pa);
  });
});

describe('page cache', () => {
  it('takes the free pages of the block that holds the first free page', () => {
    const { m, pa, pc } = heap(
      [0, 1],
      [
        [0, 70],
        [72, 1],
      ],
    );
    expect(pa.allocToCache(m, pc)).toBe(true);
    expect([m[pc], pageCachePages(m, pc), pageCacheScavPages(m, pc)]).toEqual([64, 57, 57]);
    expect(pa.searchAddr).toBe(127);
    expect(pa.alloc(1)).toBe(128);
    check(pa);
  });

  it('gives the lowest page, and the lowest run', () => {
    const { m, pa, pc } = heap(
      [0],
      [
        [1, 1],
        [4, 28],
      ],
    );
    pa.allocToCache(m, pc);
    const take = (n: number): number[] => [pageCacheAlloc(m, pc, n), pageCacheScav];
    expect(take(2)).toEqual([2, 2]);
    expect(take(16)).toEqual([32, 16]);
    expect(take(1)).toEqual([0, 1]);
    expect(pageCacheAlloc(m, pc, 17)).toBe(-1);
    expect(take(16)).toEqual([48, 16]);
    expect(pageCacheAlloc(m, pc, 1)).toBe(-1);
    expect(pageCacheEmpty(m, pc)).toBe(true);
    pageCacheFlush(m, pc, pa);
    check(pa);
  });

  it.each([1, 5, 31, 32, 33, 63, 64])('is emptied by allocations of %i pages, in order', (n) => {
    const { m, pa, pc } = heap([0]);
    pa.allocToCache(m, pc);
    for (let page = 0; page + n <= 64; page += n) expect([pageCacheAlloc(m, pc, n), pageCacheScav]).toEqual([page, n]);
    expect(pageCacheAlloc(m, pc, n)).toBe(-1);
  });

  it('gives back what is left, scavenged as it was', () => {
    const { m, pa, pc } = heap([0]);
    pa.alloc(64);
    pa.free(32, 32);
    pa.allocToCache(m, pc);
    expect([m[pc], pageCachePages(m, pc), pageCacheScavPages(m, pc)]).toEqual([0, 32, 0]);
    pageCacheFlush(m, pc, pa);
    expect(pa.searchAddr).toBe(0);
    pa.alloc(32);
    pa.allocToCache(m, pc);
    expect([pageCacheAlloc(m, pc, 3), pageCacheScav]).toEqual([64, 3]);
    pageCacheFlush(m, pc, pa);
    expect([...m.subarray(pc, pc + PAGE_CACHE_WORDS)]).toEqual([0, 0, 0, 0, 0]);
    expect([pa.isAllocated(66), pa.isAllocated(67), pa.isScavenged(67), pa.isScavenged(66)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    check(pa);
  });

  it('says when nothing is left', () => {
    const { m, pa, pc } = heap(
      [0, 3],
      [
        [0, 512],
        [1536, 512],
      ],
    );
    expect(pa.allocToCache(m, pc)).toBe(false);
    expect([pageCacheEmpty(m, pc), pa.searchAddr]).toEqual([true, MAX_SEARCH_ADDR]);
    pa.free(1600, 1);
    expect([pa.allocToCache(m, pc), pageCacheAlloc(m, pc, 1), pageCacheScav]).toEqual([true, 1600, 0]);
    check(pa);
  });
});

describe('recovery', () => {
  it('finds every kind of damage to what is derived, and rebuilds it', () => {
    const used: [number, number][] = [
      [0, 600],
      [700, 10],
      [4700, 100],
    ];
    const { m, pa } = heap([0, 1, 2, 9, 70], used, 128);
    check(pa);
    const good = m.slice();
    // Behind header and map of chunks come the scavenge index and the summaries: spoil each word that says anything.
    const first = 32 + 32;
    let spoiled = 0;
    for (let at = first; at < pa.chunkBits(0); at++) {
      if (good[at] === 0) continue;
      spoiled++;
      m[at] ^= 1;
      let messages = 0;
      pa.checkSummaries(() => messages++);
      expect(messages, `word ${at}`).toBeGreaterThan(0);
      pa.rebuildSummaries();
      check(pa);
      m.set(good);
    }
    expect(spoiled).toBeGreaterThan(20);
    m[0] = 700; // page 699 + 1: beyond a free page
    const said: string[] = [];
    pa.checkSummaries((msg) => said.push(msg));
    expect(said).toEqual(['page 600 is free below searchAddr 699']);
  });

  it('frees everything for the spans to be allocated anew', () => {
    const { m, pa, pc } = heap([0, 5], [[0, 100]]);
    pa.allocToCache(m, pc);
    m.fill(0, pc, pc + PAGE_CACHE_WORDS);
    pa.freeAll();
    check(pa);
    expect(pa.searchAddr).toBe(0);
    expect(pa.allocRange(20, 100)).toBe(0);
    expect(pa.isScavenged(130)).toBe(true);
    expect([pa.alloc(20), pa.scav]).toEqual([0, 0]);
    check(pa);
  });
});
