/**
 * The page allocator: who owns which 8 KiB page, and where are n free ones?
 *
 * The address space of a heap is an array of pages numbered from chunk 0, grown in chunks of 512 pages (4 MiB) that
 * need not be adjacent. Each chunk has two bitmaps, *allocated* and *scavenged* (given back to the operating system);
 * above them stands the radix tree of summaries (`pagesummary.ts`), beside them the scavenge index
 * (`scavengeindex.ts`).
 *
 * The policy is address-ordered first fit, exactly: `alloc(n)` takes the lowest run of n free pages, across chunk
 * borders but not across gaps. Low addresses fill up, high ones drain, and the scavenger works from the top. It costs
 * the same in a small heap and in a large one: `searchAddr`, a page below which nothing is free, says where to begin,
 * and the tree skips everything that is too full.
 *
 * All of this lives in shared int32 memory (`pagechunks.ts` has the layout), which starts zeroed, and zero means
 * "nothing mapped, nothing free". An object of this class is one thread's view and holds only offsets and the side
 * results of its last call. Every method runs under the heap lock, held by the caller. The bitmaps are the truth here;
 * summaries, searchAddr and the index's counts follow from them (`checkSummaries`, `rebuildSummaries`). Invariants
 * between two calls: a leaf equals its bitmap's summary, every level the merge of the next; no page below searchAddr is
 * free; no allocated page is scavenged.
 *
 * A call that makes no sense (freeing what is free, growing what is mapped) throws before it changes anything.
 */

import { END, MAX_SEARCH_ADDR, PageChunks, SEARCH } from './pagechunks.js';
import {
  allocRange,
  BITMAP_WORDS,
  CHUNK_PAGES,
  clearRange,
  ctz32,
  find,
  firstOf,
  indexOf,
  LOG_CHUNK_PAGES,
  popcntRange,
  popcount32,
  resummarize,
  setRange,
  summarize,
} from './pallocbits.js';

export { MAX_CHUNKS, MAX_SEARCH_ADDR } from './pagechunks.js';

/** A thread's view of the page allocator at `m[base..]`, for page numbers 0 .. `chunks * 512 - 1`. */
export class PageAlloc extends PageChunks {
  /** Pages of the last `alloc` that were scavenged. */
  scav = 0;
  /** A lower bound of the first free page, from the last successful `find`. */
  private firstFree = 0;

  /**
   * Adds `npages` free, scavenged pages from `page` on; both are multiples of 512, and none of it was mapped before.
   */
  grow(page: number, npages: number): void {
    const m = this.m;
    const first = page >> LOG_CHUNK_PAGES;
    const last = (page + npages - 1) >> LOG_CHUNK_PAGES;
    if (((page | npages) & (CHUNK_PAGES - 1)) !== 0 || npages <= 0 || first < 0 || last >= this.chunks) {
      throw new RangeError(`pagealloc: cannot grow by ${npages} pages at page ${page}`);
    }
    for (let c = first; c <= last; c++) {
      if (this.isMapped(c)) throw new Error(`pagealloc: chunk ${c} is mapped already`);
    }
    for (let c = first; c <= last; c++) {
      const b = this.chunkBits(c);
      m.fill(0, b, b + BITMAP_WORDS);
      m.fill(-1, b + BITMAP_WORDS, b + 2 * BITMAP_WORDS);
      m[this.mapped + (c >> 5)] |= 1 << (c & 31);
    }
    if (last >= this.end) m[this.base + END] = last + 1;
    this.lowerSearch(page);
    this.refresh(first, last);
  }

  /**
   * Allocates the lowest run of `npages` free pages. Answers its first page, or -1; `scav` is how many were scavenged.
   */
  alloc(npages: number): number {
    if (!(npages >= 1)) throw new RangeError(`pagealloc: alloc of ${npages} pages`);
    const m = this.m;
    const search = m[this.base + SEARCH] - 1;
    this.scav = 0;
    if (search < 0) return -1;
    const chunk = search >> LOG_CHUNK_PAGES;
    let page: number;
    let first: number;
    if (CHUNK_PAGES - (search & (CHUNK_PAGES - 1)) >= npages && this.tree.leafMax(chunk) >= npages) {
      // Nothing lies before this chunk, and it has the run: no need to walk the tree.
      const found = find(m, this.chunkBits(chunk), npages, search & (CHUNK_PAGES - 1));
      page = (chunk << LOG_CHUNK_PAGES) + indexOf(found);
      first = (chunk << LOG_CHUNK_PAGES) + firstOf(found);
    } else {
      page = this.find(npages);
      if (page < 0) {
        // Not one page: remember that, so that the next calls need not look.
        if (npages === 1) m[this.base + SEARCH] = 0;
        return -1;
      }
      first = this.firstFree;
    }
    this.scav = this.mark(page, npages, true);
    if (first > search) m[this.base + SEARCH] = first + 1;
    return page;
  }

