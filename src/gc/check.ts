/**
 * check, the collector's part: marks, scan bits, queues, and what a finished mark promises.
 *
 *      while marking     marked slots are allocated, or about to be handed out (black allocation); scanned ones are marked; every span
 *                        with a grey object stands in exactly one queue
 *      after the mark    marked slots of unswept spans are allocated; no live object points to a dead one: the barrier held
 *      always            a span with a marked object has its page mark; queues and workers are at rest when no mark is on
 *
 * With the world stopped, or on the only thread. Changes nothing.
 */

import {
  formatAddress,
  GcPhase,
  H_GC_PHASE,
  H_PHASE_GEN,
  H_SPAN_NEXT,
  H_SWEEPGEN,
  type Heap,
  P_MARKING,
  P_QUEUE_HEAD,
  P_QUEUE_TAIL,
} from '../heap/heap.js';
import {
  allocatedGroup,
  ctz,
  S_ALLOC_CACHE,
  S_BITS,
  S_CACHE_BASE,
  S_NELEMS,
  S_QUEUED,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_SWEEPGEN,
  S_WHERE,
  SpanState,
  spanAt,
  spanId,
  Where,
} from '../heap/mspan.js';
import { queuedMark, queueLength } from './markqueue.js';
import { isLive, liveGroup, PointerWords, pointee, spanOf } from './reach-slots.js';

const MAX_REPORTS = 200;

/** Every difference found in the collector's state; empty when it is whole. */
export function checkCollector(h: Heap): string[] {
  const out: string[] = [];
  const add = (message: string): void => {
    if (out.length < MAX_REPORTS) out.push(message);
  };
  const { m } = h;
  const phase = h.scalar(H_GC_PHASE);
  const marking = phase === GcPhase.mark;
  if (phase !== GcPhase.off && !marking) add(`the collector's phase is ${phase} at rest`);
  if (marking && m[h.mheap + H_PHASE_GEN] !== m[h.mheap + H_SWEEPGEN])
    add('a mark is on that began before the last sweep');
  const queued = checkQueues(h, marking, add);
  const words = new PointerWords(h);
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) continue;
    checkMarks(h, s, marking, queued.has(s), add);
    if (!marking && (m[s + S_SPANCLASS] & 1) === 0) checkPointers(h, s, words, add);
  }
  return out;
}

/** The spans that stand in queues. */
function checkQueues(h: Heap, marking: boolean, add: (message: string) => void): Set<number> {
  const { m } = h;
  const seen = new Set<number>();
  for (const p of h.ps) {
    const n = queueLength(h, p);
    if (!marking && n !== 0) add(`the mark queue of P${p.id} has ${n} spans, and no mark is on`);
    if (!marking && m[p.at + P_MARKING] !== 0) add(`P${p.id} marks, and no mark is on`);
    for (let at = m[p.at + P_QUEUE_HEAD]; at !== m[p.at + P_QUEUE_TAIL]; at = (at + 1) | 0) {
      const s = m[h.markQueue + p.id * h.markQueueSize + (at & (h.markQueueSize - 1))];
      if (seen.has(s)) add(`span ${spanId(h, s)} stands in two mark queues`);
      if (m[s + S_STATE] !== SpanState.inUse)
        add(`the mark queue of P${p.id} has span ${spanId(h, s)}, which is not in use`);
      if (m[s + S_QUEUED] !== queuedMark(h)) add(`span ${spanId(h, s)} stands in a mark queue and does not know it`);
      seen.add(s);
    }
  }
  return seen;
}

function checkMarks(h: Heap, s: number, marking: boolean, queued: boolean, add: (message: string) => void): void {
  const { m } = h;
  const what = `span ${spanId(h, s)}`;
  const at = m[s + S_BITS];
  const noscan = (m[s + S_SPANCLASS] & 1) === 1;
  const cached = m[s + S_WHERE] === Where.mcache ? m[s + S_CACHE_BASE] >> 5 : -1;
  let marks = 0;
  let grey = 0;
  for (let i = 0; i * 32 < m[s + S_NELEMS]; i++) {
    const marked = m[h.markBits + at + i];
    const scanned = m[h.scanBits + at + i];
    marks |= marked;
    if (noscan && scanned !== 0) add(`${what}: scan bits, and it has no pointers`);
    if ((scanned & ~marked) !== 0) add(`${what}: scanned but not marked in group ${i}`);
    if (!noscan) grey |= marked & ~scanned;
    if (!marking) continue;
    const black = i === cached ? m[s + S_ALLOC_CACHE] : 0;
    if ((black & ~marked) !== 0) add(`${what}: is about to hand out slots of group ${i} that are not black`);
    if ((marked & ~black & ~allocatedGroup(h, s, i)) !== 0) add(`${what}: free slots marked in group ${i}`);
  }
  if (marks !== 0 && ((m[h.pageMarks + (m[s + S_START] >> 5)] >>> (m[s + S_START] & 31)) & 1) === 0) {
    add(`${what}: has marked objects and no page mark`);
  }
  if (grey === 0) return;
  if (!marking) add(`${what}: has grey objects, and the mark is over`);
  else if (!queued) add(`${what}: has grey objects and stands in no queue`);
}

/** What an object that may live points to must not have been found dead. */
function checkPointers(h: Heap, s: number, words: PointerWords, add: (message: string) => void): void {
  const { m } = h;
  const unswept = m[h.mheap + H_SWEEPGEN] - 2;
  for (let i = 0; i * 32 < m[s + S_NELEMS]; i++) {
    for (let left = liveGroup(h, s, i); left !== 0; left &= left - 1) {
      const slot = i * 32 + ctz(left);
      words.begin(m[s + S_BITS] * 32 + slot);
      for (let w = words.next(); w >= 0; w = words.next()) {
        const target = pointee(h, words.first + w);
        if (target < 0) continue;
        const t = spanOf(h, target);
        if (m[t + S_SWEEPGEN] !== unswept || isLive(h, target)) continue;
        const allocated = (allocatedGroup(h, t, (target & 1023) >> 5) >>> (target & 31)) & 1;
        if (allocated === 1) add(`${formatAddress(words.first)} holds in word ${w} an object that the mark found dead`);
      }
    }
  }
}
