/** POST …/alloc and …/free over the real app: what they answer, and what they refuse. */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
beforeAll(async () => {
  // What is freed has to be known as freed: no cycle may take it meanwhile.
  t = await testApp({ GOGC: 'off' });
});
afterAll(async () => {
  await t.check();
  await t.close();
});

describe('alloc', () => {
  it('answers where the object is and who served it', async () => {
    const { status, body } = await t.post('alloc', { size: 64 });
    expect(status).toBe(201);
    expect(body).toMatchObject({ size: 64, sizeClass: 6, spanClass: 13 });
    expect(body.address).toMatch(/^0xc0[0-9a-f]{8}$/);
    expect(['mcache', 'mcentral', 'mheap', 'os']).toContain(body.servedBy);
    expect((await t.get(`spans/${body.span}`)).body).toMatchObject({ spanClass: 13, slotSize: 64 });
  });

  test.each([
    [{ size: 1 }, 2, 5],
    [{ size: 16 }, 2, 5],
    [{ size: 8, noscan: false }, 1, 2],
    [{ size: 512, noscan: false }, 26, 52],
    // With the header of 8 bytes that objects with pointers have beyond 512.
    [{ size: 513, noscan: false }, 27, 54],
    [{ size: 32_760 }, 67, 135],
    [{ size: 32_761 }, 0, 1],
    [{ size: 100_000, noscan: false }, 0, 0],
  ])('%j is of size class %i and span class %i', async (request, sizeClass, spanClass) => {
    const { body } = await t.post('alloc', request);
    const object = (await t.get(`objects/${body.address}`)).body;
    expect([body.sizeClass, body.spanClass]).toEqual([object.sizeClass, object.spanClass]);
    expect([body.sizeClass, body.spanClass]).toEqual([sizeClass, spanClass]);
    expect(body.span).toBe(object.span);
  });

  it('takes size 0', async () => {
    const { status, body } = await t.post('alloc', { size: 0 });
    expect([status, body.address, body.span]).toEqual([201, '0xbffffffff0', 0]);
    expect((await t.get(`objects/${body.address}`)).body.size).toBe(0);
    expect((await t.post('free', { address: body.address })).body).toEqual({ freed: 1, refused: [] });
  });

  it('runs on the P that it names', async () => {
    for (const p of [0, 1]) expect((await t.post('alloc', { size: 48, p })).body.p).toBe(p);
  });

  it('takes a site as frames, outermost first, which is the same site joined', async () => {
    const joined = await t.alloc({ size: 32, site: 'main;handler;cache' });
    const frames = await t.alloc({ size: 32, site: ['main', 'handler', 'cache'] });
    const { addresses } = (await t.post('alloc', { size: 32, count: 2, site: ['main'] })).body;
    const longest = await t.alloc({ size: 32, site: ['x'.repeat(512), 'y'.repeat(511)] });
    const sites = [];
    for (const address of [joined, frames, addresses[1], longest])
      sites.push((await t.get(`objects/${address}`)).body.site);
    expect(sites).toEqual([
      'main;handler;cache',
      'main;handler;cache',
      'main',
      `${'x'.repeat(512)};${'y'.repeat(511)}`,
    ]);
  });

  it('allocates many at once', async () => {
    const { body } = await t.post('alloc', { size: 96, count: 1000, p: 0, site: 'main;many' });
    expect(new Set(body.addresses).size).toBe(1000);
    expect(body.address).toBeUndefined();
    expect(Object.values(body.served as Record<string, number>).reduce((a, b) => a + b)).toBe(1000);
    expect((await t.get(`objects/${body.addresses[999]}`)).body.site).toBe('main;many');
    expect((await t.post('free', { addresses: body.addresses })).body).toEqual({ freed: 1000, refused: [] });
  });

  it('knows pointers, and stores the new address in another object', async () => {
    const holder = await t.alloc({ size: 64, pointers: [3, 0] });
    const held = await t.alloc({ size: 32, root: false, store: { address: holder, word: 3 } });
    const { pointers } = (await t.get(`objects/${holder}`)).body;
    expect(pointers).toEqual([
      { word: 0, value: null },
      { word: 3, value: held },
    ]);
    expect((await t.get(`objects/${held}`)).body.rooted).toBe(false);
  });

  it('keeps nothing of an alloc whose store fails', async () => {
    const holder = await t.alloc({ size: 64, pointers: [0] });
    const before = (await t.get('memstats')).body;
    expectProblem(
      await t.post('alloc', { size: 40_000, store: { address: holder, word: 1 } }),
      422,
      'not-pointer-word',
    );
    expect((await t.get('memstats')).body.HeapAlloc).toBe(before.HeapAlloc);
    const outside = { size: 8, store: { address: '0x1', word: 0 } };
    expectProblem(await t.post('alloc', outside), 404, 'address-outside-heap');
  });

  test.each([-1, 1.5, '12', null, true, [], {}])('refuses the size %j', async (size) => {
    const before = (await t.get('memstats')).body.Mallocs;
    expectProblem(await t.post('alloc', { size }), 400, 'invalid-size', 'size');
    expect((await t.get('memstats')).body.Mallocs).toBe(before);
  });

  test.each([
    [{}, 'invalid-size', 'size'],
    [{ size: 8, colour: 'red' }, 'unknown-field', 'colour'],
    [{ size: 8, noscan: 'yes' }, 'validation-failed', 'noscan'],
    [{ size: 8, p: -1 }, 'invalid-p', 'p'],
    [{ size: 8, p: 2 }, 'invalid-p', 'p'],
    [{ size: 8, p: '0' }, 'invalid-p', 'p'],
    [{ size: 8, count: 0 }, 'validation-failed', 'count'],
    [{ size: 8, count: 1e9 }, 'validation-failed', 'count'],
    [{ size: 8, site: '' }, 'validation-failed', 'site'],
    [{ size: 8, site: 'x'.repeat(1025) }, 'validation-failed', 'site'],
    [{ size: 8, site: [] }, 'validation-failed', 'site'],
    [{ size: 8, site: ['main', ''] }, 'validation-failed', 'site'],
    [{ size: 8, site: ['main', 7] }, 'validation-failed', 'site'],
    [{ size: 8, site: ['main;handler'] }, 'validation-failed', 'site'],
    [{ size: 8, site: Array.from({ length: 129 }, () => 'f') }, 'validation-failed', 'site'],
    [{ size: 8, site: ['x'.repeat(512), 'y'.repeat(512)] }, 'validation-failed', 'site'],
    [{ size: 64, pointers: [8] }, 'validation-failed', 'pointers'],
    [{ size: 64, pointers: 'some' }, 'validation-failed', 'pointers'],
    [{ size: 64, pointers: [0], noscan: true }, 'validation-failed', 'noscan'],
    [{ size: 8, store: { address: '0xZZ', word: 0 } }, 'invalid-address', 'store.address'],
    [{ size: 8, count: 2, store: { address: '0xc000000000', word: 0 } }, 'validation-failed', 'store'],
    [[], 'validation-failed', 'body'],
  ])('refuses %j with %s', async (body, code, field) => {
    expectProblem(await t.post('alloc', body), 400, code, field);
  });

  it('answers 507 past the reservation, and the heap stays whole', async () => {
    await t.call('PUT', '/v1/heaps/small', { reserve: '64MiB' });
    const path = '/v1/heaps/small';
    const { body } = await t.post(`${path}/alloc`, { size: 60 << 20 });
    expectProblem(await t.post(`${path}/alloc`, { size: 8 << 20 }), 507, 'reservation-exhausted');
    expectProblem(await t.post(`${path}/alloc`, { size: 1 << 20, count: 9 }), 507, 'reservation-exhausted');
    const stats = (await t.get(`${path}/memstats`)).body;
    expect(stats.HeapAlloc).toBe(60 << 20);
    expect((await t.post(`${path}/free`, { address: body.address })).body.freed).toBe(1);
    await t.post(`${path}/sweep`);
    expect((await t.post(`${path}/alloc`, { size: 60 << 20 })).status).toBe(201);
    expect((await t.post(`${path}/check`)).body.differences).toEqual([]);
    await t.call('DELETE', path);
  });
});

