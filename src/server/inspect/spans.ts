/**
 * Spans, seen from the main thread without a lock: a page of the list by address, and one span down to its slots.
 *
 * The list follows the pages of the address space, so a cursor stays good while spans come and go. One answer looks at a
 * bounded number of pages, and may therefore hold fewer spans than asked for, or none, and still have a cursor.
 */

import { formatAddress, H_CUR_BASE, H_SPAN_NEXT, H_SWEEPGEN, type Heap } from '../../heap/heap.js';
import { fullSwept, partialSwept } from '../../heap/mcentral.js';
import {
  isAllocated,
  isDropped,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BASE,
  S_BITS,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_LARGE_GIB,
  S_LARGE_REST,
  S_NEEDZERO,
  S_NELEMS,
  S_NEXT,
  S_NPAGES,
  S_OWNER,
  S_PREV,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_SWEEPGEN,
  S_WHERE,
  S_WORDS,
  SpanState,
  spanAt,
  spanId,
  Where,
} from '../../heap/mspan.js';
import { reusableSlots } from '../../heap/objects.js';
import { popcount32 } from '../../heap/pallocbits.js';
import { PAGE_SIZE, SPC_TO_HEADER_WORDS, TINY_SPAN_CLASS } from '../../heap/sizeclass.js';
import { tinyMaskAt } from '../../heap/tiny.js';

/** Where a span stands, in Go's words. */
export const LISTS = [
  'none',
  'partial-swept',
  'partial-unswept',
  'full-swept',
  'full-unswept',
  'mcache',
  'hand',
] as const;
export type ListName = (typeof LISTS)[number];
/** What `?state=` may be. */
export const STATES = ['partial', 'full', 'mcache'] as const;

/** Spans and free pages that one answer looks at. */
const MAX_LOOK = 65_536;
/** Spans that are written, and looked at, between two turns of the event loop. */
const A_TURN = 200;
const LOOK_A_TURN = 8192;

export interface SpanFilter {
  class?: number;
  scan?: boolean;
  state?: (typeof STATES)[number];
}

function listOf(h: Heap, s: number): ListName {
  const where = h.m[s + S_WHERE];
  if (where === Where.mcache) return 'mcache';
  if (where === Where.hand) return 'hand';
  if (where === partialSwept(h)) return 'partial-swept';
  if (where === fullSwept(h)) return 'full-swept';
  if (where === Where.partial0 || where === Where.partial1) return 'partial-unswept';
  return where === Where.none ? 'none' : 'full-unswept';
}

/** Go's reading of a span's sweepgen. */
function sweepState(h: Heap, s: number): string {
  switch (h.m[s + S_SWEEPGEN] - h.scalar(H_SWEEPGEN)) {
    case -2:
      return 'needs sweeping';
    case -1:
      return 'being swept';
    case 0:
      return 'swept';
    case 1:
      return 'cached before sweep began';
    default:
      return 'swept and cached';
  }
}

export function spanView(h: Heap, s: number) {
  const { m } = h;
  const list = listOf(h, s);
  const slotSize = m[s + S_WORDS] * 8;
  const held = list === 'mcache' || list === 'hand';
  return {
    id: spanId(h, s),
    address: formatAddress(m[s + S_BASE]),
    pages: m[s + S_NPAGES],
    spanClass: m[s + S_SPANCLASS],
    sizeClass: m[s + S_SPANCLASS] >> 1,
    noscan: (m[s + S_SPANCLASS] & 1) === 1,
    slotSize,
    slots: m[s + S_NELEMS],
    allocated: m[s + S_ALLOC_COUNT],
    occupancy: m[s + S_NELEMS] === 0 ? 0 : Math.round((m[s + S_ALLOC_COUNT] / m[s + S_NELEMS]) * 1e4) / 1e4,
    freeindex: m[s + S_FREEINDEX],
    list,
    ...(held ? { p: m[s + S_OWNER] } : undefined),
    sweepgen: m[s + S_SWEEPGEN],
    sweepState: sweepState(h, s),
    needzero: m[s + S_NEEDZERO] === 1,
    ...(m[s + S_SPANCLASS] < 2 ? { requested: m[s + S_LARGE_GIB] * 2 ** 30 + m[s + S_LARGE_REST] } : undefined),
  };
}

/**
 * Up to `limit` spans from page `from` on, in portions: who reads them lets others in between. `next` of the last portion is the page to
 * go on from, -1 at the end.
 */
