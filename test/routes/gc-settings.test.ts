/** What PATCH changes of collecting while a heap runs, and GODEBUG when it is made. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { debugApp, gcClient } from '../helper/gc-client.js';
import type { TestApp } from '../helper/routes.js';

const MiB = 2 ** 20;

let t: TestApp;
beforeAll(async () => {
  // Cycles when the tests ask for them, and at no other time. They stop the world: how many there
  // are, and how far the heap grows meanwhile, must not depend on how soon a thread gets to run.
  t = await debugApp({ GOGC: 'off', GODEBUG: 'gcstoptheworld=1' });
});
afterEach(() => t.check());
afterAll(() => t.close());

const { collect, history, stats, free } = gcClient(() => t);

describe('PATCH', () => {
  let live: string[];
  beforeEach(async () => {
    await t.call('PATCH', '', { gogc: 'off', gomemlimit: 'off' });
    live = (await t.post('alloc', { size: 8192, count: 1024 })).body.addresses;
    await collect();
  });
  afterEach(async () => {
    await patch({ gogc: 'off', gomemlimit: 'off' });
    await free(...live);
    await collect();
  });
  const patch = async (settings: object) => {
    const { status, body } = await t.call('PATCH', '/v1/heaps/t', settings);
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  };
  /** Garbage, 4 MiB at a time: made, and dropped at once. */
  const churn = async (mib: number) => {
    for (let i = 0; i < mib; i += 4) {
      const { addresses } = (await t.post('alloc', { size: 8192, count: 512, p: 0 })).body;
      await free(...addresses);
    }
  };

  it('of gogc moves goal and trigger at once', async () => {
    const { marked } = (await history('?limit=1')).cycles[0].heap;
    expect(marked).toBeGreaterThanOrEqual(8 * MiB);
    for (const gogc of [100, 50, 200, 1000, 73]) {
      expect((await patch({ gogc })).settings.gogc).toBe(gogc);
      const { nextGC, trigger, numGC } = await history();
      const goal = Math.max(Math.floor((4 * MiB * gogc) / 100), marked + Math.floor((marked * gogc) / 100));
      expect([nextGC, (await stats()).NextGC]).toEqual([goal, goal]);
      expect(trigger).toBeGreaterThanOrEqual(marked);
      expect(trigger).toBeLessThanOrEqual(goal);
      // The heap is below all of these triggers.
      expect((await stats()).NumGC).toBe(numGC);
    }
  });

  it('of gogc to 0 leaves no room to grow: a cycle begins, and after it only the least room that a sweep needs', async () => {
    const { numGC } = await history();
    await patch({ gogc: 0 });
    await expect.poll(async () => (await history()).numGC).toBe(numGC + 1);
    const { nextGC, cycles } = await history('?limit=1');
    expect(cycles[0]).toMatchObject({ why: 'heap', heap: { goal: cycles[0].heap.start + 64 * 1024 } });
    expect(nextGC).toBe(cycles[0].heap.marked + MiB);
  });

  it('of gogc to off stops automatic cycles, and back begins one that is overdue', async () => {
    const { NumGC } = await stats();
    await churn(64);
    expect((await stats()).NumGC).toBe(NumGC);
    expect((await history()).nextGC).toBeGreaterThan(2 ** 62);
    await patch({ gogc: 100 });
    await expect.poll(async () => (await stats()).NumGC).toBeGreaterThan(NumGC);
    await churn(64);
    const { cycles, numForcedGC } = await history();
    const automatic = cycles.filter((cycle: { number: number }) => cycle.number > NumGC);
    expect(automatic.length).toBeGreaterThanOrEqual(3);
    for (const { why, forced, gctrace, heap } of automatic) {
      expect([why, forced, /forced/.test(gctrace)]).toEqual(['heap', false, false]);
      expect(heap.start).toBeGreaterThanOrEqual(heap.trigger);
    }
    expect((await stats()).NumForcedGC).toBe(numForcedGC);
    await patch({ gogc: 'off' });
    await collect();
    const off = (await stats()).NumGC;
    await churn(32);
    expect((await stats()).NumGC).toBe(off);
  });

  it('of gomemlimit makes cycles begin although gogc is off', async () => {
    // Else the background scavenger would work towards the limit while its effects are compared.
    await t.post('scavenge', { gc: false });
    const { NumGC } = await stats();
    const limit = 24 * MiB;
    const { settings } = await patch({ gomemlimit: '24MiB' });
    expect(settings).toMatchObject({ gogc: 'off', gomemlimit: '24MiB' });
    // The rule, from the heap's own statistics (test/golden/memlimit.test.ts has it in full).
    const before = (await t.get('memstats?flush=true')).body;
    const mapped = before.Sys - before.HeapReleased;
    const taken = mapped - (before.HeapIdle - before.HeapReleased) - before.HeapAlloc + Math.max(0, mapped - limit);
    const { marked } = (await history('?limit=1')).cycles[0].heap;
    const goal = Math.max(marked, limit - taken - Math.max(MiB, Math.floor((limit - taken) / 100) * 3));
    expect([before.NextGC, (await history()).nextGC]).toEqual([goal, goal]);
    let most = 0;
    for (let i = 0; i < 16; i++) {
      await churn(8);
      most = Math.max(most, (await stats()).HeapInuse);
    }
    const after = await stats();
    expect(after.NumGC).toBeGreaterThanOrEqual(NumGC + 4);
    expect(after.NumForcedGC).toBe(before.NumForcedGC);
    // 136 MiB were allocated. It is a soft limit: a batch may be under way when a cycle begins.
    expect(most).toBeLessThan(2 * limit);
    await patch({ gomemlimit: 'off' });
    await collect();
    const off = (await stats()).NumGC;
    await churn(64);
    expect((await stats()).NumGC).toBe(off);
  });

  it('that is refused changes nothing', async () => {
    await patch({ gogc: 100 });
    const before = await history();
    for (const settings of [{ gogc: -1 }, { gogc: '50' }, { gomemlimit: '1 GB' }, { gogc: 50, gomaxprocs: 1 }, {}]) {
      expect((await t.call('PATCH', '/v1/heaps/t', settings)).status).toBe(400);
    }
    expect(await history()).toEqual(before);
  });
});

