/**
 * The forty recorded traces of Go 1.27's page allocator: every result of every operation, what it left in the page
 * cache, the search address after it (Go keeps it as an accelerator; ours is the same to the page) and the bitmaps at
 * the end.
 */

import { describe, expect, it } from 'vitest';
import { MAX_SEARCH_ADDR, PageAlloc } from '../../src/heap/pagealloc.js';
import {
  PAGE_CACHE_WORDS,
  pageCacheAlloc,
  pageCacheEmpty,
  pageCacheFlush,
  pageCacheScav,
} from '../../src/heap/pagecache.js';
import { clearRange, setRange } from '../../src/heap/pallocbits.js';
import { scavenge } from '../../src/heap/scavengecandidate.js';
import { golden, type Hex512, hex64, hexBits } from './pagealloc-golden.js';

type Runs = [first: number, n: number][];
interface Trace {
  seed: number;
  init: { chunk: number; alloc: Runs; scav: Runs }[];
  ops: [op: string, ...args: (number | string)[]][];
  final: { chunk: number; alloc: Hex512; scav: Hex512 }[];
}

const { traces, pageSize } = golden<{ traces: Trace[]; pageSize: number }>('pagealloc_traces');
const CHUNKS = 8192;
const BASE = 7;

/**
 * The state that a trace begins with, as Go's own test harness makes it: every chunk was once allocated whole, and
 * freed.
 */
function start(m: Int32Array, init: Trace['init']): PageAlloc {
  const pa = new PageAlloc(m, BASE, CHUNKS);
  for (const { chunk, alloc, scav } of init) {
    pa.grow(chunk * 512, 512);
    pa.allocRange(chunk * 512, 512);
    pa.free(chunk * 512, 512);
    // Scavenging comes before allocating: what is then allocated is scavenged no longer.
    const s = pa.chunkBits(chunk) + 16;
    clearRange(m, s, 0, 512);
    for (const [i, n] of scav) if (n > 0) setRange(m, s, i, n);
    for (const [i, n] of alloc) if (n > 0) pa.allocRange(chunk * 512 + i, n);
  }
  return pa;
}

const pagesOf = (bytes: number | string): number =>
  bytes === 'max' ? 0x7fffffff : Math.ceil(Number(bytes) / pageSize);
const searchAddr = (pa: PageAlloc): number => (pa.searchAddr === MAX_SEARCH_ADDR ? -1 : pa.searchAddr);

describe('page allocator traces of Go 1.27', () => {
  let ops = 0;
  it.each(traces)('seed $seed', ({ init, ops: list, final }) => {
    const words = PageAlloc.words(CHUNKS);
    const m = new Int32Array(BASE + words + PAGE_CACHE_WORDS);
    const pc = BASE + words;
    const pa = start(m, init);
    const problems: string[] = [];
    for (const op of list) {
      ops++;
      const [name, a, b] = op as [string, number, number];
      const cache = (): string[] => [hex64(m[pc + 1], m[pc + 2]), hex64(m[pc + 3], m[pc + 4])];
      let got: (string | number)[] = [];
      if (name === 'alloc') {
        const page = pa.alloc(a);
        got = [a, page, pa.scav * pageSize, searchAddr(pa)];
      } else if (name === 'free') {
        pa.free(a, b);
        got = [a, b, searchAddr(pa)];
      } else if (name === 'allocToCache') {
        const filled = pa.allocToCache(m, pc);
        expect(filled).toBe(!pageCacheEmpty(m, pc));
        got = [filled ? m[pc] : -1, ...cache(), searchAddr(pa)];
      } else if (name === 'cacheAlloc') {
        const page = pageCacheAlloc(m, pc, a);
        got = [a, page, page < 0 ? 0 : pageCacheScav * pageSize, ...cache()];
      } else if (name === 'cacheFlush') {
        pageCacheFlush(m, pc, pa);
        got = [searchAddr(pa)];
      } else if (name === 'scavenge') {
        let pages = 0;
        const released = scavenge(pa, pagesOf(a), true, (page, n) => {
          // What is being released is nobody's to take.
          expect(pa.isAllocated(page) && pa.isAllocated(page + n - 1)).toBe(true);
          pages += n;
        });
        expect(released).toBe(pages);
        got = [a, released * pageSize, searchAddr(pa)];
      } else {
        expect.fail(`unknown op ${name}`);
      }
      expect([name, ...got]).toEqual(op);
    }
    for (const { chunk, alloc, scav } of final) {
      expect(hexBits(m, pa.chunkBits(chunk)), `alloc bits of chunk ${chunk}`).toEqual(alloc);
      expect(hexBits(m, pa.chunkBits(chunk) + 16), `scavenged bits of chunk ${chunk}`).toEqual(scav);
    }
    pa.checkSummaries((msg) => problems.push(msg));
    expect(problems).toEqual([]);
    // Another view of the same memory, as another thread has it, sees the same; rebuilding it changes no summary.
    const other = new PageAlloc(m, BASE, CHUNKS);
    other.rebuildSummaries();
    other.checkSummaries((msg) => problems.push(msg));
    pa.checkSummaries((msg) => problems.push(msg));
    expect(problems).toEqual([]);
  });

  it('compared every operation', () => {
    expect(traces.length).toBe(40);
    expect(ops).toBe(traces.reduce((n, t) => n + t.ops.length, 0));
  });
});