  /** The first page of the lowest run of `npages` free pages, or -1. Changes nothing. */
  find(npages: number): number {
    const search = this.m[this.base + SEARCH] - 1;
    if (search < 0) return -1;
    let page = this.tree.walk(npages, search);
    if (page === -1) return -1;
    let first = this.tree.firstFree;
    if (page < 0) {
      const chunk = -2 - page;
      const found = find(this.m, this.chunkBits(chunk), npages, 0);
      const start = chunk << LOG_CHUNK_PAGES;
      page = start + indexOf(found);
      // If the tree saw nothing free before this chunk, the bitmap knows the first free page itself.
      if (first === start) first = start + firstOf(found);
    }
    this.firstFree = this.nextMapped(first);
    return page;
  }

  /** Gives pages `page` .. `page+npages-1` back. They must all be allocated. */
  free(page: number, npages: number): void {
    this.demand(page, npages, true);
    const m = this.m;
    const last = page + npages - 1;
    let changed = false;
    this.lowerSearch(page);
    for (let p = page; p <= last; ) {
      const chunk = p >> LOG_CHUNK_PAGES;
      const i = p & (CHUNK_PAGES - 1);
      const n = Math.min(CHUNK_PAGES - i, last - p + 1);
      const b = this.chunkBits(chunk);
      clearRange(m, b, i, n);
      this.index.free(chunk, p + n - 1, n);
      if (this.tree.setLeaf(chunk, resummarize(m, b, i, n, false, this.tree.leaf(chunk)))) changed = true;
      p += n;
    }
    if (changed) this.tree.mergeUp(page >> LOG_CHUNK_PAGES, last >> LOG_CHUNK_PAGES);
  }

  /** Allocates exactly pages `page` .. `page+npages-1`, all of them free. Answers how many of them were scavenged. */
  allocRange(page: number, npages: number): number {
    this.demand(page, npages, false);
    return this.mark(page, npages, true);
  }

  /**
   * Fills the page cache at `c[pc..pc+4]` (see `pagecache.ts`), which is empty, with every free page of the 64-page
   * block that holds the first free page, and allocates those. Answers false, and leaves it empty, if no page is free.
   */
  allocToCache(c: Int32Array, pc: number): boolean {
    const m = this.m;
    const search = m[this.base + SEARCH] - 1;
    for (let i = pc; i < pc + 5; i++) c[i] = 0;
    if (search < 0) return false;
    let page: number;
    let chunk = search >> LOG_CHUNK_PAGES;
    if (this.tree.leafMax(chunk) > 0) {
      page = (chunk << LOG_CHUNK_PAGES) + indexOf(find(m, this.chunkBits(chunk), 1, search & (CHUNK_PAGES - 1)));
    } else {
      page = this.find(1);
      if (page < 0) {
        m[this.base + SEARCH] = 0;
        return false;
      }
      chunk = page >> LOG_CHUNK_PAGES;
    }
    page &= ~63;
    const w = this.chunkBits(chunk) + ((page & (CHUNK_PAGES - 1)) >> 5);
    const lo = ~m[w];
    const hi = ~m[w + 1];
    const scavLo = m[w + BITMAP_WORDS] & lo;
    const scavHi = m[w + BITMAP_WORDS + 1] & hi;
    m[w] = -1;
    m[w + 1] = -1;
    m[w + BITMAP_WORDS] &= ~scavLo;
    m[w + BITMAP_WORDS + 1] &= ~scavHi;
    this.index.alloc(chunk, popcount32(lo) + popcount32(hi));
    this.refresh(chunk, chunk);
    // The whole block is allocated now; its last page is where the next search may begin.
    m[this.base + SEARCH] = page + 64;
    c[pc] = page;
    c[pc + 1] = lo;
    c[pc + 2] = hi;
    c[pc + 3] = scavLo;
    c[pc + 4] = scavHi;
    return true;
  }

  /**
   * Takes back pages of the 64-page block at `page`: those set in `hi:lo` become free, scavenged where `scavHi:scavLo`
   * says.
   */
  freeBlock64(page: number, lo: number, hi: number, scavLo: number, scavHi: number): void {
    const m = this.m;
    const chunk = page >> LOG_CHUNK_PAGES;
    const w = this.chunkBits(chunk) + ((page & (CHUNK_PAGES - 1)) >> 5);
    if ((lo & ~m[w]) !== 0 || (hi & ~m[w + 1]) !== 0) throw new Error(`pagealloc: free of free pages at page ${page}`);
    m[w] &= ~lo;
    m[w + 1] &= ~hi;
    m[w + BITMAP_WORDS] |= scavLo;
    m[w + BITMAP_WORDS + 1] |= scavHi;
    const highest = hi !== 0 ? 63 - Math.clz32(hi) : 31 - Math.clz32(lo);
    this.index.free(chunk, page + highest, popcount32(lo) + popcount32(hi));
    this.lowerSearch(page);
    this.refresh(chunk, chunk);
  }

  /** Marks free pages of one chunk as allocated while they are being released, unseen by the index's counts. */
  holdForScavenge(page: number, npages: number): void {
    this.mark(page, npages, false);
  }

