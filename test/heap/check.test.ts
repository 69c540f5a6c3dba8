/**
 * check() finds what is wrong: each kind of state is spoilt in turn, in an otherwise busy heap, and check() must say so, and
 * must be silent again when the word is put back. A check that cannot fail would let every other test pass.
 */

import { beforeAll, describe, expect, test } from 'vitest';
import { markAndAdvance } from '../../src/gc/cycle.js';
import { setArenaState } from '../../src/heap/arena.js';
import { check } from '../../src/heap/check.js';
import {
  H_ARENAS,
  H_CUR_BASE,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_SPAN_FREE,
  H_SPAN_NEXT,
  H_SPAN_STRUCTS,
  H_SPECIALS,
  P_ALLOC,
  P_HAND,
  P_PAGE_CACHE,
  P_REUSABLE,
  P_SPAN_CACHE,
  P_SPAN_CACHE_LEN,
  T_LARGE_ALLOC,
  T_LARGE_FREE_COUNT,
  T_SMALL_ALLOC,
  T_SMALL_FREE,
} from '../../src/heap/heap.js';
import { fullSwept, listAt, listHead, mcentralAt, partialSwept } from '../../src/heap/mcentral.js';
import {
  countAllocated,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BASE,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_NEEDZERO,
  S_NELEMS,
  S_NEXT,
  S_NPAGES,
  S_OWNER,
  S_PREV,
  S_SPANCLASS,
  S_SPECIALS,
  S_START,
  S_STATE,
  S_SWEEPGEN,
  S_WHERE,
  S_WORDS,
  SpanState,
  spanAt,
  spanOfPage,
} from '../../src/heap/mspan.js';
import { PAGE_WORDS, sizeToClass } from '../../src/heap/sizeclass.js';
import { addSite } from '../../src/heap/specials.js';
import { tinyMaskAt } from '../../src/heap/tiny.js';
import { type Held, World } from './world.js';

const w = new World(2);
const { h } = w;
const { m, f, u } = h;
const [p0, p1] = h.ps;
const SPC = (sizeToClass(64) << 1) | 1;

const alloc = (n: number, size: number, noscan = true, p = p0): Held[] =>
  Array.from({ length: n }, () => w.alloc(p, size, noscan) as Held);
const spanOf = (o: Held): number => spanOfPage(h, Math.floor(o.word / PAGE_WORDS));

let listed = 0; // a full span of 64-byte objects
let partial = 0; // a partial one
let cached = 0; // the one that P0 allocates from
let dirty = 0; // a partial span with garbage in its free slots
let large = 0;
let tiny: Held;
let dead = 0; // a span record that is free

beforeAll(() => {
  const small = alloc(600, 64);
  const wide = alloc(8, 2048);
  listed = spanOf(small[0]);
  large = spanOf(alloc(1, 70_000)[0]);
  const gone = alloc(1, 50_000, true, p1)[0];
  alloc(20, 1024, false, p1);
  alloc(10, 8, false);
  tiny = alloc(9, 5)[0];
  small.slice(130, 160).forEach((o) => {
    w.free(p0, o, false);
  });
  for (const o of wide.slice(0, 3)) w.free(p0, o, true);
  w.free(p1, gone, true);
  addSite(h, p0, listed, 3, 0, 1);
  addSite(h, p0, listed, 9, 0, 2);
  // One cycle, so that there are partial spans; then caches are filled again.
  markAndAdvance(h, p0, true);
  w.verify(p0);
  for (const o of alloc(4, 2048)) w.free(p0, o, true);
  alloc(5, 64);
  alloc(3, 5);
  alloc(3, 16, true, p1);
  cached = m[p0.at + P_ALLOC + SPC];
  partial = spanAt(h, listHead(h, spcOfPartial(), partialSwept(h)));
  for (let id = 1; id < h.scalar(H_SPAN_NEXT) && dead === 0; id++) {
    if (m[spanAt(h, id) + S_STATE] === SpanState.dead) dead = spanAt(h, id);
  }
  for (let spc = 2; spc < 136; spc++) {
    for (let id = listHead(h, spc, partialSwept(h)); id !== 0; id = m[spanAt(h, id) + S_NEXT]) {
      if (m[spanAt(h, id) + S_NEEDZERO] !== 0) dirty = spanAt(h, id);
    }
  }
  expect(check(h)).toEqual([]);
  expect(Math.min(dirty, listed, partial, cached, large, dead)).toBeGreaterThan(0);
});

