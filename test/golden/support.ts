/** What the tests against real Go share: reading a golden file, a heap, Go's statistics of it as deltas. */

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { check } from '../../src/heap/check.js';
import { dropRoot } from '../../src/heap/free.js';
import { H_PAGES_INUSE, Heap, type P, T_LARGE_ALLOC } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { releaseAll } from '../../src/heap/mcache.js';
import { flushedMemStats, type MemStats, slotsAllocated, sumStat } from '../../src/heap/memstats.js';
import { S_BASE, S_WORDS } from '../../src/heap/mspan.js';
import { Status } from '../../src/heap/objects.js';
import { CLASS_TO_SIZE, PAGE_WORDS } from '../../src/heap/sizeclass.js';

/** Reads one file measured on Go 1.27. */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/golden/go1.27/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** The difference of two runtime.MemStats, as the golden files hold it. */
export interface Delta {
  Mallocs: number;
  Frees: number;
  TotalAlloc: number;
  HeapAlloc: number;
  HeapInuse: number;
  HeapIdle: number;
  HeapSys: number;
  HeapObjects: number;
  HeapReleased: number;
  bySize: Record<string, [mallocs: number, frees: number]>;
}

/** The fields that are the same in every run of Go (golden README, "STABLE"). */
export const STABLE = ['Mallocs', 'Frees', 'TotalAlloc', 'HeapAlloc', 'HeapInuse', 'HeapObjects', 'bySize'] as const;

export type Stable = Pick<Delta, (typeof STABLE)[number]>;

export function stable(d: Delta): Stable {
  return Object.fromEntries(STABLE.map((name) => [name, d[name]])) as unknown as Stable;
}

/** A heap of one P, and the numbers of Go's runtime.MemStats about it. */
export class Golden {
  readonly h: Heap;
  readonly p: P;

  constructor(reserve = 2 ** 30) {
    this.h = Heap.create({ reserve, arenaSize: 64 * 2 ** 20, procs: 1 });
    this.p = this.h.ps[0];
  }

  malloc(size: number, scan: boolean): number {
    const word = scan ? mallocScan(this.h, this.p, size) : mallocNoscan(this.h, this.p, size);
    if (word === -1) throw new Error('reservation exhausted');
    return word;
  }

  drop(word: number, sub = 0): void {
    if (dropRoot(this.h, this.p, word, sub) !== Status.ok) throw new Error(`free of ${word}.${sub}`);
  }

  /** runtime.GC(). */
  gc(): void {
    gcCycle(this.h, this.p);
  }

  /** runtime.ReadMemStats: flushes the mcache, as in Go, and with it the current tiny block. */
  stats(): MemStats {
    return flushedMemStats(this.h);
  }

  /** TotalAlloc alone of `stats`, which makes lists of hundreds of numbers. */
  totalAlloc(): number {
    const { h } = this;
    for (const p of h.ps) releaseAll(h, p);
    return slotsAllocated(h).reduce((sum, n, c) => sum + n * CLASS_TO_SIZE[c], sumStat(h, T_LARGE_ALLOC));
  }

  span(word: number): number {
    return this.h.m[this.h.pageSpan + Math.floor(word / PAGE_WORDS)];
  }

  slot(word: number): number {
    const s = this.span(word);
    return Math.floor((word - this.h.m[s + S_BASE]) / this.h.m[s + S_WORDS]);
  }

  /**
   * Go's way to zero free slots in a class: allocate until HeapInuse has risen twice, then fill the last span up.
   * The heap has no other free slot of the class then. Returns the slots of a span, and all the objects.
   */
  fillUp(size: number, scan: boolean): { perSpan: number; objects: number[] } {
    const objects: number[] = [];
    const inuse = (): number => this.h.scalar(H_PAGES_INUSE);
    const rise = (): number => {
      const before = inuse();
      let n = 0;
      do {
        objects.push(this.malloc(size, scan));
        n++;
      } while (inuse() === before);
      return n;
    };
    rise();
    const perSpan = rise();
    for (let i = 1; i < perSpan; i++) objects.push(this.malloc(size, scan));
    return { perSpan, objects };
  }

  /** Takes single pages from the heap, as Go's own start-up does: they only move the position of what follows. */
  filler(pages: number): void {
    for (let i = 0; i < pages; i++) this.malloc(8192, false);
  }

  expectSound(): void {
    expect(check(this.h)).toEqual([]);
  }
}

export function delta(from: MemStats, to: MemStats): Delta {
  const bySize: Delta['bySize'] = {};
  to.BySize.forEach((row, i) => {
    const mallocs = row.Mallocs - from.BySize[i].Mallocs;
    const frees = row.Frees - from.BySize[i].Frees;
    if (mallocs !== 0 || frees !== 0) bySize[row.Size] = [mallocs, frees];
  });
  return {
    Mallocs: to.Mallocs - from.Mallocs,
    Frees: to.Frees - from.Frees,
    TotalAlloc: to.TotalAlloc - from.TotalAlloc,
    HeapAlloc: to.HeapAlloc - from.HeapAlloc,
    HeapInuse: to.HeapInuse - from.HeapInuse,
    HeapIdle: to.HeapIdle - from.HeapIdle,
    HeapSys: to.HeapSys - from.HeapSys,
    HeapObjects: to.HeapObjects - from.HeapObjects,
    HeapReleased: to.HeapReleased - from.HeapReleased,
    bySize,
  };
}
