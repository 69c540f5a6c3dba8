/**
 * Page summaries: the radix tree that makes finding free pages cost the same in a small heap and in a large one.
 *
 * Five levels, each entry of a level covering eight of the next; an entry says, in pages, how much of its range is free
 * at the start, in the longest free run, and at the end. A leaf covers one chunk, a root entry 16 GiB:
 *
 *     level   pages an entry   bytes      entry i covers the entries of the level below
 *       0          2^21        16 GiB     8i .. 8i+7
 *       1          2^18         2 GiB
 *       2          2^15       256 MiB       start   max          end
 *       3          2^12        32 MiB       |====|..|=======|..|==|   = free, . allocated
 *       4          2^9          4 MiB       a chunk, described by its bitmap
 *
 * Go packs an entry in a 64-bit word; here it is three int32 words `start, max, end`, and all zero means "nothing
 * free", which is also what memory never mapped must say, so a fresh buffer is a valid empty tree and a free run can
 * never join across a gap of the address space. A level holds no more entries than the capacity asks for, rounded up to
 * whole blocks of eight.
 *
 * Invariant: an entry is the merge of its eight children, and a leaf is the summary of its chunk's alloc bitmap. It
 * holds whenever the heap lock, held by the caller of everything here, is released. All of it is derived from the
 * bitmaps and can be rebuilt from them. The class is a view of one thread; only the words of `m` are shared.
 */

import { endOf, LOG_CHUNK_PAGES, maxOf, startOf } from './pallocbits.js';

/** Levels of the tree. */
export const LEVELS = 5;
/** The last level, whose entries are chunks. */
export const LEAF = LEVELS - 1;
/** log2 of the children of an entry. */
const LOG_FANOUT = 3;
const FANOUT = 1 << LOG_FANOUT;
/** int32 words of an entry: start, max, end. */
export const ENTRY_WORDS = 3;

/** log2 of the pages that an entry of `level` covers: 21, 18, 15, 12, 9. */
export function levelLogPages(level: number): number {
  return LOG_CHUNK_PAGES + LOG_FANOUT * (LEAF - level);
}

/** Entries of `level` for a heap of up to `chunks` chunks: whole blocks of eight below the root. */
export function levelEntries(level: number, chunks: number): number {
  const n = Math.ceil(chunks / FANOUT ** (LEAF - level));
  return level === 0 ? n : Math.ceil(n / FANOUT) * FANOUT;
}

/**
 * Merges the eight entries at `m[child..]`, each covering `2^logPages` pages, into the entry at `m[out..]`.
 * Answers whether the entry changed.
 */
export function mergeSummaries(m: Int32Array, child: number, logPages: number, out: number): boolean {
  const full = 1 << logPages;
  let start = m[child];
  let max = m[child + 1];
  let end = m[child + 2];
  let whole = full;
  for (let c = child + ENTRY_WORDS; c < child + FANOUT * ENTRY_WORDS; c += ENTRY_WORDS) {
    const s = m[c];
    const x = m[c + 1];
    const e = m[c + 2];
    // The first run goes on only while everything before this child is free.
    if (start === whole) start += s;
    whole += full;
    max = Math.max(max, x, end + s);
    end = e === full ? end + full : e;
  }
  if (m[out] === start && m[out + 1] === max && m[out + 2] === end) return false;
  m[out] = start;
  m[out + 1] = max;
  m[out + 2] = end;
  return true;
}

/** The tree over `chunks` chunks at `m[base..]`. Pages and chunks are relative to chunk 0. */
export class PageSummary {
  /** Word index of entry 0 of each level. */
  readonly offset: readonly number[];
  /** The lower bound of the first free page that the last `walk` learned; only valid if it found something. */
  firstFree = 0;
  private readonly m: Int32Array;
  private readonly chunks: number;
  private readonly roots: number;

  constructor(m: Int32Array, base: number, chunks: number) {
    const offset: number[] = [];
    for (let level = 0; level < LEVELS; level++) {
      offset.push(base);
      base += levelEntries(level, chunks) * ENTRY_WORDS;
    }
    this.m = m;
    this.offset = offset;
    this.chunks = chunks;
    this.roots = levelEntries(0, chunks);
  }

  /** int32 words of a tree over `chunks` chunks. */
  static words(chunks: number): number {
    let n = 0;
    for (let level = 0; level < LEVELS; level++) n += levelEntries(level, chunks);
    return n * ENTRY_WORDS;
  }

  /** Pages in the longest free run of a chunk; 0 if the chunk is full or was never mapped. */
  leafMax(chunk: number): number {
    return this.m[this.offset[LEAF] + chunk * ENTRY_WORDS + 1];
  }

