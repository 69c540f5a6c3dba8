/**
 * The program's objects: what stands in each slot of the event stream, and what is known of the dead.
 *
 * Per slot a dozen bytes in parallel arrays: the object's name in the heap (its bit), what it asked for, when it was born. On death its age goes
 * into histograms, so that nothing is kept of an object but counts. Arrays grow by doubling with the highest slot seen.
 *
 * Ages are bytes that the whole program allocated in between, which does not depend on any clock.
 */

import type { Lifetimes } from '../result.js';

/** In `bits`: no object. */
export const EMPTY = -1;
/** In `sizes`: it does not fit, and stands in `large`. */
export const HUGE = 0xffff_ffff;

/** Buckets of ages: below 1 KiB, below 2 KiB, … below 8 GiB, above. */
export const AGE_BUCKETS = 25;
/** Buckets of sizes: up to 8, 16, … 64 KiB, larger. */
export const SIZE_BUCKETS = 15;
const CYCLE_BUCKETS = 7;

export class Objects {
  /** The bit of the object in a slot; EMPTY. */
  bits = new Int32Array(1024).fill(EMPTY);
  /** What it asked for: uint32, and LARGE for what does not fit, whose size is in `large`. */
  sizes = new Uint32Array(1024);
  /** Its span class. */
  classes = new Uint8Array(1024);
  /** Bytes that the program had asked for when it was born. */
  born = new Float64Array(1024);
  /** Collections begun when it was born. */
  cycles = new Int32Array(1024);
  readonly large = new Map<number, number>();

  /** Deaths by size and age, and their bytes by age; deaths by collections survived. */
  readonly ages = new Float64Array(SIZE_BUCKETS * AGE_BUCKETS);
  readonly ageBytes = new Float64Array(AGE_BUCKETS);
  readonly survived = new Float64Array(CYCLE_BUCKETS);

  sizeOf(slot: number): number {
    const size = this.sizes[slot];
    return size === HUGE ? (this.large.get(slot) as number) : size;
  }

  setSize(slot: number, size: number): void {
    if (size < HUGE) this.sizes[slot] = size;
    else {
      this.sizes[slot] = HUGE;
      this.large.set(slot, size);
    }
  }

  /** Makes room for a slot. */
  grow(slot: number): void {
    let n = this.bits.length;
    if (slot < n) return;
    while (n <= slot) n *= 2;
    this.bits = copy(this.bits, new Int32Array(n).fill(EMPTY));
    this.sizes = copy(this.sizes, new Uint32Array(n));
    this.classes = copy(this.classes, new Uint8Array(n));
    this.born = copy(this.born, new Float64Array(n));
    this.cycles = copy(this.cycles, new Int32Array(n));
  }

  lifetimes(neverFreed: { objects: number; bytes: number }): Lifetimes {
    const objects = new Array<number>(AGE_BUCKETS).fill(0);
    const map: number[][] = [];
    for (let s = 0; s < SIZE_BUCKETS; s++) {
      const row = Array.from(this.ages.subarray(s * AGE_BUCKETS, (s + 1) * AGE_BUCKETS));
      for (let a = 0; a < AGE_BUCKETS; a++) objects[a] += row[a];
      map.push(row);
    }
    const bounds = (n: number, first: number): (number | null)[] =>
      Array.from({ length: n }, (_, i) => (i === n - 1 ? null : first * 2 ** i));
    return {
      bytes: bounds(AGE_BUCKETS, 1024),
      objects,
      objectBytes: Array.from(this.ageBytes),
      cycles: Array.from(this.survived),
      sizes: bounds(SIZE_BUCKETS, 8),
      map,
      neverFreed,
    };
  }
}

function copy<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Bucket of an age in bytes. */
export function ageBucket(age: number): number {
  const k = age / 1024;
  return k >= 0x80_0000 ? AGE_BUCKETS - 1 : 32 - Math.clz32(k);
}

/** Bucket of a size in bytes. */
export function sizeBucket(size: number): number {
  if (size <= 8) return 0;
  return size > 65_536 ? SIZE_BUCKETS - 1 : 29 - Math.clz32(size - 1);
}
