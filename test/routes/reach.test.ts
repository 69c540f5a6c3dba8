/** Reachability over HTTP: the way to an object, what it retains, the graph below it. */

import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { Reach, reachBytes } from '../../src/sched/inspect-ops.js';
import { ZERO_OBJECT } from '../../src/server/inspect/object.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
beforeAll(async () => {
  // Garbage is looked at: no cycle may take it meanwhile.
  t = await testApp({ GOGC: 'off' });
});
afterAll(async () => {
  await t.check();
  await t.close();
});

const at = (address: string, bytes: number): string => `0x${(Number.parseInt(address, 16) + bytes).toString(16)}`;
const point = async (from: string, word: number, to: string | null): Promise<void> => {
  const { status, body } = await t.call('PUT', `objects/${from}/pointers/${word}`, { address: to });
  expect(status, JSON.stringify(body)).toBe(200);
};
const drop = (...addresses: string[]) => t.post('free', { addresses });

/** top → [1] left, [2] right; left → [0] shared; right → [127] shared. */
let top: string;
let left: string;
let right: string;
let shared: string;
beforeEach(async () => {
  top = await t.alloc({ size: 64, pointers: [1, 2] });
  left = await t.alloc({ size: 8, pointers: 'all' });
  right = await t.alloc({ size: 1024, pointers: [127] });
  shared = await t.alloc({ size: 100_000 });
  await point(top, 1, left);
  await point(top, 2, right);
  await point(left, 0, at(shared, 99_999));
  await point(right, 127, shared);
});
/** Leaves the top as the only root. */
const onlyTop = () => drop(left, right, shared);

describe('the way to an object', () => {
  it('begins at a root and ends at the object', async () => {
    await onlyTop();
    const { status, headers, body } = await t.get(`objects/${right}/path`);
    expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    const place = async (address: string) => {
      const { span, slot, size } = (await t.get(`objects/${address}`)).body;
      return { address, span, slot, size };
    };
    expect(body).toEqual({
      address: right,
      reachable: true,
      length: 2,
      path: [
        { ...(await place(top)), word: 2, depth: 0 },
        { ...(await place(right)), word: null, depth: 1 },
      ],
      omitted: 0,
    });
  });

  it('is the shortest', async () => {
    const steps = async () => (await t.get(`objects/${shared}/path`)).body.path.map((s: { word: number }) => s.word);
    const holder = await t.alloc({ size: 16, pointers: 'all' });
    await point(holder, 1, shared);
    await onlyTop();
    expect(await steps()).toEqual([1, null]);
    await drop(holder);
    expect([
      [1, 0, null],
      [2, 127, null],
    ]).toContainEqual(await steps());
  });

  it('is missing for garbage, which is no error', async () => {
    await onlyTop();
    await drop(top);
    const { status, body } = await t.get(`objects/${shared}/path`);
    expect(status).toBe(200);
    expect(body).toEqual({ address: shared, reachable: false, length: 0, path: [], omitted: 0 });
  });

  it('is shown in part when it is long', async () => {
    let last = await t.alloc({ size: 16, pointers: 'all' });
    const chain = [last];
    for (let i = 0; i < 9; i++) {
      const next = await t.alloc({ size: 16, pointers: 'all' });
      await point(last, 1, next);
      chain.push((last = next));
    }
    await drop(...chain.slice(1));
    const { body } = await t.get(`objects/${last}/path?limit=5`);
    expect([body.length, body.omitted]).toEqual([10, 5]);
    const shown = body.path.map((s: { address: string; depth: number }) => [s.address, s.depth]);
    expect(shown).toEqual([0, 1, 2, 8, 9].map((i) => [chain[i], i]));
  });

  it('of a tiny object is that of its block', async () => {
    const block = await t.alloc({ size: 9, p: 0 });
    const tiny = await t.alloc({ size: 3, p: 0 });
    const { body } = await t.get(`objects/${tiny}/path`);
    expect(body).toMatchObject({ address: tiny, reachable: true, path: [{ size: 16, word: null }] });
    await drop(block, tiny);
  });
});

describe('what an object retains', () => {
  it('is what cannot be reached without it', async () => {
    const retained = async (address: string) => (await t.get(`objects/${address}/retained`)).body;
    const other = await t.alloc({ size: 8, pointers: 'all' });
    await point(top, 1, other);
    await onlyTop();
    // Only the right one leads to what was shared: the left one is garbage.
    const whole = 64 + 1152 + 13 * 8192;
    expect(await retained(top)).toEqual({
      address: top,
      reachable: true,
      rooted: true,
      objects: 3,
      bytes: whole,
      self: 64,
    });
    expect(await retained(right)).toMatchObject({ rooted: false, objects: 2, bytes: 1152 + 13 * 8192, self: 1152 });
    expect(await retained(other)).toMatchObject({ rooted: true, objects: 1, bytes: 8 });
    expect(await retained(left)).toEqual({
      address: left,
      reachable: false,
      rooted: false,
      objects: 0,
      bytes: 0,
      self: 8,
    });
  });
});