function spcOfPartial(): number {
  for (let spc = 2; spc < 136; spc++) if (listHead(h, spc, partialSwept(h)) !== 0) return spc;
  return 0;
}

/** Changes words, demands that check() complains (about `what`), puts them back. */
function spoil(array: Int32Array | Float64Array | Uint16Array, at: number, value: (is: number) => number): string[] {
  const before = array[at];
  array[at] = value(before);
  expect(array[at], 'the word did change').not.toBe(before);
  try {
    return check(h);
  } finally {
    array[at] = before;
    expect(check(h)).toEqual([]);
  }
}

const more = (is: number): number => is + 1;
const flip =
  (bit: number) =>
  (is: number): number =>
    is ^ (1 << bit);

type Spot = () => [array: Int32Array | Float64Array | Uint16Array, at: number, value: (is: number) => number];

const freeSlot = (s: number): number => {
  for (let slot = m[s + S_FREEINDEX]; slot < m[s + S_NELEMS]; slot++) {
    if (((m[h.allocBits + m[s + S_START] * 32 + (slot >> 5)] >>> (slot & 31)) & 1) === 0) return slot;
  }
  throw new Error('no free slot');
};

const SPOTS: Record<string, Spot> = {
  'span: state': () => [m, listed + S_STATE, () => 7],
  'span: in use is declared dead': () => [m, listed + S_STATE, () => SpanState.dead],
  'span: first page': () => [m, listed + S_START, more],
  'span: pages': () => [m, listed + S_NPAGES, more],
  'span: pages of a large one': () => [m, large + S_NPAGES, (is) => is - 1],
  'span: class': () => [m, listed + S_SPANCLASS, (is) => is + 2],
  'span: class that does not exist': () => [m, listed + S_SPANCLASS, () => 999],
  'span: slot size': () => [m, listed + S_WORDS, more],
  'span: slots': () => [m, listed + S_NELEMS, (is) => is - 1],
  'span: base': () => [m, listed + S_BASE, more],
  'span: allocCount': () => [m, listed + S_ALLOC_COUNT, (is) => is - 1],
  'span: freeindex': () => [m, cached + S_FREEINDEX, more],
  'span: freeindex beyond its slots': () => [m, cached + S_FREEINDEX, () => 5000],
  'span: sweepgen of a listed one': () => [m, listed + S_SWEEPGEN, (is) => is - 2],
  'span: sweepgen being swept': () => [m, listed + S_SWEEPGEN, (is) => is - 1],
  'span: sweepgen of a cached one': () => [m, cached + S_SWEEPGEN, (is) => is - 2],
  'span: needs zero, says it does not': () => [m, dirty + S_NEEDZERO, () => 0],
  'cache: a slot too many': () => [m, cached + S_ALLOC_CACHE, flip(0)],
  'cache: a slot lost': () => [m, cached + S_ALLOC_CACHE, (is) => is & (is - 1)],
  'cache: base': () => [m, cached + S_CACHE_BASE, (is) => is + 32],
  'cache: on a span that is not cached': () => [m, partial + S_ALLOC_CACHE, () => 1],
  'mcache: span of another class': () => [m, p1.at + P_ALLOC + SPC + 20, () => cached],
  'mcache: one span on two Ps': () => [m, p1.at + P_ALLOC + SPC, () => cached],
  'mcache: span lost': () => [m, p0.at + P_ALLOC + SPC, () => h.spans],
  'mcache: owner': () => [m, cached + S_OWNER, more],
  'mcache: span says it is elsewhere': () => [m, cached + S_WHERE, () => 1],
  'hand: a span at rest': () => [m, p0.at + P_HAND, () => listed],
  'list: where': () => [m, listed + S_WHERE, () => 6],
  'list: next': () => [m, listed + S_NEXT, () => 0],
  'list: next of nowhere': () => [m, listed + S_NEXT, () => 1 << 20],
  'list: prev': () => [m, listed + S_PREV, (is) => is + 3],
  'list: head': () => [m, listAt(h, SPC, fullSwept(h)), () => 0],
  'list: tail': () => [m, listAt(h, SPC, fullSwept(h)) + 1, () => 0],
  'list: length': () => [m, listAt(h, SPC, fullSwept(h)) + 2, more],
  'list: a loop': () => [m, listed + S_NEXT, () => (listed - h.spans) / 32],
  'bits: allocated slot lost': () => [m, h.allocBits + m[listed + S_START] * 32, flip(5)],
  'bits: allocated beyond the last slot': () => [m, h.allocBits + m[cached + S_START] * 32 + 3, flip(31)],
  'bits: mark on a swept span': () => [m, h.markBits + m[listed + S_START] * 32, flip(5)],
  'bits: dropped root of a free slot': () => {
    const slot = freeSlot(cached);
    return [m, h.droppedBits + m[cached + S_START] * 32 + (slot >> 5), flip(slot & 31)];
  },
  'tiny: objects in a free slot': () => {
    const s = spanOf(tiny);
    return [u, tinyMaskAt(h, m[s + S_BASE] + freeSlot(s) * 2), () => 1];
  },
  'tiny: dropped but never there': () => [u, tinyMaskAt(h, tiny.word & ~1) + 1, flip(15)],
  'tiny: all dropped without a hint': () => {
    const at = tinyMaskAt(h, tiny.word & ~1);
    return [u, at + 1, () => u[at]];
  },
  'zero: dirty free slot': () => {
    const s = spanOf(w.alloc(p0, 3072) as Held);
    const slot = freeSlot(s);
    return [h.w, m[s + S_BASE] + slot * m[s + S_WORDS] + 7, more];
  },
  'reusable: twice': () => {
    const spc = (sizeToClass(2048) << 1) | 1;
    const at = p0.reusable + spc * 32;
    return [m, at, () => m[at + 1]];
  },
  'reusable: rooted': () => {
    const spc = (sizeToClass(2048) << 1) | 1;
    const name = m[p0.reusable + spc * 32];
    return [m, h.droppedBits + (name >> 5), flip(name & 31)];
  },
  'reusable: of another class': () => [
    m,
    p0.reusable + ((sizeToClass(2048) << 1) | 1) * 32,
    () => m[listed + S_START] * 1024,
  ],
  'reusable: depth': () => [m, p0.at + P_REUSABLE + SPC, () => 1],
  'pages: page map': () => [m, h.pageSpan + m[listed + S_START], () => 0],
  'pages: page map of a free page': () => [m, h.pageSpan + h.scalar(H_CUR_BASE) - 1, () => listed],
  'pages: in-use bit': () => [m, h.pageInUse + (m[listed + S_START] >> 5), flip(m[listed + S_START] & 31)],
  'pages: allocated bit of a span': () => {
    const page = m[listed + S_START];
    return [m, h.pageAlloc.chunkBits(page >> 9) + ((page & 511) >> 5), flip(page & 31)];
  },
  'pages: allocated bit of a free page': () => {
    const page = h.scalar(H_CUR_BASE) - 1;
    return [m, h.pageAlloc.chunkBits(page >> 9) + ((page & 511) >> 5), flip(page & 31)];
  },
  'pages: scavenged bit': () => {
    const page = h.scalar(H_CUR_BASE) - 1;
    return [m, h.pageAlloc.chunkBits(page >> 9) + 16 + ((page & 511) >> 5), flip(page & 31)];
  },
  'pages: page cache': () => [m, p0.at + P_PAGE_CACHE + 2, flip(31)],
  'pages: in use': () => [m, h.mheap + H_PAGES_INUSE, more],
  'pages: free': () => [m, h.mheap + H_PAGES_FREE, more],
  'pages: released': () => [m, h.mheap + H_PAGES_RELEASED, more],
  'arenas: taken': () => [m, h.mheap + H_ARENAS, more],
  'records: handed out': () => [m, h.mheap + H_SPAN_STRUCTS, more],
  'records: cached one is in use': () => [m, p0.at + P_SPAN_CACHE, () => listed],
  'records: cached twice': () => [m, p0.at + P_SPAN_CACHE, () => m[p0.at + P_SPAN_CACHE + 1]],
  'records: lost': () => [m, p0.at + P_SPAN_CACHE_LEN, (is) => is - 1],
  'records: free list into a live span': () => [m, h.mheap + H_SPAN_FREE, () => listed],
  'records: dead one has a state': () => [m, dead + S_STATE, () => 5],
  'specials: count': () => [m, h.mheap + H_SPECIALS, more],
  'specials: list lost': () => [m, listed + S_SPECIALS, () => 0],
  'specials: slot': () => [m, h.specials + m[listed + S_SPECIALS] * 8 + 1, () => 100],
  'statistics: mallocs': () => [f, p0.stats + T_SMALL_ALLOC + 7, more],
  'statistics: frees on another P': () => [f, p1.stats + T_SMALL_FREE + 30, more],
  'statistics: large bytes': () => [f, p0.stats + T_LARGE_ALLOC, more],
  'statistics: large count': () => [f, p1.stats + T_LARGE_FREE_COUNT, (is) => is + 1000],
  'locks: heap': () => [m, h.heapLock, () => 1],
  'locks: special': () => [m, h.specialLock, () => 2],
  'locks: mcentral': () => [m, mcentralAt(h, SPC), () => 1],
};

