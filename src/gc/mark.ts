/**
 * Marking: following pointers from marked objects until nothing new is found.
 *
 *      white   not marked                        garbage, if it stays so
 *      grey    marked, scan bit clear            its span stands in a mark queue
 *      black   marked, scan bit set              its pointers were followed (noscan objects have none to follow)
 *
 * Pointers are read from the objects' own bytes: 8-byte little-endian addresses in the words that the object's layout (types.ts)
 * calls pointers. An address inside an object keeps it alive, wherever it points. One that lies outside every allocated
 * object is not a pointer.
 *
 * A span is scanned as a whole: for each group of 32 slots, what is marked and not scanned is claimed by one atomic OR of its scan bits, so
 * that each object is scanned exactly once, whoever meets it. Objects marked on the way in the same span are picked up in the same
 * visit. Large objects are scanned in pieces of 128 KiB (Go's oblets), which several Ps may share.
 *
 * Any P may mark, in pieces: between two spans it holds nothing. While it marks, no span is freed and no slot is.
 */

import { markPage } from '../heap/black.js';
import {
  HEAP_BASE,
  type Heap,
  type P,
  T_MARKED,
  T_OBJECTS_SCANNED,
  T_SCAN_WORK,
  T_SPANS_SCANNED,
} from '../heap/heap.js';
import {
  popcount,
  S_BASE,
  S_BITS,
  S_FREEINDEX,
  S_NELEMS,
  S_NPAGES,
  S_OBLET,
  S_QUEUED,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_TYPE,
  S_WORDS,
  SpanState,
} from '../heap/mspan.js';
import { PAGE_SHIFT, PAGE_WORDS, SPC_TO_HEADER_WORDS, SPC_TO_HEAP_BITS, SPC_TO_INVERSE } from '../heap/sizeclass.js';
import { maskOf, scanWords, TYPE_NO_POINTERS } from '../heap/types.js';
import { pushMarked, queuedMark } from './markqueue.js';

/** High half of the heap's first address; its low half is zero. */
const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
/** Words of a large object that are scanned in one piece. */
export const OBLET_WORDS = (128 << 10) / 8;

// Local copies: an import is read from its module's cell at every use.
const PAGE_OF_WORD = PAGE_SHIFT - 3;
const STATE = S_STATE;
const IN_USE = SpanState.inUse;
const SPANCLASS = S_SPANCLASS;
const BASE = S_BASE;
const START = S_START;
const BITS = S_BITS;
const NELEMS = S_NELEMS;
const FREEINDEX = S_FREEINDEX;
const QUEUED = S_QUEUED;
const WORDS = S_WORDS;
const INVERSE = SPC_TO_INVERSE;

/**
 * Marks the object that contains the word address, if it lies in an allocated object that is not marked. It turns black at once if it
 * has no pointers, else grey: its span is queued on this P.
 */
export function greyWord(h: Heap, p: P, word: number): void {
  const { m } = h;
  const page = word >> PAGE_OF_WORD;
  if (word < 0 || page >= h.pages) return;
  const s = m[h.pageSpan + page];
  if (s === 0 || m[s + STATE] !== IN_USE) return;
  const spc = m[s + SPANCLASS];
  const slot = spc < 2 ? 0 : ((word - m[s + BASE] + 0.5) * INVERSE[spc]) | 0;
  const bit = 1 << (slot & 31);
  const at = m[s + BITS] + (slot >> 5);
  if ((m[h.markBits + at] & bit) !== 0) return;
  if (slot >= m[s + FREEINDEX] && ((m[h.allocBits + at] & bit) === 0 || slot >= m[s + NELEMS])) return;
  if (h.solo) m[h.markBits + at] |= bit;
  else if ((Atomics.or(m, h.markBits + at, bit) & bit) !== 0) return;
  if ((spc & 1) === 1) {
    h.f[p.stats + T_MARKED] += m[s + WORDS] * 8;
    if (m[s + QUEUED] !== queuedMark(h)) {
      m[s + QUEUED] = queuedMark(h);
      markPage(h, m[s + START]);
    }
  } else queueSpan(h, p, s);
}

