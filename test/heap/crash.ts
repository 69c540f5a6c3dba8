/**
 * Threads that die, on one thread: a view of a heap that throws just before its n-th write to shared memory.
 *
 * Every write of the allocator goes through the int32, float64 and uint16 views of the metadata, plainly or by Atomics, or through
 * the two views of the reservation. Here these are proxies that count, and Atomics is taught to see through them. What `Died`
 * leaves behind is what a killed worker leaves behind: all writes up to one, none after it. Locks stay held. Writes of many elements
 * (fill, copyWithin, a client's bytes) can also end half way.
 *
 * `onWait` stands in for a thread that sleeps on a dead one's lock: what it does is what happens meanwhile.
 */

import { repairCollector } from '../../src/gc/repair.js';
import { Heap, type HeapMemory, type P } from '../../src/heap/heap.js';
import { chunksOf, HEAP_REGIONS, heapLayout } from '../../src/heap/layout.js';
import { PageAlloc } from '../../src/heap/pagealloc.js';
import { recover } from '../../src/heap/recover.js';
import { RESERVATION_OFFSET } from '../../src/memory/reservation.js';

export class Died extends Error {}

type Numbers = Int32Array | Float64Array | Uint16Array;

/** Writes that are left until death. */
let left = Number.POSITIVE_INFINITY;
/** Inside `dieAt`. */
let armed = false;
let written = 0;
let onWrite: ((n: number) => void) | undefined;
let onWait: () => void = () => {
  throw new Error('sleeps on a lock that nobody will release');
};
const behind = new WeakMap<object, Numbers>();

function tick(): void {
  if (left === 0) throw new Died();
  left--;
  if (onWrite !== undefined) onWrite(written);
  written++;
}

/** Writes of many elements, as two halves. */
const HALVES: Record<string, (t: Numbers, args: number[]) => void> = {
  fill: (t, [value, from = 0, to = t.length]) => {
    const middle = (from + to) >> 1;
    tick();
    t.fill(value, from, middle);
    tick();
    t.fill(value, middle, to);
  },
  // Only ever towards the beginning: from the first element on.
  copyWithin: (t, [target, from, to = t.length]) => {
    const half = (to - from) >> 1;
    tick();
    t.copyWithin(target, from, from + half);
    tick();
    t.copyWithin(target + half, from + half, to);
  },
};

function watched<T extends Numbers>(target: T): T {
  const proxy = new Proxy(target, {
    get(t, key) {
      const value = Reflect.get(t, key, t);
      if (typeof value !== 'function') return value;
      const halves = HALVES[String(key)];
      return (...args: unknown[]) => (halves === undefined ? value.apply(t, args) : halves(t, args as number[]));
    },
    set(t, key, value) {
      tick();
      return Reflect.set(t, key, value, t);
    },
  });
  behind.set(proxy, target);
  return proxy;
}

const WRITES = ['store', 'add', 'sub', 'and', 'or', 'exchange', 'compareExchange'] as const;
// biome-ignore lint/suspicious/noExplicitAny: Atomics is patched by name
const atomics = Atomics as any;
for (const name of [...WRITES, 'load', 'notify']) {
  const real = atomics[name].bind(Atomics);
  atomics[name] = (array: object, ...args: number[]) => {
    const target = behind.get(array);
    if (target !== undefined && (WRITES as readonly string[]).includes(name)) tick();
    return real(target ?? array, ...args);
  };
}
atomics.wait = (array: object, at: number, value: number) => {
  if (atomics.load(array, at) === value) onWait();
  return 'not-equal';
};

// A client's bytes are copied by way of a Buffer.
const typed = Object.getPrototypeOf(Uint8Array.prototype) as { set(from: ArrayLike<number>, at?: number): void };
const realSet = typed.set;
typed.set = function (this: Uint8Array, from: ArrayLike<number>, at = 0): void {
  if (!armed || !(this.buffer instanceof SharedArrayBuffer)) {
    realSet.call(this, from, at);
    return;
  }
  const half = from.length >> 1;
  tick();
  realSet.call(this, Array.prototype.slice.call(from, 0, half), at);
  tick();
  realSet.call(this, Array.prototype.slice.call(from, half), at + half);
};

/** A view of the heap whose writes are counted. */
export function fragile(memory: HeapMemory): Heap {
  const h = Heap.attach(memory);
  const at = heapLayout(memory.geometry).regions.pageAlloc.at;
  const m = watched(h.m);
  const objects = { w: watched(h.w), w32: watched(h.w32) };
  const pageAlloc = new PageAlloc(m, at, chunksOf(memory.geometry));
  Object.assign(h, { m, f: watched(h.f), u: watched(h.u), pageAlloc, ...objects });
  return h;
}

/**
 * Runs `work`, which dies before its write number `n` (from 0). Whether it lived, and how many writes it made. `before`: told each write's
 * number before it happens.
 */
export function dieAt<T>(
  n: number,
  work: () => T,
  before?: (n: number) => void,
): { lived: boolean; writes: number; result?: T } {
  onWrite = before;
  left = n;
  written = 0;
  armed = true;
  try {
    return { lived: true, result: work(), writes: written };
  } catch (error) {
    if (!(error instanceof Died)) throw error;
    return { lived: false, writes: written };
  } finally {
    armed = false;
    onWrite = undefined;
    left = Number.POSITIVE_INFINITY;
  }
}

/** What the M does that takes a dead one's P over. */
export function takeOver(h: Heap, dead: P, heldWorld: boolean): void {
  recover(h, dead, heldWorld);
  repairCollector(h);
}

/** Runs `work`; whenever it would sleep on a lock, `meanwhile` happens. */
export function sleeping<T>(meanwhile: () => void, work: () => T): T {
  const before = onWait;
  onWait = meanwhile;
  try {
    return work();
  } finally {
    onWait = before;
  }
}

const WIDTH = { i32: 4, f64: 8, u16: 2 };
/** Of the two regions that are huge whatever the heap's size, only the beginning is ever used in a small test. */
const USED: Partial<Record<string, number>> = { specials: 4096, typeMasks: 4096 };

/** What is in a heap now; the answer puts it back. */
export function snapshot(h: Heap): () => void {
  const { regions } = heapLayout(h.geometry);
  const parts: [Uint8Array, Uint8Array][] = [];
  const keep = (view: Uint8Array): void => {
    parts.push([view, view.slice()]);
  };
  for (const { name } of HEAP_REGIONS) {
    const r = regions[name as keyof typeof regions];
    keep(new Uint8Array(h.memory.metadata, r.at * WIDTH[r.type], (USED[name] ?? r.count) * WIDTH[r.type]));
  }
  keep(new Uint8Array(h.memory.reservation, RESERVATION_OFFSET, h.geometry.reserve));
  return () => {
    for (const [view, copy] of parts) view.set(copy);
  };
}