describe('check() complains about', () => {
  test.each(Object.entries(SPOTS))('%s', (_name, spot) => {
    const [array, at, value] = spot();
    expect(spoil(array, at, value)).not.toEqual([]);
  });

  test('the state of an arena', () => {
    setArenaState(h, 0, 1);
    expect(check(h)).not.toEqual([]);
    setArenaState(h, 0, 3);
    expect(check(h)).toEqual([]);
  });

  test('a span in the hand of a P, unless it may have one', () => {
    const s = large;
    const list = listAt(h, m[s + S_SPANCLASS], fullSwept(h));
    const was = m.slice(list, list + 4);
    const where = m[s + S_WHERE];
    // The only span of its list, taken out of it.
    expect(m[list + 2]).toBe(1);
    m.fill(0, list, list + 4);
    m[s + S_WHERE] = 6;
    m[p1.at + P_HAND] = s;
    expect(check(h)).not.toEqual([]);
    expect(check(h, { hands: [1] })).toEqual([]);
    m.set(was, list);
    m[s + S_WHERE] = where;
    m[p1.at + P_HAND] = 0;
    expect(check(h)).toEqual([]);
  });

  test('no more than it can list', () => {
    const at = h.pageSpan;
    const copy = m.slice(at, at + h.pages);
    const bits = m.slice(h.pageInUse, h.pageInUse + 16);
    for (let i = 0; i < h.pages; i++) m[at + i] = -5;
    for (let i = 0; i < 16; i++) m[h.pageInUse + i] ^= -1;
    const differences = check(h);
    m.set(copy, at);
    m.set(bits, h.pageInUse);
    expect(differences.length).toBe(1000);
    expect(countAllocated(h, listed)).toBe(m[listed + S_ALLOC_COUNT]);
    expect(check(h)).toEqual([]);
  });
});
