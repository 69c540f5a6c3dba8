/**
 * check: rebuilds everything that can be derived from the span table, and compares it with what the heap believes. Exactly.
 *
 * It lists every difference it finds, in words (up to a bound), and changes nothing. Every test that has a heap ends with it; so does
 * every recovery. It is what "the heap is whole" means here:
 *
 *      spans       do not overlap; each stands in exactly one place; counts, caches and sweepgens fit that place     check-spans.ts
 *      pages       page map, page bitmaps, summaries, page caches, arena states and page counts follow from the spans
 *      released    pages that count as released read zero, where they really were
 *      lists       every link is mutual, every length true, every span where it says it is
 *      slots       dropped roots, tiny masks, marks, reusable stacks, zeroed memory                                  check-spans.ts
 *      statistics  mallocs minus frees are the allocated slots, by size class; Go's identities hold
 *
 * With the world stopped, or on the only thread. `hands`: Ps that may hold a span while they sleep on a lock (during a recovery).
 */

import { lockOwner } from '../memory/lock.js';
import { ArenaState, arenaState } from './arena.js';
import { checkReusable, checkSpan } from './check-spans.js';
import {
  H_ARENAS,
  H_CUR_BASE,
  H_CUR_END,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_SPAN_FREE,
  H_SPAN_NEXT,
  H_SPAN_STRUCTS,
  H_SPECIALS,
  type Heap,
  P_ALLOC,
  P_HAND,
  P_PAGE_CACHE,
  P_SPAN_CACHE,
  P_SPAN_CACHE_LEN,
  T_LARGE_ALLOC,
  T_LARGE_FREE,
} from './heap.js';
import { arenasOf } from './layout.js';
import { listAt, listHead, listLength, listSlots, mcentralAt } from './mcentral.js';
import { checkIdentities, readMemStats, slotsAllocated, slotsFreed, sumStat } from './memstats.js';
import {
  S_ALLOC_COUNT,
  S_NEXT,
  S_NPAGES,
  S_OWNER,
  S_PREV,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_WHERE,
  SpanState,
  spanAt,
  spanId,
  Where,
} from './mspan.js';
import { pageCacheScavPages } from './pagecache.js';
import { NUM_SIZE_CLASSES, NUM_SPAN_CLASSES, PAGE_SIZE, PAGE_WORDS } from './sizeclass.js';
import { specialsOf } from './specials.js';

const MAX_REPORTS = 1000;

/** Collects differences, up to a bound. */
export class Report {
  readonly list: string[] = [];

  readonly add = (message: string): void => {
    if (this.list.length < MAX_REPORTS) this.list.push(message);
  };

  equal(what: string, is: number, should: number): void {
    if (is !== should) this.add(`${what} is ${is}, should be ${should}`);
  }
}

/** What the walk over the span table adds up. */
interface Truth {
  inusePages: number;
  spans: number;
  /** Allocated slots, by size class; bytes of large objects. */
  slots: Float64Array;
  largeBytes: number;
  /** By page: the span that covers it, or 0. */
  owner: Int32Array;
  specials: number;
}

/** Every difference between what the heap believes and what its span table says. Empty: the heap is whole. */
export function check(h: Heap, options: { hands?: readonly number[] } = {}): string[] {
  const r = new Report();
  const truth = walkSpans(h, r);
  checkPlaces(h, r, options.hands ?? []);
  checkPages(h, r, truth);
  checkRecords(h, r, truth);
  checkStatistics(h, r, truth);
  checkReusable(h, r);
  checkLocks(h, r);
  return r.list;
}

function walkSpans(h: Heap, r: Report): Truth {
  const { m } = h;
  const truth: Truth = {
    inusePages: 0,
    spans: 0,
    slots: new Float64Array(NUM_SIZE_CLASSES),
    largeBytes: 0,
    owner: new Int32Array(h.scalar(H_CUR_BASE)),
    specials: 0,
  };
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) {
      if (m[s + S_STATE] !== SpanState.dead) r.add(`span ${id}: state ${m[s + S_STATE]}`);
      continue;
    }
    truth.spans++;
    const start = m[s + S_START];
    const npages = m[s + S_NPAGES];
    if (start < 0 || npages < 1 || start + npages > truth.owner.length) {
      r.add(`span ${id}: pages ${start} to ${start + npages} lie outside the heap`);
      continue;
    }
    truth.inusePages += npages;
    for (let page = start; page < start + npages; page++) {
      if (truth.owner[page] !== 0)
        r.add(`page ${page} is part of span ${spanId(h, truth.owner[page])} and of span ${id}`);
      truth.owner[page] = s;
    }
    checkSpan(h, r, s);
    const c = m[s + S_SPANCLASS] >> 1;
    if (c === 0) truth.largeBytes += m[s + S_ALLOC_COUNT] * npages * PAGE_SIZE;
    else truth.slots[c] += m[s + S_ALLOC_COUNT];
    truth.specials += specialsOf(h, s, 1 << 22).length;
  }
  return truth;
}

