/**
 * What a recording knows of each address: is an object live there, and has the text an open malloc for it.
 *
 *      live  open
 *       0     0    nothing
 *       1     1    an object, allocated in the text
 *       1     0    an object whose malloc was dropped, because the reader was slow; its free will be dropped as well
 *       0     1    the object is gone, and its free is still owed to the reader
 *
 * Two bits an address, in planes by page: 256 bytes for each page of the heap on which an object of this recording began. What was rooted
 * when it began is looked up when a page is first touched, so that beginning costs nothing for objects that never change. Tiny objects that
 * do not begin on a word have planes of their own, with a bit for each byte of the page.
 */

import type { Rooted } from '../../gc/rooted.js';
import { HEAP_BASE } from '../../heap/heap.js';

export const LIVE = 1;
export const OPEN = 2;

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
const WORDS_OF_PAGE = 1024;
/** Pages in a chunk of planes. */
const CHUNK = 256;

/** Planes of one granularity: of each page `bits` addresses. */
class Planes {
  /** Int32 words of one plane of a page. */
  readonly words: number;
  private readonly bits: number;
  private readonly fill: (page: number, set: (bit: number) => void) => void;
  /** By page: the number of its planes + 1; 0 while it has none. */
  readonly pages: Int32Array;
  private readonly chunks: Int32Array[] = [];
  private count = 0;

  constructor(pages: number, bits: number, fill: (page: number, set: (bit: number) => void) => void) {
    this.bits = bits;
    this.words = bits / 32;
    this.fill = fill;
    this.pages = new Int32Array(pages);
  }

  /** Bytes that it takes beside the table of pages. */
  get bytes(): number {
    return this.chunks.length * CHUNK * 2 * this.words * 4;
  }

  chunkOf(n: number): Int32Array {
    return this.chunks[Math.floor(n / CHUNK)];
  }

  /** Where the two planes of a page begin in its chunk. */
  offset(n: number): number {
    return (n % CHUNK) * 2 * this.words;
  }

  numberOf(page: number): number {
    const n = this.pages[page] - 1;
    return n >= 0 ? n : this.make(page);
  }

  private make(page: number): number {
    const n = this.count++;
    if (n % CHUNK === 0) this.chunks.push(new Int32Array(CHUNK * 2 * this.words));
    this.pages[page] = n + 1;
    const chunk = this.chunkOf(n);
    const at = this.offset(n);
    this.fill(page, (bit) => {
      if (bit >= this.bits) throw new Error(`bit ${bit} of a page`);
      chunk[at + (bit >> 5)] |= 1 << (bit & 31);
      chunk[at + this.words + (bit >> 5)] |= 1 << (bit & 31);
    });
    return n;
  }
}

export class Ledger {
  private readonly rooted: Rooted | null;
  private readonly onWords: Planes;
  private readonly inWords: Planes;
  /** Where `find` was last. */
  private chunk: Int32Array = new Int32Array(0);
  private at = 0;
  private plane = 0;
  private mask = 0;

  /** `pages`: of the heap. `rooted`: what is live and open when it begins; null: nothing is known of what was before. */
  constructor(pages: number, rooted: Rooted | null) {
    this.rooted = rooted;
    this.onWords = new Planes(pages, WORDS_OF_PAGE, (page, set) => {
      this.eachRooted(page, (word, sub) => {
        if (sub === 0) set(word % WORDS_OF_PAGE);
      });
    });
    this.inWords = new Planes(pages, WORDS_OF_PAGE * 8, (page, set) => {
      this.eachRooted(page, (word, sub) => {
        if (sub !== 0) set((word % WORDS_OF_PAGE) * 8 + sub);
      });
    });
  }

  get bytes(): number {
    return this.onWords.bytes + this.inWords.bytes;
  }

  /** State of the address given as halves; `put` changes it. */
  find(lo: number, hi: number): number {
    const word = ((hi - BASE_HI) << 29) | (lo >>> 3);
    const sub = lo & 7;
    const planes = sub === 0 ? this.onWords : this.inWords;
    const n = planes.numberOf(word >> 10);
    const bit = sub === 0 ? word & 1023 : (word & 1023) * 8 + sub;
    this.chunk = planes.chunkOf(n);
    this.at = planes.offset(n) + (bit >> 5);
    this.plane = planes.words;
    this.mask = 1 << (bit & 31);
    const live = (this.chunk[this.at] & this.mask) === 0 ? 0 : LIVE;
    return (this.chunk[this.at + this.plane] & this.mask) === 0 ? live : live | OPEN;
  }

  /** Changes the state of the address that `find` was asked for last. */
  put(state: number): void {
    const { chunk, at, mask } = this;
    if ((state & LIVE) !== 0) chunk[at] |= mask;
    else chunk[at] &= ~mask;
    if ((state & OPEN) !== 0) chunk[at + this.plane] |= mask;
    else chunk[at + this.plane] &= ~mask;
  }

  /** Settles frees that are owed, in the order of addresses, as long as `f` takes them. True when none is left. */
  settle(f: (lo: number, hi: number) => boolean): boolean {
    return this.settlePlanes(this.onWords, 0, f) && this.settlePlanes(this.inWords, 3, f);
  }

  /** `shift`: how many bits of a plane's index tell the byte in a word. */
  private settlePlanes(planes: Planes, shift: number, f: (lo: number, hi: number) => boolean): boolean {
    for (let page = 0; page < planes.pages.length; page++) {
      if (planes.pages[page] === 0) continue;
      const n = planes.pages[page] - 1;
      const chunk = planes.chunkOf(n);
      const at = planes.offset(n);
      for (let i = 0; i < planes.words; i++) {
        for (let owed = chunk[at + planes.words + i] & ~chunk[at + i]; owed !== 0; owed &= owed - 1) {
          const bit = i * 32 + 31 - Math.clz32(owed & -owed);
          const word = page * WORDS_OF_PAGE + (bit >> shift);
          const sub = bit & ((1 << shift) - 1);
          if (!f((word << 3) | sub, BASE_HI + (word >> 29))) return false;
          chunk[at + planes.words + i] &= ~(owed & -owed);
        }
      }
    }
    return true;
  }

  /** The rooted objects that begin on a page. */
  private eachRooted(page: number, f: (word: number, sub: number) => void): void {
    const run = this.rooted?.ofPage(page) ?? -1;
    if (run < 0) return;
    this.rooted?.each(run, (word, sub) => {
      if (word >> 10 === page) f(word, sub);
    });
  }
}