  /** Frees pages held by `holdForScavenge`; they are scavenged now if `scavenged`. */
  endHold(page: number, npages: number, scavenged: boolean): void {
    const chunk = page >> LOG_CHUNK_PAGES;
    const b = this.chunkBits(chunk);
    this.lowerSearch(page);
    clearRange(this.m, b, page & (CHUNK_PAGES - 1), npages);
    if (scavenged) setRange(this.m, b + BITMAP_WORDS, page & (CHUNK_PAGES - 1), npages);
    this.refresh(chunk, chunk);
  }

  /** Pages in the longest free run of a chunk. */
  longestRun(chunk: number): number {
    return this.tree.leafMax(chunk);
  }

  /**
   * Frees every mapped page, for a recovery that then allocates the spans anew. Keeps what is known to be scavenged.
   */
  freeAll(): void {
    for (let c = 0; c < this.end; c++) {
      if (this.isMapped(c)) this.m.fill(0, this.chunkBits(c), this.chunkBits(c) + BITMAP_WORDS);
    }
    this.rebuildSummaries();
  }

  /** Derives the end from the mapped chunks: a grow that was cut off may have mapped chunks beyond it. */
  rebuildEnd(): void {
    let end = this.chunks;
    while (end > 0 && !this.isMapped(end - 1)) end--;
    this.m[this.base + END] = end;
  }

  /**
   * Derives summaries, searchAddr and the scavenge index's counts from the bitmaps. No allocated page stays scavenged.
   */
  rebuildSummaries(): void {
    const m = this.m;
    for (let c = 0; c < this.chunks; c++) {
      if (!this.isMapped(c)) {
        this.tree.setLeaf(c, 0);
        continue;
      }
      const b = this.chunkBits(c);
      let high = -1;
      for (let w = 0; w < BITMAP_WORDS; w++) {
        m[b + BITMAP_WORDS + w] &= ~m[b + w];
        const releasable = ~(m[b + w] | m[b + BITMAP_WORDS + w]);
        if (releasable !== 0) high = w * 32 + 31 - Math.clz32(releasable);
      }
      this.index.rebuild(c, popcntRange(m, b, 0, CHUNK_PAGES), high >= 0);
      if (high >= 0) this.index.raise((c << LOG_CHUNK_PAGES) + high);
      this.tree.setLeaf(c, summarize(m, b));
    }
    this.tree.rebuild();
    m[this.base + SEARCH] = 1;
    m[this.base + SEARCH] = this.find(1) + 1;
  }

  /** Compares everything derived with the bitmaps, exactly; one message for each difference. */
  checkSummaries(report: (msg: string) => void): void {
    const m = this.m;
    let lowest = MAX_SEARCH_ADDR;
    for (let c = 0; c < this.chunks; c++) {
      const b = this.chunkBits(c);
      const mapped = this.isMapped(c);
      if (mapped && c >= this.end) report(`chunk ${c} is mapped beyond the end ${this.end}`);
      if (this.tree.leaf(c) !== (mapped ? summarize(m, b) : 0)) report(`the summary of chunk ${c} is not its bitmap's`);
      if (!mapped) continue;
      for (let w = 0; w < BITMAP_WORDS; w++) {
        const free = ~m[b + w];
        if (free !== 0) lowest = Math.min(lowest, (c << LOG_CHUNK_PAGES) + w * 32 + ctz32(free));
        if ((m[b + w] & m[b + BITMAP_WORDS + w]) !== 0) report(`chunk ${c} word ${w}: allocated pages are scavenged`);
      }
      const inUse = popcntRange(m, b, 0, CHUNK_PAGES);
      if (this.index.inUse(c) !== inUse) report(`chunk ${c}: index says ${this.index.inUse(c)} in use, bits ${inUse}`);
    }
    this.tree.check(report);
    if (lowest < this.searchAddr) report(`page ${lowest} is free below searchAddr ${this.searchAddr}`);
  }

  /** Sets the bits of a range that is free; answers how many of its pages were scavenged. */
  private mark(page: number, npages: number, count: boolean): number {
    const last = page + npages - 1;
    const m = this.m;
    let scav = 0;
    let changed = false;
    for (let p = page; p <= last; ) {
      const chunk = p >> LOG_CHUNK_PAGES;
      const i = p & (CHUNK_PAGES - 1);
      const n = Math.min(CHUNK_PAGES - i, last - p + 1);
      const b = this.chunkBits(chunk);
      scav += allocRange(m, b, i, n);
      if (count) this.index.alloc(chunk, n);
      if (this.tree.setLeaf(chunk, resummarize(m, b, i, n, true, this.tree.leaf(chunk)))) changed = true;
      p += n;
    }
    if (changed) this.tree.mergeUp(page >> LOG_CHUNK_PAGES, last >> LOG_CHUNK_PAGES);
    return scav;
  }

  /** Brings the tree up to date with the bitmaps of chunks `first` .. `last`. */
  private refresh(first: number, last: number): void {
    let changed = false;
    for (let c = first; c <= last; c++) {
      if (this.tree.setLeaf(c, summarize(this.m, this.chunkBits(c)))) changed = true;
    }
    if (changed) this.tree.mergeUp(first, last);
  }
}