/** Every in-use span stands in exactly one place, and the places hold nothing else. */
function checkPlaces(h: Heap, r: Report, hands: readonly number[]): void {
  const { m } = h;
  const seen = new Set<number>();
  const place = (s: number, where: number, what: string): void => {
    if (m[s + S_STATE] !== SpanState.inUse) r.add(`${what} holds span ${spanId(h, s)}, which is not in use`);
    if (seen.has(s)) r.add(`span ${spanId(h, s)} stands in ${what} and elsewhere`);
    if (m[s + S_WHERE] !== where) r.add(`span ${spanId(h, s)} stands in ${what} but says ${m[s + S_WHERE]}`);
    seen.add(s);
  };
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    for (let where: number = Where.partial0; where <= Where.full1; where++) walkList(h, r, spc, where, place);
  }
  for (const p of h.ps) {
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
      const s = m[p.at + P_ALLOC + spc];
      if (s === h.spans) continue;
      place(s, Where.mcache, `the mcache of P${p.id}`);
      if (m[s + S_SPANCLASS] !== spc) r.add(`the mcache of P${p.id} has span ${spanId(h, s)} under span class ${spc}`);
      if (m[s + S_OWNER] !== p.id)
        r.add(`span ${spanId(h, s)} in the mcache of P${p.id} says owner P${m[s + S_OWNER]}`);
    }
    const hand = m[p.at + P_HAND];
    if (hand === 0) continue;
    if (hands.includes(p.id)) place(hand, Where.hand, `the hand of P${p.id}`);
    else r.add(`P${p.id} holds span ${spanId(h, hand)} in its hand at rest`);
  }
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] === SpanState.inUse && !seen.has(s)) r.add(`span ${id} is in use and stands nowhere`);
  }
}

function walkList(
  h: Heap,
  r: Report,
  spc: number,
  where: number,
  place: (s: number, where: number, what: string) => void,
): void {
  const { m } = h;
  const what = `list ${where} of span class ${spc}`;
  const length = listLength(h, spc, where);
  let id = listHead(h, spc, where);
  let before = 0;
  let n = 0;
  let slots = 0;
  for (; id !== 0 && n <= length; n++) {
    if (id < 0 || id >= h.scalar(H_SPAN_NEXT)) {
      r.add(`${what} links to span ${id}, which does not exist`);
      return;
    }
    const s = spanAt(h, id);
    place(s, where, what);
    if (m[s + S_PREV] !== before) r.add(`${what}: prev of span ${id} is ${m[s + S_PREV]}, should be ${before}`);
    if (m[s + S_SPANCLASS] !== spc) r.add(`${what} holds span ${id} of span class ${m[s + S_SPANCLASS]}`);
    slots += m[s + S_ALLOC_COUNT];
    before = id;
    id = m[s + S_NEXT];
  }
  r.equal(`length of ${what}`, length, n);
  r.equal(`allocated slots of ${what}`, listSlots(h, spc, where), slots);
  r.equal(`tail of ${what}`, m[listAt(h, spc, where) + 1], before);
}

