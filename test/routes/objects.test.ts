/** Objects: looking at them, their bytes, their pointers. */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
const BYTES = { 'content-type': 'application/octet-stream' };
beforeAll(async () => {
  // What is freed has to be known as freed: no cycle may take it meanwhile.
  t = await testApp({ GOGC: 'off' });
});
afterAll(async () => {
  await t.check();
  await t.close();
});

describe('an object', () => {
  it('is described', async () => {
    const address = await t.alloc({ size: 1000, pointers: [0, 2], site: 'main;x' });
    const { body } = await t.get(`objects/${address}?pointers=1`);
    expect(body).toMatchObject({ address, size: 1016, slotSize: 1024, noscan: false, rooted: true, site: 'main;x' });
    expect([body.pointers, body.pointersTruncated]).toEqual([[{ word: 0, value: null }], true]);
  });

  it('may be tiny, or large', async () => {
    await t.alloc({ size: 3, p: 0 });
    const tiny = (await t.get(`objects/${await t.alloc({ size: 2, p: 0 })}`)).body;
    expect(tiny).toMatchObject({ slotSize: 16, tinyOffset: 4 });
    const large = (await t.get(`objects/${await t.alloc({ size: 50_001 })}`)).body;
    expect(large).toMatchObject({ sizeClass: 0, requested: 50_001, slotSize: 57_344 });
  });

  test.each([
    ['0x10', 404, 'address-outside-heap'],
    ['0xc003fff000', 404, 'never-allocated'],
    ['0xC0', 400, 'invalid-address'],
    ['12', 400, 'invalid-address'],
    [`0x${'0'.repeat(300)}`, 400, 'invalid-address'],
  ])('%s is refused by every route', async (address, status, code) => {
    expectProblem(await t.get(`objects/${address}`), status, code);
    expectProblem(await t.get(`objects/${address}/data`), status, code);
    expectProblem(await t.call('PUT', `objects/${address}/data`, Buffer.alloc(1), BYTES), status, code);
    expectProblem(await t.call('PUT', `objects/${address}/pointers/0`, { address: null }), status, code);
  });

  it('has an inside that is no address', async () => {
    const address = await t.alloc({ size: 64 });
    const inside = `0x${(Number.parseInt(address, 16) + 9).toString(16)}`;
    for (const path of [`objects/${inside}`, `objects/${inside}/data`]) {
      const answer = await t.get(path);
      expectProblem(answer, 422, 'interior-address');
      expect(answer.body.base).toBe(address);
    }
  });

  it('refuses an unknown query', async () => {
    const address = await t.alloc({ size: 64 });
    expectProblem(await t.get(`objects/${address}?pointer=1`), 400, 'unknown-field', 'pointer');
    expectProblem(await t.get(`objects/${address}?pointers=-1`), 400, 'validation-failed', 'pointers');
  });
});

