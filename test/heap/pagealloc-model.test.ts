/**
 * The page allocator against a model that cannot be wrong: one byte a page and a linear search. Random programs of
 * grows (with gaps), allocations, frees, page caches and scavenging run on both, through two views of the same
 * memory in turn, as two threads have them.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageAlloc } from '../../src/heap/pagealloc.js';
import { PAGE_CACHE_WORDS, pageCacheAlloc, pageCacheFlush, pageCacheScav } from '../../src/heap/pagecache.js';
import { scavenge } from '../../src/heap/scavengecandidate.js';
import { effort } from '../helper/effort.js';

const CHUNKS = 24;
const UNMAPPED = 0;
const FREE = 1;
const SCAVENGED = 2;
const USED = 3;

class Model {
  readonly pages = new Uint8Array(CHUNKS * 512);

  isFree(page: number): boolean {
    return this.pages[page] === FREE || this.pages[page] === SCAVENGED;
  }

  /** The lowest run of n free pages. A gap is not free, so no run crosses it. */
  find(n: number): number {
    let run = 0;
    for (let p = 0; p < this.pages.length; p++) {
      run = this.isFree(p) ? run + 1 : 0;
      if (run === n) return p - n + 1;
    }
    return -1;
  }

  /** Allocates; answers how many pages were scavenged. */
  take(page: number, n: number): number {
    let scav = 0;
    for (let p = page; p < page + n; p++) {
      expect(this.isFree(p)).toBe(true);
      if (this.pages[p] === SCAVENGED) scav++;
      this.pages[p] = USED;
    }
    return scav;
  }

  count(state: number): number {
    return this.pages.reduce((n, s) => n + (s === state ? 1 : 0), 0);
  }
}