export function* listSpans(h: Heap, filter: SpanFilter, from: number, limit: number) {
  const { m } = h;
  const end = h.scalar(H_CUR_BASE);
  let spans: ReturnType<typeof spanView>[] = [];
  let page = from;
  let left = limit;
  for (let looked = 0; page < end && looked < MAX_LOOK && spans.length < left; looked++) {
    if (spans.length === A_TURN || (looked + 1) % LOOK_A_TURN === 0) {
      yield { spans, next: page };
      left -= spans.length;
      spans = [];
    }
    const s = m[h.pageSpan + page];
    if (s === 0 || m[s + S_STATE] !== SpanState.inUse || m[s + S_START] !== page) {
      page++;
      continue;
    }
    if (matches(h, s, filter)) spans.push(spanView(h, s));
    page += Math.max(1, m[s + S_NPAGES]);
  }
  yield { spans, next: page < end ? page : -1 };
}

function matches(h: Heap, s: number, filter: SpanFilter): boolean {
  const spc = h.m[s + S_SPANCLASS];
  if (filter.class !== undefined && spc >> 1 !== filter.class) return false;
  if (filter.scan !== undefined && ((spc & 1) === 0) !== filter.scan) return false;
  return filter.state === undefined || listOf(h, s).startsWith(filter.state);
}

/** Spans in use. */
export function countSpans(h: Heap): number {
  const end = (h.scalar(H_CUR_BASE) + 31) >> 5;
  let n = 0;
  for (let i = 0; i < end; i++) n += popcount32(h.m[h.pageInUse + i]);
  return n;
}

/** A span in use by its id, or undefined. */
export function oneSpan(h: Heap, id: number) {
  if (id < 1 || id >= h.scalar(H_SPAN_NEXT)) return undefined;
  const s = spanAt(h, id);
  const { m } = h;
  if (m[s + S_STATE] !== SpanState.inUse) return undefined;
  const view = spanView(h, s);
  const inList = view.list.includes('-');
  return {
    ...view,
    bytes: m[s + S_NPAGES] * PAGE_SIZE,
    prev: inList && m[s + S_PREV] !== 0 ? m[s + S_PREV] : null,
    next: inList && m[s + S_NEXT] !== 0 ? m[s + S_NEXT] : null,
    slotList: slotViews(h, s),
  };
}

/**
 * Every slot: `free`, `cached` (free, and next for the P that has the span), `allocated` (rooted), `dropped` (its root is gone, the
 * sweep decides) or `reusable` (freed for immediate reuse, in the stack of a P).
 */
function slotViews(h: Heap, s: number) {
  const { m, u } = h;
  const spc = m[s + S_SPANCLASS];
  const words = m[s + S_WORDS];
  const marks = h.markBits + m[s + S_BITS];
  const reusable = new Set<number>();
  for (const p of h.ps) for (const word of reusableSlots(h, p, spc)) reusable.add(word);
  const cached = m[s + S_WHERE] === Where.mcache;
  return Array.from({ length: m[s + S_NELEMS] }, (_, slot) => {
    const word = m[s + S_BASE] + slot * words;
    const marked = ((m[marks + (slot >> 5)] >>> (slot & 31)) & 1) === 1;
    const address = formatAddress(word + SPC_TO_HEADER_WORDS[spc]);
    if (!isAllocated(h, s, slot)) {
      const inGroup = slot >= m[s + S_CACHE_BASE] && slot < m[s + S_CACHE_BASE] + 32;
      const next = cached && inGroup && ((m[s + S_ALLOC_CACHE] >>> (slot & 31)) & 1) === 1;
      return { slot, address, state: next ? 'cached' : 'free', rooted: false, marked };
    }
    const starts = spc === TINY_SPAN_CLASS ? u[tinyMaskAt(h, word)] : 0;
    const held = starts & ~(spc === TINY_SPAN_CLASS ? u[tinyMaskAt(h, word) + 1] : 0);
    const rooted = starts === 0 ? !isDropped(h, s, slot) : held !== 0;
    const state = reusable.has(word) ? 'reusable' : rooted ? 'allocated' : 'dropped';
    const tiny = starts === 0 ? undefined : { tiny: bitsOf(starts), tinyRooted: bitsOf(held) };
    return { slot, address, state, rooted, marked, ...tiny };
  });
}

function bitsOf(mask: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < 16; i++) if (((mask >>> i) & 1) === 1) out.push(i);
  return out;
}
