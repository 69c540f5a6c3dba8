/**
 * trigger.json over HTTP: a real server with GODEBUG=gcstoptheworld=1, and a client that does what trigger.test.ts does in process, by binary
 * batches pinned to P 0 of two.
 *
 * From what a cycle's record says was marked, the formula says how many objects later the next one begins. One object fewer is sent
 * in one batch: no cycle. Then that one, by POST …/alloc: a cycle has run before its answer is here. Stacks and globals are 0. No
 * tolerance.
 *
 * An object is replaced in the ring before the next one is made, not after: when the cycle begins, all the ring and the object that
 * began it are live, as in Go.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Held, Records } from './records.js';
import { Server } from './server.js';
import { distance, OBJECT, predict, scenarios } from './trigger.js';

const MiB = 2 ** 20;
/** Equal cycles after which a scenario ends: the ring is full, nothing changes any more. */
const SAME = 3;

let server: Server;
beforeAll(async () => {
  server = await Server.start({ GOMAXPROCS: '2', GODEBUG: 'gcstoptheworld=1', GOHEAP_RESERVE: '512MiB' });
});
afterAll(() => server.stop());

test.each(scenarios)('GOGC=$gogc, $liveRingMiB MiB live', async ({ gogc, liveRingMiB }) => {
  const heap = `gogc-${gogc}-live-${liveRingMiB}`;
  await server.json('PUT', '', { gogc }, heap);
  const records = new Records(server, heap);
  const capacity = (liveRingMiB * MiB) / OBJECT;
  const ring: Held[] = [];
  let total = 0;
  const makeRoom = (): void => {
    if (ring.length > capacity) records.free(ring.shift()!);
  };
  const allocate = async (objects: number): Promise<void> => {
    for (let i = 0; i < objects; i++) {
      makeRoom();
      ring.push(records.alloc(OBJECT, false));
    }
    makeRoom();
    await records.run();
  };
  const allocateOne = async (): Promise<void> => {
    const { address } = await server.json('POST', '/alloc', { size: OBJECT, p: 0 }, heap);
    ring.push({ lo: Number(BigInt(address) & 0xffff_ffffn) | 0, hi: Number(BigInt(address) >> 32n) });
  };
  const state = () => server.json('GET', '/gc', undefined, heap);

  let expected = Math.ceil((((4 * MiB * gogc) / 100 / 64) * 61) / OBJECT);
  let cycles = 0;
  for (let same = 0; same < SAME; ) {
    await allocate(expected - 1);
    expect((await state()).numGC, `${expected - 1} objects after cycle ${cycles}`).toBe(cycles);
    await allocateOne();
    cycles++;
    total += expected;
    const { numGC, numForcedGC, nextGC, cycles: history } = await state();
    expect([numGC, numForcedGC], `${expected} objects after cycle ${cycles - 1}`).toEqual([cycles, 0]);
    const [record, previous] = history;
    const { start, end, marked } = record.heap;
    expect(record).toMatchObject({ number: cycles, why: 'heap', gomaxprocs: 2 });
    expect([end, marked]).toEqual([start, ring.length * OBJECT]);
    expect(start - (previous?.heap.marked ?? 0)).toBe(expected * OBJECT);
    expect(nextGC).toBe(predict(gogc, marked, 0).goal);
    const next = distance(gogc, marked, 0);
    same = next === expected && ring.length > capacity ? same + 1 : 0;
    expected = next;
  }
  expect(ring.length).toBe(capacity + 1);
  expect((await server.json('GET', '/memstats', undefined, heap)).Mallocs).toBe(total);
  await server.check(heap);
});
