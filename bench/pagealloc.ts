/**
 * Does the cost of a page allocation grow with the heap?
 *
 * Two heaps, 64 MiB and 4 GiB, are kept 90 % full of spans of 1 to 64 pages, the lengths at random: each step frees
 * spans chosen at random until the heap is at 90 %, then allocates one. Both run the same steps in one process, in
 * alternating rounds, so that neither has the quieter machine; a side's figure is its median round, the time of one
 * free and one allocation that succeeded. (In 64 MiB, of which 6 are free and in pieces, many a request finds no run
 * long enough. Such a failure costs next to nothing, the root of the tree knows it; counting it as an allocation would
 * flatter the small heap.) The goal is a ratio of at most 2.
 *
 *     node dist/bench/pagealloc.js [rounds] [steps]
 */

import { PageAlloc } from '../src/heap/pagealloc.js';

const MIN_PAGES = 1;
const MAX_PAGES = 64;
const FULL = 0.9;

/** xorshift32: the same sequence on every run. */
class Random {
  private s: number;
  constructor(seed: number) {
    this.s = seed;
  }

  /** A whole number below n. */
  below(n: number): number {
    this.s ^= this.s << 13;
    this.s ^= this.s >>> 17;
    this.s ^= this.s << 5;
    return (this.s >>> 0) % n;
  }
}

/** A heap of one size at 90 %, and its live spans. */
class Side {
  readonly ns: number[] = [];
  readonly pa: PageAlloc;
  private readonly pages: Int32Array;
  private readonly sizes: Int32Array;
  private readonly random = new Random(0x9e3779b9);
  private live = 0;
  private used = 0;
  private readonly total: number;
  /** Allocations tried, and those that found no run long enough. */
  tried = 0;
  failed = 0;
  private frees = 0;

  constructor(
    readonly name: string,
    chunks: number,
  ) {
    const m = new Int32Array(new SharedArrayBuffer(PageAlloc.words(chunks) * 4));
    this.pa = new PageAlloc(m, 0, chunks);
    this.pa.grow(0, chunks * 512);
    this.total = chunks * 512;
    this.pages = new Int32Array(this.total);
    this.sizes = new Int32Array(this.total);
    while (this.allocate());
    // Let the order of the spans and of the holes settle.
    for (let i = 0; i < this.live * 2; i++) this.step();
    this.tried = 0;
    this.failed = 0;
  }

  /** Times `steps` steps, in nanoseconds per free + allocation that succeeded. */
  round(steps: number): void {
    this.frees = 0;
    const before = process.hrtime.bigint();
    for (let i = 0; i < steps; i++) this.step();
    this.ns.push(Number(process.hrtime.bigint() - before) / this.frees);
  }

  get fill(): number {
    return this.used / this.total;
  }

  private step(): void {
    while (this.used > FULL * this.total) this.drop();
    this.tried++;
    if (!this.allocate()) this.failed++;
  }

  private allocate(): boolean {
    const n = MIN_PAGES + this.random.below(MAX_PAGES - MIN_PAGES + 1);
    const page = this.pa.alloc(n);
    if (page < 0) return false;
    this.pages[this.live] = page;
    this.sizes[this.live++] = n;
    this.used += n;
    return true;
  }

  private drop(): void {
    this.frees++;
    const i = this.random.below(this.live);
    this.pa.free(this.pages[i], this.sizes[i]);
    this.used -= this.sizes[i];
    this.pages[i] = this.pages[--this.live];
    this.sizes[i] = this.sizes[this.live];
  }
}

function main(rounds: number, steps: number): void {
  const sides = [new Side('64 MiB', 16), new Side('4 GiB', 1024)];
  for (const side of sides) side.round(steps);
  for (const side of sides) side.ns.length = 0;
  for (let r = 0; r < rounds; r++) {
    for (const side of r % 2 === 0 ? sides : [...sides].reverse()) side.round(steps);
    console.log(`round ${r + 1}: ${sides.map((s) => `${s.name} ${s.ns[r].toFixed(0)} ns`).join(', ')}`);
  }
  const median = (xs: number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1];
  for (const s of sides) {
    const least = Math.min(...s.ns).toFixed(0);
    const full = `${(s.fill * 100).toFixed(1)} % full, ${((100 * s.failed) / s.tried).toFixed(1)} % of requests refused`;
    console.log(`${s.name}: ${median(s.ns).toFixed(0)} ns per alloc+free (best ${least}), ${full}`);
    s.pa.checkSummaries((msg) => {
      throw new Error(msg);
    });
  }
  console.log(`ratio 4 GiB / 64 MiB: ${(median(sides[1].ns) / median(sides[0].ns)).toFixed(2)} (goal: at most 2)`);
}

main(Number(process.argv[2] ?? 9), Number(process.argv[3] ?? 200_000));