/** Puts a span with a grey object into this P's queue, unless it stands in one. */
export function queueSpan(h: Heap, p: P, s: number): void {
  const { m } = h;
  const queued = queuedMark(h);
  if (h.solo) {
    if (m[s + QUEUED] === queued) return;
    m[s + QUEUED] = queued;
  } else {
    if (Atomics.load(m, s + QUEUED) === queued) return;
    if (Atomics.exchange(m, s + QUEUED, queued) === queued) return;
  }
  markPage(h, m[s + START]);
  pushMarked(h, p, s);
}

/** Marks what the pointers of a word range name: `bits` tells which of the up to 32 words from `first` on are pointers. */
function scanBitsOf(h: Heap, p: P, first: number, bits: number): void {
  const { w32 } = h;
  for (let left = bits; left !== 0; left &= left - 1) {
    const at = (first + 31 - Math.clz32(left & -left)) * 2;
    // The view of an 8 GiB heap is one word short of it.
    const above = (w32[at + 1] | 0) - BASE_HI;
    if (above >>> 0 > 1) continue;
    greyWord(h, p, (above << 29) | (w32[at] >>> 3));
  }
}

/** Scans a span that was taken from a queue. Returns the bytes that it looked at. */
export function scanSpan(h: Heap, p: P, s: number): number {
  const { m, f } = h;
  f[p.stats + T_SPANS_SCANNED]++;
  const spc = m[s + SPANCLASS];
  const work = spc < 2 ? scanLarge(h, p, s) : scanSlots(h, p, s, spc);
  f[p.stats + T_SCAN_WORK] += work;
  return work;
}

function scanSlots(h: Heap, p: P, s: number, spc: number): number {
  const { m } = h;
  const queued = queuedMark(h);
  const marks = h.markBits + m[s + BITS];
  const scans = h.scanBits + m[s + BITS];
  const groups = (m[s + NELEMS] + 31) >> 5;
  const typed = SPC_TO_HEAP_BITS[spc] < 0;
  let work = 0;
  let objects = 0;
  for (;;) {
    for (let i = 0; i < groups; i++) {
      // As long as scanning marks more of the same group, stay: those objects are in the cache.
      for (;;) {
        let grey = m[marks + i] & ~m[scans + i];
        if (grey === 0) break;
        if (h.solo) m[scans + i] |= grey;
        else grey &= ~Atomics.or(m, scans + i, grey);
        objects += popcount(grey);
        if (h.hollow) work += popcount(grey) * m[s + WORDS] * 8;
        else work += typed ? scanTyped(h, p, s, spc, i, grey) : scanUntyped(h, p, s, spc, i, grey);
      }
    }
    if (h.solo) {
      // An earlier group may have turned grey meanwhile.
      if (!hasGrey(h, marks, scans, groups)) {
        m[s + QUEUED] = 0;
        break;
      }
    } else {
      // From here on whoever marks an object of this span queues it again; what was marked before is seen now.
      Atomics.store(m, s + QUEUED, 0);
      if (!hasGrey(h, marks, scans, groups) || Atomics.exchange(m, s + QUEUED, queued) === queued) break;
    }
  }
  h.f[p.stats + T_OBJECTS_SCANNED] += objects;
  h.f[p.stats + T_MARKED] += objects * m[s + WORDS] * 8;
  return work;
}

function hasGrey(h: Heap, marks: number, scans: number, groups: number): boolean {
  for (let i = 0; i < groups; i++)
    if ((Atomics.load(h.m, marks + i) & ~Atomics.load(h.m, scans + i)) !== 0) return true;
  return false;
}

