/**
 * Arenas, seen from the main thread without a lock: how many pages are in which state, and one arena page by page.
 *
 * A page is `unmapped` (the heap has not grown to it), `inUse` (part of a span), `cached` (free, in the page cache of a
 * P), `free` (holds memory) or `released` (holds none).
 */

import { ARENA_STATE_NAMES, arenaState, zeroedBase } from '../../heap/arena.js';
import { formatAddress, H_ARENAS, H_CUR_BASE, type Heap, P_PAGE_CACHE } from '../../heap/heap.js';
import { S_STATE, SpanState, spanId } from '../../heap/mspan.js';
import { PAGE_CACHE_PAGES } from '../../heap/pagecache.js';
import { CHUNK_PAGES, popcount32 } from '../../heap/pallocbits.js';
import { PAGE_SIZE, PAGE_WORDS } from '../../heap/sizeclass.js';

export function arenaCount(h: Heap): number {
  return h.scalar(H_ARENAS);
}

/** Free pages in the P's page caches within [from, to). */
function cachedPages(h: Heap, from: number, to: number): number {
  let n = 0;
  for (const p of h.ps) {
    const pc = p.at + P_PAGE_CACHE;
    if (h.m[pc] >= from && h.m[pc] < to) n += popcount32(h.m[pc + 1]) + popcount32(h.m[pc + 2]);
  }
  return n;
}

export function arenaView(h: Heap, index: number) {
  const first = index * h.arenaPages;
  const mapped = Math.max(0, Math.min(h.arenaPages, h.scalar(H_CUR_BASE) - first));
  let allocated = 0;
  let released = 0;
  for (let page = first; page < first + mapped; page += CHUNK_PAGES) {
    const bits = h.pageAlloc.chunkBits(page / CHUNK_PAGES);
    for (let i = 0; i < 16; i++) {
      allocated += popcount32(h.m[bits + i]);
      released += popcount32(h.m[bits + 16 + i]);
    }
  }
  const cached = cachedPages(h, first, first + h.arenaPages);
  return {
    index,
    address: formatAddress(first * PAGE_WORDS),
    bytes: h.arenaPages * PAGE_SIZE,
    state: ARENA_STATE_NAMES[arenaState(h, index)],
    zeroedBase: zeroedBase(h, index),
    pages: {
      total: h.arenaPages,
      unmapped: h.arenaPages - mapped,
      inUse: allocated - cached,
      cached,
      free: mapped - allocated - released,
      released,
    },
  };
}

/** One run of equal pages of an arena. */
export interface PageRun {
  page: number;
  pages: number;
  state: 'unmapped' | 'inUse' | 'cached' | 'free' | 'released';
  span?: number;
}

/** Pages that are looked at between two turns of the event loop. */
const PAGES_A_TURN = 1024;

/**
 * Every page of an arena, as runs; each span is a run of its own. An arena may have as many runs as pages, so they come in portions, each
 * of the runs that were complete after so many pages: who reads them lets others in between.
 */
export function* arenaRuns(h: Heap, index: number): Generator<PageRun[]> {
  const { m, pageAlloc } = h;
  const first = index * h.arenaPages;
  const mapped = h.scalar(H_CUR_BASE);
  const caches = h.ps.map((p) => p.at + P_PAGE_CACHE);
  let runs: PageRun[] = [];
  let last: PageRun | undefined;
  for (let i = 0; i < h.arenaPages; i++) {
    if (i % PAGES_A_TURN === 0 && runs.length > 1) {
      // The last run may go on.
      last = runs.pop() as PageRun;
      yield runs;
      runs = [last];
    }
    const page = first + i;
    const s = page < mapped ? m[h.pageSpan + page] : 0;
    const span = s !== 0 && m[s + S_STATE] === SpanState.inUse ? spanId(h, s) : 0;
    let state: PageRun['state'];
    if (page >= mapped) state = 'unmapped';
    else if (span !== 0) state = 'inUse';
    else if (caches.some((pc) => inCache(m, pc, page))) state = 'cached';
    else if (pageAlloc.isAllocated(page)) state = 'inUse';
    else state = pageAlloc.isScavenged(page) ? 'released' : 'free';
    if (last !== undefined && last.state === state && (last.span ?? 0) === span) last.pages++;
    else {
      last = span === 0 ? { page: i, pages: 1, state } : { page: i, pages: 1, state, span };
      runs.push(last);
    }
  }
  yield runs;
}

function inCache(m: Int32Array, pc: number, page: number): boolean {
  const bit = page - m[pc];
  if (bit < 0 || bit >= PAGE_CACHE_PAGES) return false;
  return ((m[pc + 1 + (bit >> 5)] >>> (bit & 31)) & 1) === 1;
}