describe('free', () => {
  it('refuses a second time', async () => {
    for (const reuse of ['sweep', 'immediate']) {
      const address = await t.alloc({ size: 200 });
      expect((await t.post('free', { address, reuse })).body.freed).toBe(1);
      expectProblem(await t.post('free', { address, reuse }), 409, 'already-freed');
    }
  });

  it('hands a slot out again at once', async () => {
    const address = await t.alloc({ size: 208, p: 1 });
    await t.post('free', { address, reuse: 'immediate', p: 1 });
    expect(await t.alloc({ size: 208, p: 1 })).toBe(address);
  });

  it('tells each wrong address apart', async () => {
    const address = await t.alloc({ size: 256 });
    const inside = `0x${(Number.parseInt(address, 16) + 8).toString(16)}`;
    const interior = await t.post('free', { address: inside });
    expectProblem(interior, 422, 'interior-address');
    expect(interior.body.base).toBe(address);
    expectProblem(await t.post('free', { address: '0x10' }), 404, 'address-outside-heap');
    expectProblem(await t.post('free', { address: '0xffffffffffffffff' }), 404, 'address-outside-heap');
    expectProblem(await t.post('free', { address: '0xc003fff000' }), 404, 'never-allocated');
  });

  it('refuses the address of another heap', async () => {
    await t.call('PUT', '/v1/heaps/other', {});
    const { body } = await t.post('/v1/heaps/other/alloc', { size: 50_000_000 });
    const { body: last } = await t.post('/v1/heaps/other/alloc', { size: 64 });
    expect(body.address).toBeDefined();
    expectProblem(await t.post('free', { address: last.address }), 404, 'never-allocated');
    expect((await t.post('/v1/heaps/other/check')).body.ok).toBe(true);
    await t.call('DELETE', '/v1/heaps/other');
  });

  it('frees the good ones of many and reports the rest', async () => {
    const good = (await t.post('alloc', { size: 64, count: 2 })).body.addresses;
    const { status, body } = await t.post('free', { addresses: [good[0], '0x10', good[1], good[0]] });
    expect([status, body.freed]).toEqual([200, 2]);
    expect(body.refused).toMatchObject([
      { index: 1, address: '0x10', code: 'address-outside-heap' },
      { index: 3, address: good[0], code: 'already-freed' },
    ]);
  });

  test.each([
    [{}, 'validation-failed', 'address'],
    [{ address: '0xc000000000', addresses: ['0xc000000000'] }, 'validation-failed', 'address'],
    [{ addresses: [] }, 'validation-failed', 'addresses'],
    [{ address: '0xC000000000' }, 'invalid-address', 'address'],
    [{ address: 'c000000000' }, 'invalid-address', 'address'],
    [{ address: 824633720832 }, 'invalid-address', 'address'],
    [{ address: null }, 'invalid-address', 'address'],
    [{ address: `0x${'f'.repeat(17)}` }, 'invalid-address', 'address'],
    [{ addresses: ['0xc000000000', 'x'] }, 'invalid-address', 'addresses[1]'],
    [{ address: '0xc000000000', reuse: 'never' }, 'validation-failed', 'reuse'],
    [{ address: '0xc000000000', p: 9 }, 'invalid-p', 'p'],
    [{ adress: '0xc000000000' }, 'unknown-field', 'adress'],
  ])('refuses %j with %s', async (body, code, field) => {
    expectProblem(await t.post('free', body), 400, code, field);
  });
});

