/** G, M, P on real threads: queues, pinning, stopping the world, shutting down. */

import { afterEach, describe, expect, it } from 'vitest';
import { P_WAITING } from '../../src/heap/heap.js';
import { Status } from '../../src/heap/objects.js';
import { lock, unlock } from '../../src/memory/lock.js';
import { releaseMode } from '../../src/memory/os.js';
import type { HeapHost } from '../../src/sched/host.js';
import { SchedError } from '../../src/sched/host-api.js';
import { Flag, Op } from '../../src/sched/ops.js';
import { alloc, batch, crashes, differences, free, json, newHost } from '../helper/host.js';

/** Two Ps where neither the collector nor the profile takes a lock beside what the test does. */
const ALONE: Parameters<typeof newHost> = [{ gomaxprocs: 2, gogc: 'off' }, { memProfileRate: 0 }];

let host: HeapHost;

afterEach(async () => {
  expect(crashes).toEqual([]);
  expect(await differences(host)).toEqual([]);
  await host.close();
});

describe('running Gs', () => {
  it('answers thousands of concurrent allocations with distinct addresses', async () => {
    host = await newHost({ gomaxprocs: 4 });
    const made = await Promise.all(Array.from({ length: 4000 }, (_, i) => alloc(host, 16 + (i % 500))));
    expect(new Set(made.map((o) => o.address)).size).toBe(4000);
    expect(made.every((o) => o.status === Status.ok)).toBe(true);
    const freed = await Promise.all(made.map((o) => free(host, o.address)));
    expect(freed.every((s) => s === Status.ok)).toBe(true);
    expect(await free(host, made[0].address)).toBe(Status.alreadyFreed);
    await json(host, Op.sweep);
    expect(await free(host, made[0].address)).toBe(Status.notAllocated);
  });

  it('runs a G on the P that it names', async () => {
    host = await newHost({ gomaxprocs: 4 });
    for (let p = 0; p < 4; p++) {
      const made = await Promise.all(Array.from({ length: 50 }, () => alloc(host, 64, p)));
      expect(made.every((o) => o.p === p)).toBe(true);
    }
  });

  it('lets no steady stream for one P starve what may run on any', async () => {
    host = await newHost({ gomaxprocs: 1 });
    // Told where the main thread takes them from the ring: in the order in which they ran.
    const order: number[] = [];
    const one = (p: number): Promise<void> =>
      new Promise((resolve) => {
        host.submitAlloc(64, Flag.noscan, 0, 0, p, () => {
          order.push(p);
          resolve();
        });
      });
    await Promise.all([one(-1), ...Array.from({ length: 2000 }, () => one(0))]);
    expect(order.indexOf(-1)).toBeLessThan(61);
  });

  it('refuses a P that does not exist, and more Gs than there are frames', async () => {
    host = await newHost();
    expect(() => host.submitAlloc(8, 1, 0, 0, 2, () => {})).toThrowError(SchedError);
    const waiting: Promise<unknown>[] = [];
    let refused: unknown;
    for (let i = 0; i < 5000; i++) {
      try {
        waiting.push(alloc(host, 64));
      } catch (error) {
        refused = error;
      }
    }
    const settled = await Promise.allSettled(waiting);
    const rejected = settled.filter((s) => s.status === 'rejected');
    expect(refused ?? rejected[0]).toBeDefined();
    expect(rejected.every((s) => (s.reason as SchedError).code === 'overloaded')).toBe(true);
    expect(settled.filter((s) => s.status === 'fulfilled').length).toBe(4096);
  });

  it('lets short work pass a long batch', async () => {
    host = await newHost(...ALONE);
    // From its first object on P1 has a span for what is short, and needs no lock. P0 waits for one that we have.
    await alloc(host, 32, 1);
    const { m, heapLock, mheap, ps } = host.heap;
    lock(m, heapLock, 99, mheap + 63);
    const long = batch(
      host,
      Array.from({ length: 1000 }, () => ({ op: 'alloc' as const, size: 40_000 })),
      0,
    );
    while (Atomics.load(m, ps[0].at + P_WAITING) !== heapLock) await new Promise(setImmediate);
    let longDone = false;
    void long.then(() => {
      longDone = true;
    });
    const shorts = await Promise.all(Array.from({ length: 100 }, () => alloc(host, 32)));
    expect(shorts.length).toBe(100);
    expect(longDone).toBe(false);
    unlock(m, heapLock);
    expect((await long).every((o) => o.status === Status.ok)).toBe(true);
  });

  it('steals from a P that is busy', async () => {
    host = await newHost(...ALONE);
    const { m, heapLock, mheap } = host.heap;
    // A round steals nothing if P0 wakes by itself and runs what is short before the batch is there.
    while (host.stats().stolen[1] === 0) {
      // Each P has slots that it may use again: what is short needs no lock.
      for (const p of [0, 1]) {
        const made = await Promise.all(Array.from({ length: 24 }, () => alloc(host, 48, p)));
        await Promise.all(made.map(({ address }) => free(host, address, p, true)));
      }
      lock(m, heapLock, 99, mheap + 63);
      // In one turn, so that all of it is queued on P0; which then waits for the lock that we have.
      const shorts = Array.from({ length: 20 }, () => alloc(host, 48));
      const large = Array.from({ length: 300 }, () => ({ op: 'alloc' as const, size: 40_000 }));
      const long = batch(host, large, 0);
      // P1 looks for work once it is awake.
      const awake = alloc(host, 48, 1);
      expect((await Promise.all([awake, ...shorts])).every((o) => o.status === Status.ok)).toBe(true);
      unlock(m, heapLock);
      const done = await long;
      await batch(
        host,
        done.map(({ address }) => ({ op: 'free' as const, address, immediate: true })),
      );
    }
    expect(host.stats().ran[1]).toBeGreaterThan(0);
  });
});

