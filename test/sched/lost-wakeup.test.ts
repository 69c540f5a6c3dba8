/** Ms that die between letting go of something and waking whoever sleeps until that happens. What they would have done is done here, all but the last. */

import { afterEach, expect, test } from 'vitest';
import { P_WAITING } from '../../src/heap/heap.js';
import { Status } from '../../src/heap/objects.js';
import type { HeapHost } from '../../src/sched/host.js';
import { Op } from '../../src/sched/ops.js';
import { K_MAIN_WAITS, type Shared } from '../../src/sched/shared.js';
import { alloc, type CheckAnswer, crashes, differences, json, newHost } from '../helper/host.js';

let host: HeapHost;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Fails where it would hang. */
function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: not in 60 s`)), 60_000);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

afterEach(async () => {
  expect(crashes).toEqual([]);
  expect(await soon('check', differences(host))).toEqual([]);
  await soon('close', host.close());
});

const shared = (): Shared => (host as unknown as { k: Shared }).k;

/** P1 sleeps on a lock that P0 has; P0 lets it go, and dies. */
async function letGo(m: Int32Array, lock: number, waits: () => boolean, work: () => Promise<unknown>): Promise<void> {
  Atomics.store(m, lock, 1);
  const working = work();
  while (!waits()) await pause(1);
  await pause(50);
  Atomics.store(m, lock, 0);
  await soon('terminate', host.terminateM(0));
  await soon('work', working);
}

test('the heap lock', async () => {
  host = await newHost();
  const { m, heapLock, ps } = host.heap;
  const waits = (): boolean => Atomics.load(m, ps[1].at + P_WAITING) === heapLock;
  await letGo(m, heapLock, waits, async () => expect((await alloc(host, 100_000, 1)).status).toBe(Status.ok));
});

test('the lock under which the world is stopped', async () => {
  host = await newHost();
  const { m, worldLock } = shared();
  // CONTENDED: somebody marked it before he went to sleep.
  const waits = (): boolean => Atomics.load(m, worldLock) >> 30 === 1;
  await letGo(m, worldLock, waits, async () => expect((await json<CheckAnswer>(host, Op.check, 0, 1)).ok).toBe(true));
});

test('the doorbell of the main thread', async () => {
  host = await newHost();
  const { m, scalars } = shared();
  expect((await alloc(host, 64, 1)).status).toBe(Status.ok);
  while (Atomics.load(m, scalars + K_MAIN_WAITS) === 0) await pause(1);
  Atomics.store(m, scalars + K_MAIN_WAITS, 0);
  await soon('terminate', host.terminateM(0));
  expect((await soon('alloc', alloc(host, 64, 1))).status).toBe(Status.ok);
});