describe('the request as a whole', () => {
  const json = { 'content-type': 'application/json' };
  const bodies: Record<string, object> = {
    alloc: { size: 1 },
    free: { address: '0x1' },
    batch: { ops: [] },
    sweep: {},
    check: {},
  };
  const routes = Object.keys(bodies);

  test.each(routes)('%s refuses what is not JSON', async (route) => {
    expectProblem(await t.call('POST', route, '{"size":', json), 400, 'invalid-json');
    expectProblem(
      await t.call('POST', route, 'size=1', { 'content-type': 'text/plain' }),
      415,
      'unsupported-media-type',
    );
  });

  test.each(routes)('%s refuses names that no heap has', async (route) => {
    expectProblem(await t.post(`/v1/heaps/none/${route}`, bodies[route]), 404, 'heap-not-found');
    for (const name of ['..%2f..', 'a%20b', 'x'.repeat(300), 'UPPER']) {
      const answer = await t.post(`/v1/heaps/${name}/${route}`, bodies[route]);
      expectProblem(answer, 400, 'invalid-heap-name');
    }
  });

  it('refuses a body that is too large', async () => {
    const small = await testApp({ GOHEAP_BODY_LIMIT: '1KiB' });
    expectProblem(await small.post('alloc', { size: 1, site: 'x'.repeat(2000) }), 413, 'body-too-large');
    expectProblem(await small.post('batch', { ops: Array(100).fill({ op: 'alloc', size: 1 }) }), 413, 'body-too-large');
    await small.check();
    await small.close();
  });

  it('is refused while the server shuts down', async () => {
    const ending = await testApp();
    await ending.alloc({ size: 1 });
    await ending.check();
    ending.lifecycle.drain();
    for (const route of routes) expectProblem(await ending.post(route, { size: 1 }), 503, 'shutting-down');
    await ending.close();
  });
});