/** Objects up to 512 bytes: which words are pointers stands in the bitmap at their span's end. */
function scanUntyped(h: Heap, p: P, s: number, spc: number, group: number, slots: number): number {
  const { m, w32 } = h;
  const words = m[s + WORDS];
  const base = m[s + BASE];
  const bitmap = base * 2 + SPC_TO_HEAP_BITS[spc];
  const mask = words >= 32 ? -1 : (1 << words) - 1;
  let work = 0;
  for (let left = slots; left !== 0; left &= left - 1) {
    const offset = Math.imul(group * 32 + 31 - Math.clz32(left & -left), words);
    const shift = offset & 31;
    const at = bitmap + (offset >> 5);
    let bits = w32[at] >>> shift;
    if (shift !== 0 && shift + words > 32) bits |= w32[at + 1] << (32 - shift);
    bits &= mask;
    if (bits !== 0) scanBitsOf(h, p, base + offset, bits);
    if (words <= 32) {
      work += 32 - Math.clz32(bits);
      continue;
    }
    let high = w32[at + 1] >>> shift;
    if (shift !== 0 && shift + words > 64) high |= w32[at + 2] << (32 - shift);
    high &= words === 64 ? -1 : (1 << (words - 32)) - 1;
    if (high !== 0) scanBitsOf(h, p, base + offset + 32, high);
    work += high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(bits);
  }
  return work * 8;
}

/** Objects above 512 bytes: their type stands in the word before them. */
function scanTyped(h: Heap, p: P, s: number, spc: number, group: number, slots: number): number {
  const { m, w32 } = h;
  const words = m[s + WORDS];
  const header = SPC_TO_HEADER_WORDS[spc];
  let work = 0;
  for (let left = slots; left !== 0; left &= left - 1) {
    const slot = m[s + BASE] + Math.imul(group * 32 + 31 - Math.clz32(left & -left), words);
    const type = w32[slot * 2];
    const n = scanWords(h, type, words - header);
    scanRange(h, p, type, slot + header, 0, n);
    work += n;
  }
  return work * 8;
}

/** Scans words [from, to) of an object that begins at word `first`. `from` is a multiple of 32. */
function scanRange(h: Heap, p: P, type: number, first: number, from: number, to: number): void {
  for (let i = from; i < to; i += 32) {
    let bits = maskOf(h, type, i >> 5);
    if (to - i < 32) bits &= (1 << (to - i)) - 1;
    if (bits !== 0) scanBitsOf(h, p, first + i, bits);
  }
}

/** The next piece of a large object. While there is more, the span goes back into a queue first, for whoever is free. */
function scanLarge(h: Heap, p: P, s: number): number {
  const { m } = h;
  const marks = h.markBits + m[s + BITS];
  const scans = h.scanBits + m[s + BITS];
  const type = m[s + S_TYPE];
  const n = type === TYPE_NO_POINTERS ? 0 : scanWords(h, type, m[s + S_NPAGES] * PAGE_WORDS);
  if ((m[marks] & ~m[scans] & 1) === 0) {
    // Another P met it by its root before the one that allocates it came to blacken it: nothing in it is to be scanned, not
    // what is left of it either.
    m[s + S_OBLET] = 0;
    m[s + QUEUED] = 0;
    return 0;
  }
  const from = Atomics.add(m, s + S_OBLET, 1) * OBLET_WORDS;
  const to = Math.min(n, from + OBLET_WORDS);
  if (from + OBLET_WORDS < n) pushMarked(h, p, s);
  else {
    m[s + S_OBLET] = 0;
    Atomics.or(m, scans, 1);
    m[s + QUEUED] = 0;
    h.f[p.stats + T_OBJECTS_SCANNED]++;
    h.f[p.stats + T_MARKED] += m[s + WORDS] * 8;
  }
  if (from < to && !h.hollow) scanRange(h, p, type, m[s + BASE], from, to);
  return Math.max(0, to - from) * 8;
}
