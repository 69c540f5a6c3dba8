/**
 * Which objects are rooted this moment: a copy that takes a bit an object.
 *
 * Whoever records a heap must know what its clients held when the recording began. A list of millions of objects would have to be made
 * while the world stands still; the bitmaps that tell it can be copied at memory speed and read later, by another thread, as slowly
 * as it likes. For each span in use with a rooted object, a run of int32:
 *
 *      base word · span class | tiny << 8 · slots · pages · requested GiB · and rest      of a large object the size, else 0
 *      one bit a slot: rooted, 32 slots a word
 *      tiny only, one word a slot: bytes where objects start | those whose root was dropped << 16
 *
 * `copyRooted` runs on an M with the world stopped. `Rooted` reads a copy, anywhere.
 */

import { H_SPAN_NEXT, type Heap } from '../heap/heap.js';
import {
  ctz,
  S_BASE,
  S_HAS_TINY,
  S_LARGE_GIB,
  S_LARGE_REST,
  S_NELEMS,
  S_NPAGES,
  S_SPANCLASS,
  S_STATE,
  SpanState,
  spanAt,
} from '../heap/mspan.js';
import { PAGE_SHIFT, SPC_TO_HEADER_WORDS, SPC_TO_WORDS } from '../heap/sizeclass.js';
import { tinyMaskAt } from '../heap/tiny.js';
import { liveGroup, rootedGroup } from './reach-slots.js';

const HEAD = 6;
const TINY = 1 << 8;
const PAGE_OF_WORD = PAGE_SHIFT - 3;

/** Words that the copy of all spans takes, as far as one can tell while the heap goes on. */
export function rootedWords(h: Heap): number {
  const { m } = h;
  const last = h.scalar(H_SPAN_NEXT);
  let words = 0;
  for (let id = 1; id < last; id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] === SpanState.inUse) words += spanWords(m[s + S_NELEMS], m[s + S_HAS_TINY] !== 0);
  }
  return words;
}

const spanWords = (nelems: number, tiny: boolean): number => HEAD + ((nelems + 31) >> 5) + (tiny ? nelems : 0);

/** Copies into `out` from word `from` on. Answers how many words it takes; more than there are: what did not fit is missing. */
export function copyRooted(h: Heap, out: Int32Array, from: number): number {
  const { m } = h;
  const last = h.scalar(H_SPAN_NEXT);
  let at = from;
  for (let id = 1; id < last; id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse) continue;
    const nelems = m[s + S_NELEMS];
    const tiny = m[s + S_HAS_TINY] !== 0;
    const words = spanWords(nelems, tiny);
    // What does not fit is counted in full: the next attempt brings more room.
    if (at + words > out.length || copySpan(h, s, out, at)) at += words;
  }
  return at - from;
}

/** Copies one span; false if it has no rooted object. */
function copySpan(h: Heap, s: number, out: Int32Array, at: number): boolean {
  const { m } = h;
  const nelems = m[s + S_NELEMS];
  const groups = (nelems + 31) >> 5;
  const tiny = m[s + S_HAS_TINY] !== 0;
  let any = 0;
  for (let i = 0; i < groups; i++) any |= out[at + HEAD + i] = rootedGroup(h, s, i, liveGroup(h, s, i));
  if (any === 0) return false;
  out[at] = m[s + S_BASE];
  out[at + 1] = m[s + S_SPANCLASS] | (tiny ? TINY : 0);
  out[at + 2] = nelems;
  out[at + 3] = m[s + S_NPAGES];
  out[at + 4] = m[s + S_LARGE_GIB];
  out[at + 5] = m[s + S_LARGE_REST];
  if (!tiny) return true;
  for (let slot = 0; slot < nelems; slot++) {
    const mask = tinyMaskAt(h, m[s + S_BASE] + slot * 2);
    out[at + HEAD + groups + slot] = h.u[mask] | (h.u[mask + 1] << 16);
  }
  return true;
}

/** Told of an object: the word address and byte of its beginning, its bytes, whether it may hold pointers. */
export type EachRooted = (word: number, sub: number, size: number, scan: boolean) => void;

export class Rooted {
  private readonly w: Int32Array;
  /** By page: where its span's run begins, + 1. */
  private readonly runs: Int32Array;

  /** `w`: a copy as `copyRooted` makes it. `pages`: of the heap. */
  constructor(w: Int32Array, pages: number) {
    this.w = w;
    this.runs = new Int32Array(pages);
    for (let at = 0; at < w.length; at = this.after(at)) {
      const first = w[at] >> PAGE_OF_WORD;
      this.runs.fill(at + 1, first, first + w[at + 3]);
    }
  }

  /** Begin of the first span's run, and of the one behind another; the copy's length when there is none. */
  first = 0;
  get end(): number {
    return this.w.length;
  }
  after(at: number): number {
    return at + spanWords(this.w[at + 2], (this.w[at + 1] & TINY) !== 0);
  }

  /** Begin of the run of a page's span; -1 if nothing there is rooted. */
  ofPage(page: number): number {
    return this.runs[page] - 1;
  }

  /**
   * The rooted objects of a span, in the order of their addresses. A size is what its client may use: that asked for of large objects, the
   * slot's of others, since what was asked for is kept nowhere.
   */
  each(at: number, f: EachRooted): void {
    const { w } = this;
    const spc = w[at + 1] & 255;
    const tiny = (w[at + 1] & TINY) !== 0;
    const scan = (spc & 1) === 0;
    const header = SPC_TO_HEADER_WORDS[spc];
    const words = SPC_TO_WORDS[spc];
    const size = spc < 2 ? w[at + 4] * 2 ** 30 + w[at + 5] : (words - header) * 8;
    const groups = (w[at + 2] + 31) >> 5;
    for (let i = 0; i < groups; i++) {
      for (let left = w[at + HEAD + i]; left !== 0; left &= left - 1) {
        const slot = i * 32 + ctz(left);
        const word = w[at] + slot * words + header;
        const masks = tiny ? w[at + HEAD + groups + slot] : 0;
        if (masks === 0) f(word, 0, size, scan);
        else eachTiny(word, masks, f);
      }
    }
  }
}

/** The rooted objects of a tiny block. Each reaches to where the next one starts. */
function eachTiny(word: number, masks: number, f: EachRooted): void {
  const starts = masks & 0xffff;
  for (let left = starts & ~(masks >>> 16); left !== 0; left &= left - 1) {
    const byte = ctz(left);
    const above = starts & (-2 << byte);
    f(word + (byte >> 3), byte & 7, (above === 0 ? 16 : ctz(above)) - byte, false);
  }
}
