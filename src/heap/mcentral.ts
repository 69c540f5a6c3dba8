/**
 * mcentral: for each span class, the spans that no P has cached.
 *
 *      partial (nonempty)   swept    ⇄ ⇄ ⇄      spans with a free slot, ready to be cached
 *                           unswept  ⇄ ⇄        the same as of before the last mark: to be swept before use
 *      full (empty)         swept    ⇄ ⇄ ⇄ ⇄    spans without a free slot
 *                           unswept  ⇄          may have one once swept
 *
 * Doubly linked lists through the span records, used first in, first out, so that spans are reused in the order of Go's
 * spanSets. Which of the two lists of a kind is the swept one alternates with sweepgen/2%2: advancing sweepgen turns
 * every swept list into an unswept one without touching a span. A span returns from full to partial when a sweep
 * frees a slot of it, and leaves for the heap when a sweep frees all of them.
 *
 * One lock per span class guards its four lists. It is held only to link or unlink: never while sweeping, growing, or
 * holding another lock.
 */

import { LOCK_WORDS, lock, unlock } from '../memory/lock.js';
import { unblackenGroup } from './black.js';
import {
  H_GC_PHASE,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  type Heap,
  type P,
  P_WAITING,
  Served,
  T_GROWS,
  T_REFILLS,
} from './heap.js';
import { MCENTRAL_STRIDE } from './layout.js';
import { allocSpan, freeSpan } from './mheap.js';
import {
  leaveHand,
  refillAllocCache,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_FREEINDEX,
  S_NELEMS,
  S_NEXT,
  S_PREV,
  S_SPANCLASS,
  S_SWEEPGEN,
  S_WHERE,
  spanAt,
  spanId,
  takeInHand,
  Where,
} from './mspan.js';
import { CLASS_TO_PAGES, PAGE_SIZE } from './sizeclass.js';
import { acquireAndSweep, sweepSpan } from './sweep.js';
import { deductSweepCredit } from './sweepcredit.js';

/** Words of a list: ids of its first and last span (0: none), its length, and the allocated slots of its spans. */
const L_HEAD = 0;
const L_TAIL = 1;
const L_LENGTH = 2;
const L_SLOTS = 3;
const LIST_STRIDE = 4;

/** How many unswept spans one refill sweeps in search of a free slot before it takes a new span instead. */
const SWEEP_BUDGET = 100;

export const mcentralAt = (h: Heap, spc: number): number => h.mcentral + spc * MCENTRAL_STRIDE;
export const listAt = (h: Heap, spc: number, where: number): number =>
  mcentralAt(h, spc) + LOCK_WORDS + (where - Where.partial0) * LIST_STRIDE;

const parity = (h: Heap): number => (h.m[h.mheap + H_SWEEPGEN] >> 1) & 1;

/** The list codes of the current cycle. */
export const partialSwept = (h: Heap): number => Where.partial0 + parity(h);
export const partialUnswept = (h: Heap): number => Where.partial0 + (1 - parity(h));
export const fullSwept = (h: Heap): number => Where.full0 + parity(h);
export const fullUnswept = (h: Heap): number => Where.full0 + (1 - parity(h));

export function listLength(h: Heap, spc: number, where: number): number {
  return h.m[listAt(h, spc, where) + L_LENGTH];
}

/** Allocated slots of all spans of a list, without a walk. */
export function listSlots(h: Heap, spc: number, where: number): number {
  return h.m[listAt(h, spc, where) + L_SLOTS];
}

/** Id of the first span of a list, 0 if none. For inspection: take no decision on it without the lock. */
export function listHead(h: Heap, spc: number, where: number): number {
  return h.m[listAt(h, spc, where) + L_HEAD];
}

function lockCentral(h: Heap, p: P, spc: number): void {
  lock(h.m, mcentralAt(h, spc), p.id, p.at + P_WAITING);
}

function unlockCentral(h: Heap, spc: number): void {
  unlock(h.m, mcentralAt(h, spc));
}

/** Appends a span in this P's hand to a list. */
export function pushSpan(h: Heap, p: P, s: number, where: number): void {
  const spc = h.m[s + S_SPANCLASS];
  lockCentral(h, p, spc);
  link(h, s, where);
  leaveHand(h, p);
  unlockCentral(h, spc);
}

/** Links at the tail. Under the lock, or with the world stopped. */
export function link(h: Heap, s: number, where: number): void {
  const { m } = h;
  const list = listAt(h, m[s + S_SPANCLASS], where);
  const tail = m[list + L_TAIL];
  const id = spanId(h, s);
  m[s + S_NEXT] = 0;
  m[s + S_PREV] = tail;
  if (tail === 0) m[list + L_HEAD] = id;
  else m[spanAt(h, tail) + S_NEXT] = id;
  m[list + L_TAIL] = id;
  m[list + L_LENGTH]++;
  // Whoever changes a span's allocCount has taken it out of its list first.
  m[list + L_SLOTS] += m[s + S_ALLOC_COUNT];
  m[s + S_WHERE] = where;
}