function checkPages(h: Heap, r: Report, truth: Truth): void {
  const { m, pageAlloc } = h;
  const mapped = h.scalar(H_CUR_BASE);
  const cached = new Map<number, number>();
  let released = 0;
  for (const p of h.ps) {
    const pc = p.at + P_PAGE_CACHE;
    released += pageCacheScavPages(m, pc);
    for (let i = 0; i < 64; i++) {
      if (((m[pc + 1 + (i >> 5)] >>> (i & 31)) & 1) === 0) continue;
      if (cached.has(m[pc] + i)) r.add(`page ${m[pc] + i} is in two page caches`);
      cached.set(m[pc] + i, p.id);
      if (((m[pc + 3 + (i >> 5)] >>> (i & 31)) & 1) === 1) checkReleased(h, r, m[pc] + i);
    }
  }
  for (let page = 0; page < mapped; page++) {
    const s = truth.owner[page];
    if (m[h.pageSpan + page] !== s) r.add(`page ${page}: page map has ${m[h.pageSpan + page]}, should have ${s}`);
    const first = s !== 0 && m[s + S_START] === page;
    if (bitOf(m, h.pageInUse, page) !== first) r.add(`page ${page}: pageInUse is ${!first}`);
    const inCache = cached.has(page);
    if (s !== 0 && inCache) r.add(`page ${page} is in use and in the page cache of P${cached.get(page)}`);
    const allocated = pageAlloc.isAllocated(page);
    if (allocated !== (s !== 0 || inCache))
      r.add(`page ${page}: page allocator says ${allocated ? 'allocated' : 'free'}`);
    if (!allocated && pageAlloc.isScavenged(page)) {
      released++;
      checkReleased(h, r, page);
    }
  }
  pageAlloc.checkSummaries(r.add);
  r.equal('pages in use', h.scalar(H_PAGES_INUSE), truth.inusePages);
  r.equal('pages released', h.scalar(H_PAGES_RELEASED), released);
  r.equal('pages free', h.scalar(H_PAGES_FREE), mapped - truth.inusePages - released);
  r.equal('pages mapped by the page allocator', pageAlloc.end * 512, mapped);
  r.equal('end of the current arena', h.scalar(H_CUR_END), h.scalar(H_ARENAS) * h.arenaPages);
  for (let i = 0; i < arenasOf(h.geometry); i++) {
    const should =
      i * h.arenaPages < mapped ? ArenaState.Ready : i < h.scalar(H_ARENAS) ? ArenaState.Prepared : ArenaState.Reserved;
    r.equal(`state of arena ${i}`, arenaState(h, i), should);
  }
}

/** The first word of a released page, the middle one and the last are zero: each 4 KiB page of the operating system is seen. */
function checkReleased(h: Heap, r: Report, page: number): void {
  if (!h.releases) return;
  const first = page * PAGE_WORDS;
  for (let word = first; word <= first + PAGE_WORDS; word += PAGE_WORDS / 2) {
    const at = Math.min(word, first + PAGE_WORDS - 1);
    // Bits count, not numbers: -0 is dirty.
    if (!Object.is(h.w[at], 0)) r.add(`page ${page} counts as released, but its word ${at - first} is not zero`);
  }
}

const bitOf = (m: Int32Array, at: number, i: number): boolean => ((m[at + (i >> 5)] >>> (i & 31)) & 1) === 1;

/** Span records: in use, in a P's cache, or in the free list; each once. */
function checkRecords(h: Heap, r: Report, truth: Truth): void {
  const { m } = h;
  const free = new Set<number>();
  const total = h.scalar(H_SPAN_NEXT) - 1;
  let handed = truth.spans;
  const take = (s: number, what: string): void => {
    if (m[s + S_STATE] !== SpanState.dead) r.add(`${what} has span record ${spanId(h, s)}, which is in use`);
    if (free.has(s)) r.add(`span record ${spanId(h, s)} is free twice`);
    free.add(s);
  };
  for (const p of h.ps) {
    for (let i = 0; i < m[p.at + P_SPAN_CACHE_LEN]; i++) take(m[p.at + P_SPAN_CACHE + i], `the span cache of P${p.id}`);
    handed += m[p.at + P_SPAN_CACHE_LEN];
  }
  let s = h.scalar(H_SPAN_FREE);
  for (let n = 0; s !== 0 && n <= total; n++, s = m[s + S_NEXT]) take(s, 'the free list');
  r.equal('span records accounted for', free.size + truth.spans, total);
  r.equal('span records handed out', h.scalar(H_SPAN_STRUCTS), handed);
  r.equal('specials', h.scalar(H_SPECIALS), truth.specials);
}

function checkStatistics(h: Heap, r: Report, truth: Truth): void {
  const allocs = slotsAllocated(h);
  const frees = slotsFreed(h);
  for (let c = 1; c < NUM_SIZE_CLASSES; c++) {
    r.equal(`size class ${c}: allocated minus freed`, allocs[c] - frees[c], truth.slots[c]);
  }
  r.equal('bytes of large objects', sumStat(h, T_LARGE_ALLOC) - sumStat(h, T_LARGE_FREE), truth.largeBytes);
  for (const broken of checkIdentities(readMemStats(h))) r.add(broken);
}

function checkLocks(h: Heap, r: Report): void {
  const held = (what: string, at: number): void => {
    const owner = lockOwner(h.m, at);
    if (owner >= 0) r.add(`${what} is held by P${owner}`);
  };
  held('the heap lock', h.heapLock);
  held('the special lock', h.specialLock);
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) held(`the lock of mcentral ${spc}`, mcentralAt(h, spc));
}
