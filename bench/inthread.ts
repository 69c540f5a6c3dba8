/**
 * What an allocation costs where nothing lies between it and the heap: one P, in-thread, without pointers.
 *
 * A round allocates 4 MiB of objects (what Go allocates between two collections at GOGC=100 with next to nothing live),
 * zeroed and rooted, then drops every root and runs a full collection, so that every round's spans are the round's before: dirty
 * pages, found again by the sweep. Three figures, each of the best round after warm-up:
 *
 *      malloc         the allocations alone
 *      + mark, sweep  and the collection, spread over them: what Go's `make([]byte, n)` benchmark contains
 *      + drop         and the explicit free of every object, which a Go program does not have
 *
 * Beside it, allocation followed at once by `freeNow` (reuse: immediate): the goal, at 64 bytes, is 1.5 times the malloc that has to
 * be swept. Against the allocation alone, whose slots come back for free, the ratio is printed too.
 *
 *     node dist/bench/inthread.js
 */

import { pathToFileURL } from 'node:url';
import { gcCycle } from '../src/gc/cycle.js';
import { dropRoot, freeNow } from '../src/heap/free.js';
import { Heap } from '../src/heap/heap.js';
import { mallocNoscan } from '../src/heap/malloc.js';

const ROUND_BYTES = 4 * 2 ** 20;
const WARM_UP = 20;
const ROUNDS = 60;
const SIZES = [16, 64, 256];

/** Nanoseconds per object. */
export interface MallocCost {
  malloc: number;
  withSweep: number;
  withDrop: number;
}

function heap(): Heap {
  return Heap.create({ reserve: 64 * 2 ** 20, arenaSize: 64 * 2 ** 20, procs: 1 });
}

/** The three figures for objects of `size` bytes. */
export function measureMalloc(size: number): MallocCost {
  const h = heap();
  const p = h.ps[0];
  const n = ROUND_BYTES / size;
  const words = new Int32Array(n);
  const best: MallocCost = { malloc: Infinity, withSweep: Infinity, withDrop: Infinity };
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const start = process.hrtime.bigint();
    allocate(h, size, words);
    const allocated = process.hrtime.bigint();
    for (let i = 0; i < n; i++) dropRoot(h, p, words[i], 0);
    const dropped = process.hrtime.bigint();
    gcCycle(h, p);
    const swept = process.hrtime.bigint();
    if (round < WARM_UP) continue;
    const malloc = Number(allocated - start) / n;
    const sweep = Number(swept - dropped) / n;
    best.malloc = Math.min(best.malloc, malloc);
    best.withSweep = Math.min(best.withSweep, malloc + sweep);
    best.withDrop = Math.min(best.withDrop, Number(swept - start) / n);
  }
  return best;
}

function allocate(h: Heap, size: number, words: Int32Array): void {
  const p = h.ps[0];
  for (let i = 0; i < words.length; i++) words[i] = mallocNoscan(h, p, size);
  if (words[words.length - 1] < 0) throw new Error('reservation exhausted');
}

/** Nanoseconds per malloc of `size` bytes, its share of mark and sweep included: to be held against Go's make. */
export function goheapMalloc(size: number): number {
  return measureMalloc(size).withSweep;
}

/** Nanoseconds per malloc and immediate free of an object of `size` bytes. */
export function allocFree(size: number): number {
  const h = heap();
  const p = h.ps[0];
  const n = 100_000;
  // Something live beside it, as in a heap that is in use.
  for (let i = 0; i < 1000; i++) mallocNoscan(h, p, size);
  let best = Infinity;
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < n; i++) {
      if (freeNow(h, p, mallocNoscan(h, p, size), 0) !== 0) throw new Error('free failed');
    }
    if (round >= WARM_UP) best = Math.min(best, Number(process.hrtime.bigint() - start) / n);
  }
  return best;
}

function main(): void {
  const ns = (x: number): string => `${x.toFixed(1)} ns`.padStart(9);
  let own: MallocCost = { malloc: 0, withSweep: 0, withDrop: 0 };
  for (const size of SIZES) {
    const cost = measureMalloc(size);
    if (size === 64) own = cost;
    console.log(
      `malloc ${String(size).padStart(3)} B: ${ns(cost.malloc)}, with mark and sweep ${ns(cost.withSweep)}, and drop ${ns(cost.withDrop)}`,
    );
  }
  const immediate = allocFree(64);
  const ratio = (immediate / own.withSweep).toFixed(2);
  console.log(
    `alloc + immediate free 64 B: ${ns(immediate)}, ${ratio} x malloc with mark and sweep (goal: at most 1.50)`,
  );
  console.log(`                             ${(immediate / own.malloc).toFixed(2)} x malloc alone`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