type Op =
  | { op: 'grow'; chunk: number; n: number }
  | { op: 'alloc'; n: number }
  | { op: 'free'; pick: number; from: number; part: number }
  | { op: 'fill' }
  | { op: 'cacheAlloc'; n: number }
  | { op: 'flush' }
  | { op: 'scavenge'; n: number }
  | { op: 'nextGen' }
  | { op: 'rebuild' };

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 16 }) },
  { weight: 3, arbitrary: fc.integer({ min: 17, max: 200 }) },
  { weight: 1, arbitrary: fc.integer({ min: 201, max: 5000 }) },
);
const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('grow' as const),
      chunk: fc.nat(CHUNKS - 1),
      n: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 12, arbitrary: fc.record({ op: fc.constant('alloc' as const), n: size }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('free' as const), pick: unit, from: unit, part: unit }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('fill' as const) }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('cacheAlloc' as const), n: fc.integer({ min: 1, max: 16 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('flush' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('scavenge' as const), n: fc.integer({ min: 1, max: 700 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('nextGen' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rebuild' as const) }) },
);

function run(ops: Op[]): void {
  const words = PageAlloc.words(CHUNKS);
  const m = new Int32Array(new SharedArrayBuffer((words + PAGE_CACHE_WORDS) * 4));
  const pc = words;
  const views = [new PageAlloc(m, 0, CHUNKS), new PageAlloc(m, 0, CHUNKS)];
  const model = new Model();
  const live: [page: number, n: number][] = [];
  const cache: number[] = [];

  for (const [step, o] of ops.entries()) {
    const pa = views[step & 1];
    if (o.op === 'grow') {
      const n = Math.min(o.n, CHUNKS - o.chunk);
      const fresh = Array.from({ length: n }, (_, i) => !pa.isMapped(o.chunk + i)).every(Boolean);
      if (!fresh) {
        expect(() => pa.grow(o.chunk * 512, n * 512)).toThrow('mapped already');
        continue;
      }
      pa.grow(o.chunk * 512, n * 512);
      model.pages.fill(SCAVENGED, o.chunk * 512, (o.chunk + n) * 512);
    } else if (o.op === 'alloc') {
      const want = model.find(o.n);
      expect(pa.alloc(o.n)).toBe(want);
      expect(pa.scav).toBe(want < 0 ? 0 : model.take(want, o.n));
      if (want >= 0) live.push([want, o.n]);
    } else if (o.op === 'free' && live.length > 0) {
      // Free a part of an allocation: what stays is an allocation, or two.
      const [[page, n]] = live.splice(Math.floor(o.pick * live.length), 1);
      const from = o.from < 0.7 ? 0 : Math.floor(o.from * n);
      const count = o.part < 0.7 ? n - from : 1 + Math.floor(o.part * (n - from - 1));
      pa.free(page + from, count);
      model.pages.fill(FREE, page + from, page + from + count);
      if (from > 0) live.push([page, from]);
      if (from + count < n) live.push([page + from + count, n - from - count]);
      expect(() => pa.free(page + from, count)).toThrow('allocated');
    } else if (o.op === 'fill' && cache.length === 0) {
      const first = model.find(1);
      expect(pa.allocToCache(m, pc)).toBe(first >= 0);
      if (first < 0) continue;
      const block = first & ~63;
      for (let p = block; p < block + 64; p++) {
        if (!model.isFree(p)) continue;
        cache.push(model.pages[p] === SCAVENGED ? p + 0.5 : p);
        model.pages[p] = USED;
      }
      expect(m[pc]).toBe(block);
    } else if (o.op === 'cacheAlloc') {
      // The model's cache is a sorted list of pages, with a half added to those scavenged.
      const at = cache.findIndex((p, i) => Math.floor(cache[i + o.n - 1] ?? -1) === Math.floor(p) + o.n - 1);
      const page = pageCacheAlloc(m, pc, o.n);
      expect(page).toBe(at < 0 ? -1 : Math.floor(cache[at]));
      if (at < 0) continue;
      expect(pageCacheScav).toBe(cache.splice(at, o.n).filter((p) => p % 1 > 0).length);
      live.push([page, o.n]);
    } else if (o.op === 'flush') {
      pageCacheFlush(m, pc, pa);
      for (const p of cache.splice(0)) model.pages[Math.floor(p)] = p % 1 > 0 ? SCAVENGED : FREE;
    } else if (o.op === 'scavenge') {
      const backed = model.count(FREE);
      let got = 0;
      const released = scavenge(pa, o.n, true, (page, n) => {
        for (let p = page; p < page + n; p++) {
          expect(model.pages[p]).toBe(FREE);
          model.pages[p] = SCAVENGED;
        }
        got += n;
      });
      expect(released).toBe(got);
      // As many as were asked for, or every one there is; more only by the rest of a huge page.
      expect(released).toBeGreaterThanOrEqual(Math.min(o.n, backed));
      expect(released).toBeLessThan(o.n + 512);
    } else if (o.op === 'nextGen') {
      pa.index.nextGen();
    } else if (o.op === 'rebuild') {
      pa.rebuildSummaries();
    }
  }

  for (const pa of views) pa.checkSummaries((msg) => expect.fail(msg));
  const pa = views[0];
  for (let p = 0; p < model.pages.length; p++) {
    const mapped = pa.isMapped(p >> 9);
    const got = !mapped ? UNMAPPED : pa.isAllocated(p) ? USED : pa.isScavenged(p) ? SCAVENGED : FREE;
    if (got !== model.pages[p]) expect.fail(`page ${p} is ${got}, in the model ${model.pages[p]}`);
  }
  const ranges = pa.inUse().flatMap(([first, end]) => Array.from({ length: end - first }, (_, i) => first + i));
  expect(ranges).toEqual(Array.from({ length: CHUNKS }, (_, c) => c).filter((c) => pa.isMapped(c)));
}

describe('page allocator against a first-fit model', () => {
  it('short programs', () => {
    fc.assert(fc.property(fc.array(op, { maxLength: 60 }), run), { numRuns: effort(150, 300) });
  });

  it('long programs on a heap that is nearly full', () => {
    const start: Op[] = [
      { op: 'grow', chunk: 0, n: 2 },
      { op: 'grow', chunk: 3, n: 2 },
      { op: 'grow', chunk: 16, n: 1 },
      ...Array.from({ length: 150 }, (_, i): Op => ({ op: 'alloc', n: 1 + ((i * 7) % 30) })),
    ];
    const programs = fc.array(op, { minLength: 100, maxLength: 400 });
    fc.assert(
      fc.property(programs, (ops) => run([...start, ...ops])),
      { numRuns: effort(20, 40) },
    );
  });
});
