/**
 * check, part two: a span by itself. Its fields against its class, its counts against its bitmaps, its slots one by one.
 *
 * A slot is in one of these states, and the bits must say so together:
 *
 *      free              not allocated, no dropped bit, no tiny masks; zero bytes where the span is not needzero
 *      rooted            allocated, dropped bit clear (tiny block: some object's root held)
 *      dropped           allocated, dropped bit set: garbage until the next cycle proves otherwise
 *      reusable          dropped, and on exactly one P's stack
 */

import type { Report } from './check.js';
import { H_GC_PHASE, H_SWEEPGEN, type Heap, P_REUSABLE, P_TINY } from './heap.js';
import { REUSABLE_CAP } from './layout.js';
import {
  allocatedGroup,
  groupMask,
  isAllocated,
  isDropped,
  popcount,
  S_ALLOC_CACHE,
  S_ALLOC_COUNT,
  S_BASE,
  S_BITS,
  S_CACHE_BASE,
  S_FREEINDEX,
  S_HAS_TINY,
  S_NEEDZERO,
  S_NELEMS,
  S_NPAGES,
  S_SPANCLASS,
  S_SPECIALS,
  S_START,
  S_SWEEPGEN,
  S_WHERE,
  S_WORDS,
  spanId,
  spanOfBit,
  Where,
} from './mspan.js';
import {
  CLASS_TO_PAGES,
  NUM_SPAN_CLASSES,
  PAGE_WORDS,
  SPC_TO_NELEMS,
  SPC_TO_WORDS,
  TINY_SIZE,
  TINY_SPAN_CLASS,
} from './sizeclass.js';
import { specialsOf } from './specials.js';
import { tinyMaskAt } from './tiny.js';

/** Everything that can be said of an in-use span without looking at others. */
export function checkSpan(h: Heap, r: Report, s: number): void {
  const { m } = h;
  const what = `span ${spanId(h, s)}`;
  const spc = m[s + S_SPANCLASS];
  if (spc < 0 || spc >= NUM_SPAN_CLASSES) {
    r.add(`${what}: span class ${spc}`);
    return;
  }
  const large = spc < 2;
  r.equal(`${what}: nelems`, m[s + S_NELEMS], SPC_TO_NELEMS[spc]);
  r.equal(`${what}: slot words`, m[s + S_WORDS], large ? m[s + S_NPAGES] * PAGE_WORDS : SPC_TO_WORDS[spc]);
  r.equal(`${what}: first word`, m[s + S_BASE], h.hollow ? 0 : m[s + S_START] * PAGE_WORDS);
  r.equal(`${what}: owner of its bits`, spanOfBit(h, m[s + S_BITS] * 32), s);
  if (!large) r.equal(`${what}: pages`, m[s + S_NPAGES], CLASS_TO_PAGES[spc >> 1]);
  checkSweepgen(h, r, s, what);
  checkBitmaps(h, r, s, what);
  if (spc === TINY_SPAN_CLASS) (h.hollow ? checkHollowTiny : checkTiny)(h, r, s, what);
  if (m[s + S_NEEDZERO] === 0 && !large) checkZero(h, r, s, what);
  let before = -1;
  for (const [special, slot] of specialsOf(h, s, 1 << 20)) {
    if (slot < before) r.add(`${what}: specials are not sorted`);
    if (!isAllocated(h, s, slot)) r.add(`${what}: special ${special} of free slot ${slot}`);
    before = slot;
  }
  if (m[s + S_SPECIALS] < 0) r.add(`${what}: specials ${m[s + S_SPECIALS]}`);
}

function checkSweepgen(h: Heap, r: Report, s: number, what: string): void {
  const gen = h.m[s + S_SWEEPGEN] - h.scalar(H_SWEEPGEN);
  const where = h.m[s + S_WHERE];
  const parity = (h.scalar(H_SWEEPGEN) >> 1) & 1;
  if (where === Where.mcache) {
    if (gen !== 3) r.add(`${what}: cached with sweepgen h${gen}`);
  } else if (where >= Where.partial0 && where <= Where.full1) {
    const swept = ((where - Where.partial0) & 1) === parity;
    if (gen !== (swept ? 0 : -2)) r.add(`${what}: in list ${where} with sweepgen h${gen}`);
    const full = where >= Where.full0;
    const isFull = h.m[s + S_ALLOC_COUNT] === h.m[s + S_NELEMS];
    if (swept && full !== isFull) r.add(`${what}: ${isFull ? 'full' : 'not full'} in list ${where}`);
  }
}

