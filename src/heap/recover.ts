/**
 * recover: making the heap whole again after a thread died in the middle of something.
 *
 * A worker can end between any two steps of an allocation, a free, a sweep, a cycle. What it was changing is then half
 * changed, and a lock may still be held in the name of its P. The M that takes the P over runs this first, with the world stopped.
 *
 * 1. The dead P's mcache, reusable stacks and page cache are given up; its spans become orphans. If it had stopped
 *    the world itself, it may have been changing other Ps' caches: theirs are given up as well.
 * 2. What the dead P had in hand and had not answered loses its root (publish.ts). Orphans are judged by their bitmaps alone: a sweep under way is run again, counts are counted, slots that were handed out but
 *    never answered lose their root, an empty span is given up.
 * 3. Everything derived is rebuilt from the spans: lists (in the order that their links still tell), the rest by rebuild.ts.
 * 4. The dead P's locks are broken, which lets go whoever slept on them.
 *
 * Other Ps either stand at a safepoint or sleep on a lock of the dead one, perhaps with a span in their hand: those hands stay as they are.
 */

import { breakLock, lockOwner } from '../memory/lock.js';
import {
  G_DROPPED_AT_MARK,
  GcPhase,
  H_ABANDONED,
  H_CENTRAL_INDEX,
  H_DEDICATED,
  H_GC_PHASE,
  H_PHASE_GEN,
  H_RECLAIM_CREDIT,
  H_RECLAIM_INDEX,
  H_RECOVERIES,
  H_RESTART,
  H_SPAN_NEXT,
  H_SWEEP_DONE,
  H_SWEEPGEN,
  H_TRANSITION,
  type Heap,
  type P,
  P_ALLOC,
  P_ASSIST_DEBT,
  P_FLUSH_GEN,
  P_HAND,
  P_MARKING,
  P_PAGE_CACHE,
  P_QUEUE_HEAD,
  P_QUEUE_TAIL,
  P_REQUESTED,
  P_REUSABLE,
  P_SPAN_CACHE_LEN,
  P_TINY,
  P_TINY_ALLOCS,
  P_TINY_OFFSET,
  P_WAITING,
  T_REQUESTED,
  T_TINY_ALLOCS,
} from './heap.js';
import {
  clearList,
  fullSwept,
  fullUnswept,
  link,
  listHead,
  mcentralAt,
  partialSwept,
  partialUnswept,
} from './mcentral.js';
import {
  allocatedGroup,
  countAllocated,
  isAllocated,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BASE,
  S_BITS,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_HAS_TINY,
  S_NEEDZERO,
  S_NELEMS,
  S_NEXT,
  S_OBLET,
  S_OWNER,
  S_PUBLISHED,
  S_QUEUED,
  S_SPANCLASS,
  S_STATE,
  S_SWEEPGEN,
  S_WHERE,
  SpanState,
  spanAt,
  Where,
  writeDownFreeindex,
} from './mspan.js';
import { PAGE_CACHE_WORDS } from './pagecache.js';
import { dropNamed } from './publish.js';
import { rebuild } from './rebuild.js';
import { NUM_SPAN_CLASSES } from './sizeclass.js';
import { clearMarks, resweep } from './sweep.js';
import { clearTinyMasks, tinyMaskAt } from './tiny.js';

/** Repairs the heap after the thread of `dead` ended. `heldWorld`: it had stopped the world, or was about to. */
export function recover(h: Heap, dead: P, heldWorld: boolean): void {
  const { m } = h;
  m[h.mheap + H_RECOVERIES]++;
  abandonMark(h);
  // Whoever sleeps on a lock cannot have been touched by the one that died.
  const victims = heldWorld ? h.ps.filter((p) => p === dead || m[p.at + P_WAITING] === 0) : [dead];
  for (const p of victims) giveUpCaches(h, p);
  dropNamed(h, dead);
  const kept = keptSpans(h);
  const listed = walkLists(h, kept);
  settleOrphans(h, dead, kept, listed);
  relink(h, listed);
  rebuild(h, dead);
  // Roots may have been dropped without being counted: the next sweep has to mark.
  h.f[h.gcStats + G_DROPPED_AT_MARK] = -1;
  m[h.mheap + H_CENTRAL_INDEX] = 0;
  m[h.mheap + H_RECLAIM_INDEX] = 0;
  m[h.mheap + H_RECLAIM_CREDIT] = 0;
  m[h.mheap + H_SWEEP_DONE] = 0;
  breakLocks(h, new Set(victims.map((p) => p.id)));
}