/** Unlinks from whichever list the span is in. Under the lock, or with the world stopped. */
export function unlink(h: Heap, s: number): void {
  const { m } = h;
  const list = listAt(h, m[s + S_SPANCLASS], m[s + S_WHERE]);
  const next = m[s + S_NEXT];
  const prev = m[s + S_PREV];
  if (prev === 0) m[list + L_HEAD] = next;
  else m[spanAt(h, prev) + S_NEXT] = next;
  if (next === 0) m[list + L_TAIL] = prev;
  else m[spanAt(h, next) + S_PREV] = prev;
  m[list + L_LENGTH]--;
  m[list + L_SLOTS] -= m[s + S_ALLOC_COUNT];
  m[s + S_NEXT] = 0;
  m[s + S_PREV] = 0;
}

/** Empties a list without looking at its spans. Recovery only. */
export function clearList(h: Heap, spc: number, where: number): void {
  const list = listAt(h, spc, where);
  h.m[list + L_HEAD] = 0;
  h.m[list + L_TAIL] = 0;
  h.m[list + L_LENGTH] = 0;
  h.m[list + L_SLOTS] = 0;
}

/** Takes the oldest span of a list into this P's hand; 0 if there is none. */
export function popSpan(h: Heap, p: P, spc: number, where: number): number {
  const { m } = h;
  const list = listAt(h, spc, where);
  // A look without the lock: a list that is seen empty was empty at that moment.
  if (m[list + L_HEAD] === 0) return 0;
  lockCentral(h, p, spc);
  const id = m[list + L_HEAD];
  let s = 0;
  if (id !== 0) {
    s = spanAt(h, id);
    unlink(h, s);
    takeInHand(h, p, s);
  }
  unlockCentral(h, spc);
  return s;
}

/**
 * Takes a given span out of its list into this P's hand, if it is in one and its sweepgen is `gen`: between the look that
 * chose it and the lock somebody else may have swept it, cached it, or given it up. False then, and nothing changed.
 */
export function takeSpan(h: Heap, p: P, s: number, gen: number): boolean {
  const { m } = h;
  const spc = m[s + S_SPANCLASS];
  lockCentral(h, p, spc);
  const where = m[s + S_WHERE];
  const listed = where >= Where.partial0 && where <= Where.full1 && m[s + S_SPANCLASS] === spc;
  const taken = listed && Atomics.load(m, s + S_SWEEPGEN) === gen;
  if (taken) {
    unlink(h, s);
    takeInHand(h, p, s);
  }
  unlockCentral(h, spc);
  return taken;
}

/**
 * A span with a free slot, in the P's hand, ready to be cached; 0 when the reservation is exhausted. In Go's order:
 * swept partial spans, then unswept ones within a budget, then a new span from the heap.
 */
export function cacheSpan(h: Heap, p: P, spc: number): number {
  const { f } = h;
  deductSweepCredit(h, p, CLASS_TO_PAGES[spc >> 1] * PAGE_SIZE, 0);
  f[p.stats + T_REFILLS + spc]++;
  if (p.served < Served.mcentral) p.served = Served.mcentral;
  let s = popSpan(h, p, spc, partialSwept(h));
  if (s === 0 && h.scalar(H_SWEEP_DONE) === 0) s = sweepForSlot(h, p, spc);
  if (s === 0) {
    s = allocSpan(h, p, CLASS_TO_PAGES[spc >> 1], spc);
    if (s === 0) return 0;
    f[p.stats + T_GROWS + spc]++;
    if (p.served < Served.mheap) p.served = Served.mheap;
  }
  return s;
}

function sweepForSlot(h: Heap, p: P, spc: number): number {
  const { m } = h;
  const partial = popSpan(h, p, spc, partialUnswept(h));
  if (partial !== 0) {
    acquireAndSweep(h, p, partial, true);
    return partial;
  }
  for (let budget = SWEEP_BUDGET; budget >= 0; budget--) {
    const s = popSpan(h, p, spc, fullUnswept(h));
    if (s === 0) break;
    acquireAndSweep(h, p, s, true);
    if (m[s + S_ALLOC_COUNT] < m[s + S_NELEMS]) return s;
    pushSpan(h, p, s, fullSwept(h));
  }
  return 0;
}

/**
 * Gives back a span that this P had cached. A stale one (cached before this cycle's sweep) is swept first, which
 * routes it; another goes to the partial list if a slot is left, else to the full one.
 */
export function uncacheSpan(h: Heap, p: P, s: number): void {
  const { m } = h;
  const sweepgen = h.scalar(H_SWEEPGEN);
  takeInHand(h, p, s);
  const marking = m[h.mheap + H_GC_PHASE] !== 0;
  if (marking) unblackenGroup(h, p, s);
  m[s + S_ALLOC_CACHE] = 0;
  if (m[s + S_SWEEPGEN] === sweepgen + 1) {
    Atomics.store(m, s + S_SWEEPGEN, sweepgen - 1);
    sweepSpan(h, p, s, false);
    return;
  }
  Atomics.store(m, s + S_SWEEPGEN, sweepgen);
  // Only where its slots were freed for immediate reuse and flushed back (Go has no such path, and throws). While marking no span is
  // given up: it may stand in a mark queue.
  if (m[s + S_ALLOC_COUNT] === 0 && !marking) {
    freeSpan(h, p, s);
    return;
  }
  pushSpan(h, p, s, m[s + S_ALLOC_COUNT] < m[s + S_NELEMS] ? partialSwept(h) : fullSwept(h));
}

/** Whether a span in this P's hand still has a slot to hand out; loads its allocCache. */
export function freshen(h: Heap, s: number): boolean {
  return h.m[s + S_FREEINDEX] < h.m[s + S_NELEMS] && refillAllocCache(h, s);
}