  /** The packed summary of a chunk. */
  leaf(chunk: number): number {
    const m = this.m;
    const at = this.offset[LEAF] + chunk * ENTRY_WORDS;
    return m[at] | (m[at + 1] << 10) | (m[at + 2] << 20);
  }

  /** Stores the packed bitmap summary of a chunk; the entries above are not touched. Answers whether it changed. */
  setLeaf(chunk: number, summary: number): boolean {
    if (this.leaf(chunk) === summary) return false;
    const m = this.m;
    const at = this.offset[LEAF] + chunk * ENTRY_WORDS;
    m[at] = startOf(summary);
    m[at + 1] = maxOf(summary);
    m[at + 2] = endOf(summary);
    return true;
  }

  /** Brings the levels above up to date with the leaves of chunks `first` .. `last`; stops where nothing changes. */
  mergeUp(first: number, last: number): void {
    const m = this.m;
    for (let level = LEAF - 1; level >= 0; level--) {
      const child = this.offset[level + 1];
      const out = this.offset[level];
      const log = levelLogPages(level + 1);
      first >>= LOG_FANOUT;
      last >>= LOG_FANOUT;
      let changed = false;
      for (let i = first; i <= last; i++) {
        if (mergeSummaries(m, child + i * FANOUT * ENTRY_WORDS, log, out + i * ENTRY_WORDS)) changed = true;
      }
      if (!changed) return;
    }
  }

  /**
   * Walks down to the lowest run of `npages` free pages. No page below `searchAddr` is free.
   * Answers the page where the run begins if it spans entries; `-2 - chunk` if it lies inside that chunk, whose bitmap
   * then has to say where; -1 if there is none. Leaves in `firstFree` a lower bound of the first free page.
   */
  walk(npages: number, searchAddr: number): number {
    const m = this.m;
    // The narrowest entry known to hold the first free page: pages [first, bound).
    let first = 0;
    let bound = 0x7fffffff;
    let i = 0;
    let stop = this.roots;
    for (let level = 0; ; level++) {
      const log = levelLogPages(level);
      const full = 1 << log;
      const base = this.offset[level];
      // Below searchAddr there is nothing to see.
      const s = searchAddr >> log;
      if (s > i) i = s;
      let run = 0;
      let down = false;
      for (; i < stop; i++) {
        const at = base + i * ENTRY_WORDS;
        const max = m[at + 1];
        if (max === 0) {
          run = 0;
          continue;
        }
        const page = i << log;
        if (page >= first && page < bound) {
          first = page;
          bound = page + full;
        }
        const start = m[at];
        // The run that ends before this entry goes on in it: lower than anything inside it.
        if (run + start >= npages) {
          this.firstFree = first;
          return page - run;
        }
        if (max >= npages) {
          down = true;
          break;
        }
        run = start === full ? run + full : m[at + 2];
      }
      if (!down) {
        // Only the roots may fail to have it: an entry's max promised what its children must hold.
        if (level !== 0) throw new Error('pagealloc: bad summary data');
        return -1;
      }
      if (level === LEAF) {
        this.firstFree = first;
        return -2 - i;
      }
      i <<= LOG_FANOUT;
      stop = i + FANOUT;
    }
  }

  /** Recomputes every entry above the leaves. */
  rebuild(): void {
    for (let level = LEAF - 1; level >= 0; level--) {
      const child = this.offset[level + 1];
      const out = this.offset[level];
      for (let i = 0; i < this.parents(level); i++) {
        mergeSummaries(this.m, child + i * FANOUT * ENTRY_WORDS, levelLogPages(level + 1), out + i * ENTRY_WORDS);
      }
    }
  }

  /** Merges the children of every entry above the leaves again and compares; one message for each that differs. */
  check(report: (msg: string) => void): void {
    // Eight children and, behind them, their merge.
    const block = new Int32Array((FANOUT + 1) * ENTRY_WORDS);
    const merged = FANOUT * ENTRY_WORDS;
    for (let level = LEAF - 1; level >= 0; level--) {
      for (let i = 0; i < this.parents(level); i++) {
        const child = this.offset[level + 1] + i * FANOUT * ENTRY_WORDS;
        block.set(this.m.subarray(child, child + FANOUT * ENTRY_WORDS));
        mergeSummaries(block, 0, levelLogPages(level + 1), merged);
        const at = this.offset[level] + i * ENTRY_WORDS;
        const got = this.m.subarray(at, at + ENTRY_WORDS).join();
        const want = block.subarray(merged).join();
        if (got !== want) report(`page summary ${level}:${i} is ${got}, its children say ${want}`);
      }
    }
  }

  /** Entries of `level` that have children: the padding to whole blocks of eight has none. */
  private parents(level: number): number {
    return Math.ceil(this.chunks / FANOUT ** (LEAF - level));
  }
}