/**
 * A mark that was under way is given up: marks and queues may be half written. Its marks go with the spans' own repair (settleOrphans), and the cycle begins
 * anew. One whose sweepgen has advanced is over, and only its sweep remains.
 */
function abandonMark(h: Heap): void {
  const { m } = h;
  const at = h.mheap;
  if (m[at + H_GC_PHASE] !== GcPhase.off) {
    if (m[at + H_PHASE_GEN] === m[at + H_SWEEPGEN]) {
      m[at + H_ABANDONED]++;
      m[at + H_RESTART] = 1;
    }
    m[at + H_GC_PHASE] = GcPhase.off;
  }
  m[at + H_TRANSITION] = 0;
  m[at + H_DEDICATED] = 0;
  for (const p of h.ps) {
    m[p.at + P_QUEUE_HEAD] = 0;
    m[p.at + P_QUEUE_TAIL] = 0;
    m[p.at + P_MARKING] = 0;
    m[p.at + P_ASSIST_DEBT] = 0;
  }
}

function giveUpCaches(h: Heap, p: P): void {
  const { m, f } = h;
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    m[p.at + P_ALLOC + spc] = h.spans;
    m[p.at + P_REUSABLE + spc] = 0;
    f[p.stats + T_REQUESTED + spc] += m[p.at + P_REQUESTED + spc] >>> 0;
    m[p.at + P_REQUESTED + spc] = 0;
  }
  f[p.stats + T_TINY_ALLOCS] += m[p.at + P_TINY_ALLOCS];
  m[p.at + P_TINY_ALLOCS] = 0;
  m[p.at + P_TINY] = 0;
  m[p.at + P_TINY_OFFSET] = 0;
  m[p.at + P_HAND] = 0;
  m[p.at + P_WAITING] = 0;
  m[p.at + P_SPAN_CACHE_LEN] = 0;
  m[p.at + P_FLUSH_GEN] = h.scalar(H_SWEEPGEN);
  m.fill(0, p.at + P_PAGE_CACHE, p.at + P_PAGE_CACHE + PAGE_CACHE_WORDS);
}

/** Spans that living Ps still hold, cached or in hand. */
function keptSpans(h: Heap): Set<number> {
  const { m } = h;
  const kept = new Set<number>();
  for (const p of h.ps) {
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
      const s = m[p.at + P_ALLOC + spc];
      if (s !== h.spans) kept.add(s);
    }
    if (m[p.at + P_HAND] !== 0) kept.add(m[p.at + P_HAND]);
  }
  return kept;
}

/** The spans of each list in the order that its links tell, as far as they can be followed; keyed by span class * 8 + list. */
function walkLists(h: Heap, kept: Set<number>): Map<number, number[]> {
  const { m } = h;
  const lists = new Map<number, number[]>();
  const seen = new Set<number>(kept);
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    for (let where: number = Where.partial0; where <= Where.full1; where++) {
      const spans: number[] = [];
      let id = listHead(h, spc, where);
      while (id > 0 && id < h.scalar(H_SPAN_NEXT)) {
        const s = spanAt(h, id);
        const belongs = m[s + S_STATE] === SpanState.inUse && m[s + S_WHERE] === where && m[s + S_SPANCLASS] === spc;
        if (!belongs || seen.has(s)) break;
        seen.add(s);
        spans.push(s);
        id = m[s + S_NEXT];
      }
      lists.set(spc * 8 + where, spans);
    }
  }
  return lists;
}

/** Gives every in-use span that stands nowhere its place, by what its bitmaps say. */
function settleOrphans(h: Heap, dead: P, kept: Set<number>, listed: Map<number, number[]>): void {
  const { m } = h;
  const placed = new Set<number>(kept);
  for (const spans of listed.values()) for (const s of spans) placed.add(s);
  const sweepgen = h.scalar(H_SWEEPGEN);
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) continue;
    const stale = m[s + S_SWEEPGEN] === sweepgen - 2;
    // A mark that was under way has left marks on swept spans, and some of them in queues.
    m[s + S_QUEUED] = 0;
    m[s + S_OBLET] = 0;
    if (!stale && m[s + S_SWEEPGEN] !== sweepgen + 1 && m[s + S_SWEEPGEN] !== sweepgen - 1) clearMarks(h, s);
    if (m[s + S_HAS_TINY] !== 0) hintTiny(h, s);
    if (placed.has(s)) {
      // A large object is listed before it is answered; and another recovery may have taken the dead P's mcache already.
      dropUnanswered(h, dead, s);
      continue;
    }
    const where = settle(h, dead, s, sweepgen);
    if (where === Where.none) continue;
    m[s + S_WHERE] = where;
    listed.get(m[s + S_SPANCLASS] * 8 + where)?.push(s);
  }
}

