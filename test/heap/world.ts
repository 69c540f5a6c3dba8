/**
 * A heap and, beside it, a plain Map of what its clients believe: every object that they were given and did not free, with the bytes that they
 * wrote into it. `verify` compares the two.
 */

import { expect } from 'vitest';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import { Heap, type P } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan, ZERO_BASE } from '../../src/heap/malloc.js';
import { checkRooted, Found, resolve, Status } from '../../src/heap/objects.js';
import { publish } from '../../src/heap/publish.js';
import { TINY_SIZE } from '../../src/heap/sizeclass.js';
import { bytesAt } from '../../src/memory/reservation.js';

export interface Held {
  word: number;
  sub: number;
  size: number;
  stamp: number;
}

export class World {
  readonly h: Heap;
  readonly held = new Map<string, Held>();
  private stamp = 0;
  private readonly bytes: Buffer;

  constructor(procs: number, reserve = 8 << 20, arenaSize = 4 << 20) {
    this.h = Heap.create({ reserve, arenaSize, procs });
    this.bytes = bytesAt(this.h.memory.reservation, 0, reserve);
  }

  p(id: number): P {
    return this.h.ps[id];
  }

  /** Allocates, demands zeroed bytes that nobody else has, and fills them. Null when the heap is full. */
  alloc(p: P, size: number, noscan = true): Held | null {
    p.sub = 0;
    const word = noscan ? mallocNoscan(this.h, p, size) : mallocScan(this.h, p, size);
    if (word === -1) return null;
    const o = { word, sub: noscan && size < TINY_SIZE && word !== ZERO_BASE ? p.sub : 0, size, stamp: 0 };
    if (word === ZERO_BASE) return o;
    this.publish(p, o);
    const dirty = this.view(o).findIndex((b) => b !== 0);
    if (dirty >= 0) throw new Error(`new object of ${size} bytes at ${word}.${o.sub}: byte ${dirty} is not zero`);
    this.keep(o);
    return o;
  }

  /** Tells the heap, as the scheduler does, that a client knows the object. */
  publish(p: P, o: Held): void {
    publish(this.h, p, o.word);
  }

  /** Fills an object with a byte of its own and remembers it. */
  keep(o: Held): void {
    o.stamp = this.stamp = (this.stamp % 255) + 1;
    this.view(o).fill(o.stamp);
    this.held.set(key(o), o);
  }

  free(p: P, o: Held, now: boolean): number {
    const status = (now ? freeNow : dropRoot)(this.h, p, o.word, o.sub);
    if (status === Status.ok) this.held.delete(key(o));
    return status;
  }

  view(o: Held): Buffer {
    const at = o.word * 8 + o.sub;
    return this.bytes.subarray(at, at + o.size);
  }

  /** Every held object is rooted and has its bytes; objects that were given up meanwhile do not count. */
  verify(p: P): void {
    const found = new Found();
    for (const o of this.held.values()) {
      const status = resolve(this.h, p, o.word, o.sub, found) || checkRooted(this.h, found);
      if (status !== Status.ok) throw new Error(`object ${key(o)} of ${o.size} bytes: status ${status}`);
      const bytes = this.view(o);
      for (let i = 0; i < o.size; i++) {
        if (bytes[i] !== o.stamp) throw new Error(`object ${key(o)} of ${o.size} bytes: byte ${i} changed`);
      }
    }
  }

  expectWhole(context = ''): void {
    expect(check(this.h), context).toEqual([]);
  }
}

export const key = (o: { word: number; sub: number }): string => `${o.word}.${o.sub}`;

/** A small repeatable generator: numbers below n. */
export function random(seed: number): (n: number) => number {
  let x = seed | 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}