describe('its bytes', () => {
  it('begin as zero, and are what was written', async () => {
    const address = await t.alloc({ size: 64 });
    expect((await t.get(`objects/${address}/data`)).raw).toEqual(Buffer.alloc(64));
    const written = await t.call('PUT', `objects/${address}/data`, Buffer.from('hello'), BYTES);
    expect(written.body).toEqual({ written: 5, size: 64 });
    const part = { ...BYTES, 'content-range': 'bytes 60-63/*' };
    expect((await t.call('PUT', `objects/${address}/data`, Buffer.from('tail'), part)).body.written).toBe(4);
    const { raw } = await t.get(`objects/${address}/data`);
    expect([raw.subarray(0, 5).toString(), raw.subarray(60).toString()]).toEqual(['hello', 'tail']);
  });

  it('come in ranges', async () => {
    const address = await t.alloc({ size: 16 });
    await t.call('PUT', `objects/${address}/data`, Buffer.from('0123456789abcdef'), BYTES);
    const get = (range: string) => t.get(`objects/${address}/data`, { range });
    for (const [range, text, header] of [
      ['bytes=0-3', '0123', 'bytes 0-3/16'],
      ['bytes=12-', 'cdef', 'bytes 12-15/16'],
      ['bytes=-2', 'ef', 'bytes 14-15/16'],
      ['bytes=14-99', 'ef', 'bytes 14-15/16'],
      ['bytes=-99', '0123456789abcdef', 'bytes 0-15/16'],
    ]) {
      const { status, raw, headers } = await get(range);
      expect([status, raw.toString(), headers['content-range']]).toEqual([206, text, header]);
    }
    for (const range of ['bytes=3-1', 'bytes=0-1,4-5', 'lines=1-2', 'x']) expect((await get(range)).status).toBe(200);
    for (const range of ['bytes=16-', 'bytes=-0', 'bytes=99-100']) {
      const answer = await get(range);
      expectProblem(answer, 416, 'range-not-satisfiable');
      expect(answer.headers['content-range']).toBe('bytes */16');
    }
  });

  it('may be many: they go in pieces', async () => {
    const size = 5_000_000;
    const address = await t.alloc({ size });
    const bytes = Buffer.alloc(size, 'goheap!');
    expect((await t.call('PUT', `objects/${address}/data`, bytes, BYTES)).body.written).toBe(size);
    const { raw, headers } = await t.get(`objects/${address}/data`);
    expect([headers['content-length'], raw.equals(bytes)]).toEqual([String(size), true]);
    const part = await t.get(`objects/${address}/data`, { range: 'bytes=1000001-4000000' });
    expect(part.raw.equals(bytes.subarray(1_000_001, 4_000_001))).toBe(true);
  });

  it('do not go past the end: nothing is written', async () => {
    const address = await t.alloc({ size: 16 });
    const put = (bytes: string, headers = {}) =>
      t.call('PUT', `objects/${address}/data`, Buffer.from(bytes), { ...BYTES, ...headers });
    expectProblem(await put('x'.repeat(17)), 422, 'outside-object');
    expectProblem(await put('xx', { 'content-range': 'bytes 15-16/*' }), 422, 'outside-object');
    expectProblem(await put('xx', { 'content-range': 'bytes 0-0/*' }), 422, 'outside-object');
    expectProblem(await put('x', { 'content-range': 'bytes 0-5/*' }), 400, 'validation-failed', 'content-range');
    expectProblem(await put('x', { 'content-range': 'bytes 5-0/*' }), 400, 'validation-failed', 'content-range');
    expect((await t.get(`objects/${address}/data`)).raw).toEqual(Buffer.alloc(16));
    expectProblem(await t.call('PUT', `objects/${address}/data`, { a: 1 }), 415, 'unsupported-media-type');
  });

  it('are gone when it was freed', async () => {
    const address = await t.alloc({ size: 64 });
    await t.post('free', { address });
    expectProblem(await t.get(`objects/${address}/data`), 409, 'already-freed');
    expectProblem(await t.call('PUT', `objects/${address}/data`, Buffer.from('x'), BYTES), 409, 'already-freed');
    expectProblem(await t.call('PUT', `objects/${address}/pointers/0`, { address: null }), 409, 'already-freed');
  });
});

describe('whether it is reachable', () => {
  it('is told where asked for', async () => {
    const holder = await t.alloc({ size: 16, pointers: [0] });
    const held = await t.alloc({ size: 48, root: false, store: { address: holder, word: 0 } });
    const loose = await t.alloc({ size: 48 });
    expect((await t.get(`objects/${held}`)).body.reachable).toBeUndefined();
    const ask = async (address: string) => (await t.get(`objects/${address}?reachable=true`)).body;
    expect(await ask(held)).toMatchObject({ rooted: false, reachable: true });
    expect(await ask(loose)).toMatchObject({ rooted: true, reachable: true });
    await t.post('free', { address: loose });
    expect(await ask(loose)).toMatchObject({ rooted: false, reachable: false });
    expectProblem(await t.get(`objects/${held}?reachable=maybe`), 400, 'validation-failed', 'reachable');
  });
});

describe('its pointers', () => {
  it('are set, and cleared', async () => {
    const a = await t.alloc({ size: 64, pointers: [1] });
    const b = await t.alloc({ size: 8 });
    const put = (word: number | string, body: unknown) => t.call('PUT', `objects/${a}/pointers/${word}`, body);
    expect((await put(1, { address: b })).body).toEqual({ address: a, word: 1, value: b });
    expect((await t.get(`objects/${a}`)).body.pointers).toEqual([{ word: 1, value: b }]);
    expect((await put(1, { address: null })).body.value).toBeNull();
    expectProblem(await put(0, { address: b }), 422, 'not-pointer-word');
    expectProblem(await put(8, { address: b }), 422, 'not-pointer-word');
    expectProblem(await put(1, { address: '0xc003fff000' }), 422, 'invalid-pointer');
    expectProblem(await put(1, { address: '0x10' }), 422, 'invalid-pointer');
    expectProblem(await put(1, { address: 'x' }), 400, 'invalid-address', 'address');
    expectProblem(await put(1, {}), 400, 'invalid-address', 'address');
    expectProblem(await put(1, { address: b, word: 1 }), 400, 'unknown-field', 'word');
    expectProblem(await put('x', { address: b }), 400, 'validation-failed', 'word');
    expectProblem(await put(-1, { address: b }), 400, 'validation-failed', 'word');
    expect((await t.get(`objects/${a}`)).body.pointers).toEqual([{ word: 1, value: null }]);
  });
});