describe('the world', () => {
  it('stops under load from every P, again and again', async () => {
    host = await newHost({ gomaxprocs: 4 });
    const live = new Set<number>();
    let stop = false;
    const churn = async (p: number): Promise<void> => {
      while (!stop) {
        const made = await batch(
          host,
          Array.from({ length: 300 }, (_, i) => ({ op: 'alloc' as const, size: 1 + ((i * 37) % 2000) })),
          p,
        );
        for (const o of made) {
          expect(o.status).toBe(Status.ok);
          expect(live.has(o.address)).toBe(false);
          live.add(o.address);
        }
        const dead = made.filter((_, i) => i % 3 !== 0);
        // Gone from the set first: the address may be handed out again before the answer is here.
        for (const o of dead) live.delete(o.address);
        const gone = await batch(
          host,
          dead.map((o, i) => ({ op: 'free' as const, address: o.address, immediate: i % 2 === 0 })),
          (p + 1) % 4,
        );
        expect(gone.every((o) => o.status === Status.ok)).toBe(true);
      }
    };
    const churners = [0, 1, 2, 3].map(churn);
    for (let i = 0; i < 15; i++) {
      await json(host, Op.sweep);
      expect(await differences(host)).toEqual([]);
      await json(host, Op.flush);
    }
    stop = true;
    await Promise.all(churners);
    expect(host.stats().stops).toBeGreaterThanOrEqual(30);
    // Every object that is still held can be freed exactly once.
    const held = [...live];
    const freed = await batch(
      host,
      held.map((address) => ({ op: 'free' as const, address })),
    );
    expect(freed.every((o) => o.status === Status.ok)).toBe(true);
    // The first cycle keeps the blocks that the tiny allocators were filling, as Go's does; the next takes them.
    await json(host, Op.sweep);
    const after = await json<{ heapAlloc: number }>(host, Op.sweep);
    expect(after.heapAlloc).toBe(0);
  });
});

describe('shutting down', () => {
  it('finishes what is in flight and refuses what comes later', async () => {
    host = await newHost();
    const made = Array.from({ length: 500 }, () => alloc(host, 100));
    const closing = host.close();
    expect((await Promise.all(made)).length).toBe(500);
    await closing;
    await expect(async () => alloc(host, 1)).rejects.toThrowError(/being removed/);
    host = await newHost();
  });

  it.runIf(releaseMode() === 'madvise')('gives the memory back at once', async () => {
    host = await newHost();
    const before = process.memoryUsage().rss;
    const piece = host.take(1 << 20);
    piece.bytes.fill(0xab);
    const size = 1 << 20;
    for (let i = 0; i < 256; i++) {
      const { address } = await alloc(host, size);
      const { r } = await host.call(Op.write, -1, [
        address | 0,
        Math.floor(address / 2 ** 32),
        piece.offset,
        0,
        0,
        size,
      ]);
      expect([r[0], r[1]]).toEqual([Status.ok, size]);
    }
    piece.release();
    const full = process.memoryUsage().rss;
    expect(full - before).toBeGreaterThan(200 << 20);
    await host.close();
    expect(full - process.memoryUsage().rss).toBeGreaterThan(200 << 20);
    host = await newHost();
  });
});