function checkBitmaps(h: Heap, r: Report, s: number, what: string): void {
  const { m } = h;
  const at = m[s + S_BITS];
  const nelems = m[s + S_NELEMS];
  const unswept = m[s + S_SWEEPGEN] === h.scalar(H_SWEEPGEN) - 2;
  const freeindex = m[s + S_FREEINDEX];
  if (freeindex < 0 || freeindex > nelems) r.add(`${what}: freeindex ${freeindex} of ${nelems}`);
  const marking = h.scalar(H_GC_PHASE) !== 0;
  let count = 0;
  for (let i = 0; i * 32 < nelems; i++) {
    const allocated = allocatedGroup(h, s, i);
    const exist = groupMask(i * 32, nelems);
    count += popcount(allocated);
    if ((m[h.allocBits + at + i] & ~exist) !== 0) r.add(`${what}: allocBits beyond the last slot`);
    const dropped = m[h.droppedBits + at + i];
    if ((dropped & ~allocated) !== 0) r.add(`${what}: free slots with dropped roots in group ${i}`);
    const marks = m[h.markBits + at + i];
    // While a mark is on, gc/check.ts knows better.
    if (marking) continue;
    if (!unswept && marks !== 0) r.add(`${what}: swept but marked in group ${i}`);
    if ((marks & ~allocated) !== 0) r.add(`${what}: free slots marked in group ${i}`);
  }
  r.equal(`${what}: allocCount`, m[s + S_ALLOC_COUNT], count);
  const cache = m[s + S_ALLOC_CACHE];
  if (m[s + S_WHERE] !== Where.mcache) {
    if (cache !== 0) r.add(`${what}: has an allocCache but is not cached`);
    return;
  }
  const base = m[s + S_CACHE_BASE];
  if (cache === 0) return;
  const free = ~allocatedGroup(h, s, base >> 5) & groupMask(base, nelems);
  // Slots below freeindex count as allocated, so what is free in its group is what the cache may still hand out.
  if (cache !== free) r.add(`${what}: allocCache ${cache >>> 0} at ${base}, should be ${free >>> 0}`);
}

function checkTiny(h: Heap, r: Report, s: number, what: string): void {
  const { m, u } = h;
  for (let slot = 0; slot < m[s + S_NELEMS]; slot++) {
    const block = m[s + S_BASE] + slot * 2;
    const starts = u[tinyMaskAt(h, block)];
    const dropped = u[tinyMaskAt(h, block) + 1];
    if (starts === 0 && dropped === 0) continue;
    if (!isAllocated(h, s, slot)) r.add(`${what}: free slot ${slot} has tiny objects`);
    if ((dropped & ~starts) !== 0) r.add(`${what}: slot ${slot} dropped tiny objects that it does not have`);
    if (m[s + S_HAS_TINY] === 0) r.add(`${what}: slot ${slot} is a tiny block, the span says it has none`);
    const hinted = isDropped(h, s, slot);
    if (starts === dropped && !hinted) r.add(`${what}: slot ${slot} has no rooted tiny object and no hint`);
  }
  for (const p of h.ps) {
    const block = m[p.at + P_TINY] - 1;
    const slot = (block - m[s + S_BASE]) >> 1;
    if (block < m[s + S_BASE] || slot >= m[s + S_NELEMS]) continue;
    if (!isAllocated(h, s, slot)) r.add(`${what}: the tiny block of P${p.id} is free`);
  }
}

/** A hollow heap counts the live objects of a block: none is left exactly when the block's root is dropped. */
function checkHollowTiny(h: Heap, r: Report, s: number, what: string): void {
  const { m, u } = h;
  const first = m[s + S_BITS] * 32;
  for (let slot = 0; slot < m[s + S_NELEMS]; slot++) {
    if (!isAllocated(h, s, slot)) continue;
    // Objects of exactly 16 bytes have slots of the class as well, and no count.
    if (u[first + slot] > 0 && u[first + slot] <= TINY_SIZE && isDropped(h, s, slot)) {
      r.add(`${what}: slot ${slot} has ${u[first + slot]} tiny objects and no root`);
    }
  }
  for (const p of h.ps) {
    const slot = m[p.at + P_TINY] - 1 - first;
    if (slot < 0 || slot >= m[s + S_NELEMS]) continue;
    if (!isAllocated(h, s, slot)) r.add(`${what}: the tiny block of P${p.id} is free`);
  }
}

/** Pages that were never used read zero, and free slots of such a span with them. */
function checkZero(h: Heap, r: Report, s: number, what: string): void {
  const { m, w } = h;
  if (h.hollow) return;
  const words = m[s + S_WORDS];
  for (let slot = m[s + S_FREEINDEX]; slot < m[s + S_NELEMS]; slot++) {
    if (isAllocated(h, s, slot)) continue;
    const first = m[s + S_BASE] + slot * words;
    for (let i = first; i < first + words; i++) {
      if (w[i] === 0) continue;
      r.add(`${what}: free slot ${slot} is not zero, and the span is not needzero`);
      return;
    }
  }
}

/** Every reusable slot is allocated, dropped, of its stack's class, and on one stack only. */
export function checkReusable(h: Heap, r: Report): void {
  const seen = new Set<number>();
  for (const p of h.ps) {
    for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) {
      if (h.m[p.at + P_REUSABLE + spc] === 0) continue;
      for (let i = 0; i < h.m[p.at + P_REUSABLE + spc]; i++) {
        const bit = h.m[p.reusable + spc * REUSABLE_CAP + i];
        const what = `reusable slot ${bit} of P${p.id}`;
        if (seen.has(bit)) r.add(`${what} is on two stacks`);
        seen.add(bit);
        const s = spanOfBit(h, bit);
        if (s <= 0 || h.m[s + S_SPANCLASS] !== spc) {
          r.add(`${what} is in no span of class ${spc}`);
          continue;
        }
        const slot = bit - h.m[s + S_BITS] * 32;
        if (slot < 0 || slot >= h.m[s + S_NELEMS]) r.add(`${what} is beyond its span's slots`);
        else if (!isAllocated(h, s, slot) || !isDropped(h, s, slot)) r.add(`${what} is not a dropped slot`);
      }
    }
  }
}
