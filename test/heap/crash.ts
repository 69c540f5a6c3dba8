/**
 * Threads that die, on one thread: a view of a heap that throws just before its n-th write to shared memory.
 *
 * Every write of the allocator goes through the int32, float64 and uint16 views of the metadata, plainly or by Atomics.
 * Here the three are proxies that count, and Atomics is taught to see through them. What `Died` leaves behind is what a
 * killed worker leaves behind: all writes up to one, none after it. Locks stay held.
 *
 * `onWait` stands in for a thread that sleeps on a dead one's lock: what it does is what happens meanwhile.
 */

import { Heap, type HeapMemory } from '../../src/heap/heap.js';
import { chunksOf, HEAP_REGIONS, heapLayout } from '../../src/heap/layout.js';
import { PageAlloc } from '../../src/heap/pagealloc.js';
import { RESERVATION_OFFSET } from '../../src/memory/reservation.js';

export class Died extends Error {}

type Numbers = Int32Array | Float64Array | Uint16Array;

/** Writes that are left until death. */
let left = Number.POSITIVE_INFINITY;
let written = 0;
let onWait: () => void = () => {
  throw new Error('sleeps on a lock that nobody will release');
};
const behind = new WeakMap<object, Numbers>();

function tick(): void {
  if (left === 0) throw new Died();
  left--;
  written++;
}

const MUTATING = new Set(['fill', 'set', 'copyWithin']);

function watched<T extends Numbers>(target: T): T {
  const proxy = new Proxy(target, {
    get(t, key) {
      const value = Reflect.get(t, key, t);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (MUTATING.has(String(key))) tick();
        return value.apply(t, args);
      };
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
atomics.wait = () => {
  onWait();
  return 'not-equal';
};

/** A view of the heap whose writes are counted. */
export function fragile(memory: HeapMemory): Heap {
  const h = Heap.attach(memory);
  const at = heapLayout(memory.geometry).regions.pageAlloc.at;
  const m = watched(h.m);
  Object.assign(h, { m, f: watched(h.f), u: watched(h.u), pageAlloc: new PageAlloc(m, at, chunksOf(memory.geometry)) });
  return h;
}

/** Runs `work`, which dies before its write number `n` (from 0). Whether it lived, and how many writes it made. */
export function dieAt<T>(n: number, work: () => T): { lived: boolean; writes: number; result?: T } {
  left = n;
  written = 0;
  try {
    return { lived: true, result: work(), writes: written };
  } catch (error) {
    if (!(error instanceof Died)) throw error;
    return { lived: false, writes: written };
  } finally {
    left = Number.POSITIVE_INFINITY;
  }
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
