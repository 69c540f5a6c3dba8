/** Asking before the world is stopped, and resting: on one thread, which plays all Ps. */

import { beforeEach, expect, test } from 'vitest';
import { Heap } from '../../src/heap/heap.js';
import { ASKED, K_STOP, newSchedMemory, PStatus, Shared, SP_STATUS, STOPPED } from '../../src/sched/shared.js';
import { rest, safepoint, startTheWorld, stopTheWorld, wouldStop } from '../../src/sched/world.js';

let h: Heap;
let k: Shared;
let now = 0;

const status = (p: number): number => k.m[k.sp(p) + SP_STATUS];
const setStatus = (p: number, to: number): void => void (k.m[k.sp(p) + SP_STATUS] = to);
const stopWord = (): number => k.m[k.scalars + K_STOP];

beforeEach(() => {
  h = Heap.create({ reserve: 64 << 20, arenaSize: 64 << 20, procs: 3 });
  k = new Shared(newSchedMemory(3));
  now = 1e9;
  h.now = () => now;
  setStatus(0, PStatus.running);
});

test('Ps that sleep, or stand still, or are dead, are not waited for', () => {
  for (const other of [PStatus.idle, PStatus.stopped, PStatus.dead]) {
    setStatus(1, other);
    setStatus(2, PStatus.idle);
    expect(wouldStop(h, k, h.ps[0])).toBe(true);
  }
});

test('a P that runs has to pass a safepoint first, and goes on from there', () => {
  setStatus(1, PStatus.running);
  expect(wouldStop(h, k, h.ps[0])).toBe(false);
  expect(stopWord()).toBe(ASKED);
  safepoint(k, h.ps[1]);
  expect(status(1)).toBe(PStatus.running);
  expect(wouldStop(h, k, h.ps[0])).toBe(true);
});

test('every one of them, and not long ago', () => {
  setStatus(1, PStatus.running);
  setStatus(2, PStatus.running);
  wouldStop(h, k, h.ps[0]);
  safepoint(k, h.ps[1]);
  expect(wouldStop(h, k, h.ps[0])).toBe(false);
  now += 1e6;
  safepoint(k, h.ps[2]);
  expect(wouldStop(h, k, h.ps[0])).toBe(false);
  safepoint(k, h.ps[1]);
  expect(wouldStop(h, k, h.ps[0])).toBe(true);
});

test('nobody notes anything unless asked', () => {
  setStatus(1, PStatus.running);
  safepoint(k, h.ps[1]);
  expect(wouldStop(h, k, h.ps[0])).toBe(false);
});

test('a stop answers what was asked', () => {
  setStatus(1, PStatus.running);
  expect(wouldStop(h, k, h.ps[0])).toBe(false);
  setStatus(1, PStatus.idle);
  stopTheWorld(h, k, h.ps[0]);
  expect(stopWord()).toBe(STOPPED);
  startTheWorld(k);
  expect(stopWord()).toBe(0);
});

test('a P that rests stands still, and runs again afterwards', () => {
  const seen: number[] = [];
  const wait = Atomics.wait;
  Atomics.wait = ((m: Int32Array, at: number, value: number, ms: number) => {
    seen.push(status(1));
    return wait(m, at, value, ms);
  }) as typeof wait;
  try {
    setStatus(1, PStatus.running);
    rest(h, k, h.ps[1], h.mheap, h.m[h.mheap], 1);
  } finally {
    Atomics.wait = wait;
  }
  expect(seen).toEqual([PStatus.stopped]);
  expect(status(1)).toBe(PStatus.running);
});
