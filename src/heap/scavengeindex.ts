/**
 * The scavenge index: which chunk should the scavenger look at next?
 *
 * Memory goes back to the operating system from the top of the address space downwards, against the allocator's
 * first fit, which fills from the bottom: what lies high and is free is least likely to be wanted soon. So the index is
 * two cursors that sink, and one small record a chunk that says whether a cursor may pass it by.
 *
 *     chunk record    word 0   inUse (10 bits) | lastInUse (10 bits) << 10 | hasFree << 20
 *                     word 1   gen: the generation in which inUse last changed
 *
 * `inUse` counts allocated pages now, `lastInUse` at the end of the last generation (a generation is a GC cycle) in
 * which the chunk changed. The background scavenger leaves dense chunks alone, those that are or just were at least
 * 96.875 % full: releasing the odd page of theirs would only be undone by the next allocations. A forced scavenge
 * (memory limit, FreeOSMemory) takes every chunk that may have something, `hasFree`; a chunk found empty-handed has the
 * flag cleared and gets it back with the next free in it.
 *
 *     cursor          page + 1 of the highest page that may be worth releasing; 0 = nothing; negative = marked
 *
 * The forced cursor is raised by every free at once. The background cursor is raised only at the end of a generation,
 * to the highest page freed during it (`freeHWM`). A cursor just raised is *marked*: the first search after it may
 * lower it to wherever it finds something, but an exhausted search must not clear it.
 *
 * All zero is a valid index of chunks never mapped. Everything lies in shared memory, under the heap lock, held by the
 * caller. (Go runs it on atomics without the lock; here the search is a short loop over two words a chunk.)
 */

import { CHUNK_PAGES, LOG_CHUNK_PAGES } from './pallocbits.js';

/** From this many allocated pages on, of 512, a chunk is too dense for the background scavenger: 0.96875 of it. */
export const DENSE_PAGES = 496;

const HEADER_WORDS = 8;
const CHUNK_WORDS = 2;
/** Header words. */
const BACKGROUND = 0;
const FORCED = 1;
const FREE_HWM = 2;
const GEN = 3;
/** Fields of a chunk's first word. */
const COUNT = 1023;
const HAS_FREE = 1 << 20;

/** A thread's view of the index at `m[base..]`. */
export class ScavengeIndex {
  private readonly m: Int32Array;
  private readonly base: number;
  private readonly table: number;

  constructor(m: Int32Array, base: number) {
    this.m = m;
    this.base = base;
    this.table = base + HEADER_WORDS;
  }

  /** int32 words of an index over `chunks` chunks. */
  static words(chunks: number): number {
    return HEADER_WORDS + chunks * CHUNK_WORDS;
  }

  /** Allocated pages of a chunk. */
  inUse(chunk: number): number {
    return this.m[this.table + chunk * CHUNK_WORDS] & COUNT;
  }

  /** Whether a chunk may have free pages that were not scavenged. */
  hasFree(chunk: number): boolean {
    return (this.m[this.table + chunk * CHUNK_WORDS] & HAS_FREE) !== 0;
  }

  /** Counts `npages` newly allocated pages of a chunk. */
  alloc(chunk: number, npages: number): void {
    const at = this.freshen(chunk);
    const v = this.m[at];
    const inUse = (v & COUNT) + npages;
    if (inUse > CHUNK_PAGES) throw new Error('scavengeindex: too many pages allocated in chunk');
    // A full chunk has nothing to release until something in it is freed.
    this.m[at] = (v & (COUNT << 10)) | inUse | (inUse === CHUNK_PAGES ? 0 : v & HAS_FREE);
  }

  /** Counts `npages` freed pages of a chunk, the highest of them `lastPage`, and raises the cursors. */
  free(chunk: number, lastPage: number, npages: number): void {
    const m = this.m;
    const at = this.freshen(chunk);
    const v = m[at];
    if ((v & COUNT) < npages) throw new Error('scavengeindex: allocated pages below zero');
    m[at] = (v - npages) | HAS_FREE;
    const cursor = lastPage + 1;
    const base = this.base;
    if (m[base + FREE_HWM] < cursor) m[base + FREE_HWM] = cursor;
    if (Math.abs(m[base + FORCED]) < cursor) m[base + FORCED] = -cursor;
  }

  /** Moves on to the next generation, at the end of a GC cycle: what was freed in the last becomes visible. */
  nextGen(): void {
    const m = this.m;
    const base = this.base;
    m[base + GEN] = (m[base + GEN] + 1) | 0;
    const high = m[base + FREE_HWM];
    if (Math.abs(m[base + BACKGROUND]) < high) m[base + BACKGROUND] = -high;
    m[base + FREE_HWM] = 0;
  }

  /** Notes that a chunk has nothing to release at present. */
  setEmpty(chunk: number): void {
    this.m[this.table + chunk * CHUNK_WORDS] &= ~HAS_FREE;
  }

  /**
   * The page at which to look for something to release, downwards, or -1 if the search is exhausted. Its chunk is
   * `page >> 9`; the cursor stays there until the chunk turns out empty.
   */
  find(force: boolean): number {
    const m = this.m;
    const word = this.base + (force ? FORCED : BACKGROUND);
    const cursor = m[word];
    if (cursor === 0) return -1;
    const page = Math.abs(cursor) - 1;
    const start = page >> LOG_CHUNK_PAGES;
    for (let chunk = start; chunk >= 0; chunk--) {
      if (!this.shouldScavenge(chunk, force)) continue;
      if (chunk === start) return page;
      const top = (chunk << LOG_CHUNK_PAGES) + CHUNK_PAGES - 1;
      m[word] = top + 1;
      return top;
    }
    if (cursor > 0) m[word] = 0;
    return -1;
  }

  /** Whether a chunk is worth looking at: for a forced scavenge if it has anything, else if it is not dense. */
  shouldScavenge(chunk: number, force: boolean): boolean {
    const m = this.m;
    const at = this.table + chunk * CHUNK_WORDS;
    const v = m[at];
    if ((v & HAS_FREE) === 0) return false;
    if (force) return true;
    if ((v & COUNT) >= DENSE_PAGES) return false;
    // In a chunk that changed during this generation, what was there before counts as well.
    return m[at + 1] !== m[this.base + GEN] || ((v >> 10) & COUNT) < DENSE_PAGES;
  }

  /**
   * Sets a chunk's record from its bitmap, for recovery: `inUse` pages, the flag if any page is free and unscavenged.
   */
  rebuild(chunk: number, inUse: number, hasFree: boolean): void {
    const at = this.freshen(chunk);
    this.m[at] = (this.m[at] & (COUNT << 10)) | inUse | (hasFree ? HAS_FREE : 0);
  }

  /** Raises the cursors to the highest page that a recovery found releasable. */
  raise(page: number): void {
    const m = this.m;
    const cursor = page + 1;
    if (Math.abs(m[this.base + FORCED]) < cursor) m[this.base + FORCED] = -cursor;
    if (m[this.base + FREE_HWM] < cursor) m[this.base + FREE_HWM] = cursor;
  }

  /** On a chunk's first change in a generation, keeps the count that the last one left. Answers its record's index. */
  private freshen(chunk: number): number {
    const m = this.m;
    const at = this.table + chunk * CHUNK_WORDS;
    const gen = m[this.base + GEN];
    if (m[at + 1] !== gen) {
      const v = m[at];
      m[at] = (v & (HAS_FREE | COUNT)) | ((v & COUNT) << 10);
      m[at + 1] = gen;
    }
    return at;
  }
}