/**
 * Completes the hints: of a block whose last object was being dropped, the masks may say so and the slot's bit not yet; of one that was
 * being cleared, its start mask may be gone and the other not.
 */
function hintTiny(h: Heap, s: number): void {
  const { m, u } = h;
  const at = h.droppedBits + m[s + S_BITS];
  for (let slot = 0; slot < m[s + S_NELEMS]; slot++) {
    const masks = tinyMaskAt(h, m[s + S_BASE] + slot * 2);
    u[masks + 1] &= u[masks];
    if (u[masks] !== 0 && u[masks] === u[masks + 1] && isAllocated(h, s, slot)) m[at + (slot >> 5)] |= 1 << (slot & 31);
  }
}

/** Brings one orphan into order; the list that it belongs in, or none if it was given up. */
function settle(h: Heap, dead: P, s: number, sweepgen: number): number {
  const { m } = h;
  m[s + S_ALLOC_CACHE] = 0;
  m[s + S_CACHE_BASE] = 0;
  // Slots may have been freed before the span was told that they are dirty.
  m[s + S_NEEDZERO] = 1;
  const gen = m[s + S_SWEEPGEN];
  if (gen === sweepgen - 1) {
    resweep(h, s);
    clearMarks(h, s);
  } else {
    dropUnanswered(h, dead, s);
    if (gen === sweepgen + 1) m[s + S_SWEEPGEN] = sweepgen - 2;
    else if (gen === sweepgen + 3) m[s + S_SWEEPGEN] = sweepgen;
  }
  const at = m[s + S_BITS];
  for (let i = 0; i * 32 < m[s + S_NELEMS]; i++) m[h.droppedBits + at + i] &= allocatedGroup(h, s, i);
  if (m[s + S_HAS_TINY] !== 0) {
    // Without this the tiny masks of slots below freeindex would look like those of free ones.
    writeDownFreeindex(h, s);
    clearTinyMasks(h, s);
  }
  const count = countAllocated(h, s);
  m[s + S_ALLOC_COUNT] = count;
  if (m[s + S_SWEEPGEN] === sweepgen - 2) return count === m[s + S_NELEMS] ? fullUnswept(h) : partialUnswept(h);
  if (count === 0) {
    m.fill(0, h.allocBits + at, h.allocBits + at + ((m[s + S_NELEMS] + 31) >> 5));
    m[s + S_STATE] = SpanState.dead;
    m[s + S_WHERE] = Where.none;
    return Where.none;
  }
  return count === m[s + S_NELEMS] ? fullSwept(h) : partialSwept(h);
}

/** Slots that the dead P handed out and whose address no client was told: their root goes. */
function dropUnanswered(h: Heap, dead: P, s: number): void {
  const { m } = h;
  if (m[s + S_OWNER] !== dead.id) return;
  const at = m[s + S_BITS];
  for (let slot = m[s + S_PUBLISHED]; slot < m[s + S_FREEINDEX]; slot++) {
    const bit = 1 << (slot & 31);
    if ((m[h.allocBits + at + (slot >> 5)] & bit) !== 0) continue;
    m[h.droppedBits + at + (slot >> 5)] |= bit;
    if (m[s + S_HAS_TINY] === 0) continue;
    const masks = tinyMaskAt(h, m[s + S_BASE] + slot * 2);
    h.u[masks + 1] = h.u[masks];
  }
  m[s + S_PUBLISHED] = m[s + S_FREEINDEX];
}

function relink(h: Heap, listed: Map<number, number[]>): void {
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    for (let where: number = Where.partial0; where <= Where.full1; where++) {
      clearList(h, spc, where);
      for (const s of listed.get(spc * 8 + where) ?? []) link(h, s, where);
    }
  }
}

function breakLocks(h: Heap, owners: Set<number>): void {
  const locks = [h.heapLock, h.specialLock];
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) locks.push(mcentralAt(h, spc));
  for (const at of locks) {
    const owner = lockOwner(h.m, at);
    if (owners.has(owner)) breakLock(h.m, at);
    // Whoever had it last may have died between letting it go and waking who sleeps on it.
    else if (owner < 0) Atomics.notify(h.m, at);
  }
}