describe('automatic cycles', () => {
  let auto: TestApp;
  beforeAll(async () => {
    auto = await debugApp({ GODEBUG: 'gcstoptheworld=1' });
  });
  afterAll(async () => {
    await auto.check();
    await auto.close();
  });

  test('a batch whose last object reaches the trigger begins one, as a single object does', async () => {
    const objects = Math.ceil((4 * MiB * 61) / 64 / 8192);
    await auto.post('alloc', { size: 8192, count: objects - 1, p: 0 });
    expect((await auto.get('gc')).body.numGC).toBe(0);
    await auto.post('batch', { ops: [{ op: 'alloc', size: 8192 }], p: 0 });
    await expect.poll(async () => (await auto.get('gc')).body.numGC).toBe(1);
    expect((await auto.get('gc')).body.cycles[0]).toMatchObject({ why: 'heap', heap: { marked: objects * 8192 } });
  });
});

describe('GODEBUG=clobberfree=1', () => {
  let clobbering: TestApp;
  beforeAll(async () => {
    clobbering = await debugApp({ GODEBUG: 'clobberfree=1', GOGC: 'off' });
  });
  afterAll(async () => {
    await clobbering.check();
    await clobbering.close();
  });
  /** The bytes at an address, past the API, which does not show freed objects. */
  const peek = (address: string, words: number): number[] => {
    const from = (Number.parseInt(address, 16) - 0xc0_0000_0000) / 4;
    return Array.from(clobbering.host.heap.w32.subarray(from, from + words), (value) => value >>> 0);
  };
  const DEAD = 0xdeadbeef;

  test.each([
    [48, {}],
    [48, { pointers: 'all' }],
    [1000, {}],
    [1000, { pointers: [0] }],
    [20_000, {}],
    [100_000, {}],
  ])('overwrites a freed object of %i bytes, %j', async (size, layout) => {
    // Its neighbour keeps the span; a large object's pages stay mapped.
    const kept = await clobbering.alloc({ size, ...layout, p: 0 });
    const address = await clobbering.alloc({ size, ...layout, p: 0 });
    const words = Math.floor(size / 4);
    expect(peek(address, words)).toEqual(new Array(words).fill(0));
    await clobbering.post('free', { address });
    // Not before a cycle found it dead.
    expect(peek(address, words)).toEqual(new Array(words).fill(0));
    await clobbering.post('gc');
    expect(peek(address, words)).toEqual(new Array(words).fill(DEAD));
    expect(peek(kept, words)).toEqual(new Array(words).fill(0));
    // And whoever gets the slot next gets zeros.
    const again = await clobbering.alloc({ size, ...layout, p: 0 });
    expect(peek(again, words)).toEqual(new Array(words).fill(0));
    await clobbering.post('free', { addresses: [kept, again] });
  });

  it('leaves alone what is linked', async () => {
    const holder = await clobbering.alloc({ size: 16, pointers: [1] });
    const store = { address: holder, word: 1 };
    const held = await clobbering.alloc({ size: 48, root: false, store, p: 0 });
    const neighbour = await clobbering.alloc({ size: 48, p: 0 });
    await clobbering.post('gc');
    expect(peek(held, 12)).toEqual(new Array(12).fill(0));
    await clobbering.call('PUT', `objects/${holder}/pointers/1`, { address: null });
    await clobbering.post('gc');
    expect(peek(held, 12)).toEqual(new Array(12).fill(DEAD));
    await clobbering.post('free', { addresses: [holder, neighbour] });
  });
});
