/** Over HTTP: which objects a cycle keeps, and which it takes. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { debugApp, gcClient, plus, word } from '../helper/gc-client.js';
import { expectProblem, type TestApp } from '../helper/routes.js';

const BYTES = { 'content-type': 'application/octet-stream' };

let t: TestApp;
beforeAll(async () => {
  // Cycles when the tests ask for them, and at no other time.
  t = await debugApp({ GOGC: 'off' });
});
afterEach(() => t.check());
afterAll(() => t.close());

const { collect, history, stats, free, point, write, isThere } = gcClient(() => t);

describe('a cycle', () => {
  it('keeps what a client holds, and takes what nobody does', async () => {
    const kept = await t.alloc({ size: 48 });
    const freed = await t.alloc({ size: 48 });
    const never = await t.alloc({ size: 64, root: false });
    const large = await t.alloc({ size: 100_000 });
    await free(freed, large);
    await collect();
    expect(await Promise.all([kept, freed, never, large].map(isThere))).toEqual([true, false, false, false]);
    expectProblem(await t.post('free', { address: freed }), 404, 'never-allocated');
    await free(kept);
  });

  it('keeps what a pointer leads to, until the pointer is null', async () => {
    const holder = await t.alloc({ size: 64, pointers: [3] });
    const held = await t.alloc({ size: 1000, root: false, store: { address: holder, word: 3 } });
    await write(held, Buffer.from('still here'));
    for (let i = 0; i < 3; i++) await collect();
    expect((await t.get(`objects/${held}`)).body).toMatchObject({ rooted: false, allocated: true });
    expect((await t.get(`objects/${held}/data`)).raw.subarray(0, 10).toString()).toBe('still here');
    await point(holder, 3, null);
    // Unlinked, it is there until a cycle has found that out.
    expect(await isThere(held)).toBe(true);
    await collect();
    expect(await Promise.all([holder, held].map(isThere))).toEqual([true, false]);
    await free(holder);
  });

  it('keeps a list of a thousand by its head, and takes all of it with the head', async () => {
    const head = await t.alloc({ size: 16, pointers: [0] });
    const list = [head];
    for (let i = 0; i < 1000; i++) {
      list.push(
        await t.alloc({ size: 16 + (i % 3) * 600, pointers: [0], root: false, store: { address: list[i], word: 0 } }),
      );
    }
    const { heap, mark } = await collect();
    expect(mark.objectsScanned).toBeGreaterThanOrEqual(1001);
    await free(head);
    const after = await collect();
    expect(after.sweep.objectsFreed).toBe(1001);
    expect(heap.marked - after.heap.marked).toBeGreaterThan(500_000);
    expect(await isThere(list[500])).toBe(false);
  });

  it('takes a ring that nobody holds', async () => {
    const ring = await Promise.all(Array.from({ length: 5 }, () => t.alloc({ size: 700, pointers: 'all' })));
    for (const [i, address] of ring.entries()) await point(address, 80, ring[(i + 1) % ring.length]);
    await free(...ring.slice(1));
    await collect();
    expect(await Promise.all(ring.map(isThere))).toEqual([true, true, true, true, true]);
    await free(ring[0]);
    await collect();
    expect(await Promise.all(ring.map(isThere))).toEqual([false, false, false, false, false]);
  });

  it('keeps an object while one of two pointers to it is left, wherever in it that points', async () => {
    const [a, b] = [await t.alloc({ size: 8, pointers: 'all' }), await t.alloc({ size: 40_000, pointers: [4999] })];
    const held = await t.alloc({ size: 50_000 });
    await point(a, 0, held);
    await point(b, 4999, plus(held, 49_999));
    await free(held);
    await point(a, 0, null);
    await collect();
    expect(await isThere(held)).toBe(true);
    // With its holder goes what it held.
    await free(b);
    await collect();
    expect(await Promise.all([a, b, held].map(isThere))).toEqual([true, false, false]);
    await free(a);
  });

  it('keeps a tiny block by a pointer to one of its objects', async () => {
    const holder = await t.alloc({ size: 8, pointers: 'all' });
    const tiny = await t.alloc({ size: 3, p: 0 });
    await point(holder, 0, tiny);
    await free(tiny);
    // The block that a P is filling survives the first cycle in any case.
    for (let i = 0; i < 3; i++) await collect();
    expect((await t.get(`objects/${holder}`)).body.pointers).toEqual([{ word: 0, value: tiny }]);
    expect(await isThere(tiny)).toBe(true);
    await point(holder, 0, null);
    await collect();
    expect(await isThere(tiny)).toBe(false);
    await free(holder);
  });

  it('only follows words that are pointers', async () => {
    const plain = await t.alloc({ size: 64 });
    const some = await t.alloc({ size: 64, pointers: [2] });
    const [a, b, c] = (await t.post('alloc', { size: 96, count: 3 })).body.addresses;
    await write(plain, word(a));
    await write(some, word(b), 8);
    await write(some, word(c), 16);
    await free(a, b, c);
    await collect();
    expect(await Promise.all([a, b, c].map(isThere))).toEqual([false, false, true]);
    await free(plain, some);
  });
});

describe('raw bytes over pointer words', () => {
  let holder: string;
  let held: string;
  beforeEach(async () => {
    holder = await t.alloc({ size: 1024, pointers: [0, 1, 100] });
    held = await t.alloc({ size: 96, root: false, store: { address: holder, word: 100 } });
  });
  afterEach(async () => {
    await free(holder);
    await collect();
  });

  it('unlink what was there', async () => {
    await write(holder, Buffer.alloc(1024));
    await collect();
    expect(await isThere(held)).toBe(false);
  });

  it('link what they name', async () => {
    await write(holder, Buffer.concat([word(held), word(plus(held, 95))]));
    await write(holder, Buffer.alloc(8), 800);
    await free(...(await t.post('alloc', { size: 96, count: 10 })).body.addresses);
    await collect();
    expect(await isThere(held)).toBe(true);
    expect((await t.get(`objects/${holder}`)).body.pointers).toEqual([
      { word: 0, value: held },
      { word: 1, value: plus(held, 95) },
      { word: 100, value: null },
    ]);
    await write(holder, Buffer.alloc(16));
    await collect();
    expect(await isThere(held)).toBe(false);
  });

  it('may fall on a part of a word', async () => {
    // The low byte alone: it still points into the same object, or not any more.
    const low = Number.parseInt(held.slice(-2), 16);
    await write(holder, Buffer.from([low + 5]), 800);
    await collect();
    expect(await isThere(held)).toBe(true);
    await write(holder, Buffer.alloc(3), 803);
    await collect();
    expect(await isThere(held)).toBe(false);
  });

  it('may be no addresses at all', async () => {
    const odd = [1n, 0xc0_0000_0000n - 1n, 0xc0_ffff_ffffn, 0xc3_0000_0000n, 2n ** 63n, 2n ** 64n - 1n];
    for (const value of odd) {
      await write(holder, word(value), 0);
      await write(holder, word(value), 800);
      const { mark } = await collect();
      expect(mark.objectsScanned).toBeGreaterThan(0);
    }
    expect(await isThere(held)).toBe(false);
    expect((await t.get(`objects/${holder}`)).status).toBe(200);
    await write(holder, Buffer.alloc(1024, 0xff));
    await collect();
  });
});

describe('an object whose own root was dropped', () => {
  it('can be read, written and linked as long as another holds it', async () => {
    const holder = await t.alloc({ size: 64, pointers: [0] });
    const held = await t.alloc({ size: 128, pointers: [1] });
    await point(holder, 0, held);
    await free(held);
    await write(held, Buffer.from('data'), 16);
    await collect();
    expect((await t.get(`objects/${held}/data`)).raw.subarray(16, 20).toString()).toBe('data');
    const { status } = await t.call('GET', `objects/${held}/data`, undefined, { range: 'bytes=16-19' });
    expect(status).toBe(206);
    const below = await t.alloc({ size: 32, root: false, store: { address: held, word: 1 } });
    await collect();
    expect((await t.get(`objects/${held}`)).body).toMatchObject({
      rooted: false,
      pointers: [{ word: 1, value: below }],
    });
    expect(await isThere(below)).toBe(true);
    // But its root is gone: there is nothing left to free.
    expectProblem(await t.post('free', { address: held }), 409, 'already-freed');
    expectProblem(await t.post('free', { address: below }), 409, 'already-freed');
    await free(holder);
    await collect();
    expect(await Promise.all([holder, held, below].map(isThere))).toEqual([false, false, false]);
  });

  it('is gone for its client if nobody else ever held it', async () => {
    const address = await t.alloc({ size: 128 });
    await free(address);
    expectProblem(await t.get(`objects/${address}/data`), 409, 'already-freed');
    expectProblem(await t.call('PUT', `objects/${address}/data`, Buffer.alloc(1), BYTES), 409, 'already-freed');
    await collect();
    expectProblem(await t.get(`objects/${address}/data`), 404, 'never-allocated');
  });

  it('is gone at once if it was freed for immediate reuse', async () => {
    const holder = await t.alloc({ size: 64, pointers: [0] });
    const held = await t.alloc({ size: 128, p: 0 });
    await point(holder, 0, held);
    expect((await t.post('free', { address: held, reuse: 'immediate', p: 0 })).body.freed).toBe(1);
    expectProblem(await t.get(`objects/${held}/data`), 409, 'already-freed');
    expect(await t.alloc({ size: 128, p: 0 })).toBe(held);
    await free(holder, held);
  });

  it('cannot be linked again once a cycle has found it dead', async () => {
    const holder = await t.alloc({ size: 64, pointers: [0] });
    const address = await t.alloc({ size: 128 });
    await free(address);
    await collect();
    const answer = await t.call('PUT', `objects/${holder}/pointers/0`, { address });
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid-pointer']);
    await free(holder);
  });
});

describe('sweep, as before', () => {
  it('marks if something may be garbage, and only then', async () => {
    await collect();
    expect((await t.post('sweep')).body).toMatchObject({ marked: false, objectsFreed: 0, spansSwept: 0 });
    const holder = await t.alloc({ size: 64, pointers: [0] });
    const held = await t.alloc({ size: 96, root: false, store: { address: holder, word: 0 } });
    // It had a root for a moment, as an object that is allocated and freed.
    await t.post('sweep');
    expect(await isThere(held)).toBe(true);
    expect((await t.post('sweep')).body.marked).toBe(false);
    await point(holder, 0, null);
    const before = await stats();
    const { body } = await t.post('sweep');
    expect(body).toMatchObject({ marked: true, objectsFreed: 1, heapInuseBefore: before.HeapInuse });
    expect(body.numGC).toBe(before.NumGC + 1);
    expect(body.pauseMilliseconds).toBeGreaterThan(0);
    expect(await isThere(held)).toBe(false);
    await free(holder);
    expect((await t.post('sweep', { mark: 'never' })).body).toMatchObject({ marked: false, objectsFreed: 0 });
    expect((await t.post('sweep', { mark: 'always' })).body).toMatchObject({ marked: true, objectsFreed: 1 });
    const after = await stats();
    expect(after.HeapAlloc).toBe((await t.post('sweep')).body.heapAlloc);
    // A cycle like any other: forced, and in the history.
    expect((await history('?limit=1')).cycles[0]).toMatchObject({ number: after.NumGC, why: 'forced' });
  });
});