describe('the graph', () => {
  it('goes down from an object', async () => {
    await onlyTop();
    const { status, body } = await t.get(`graph?root=${top}`);
    expect(status).toBe(200);
    const node = async (address: string, size: number, depth: number) => {
      const { sizeClass, noscan, rooted } = (await t.get(`objects/${address}`)).body;
      expect([noscan, rooted]).toEqual([address === shared, address === top]);
      return { address, size, sizeClass, noscan, rooted, depth };
    };
    expect(body).toEqual({
      root: top,
      nodes: [
        await node(top, 64, 0),
        await node(left, 8, 1),
        await node(right, 1144, 1),
        await node(shared, 100_000, 2),
      ],
      edges: [
        { from: top, word: 1, to: left },
        { from: top, word: 2, to: right },
        { from: left, word: 0, to: shared },
        { from: right, word: 127, to: shared },
      ],
      truncated: false,
    });
  });

  it('ends at a depth, and at a number of objects', async () => {
    const shape = async (query: string) => {
      const { nodes, edges, truncated } = (await t.get(`graph?root=${top}&${query}`)).body;
      return [nodes.length, edges.length, truncated];
    };
    expect(await shape('depth=0')).toEqual([1, 0, false]);
    expect(await shape('depth=1')).toEqual([3, 2, false]);
    expect(await shape('depth=64&limit=10000')).toEqual([4, 4, false]);
    expect(await shape('limit=3')).toEqual([3, 2, true]);
    expect(await shape('limit=1')).toEqual([1, 0, true]);
  });

  it('may be large', async () => {
    const size = 160_000;
    const hub = await t.alloc({ size, pointers: 'all' });
    const { addresses: many } = (await t.post('alloc', { size: 8, pointers: 'all', count: 12_000 })).body;
    const bytes = Buffer.alloc(size);
    for (const [i, address] of many.entries()) bytes.writeBigUInt64LE(BigInt(address), i * 8);
    await t.call('PUT', `objects/${hub}/data`, bytes, { 'content-type': 'application/octet-stream' });
    const { body, raw } = await t.get(`graph?root=${hub}&limit=10000`);
    expect([body.nodes.length, body.edges.length, body.truncated]).toEqual([10_000, 9_999, true]);
    expect(raw.length).toBeLessThan(reachBytes(Reach.graph, 10_000));
    await drop(hub, ...many);
  });

  test.each([
    ['', 'invalid-address', 'root'],
    ['root=0xC0', 'invalid-address', 'root'],
    ['root=0xc000000000&depth=65', 'validation-failed', 'depth'],
    ['root=0xc000000000&depth=-1', 'validation-failed', 'depth'],
    ['root=0xc000000000&limit=0', 'validation-failed', 'limit'],
    ['root=0xc000000000&limit=10001', 'validation-failed', 'limit'],
    ['root=0xc000000000&levels=2', 'unknown-field', 'levels'],
  ])('refuses ?%s', async (query, code, field) => {
    expectProblem(await t.get(`graph?${query}`), 400, code, field);
  });
});

test('an object of size 0 is always there', async () => {
  const zero = await t.alloc({ size: 0 });
  expect(zero).toBe(ZERO_OBJECT);
  expect((await t.get(`objects/${zero}/path`)).body).toMatchObject({ reachable: true, length: 1, path: [{ span: 0 }] });
  expect((await t.get(`objects/${zero}/retained`)).body).toMatchObject({ reachable: true, objects: 0, bytes: 0 });
  expect((await t.get(`graph?root=${zero}`)).body).toMatchObject({ nodes: [{ address: zero, size: 0 }], edges: [] });
});

test.each([
  ['0x10', 404, 'address-outside-heap'],
  ['0xffffffffffffffff', 404, 'address-outside-heap'],
  ['0xbffffffff1', 404, 'address-outside-heap'],
  ['0xc003fff000', 404, 'never-allocated'],
  ['0xC0', 400, 'invalid-address'],
])('%s is refused', async (address, status, code) => {
  for (const path of [`objects/${address}/path`, `objects/${address}/retained`, `graph?root=${address}`]) {
    expectProblem(await t.get(path), status, code);
  }
});

test('an inside is no address', async () => {
  for (const path of ['path', 'retained']) {
    const answer = await t.get(`objects/${at(top, 8)}/${path}`);
    expectProblem(answer, 422, 'interior-address');
    expect(answer.body.base).toBe(top);
  }
  const answer = await t.get(`graph?root=${at(right, 1)}`);
  expectProblem(answer, 422, 'interior-address');
  expect(answer.body).toMatchObject({ base: right, field: 'root' });
});

test('the queries are checked', async () => {
  expectProblem(await t.get(`objects/${top}/path?limit=1`), 400, 'validation-failed', 'limit');
  expectProblem(await t.get(`objects/${top}/path?deep=1`), 400, 'unknown-field', 'deep');
  expectProblem(await t.get(`/v1/heaps/none/graph?root=${top}`), 404, 'heap-not-found');
});
