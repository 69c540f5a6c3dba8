/**
 * Page chunks: where the page allocator's state lies, and what can be read off it directly.
 *
 * The state is one block of shared int32 words for a fixed capacity in chunks of 512 pages (4 MiB):
 *
 *     base   header: searchAddr + 1 (0 = nothing is free), end (highest mapped chunk + 1)
 *            mapped: a bit a chunk
 *            scavenge index       (scavengeindex.ts)
 *            summaries            (pagesummary.ts)
 *            chunks: 16 words allocated, 16 words scavenged each
 *
 * The bitmaps are the truth, and those of a chunk that is not mapped mean nothing. All zero is an allocator with
 * nothing mapped. A view is made by each thread for itself and holds nothing but offsets; the words are read and
 * written under the heap lock, held by the caller.
 */

import { PageSummary } from './pagesummary.js';
import { allSet, BITMAP_WORDS, CHUNK_PAGES, LOG_CHUNK_PAGES, noneSet } from './pallocbits.js';
import { ScavengeIndex } from './scavengeindex.js';

/** The largest capacity: 256 GiB, for simulations; what holds bytes is smaller. */
export const MAX_CHUNKS = 65_536;
/** `searchAddr` when it is known that nothing is free. */
export const MAX_SEARCH_ADDR = 0x7fffffff;

const CHUNK_WORDS = 2 * BITMAP_WORDS;
const HEADER_WORDS = 32;
/** Header words. */
export const SEARCH = 0;
export const END = 1;
/** Sections begin on 128-byte borders, as far as `base` does. */
const align = (words: number): number => (words + 31) & ~31;

/** The layout at `m[base..]` for page numbers 0 .. `chunks * 512 - 1`, and its plain readers. */
export class PageChunks {
  readonly m: Int32Array;
  /** Capacity in chunks. */
  readonly chunks: number;
  /** The scavenger's part of the state. */
  readonly index: ScavengeIndex;
  protected readonly base: number;
  protected readonly mapped: number;
  protected readonly tree: PageSummary;
  private readonly bits: number;

  constructor(m: Int32Array, base: number, chunks: number) {
    if (!(chunks >= 1 && chunks <= MAX_CHUNKS)) throw new RangeError(`pagealloc: ${chunks} chunks`);
    this.m = m;
    this.base = base;
    this.chunks = chunks;
    this.mapped = base + HEADER_WORDS;
    const index = this.mapped + align((chunks + 31) >> 5);
    this.index = new ScavengeIndex(m, index);
    const tree = index + align(ScavengeIndex.words(chunks));
    this.tree = new PageSummary(m, tree, chunks);
    this.bits = tree + align(PageSummary.words(chunks));
  }

  /** int32 words of the state of an allocator for up to `chunks` chunks of 4 MiB. */
  static words(chunks: number): number {
    return (
      HEADER_WORDS +
      align((chunks + 31) >> 5) +
      align(ScavengeIndex.words(chunks)) +
      align(PageSummary.words(chunks)) +
      chunks * CHUNK_WORDS
    );
  }

  /** A page below which no page is free; `MAX_SEARCH_ADDR` when nothing is. */
  get searchAddr(): number {
    const s = this.m[this.base + SEARCH];
    return s === 0 ? MAX_SEARCH_ADDR : s - 1;
  }

  /** The highest mapped chunk + 1; 0 before the first `grow`. */
  get end(): number {
    return this.m[this.base + END];
  }

  /** Word index of a chunk's alloc bitmap; the scavenged bitmap follows it, 16 words on. */
  chunkBits(chunk: number): number {
    return this.bits + chunk * CHUNK_WORDS;
  }

  /** Whether a mapped page is allocated. */
  isAllocated(page: number): boolean {
    const i = page & (CHUNK_PAGES - 1);
    return ((this.m[this.chunkBits(page >> LOG_CHUNK_PAGES) + (i >> 5)] >> (i & 31)) & 1) === 1;
  }

  /** Whether a mapped page is free and given back to the operating system. */
  isScavenged(page: number): boolean {
    const i = page & (CHUNK_PAGES - 1);
    return ((this.m[this.chunkBits(page >> LOG_CHUNK_PAGES) + BITMAP_WORDS + (i >> 5)] >> (i & 31)) & 1) === 1;
  }

  /** Whether a chunk was ever grown. */
  isMapped(chunk: number): boolean {
    return chunk >= 0 && chunk < this.chunks && ((this.m[this.mapped + (chunk >> 5)] >> (chunk & 31)) & 1) === 1;
  }

  /** The mapped address space as maximal ranges of chunks, `[first, end)` each. For inspection: it makes arrays. */
  inUse(): [first: number, end: number][] {
    const ranges: [number, number][] = [];
    for (let c = 0; c < this.end; c++) {
      if (!this.isMapped(c)) continue;
      const first = c;
      while (this.isMapped(c)) c++;
      ranges.push([first, c]);
    }
    return ranges;
  }

  /** Notes that `page` is free now. */
  protected lowerSearch(page: number): void {
    const s = this.m[this.base + SEARCH];
    if (s === 0 || page + 1 < s) this.m[this.base + SEARCH] = page + 1;
  }

  /** The first mapped page at or after `page`; `page` itself if there is none. */
  protected nextMapped(page: number): number {
    const chunk = page >> LOG_CHUNK_PAGES;
    if (this.isMapped(chunk)) return page;
    for (let c = chunk + 1; c < this.end; c++) if (this.isMapped(c)) return c << LOG_CHUNK_PAGES;
    return page;
  }

  /** Throws unless the range is mapped and wholly allocated, or wholly free. */
  protected demand(page: number, npages: number, allocated: boolean): void {
    const last = page + npages - 1;
    if (!(page >= 0 && npages >= 1)) throw new RangeError(`pagealloc: ${npages} pages at page ${page}`);
    for (let p = page; p <= last; ) {
      const chunk = p >> LOG_CHUNK_PAGES;
      const i = p & (CHUNK_PAGES - 1);
      const n = Math.min(CHUNK_PAGES - i, last - p + 1);
      const b = this.chunkBits(chunk);
      if (!this.isMapped(chunk)) throw new Error(`pagealloc: page ${p} is not mapped`);
      if (!(allocated ? allSet(this.m, b, i, n) : noneSet(this.m, b, i, n))) {
        throw new Error(`pagealloc: not all of the ${n} pages at ${p} are ${allocated ? 'allocated' : 'free'}`);
      }
      p += n;
    }
  }
}
