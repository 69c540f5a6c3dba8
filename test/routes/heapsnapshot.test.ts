/** GET …/heap.heapsnapshot: the file that DevTools open, from heaps with real threads. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { META, NO_SITE } from '../../src/telemetry/heapsnapshot.js';
import { addressOf, readSnapshot, type SnapshotNode } from '../helper/heapsnapshot.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
let port: number;
beforeAll(async () => {
  // Some clients do not read for a while.
  t = await testApp({ GOGC: 'off', SEND_TIMEOUT: '0s' });
  await t.app.listen({ host: '127.0.0.1', port: 0 });
  port = (t.app.server.address() as AddressInfo).port;
});
// Each test has a heap of its own.
beforeEach(() => t.renew());
afterEach(() => t.check());
afterAll(() => t.close());

const point = async (from: string, word: number, to: string): Promise<void> => {
  const { status, body } = await t.call('PUT', `objects/${from}/pointers/${word}`, { address: to });
  expect(status, JSON.stringify(body)).toBe(200);
};

async function fetchFile(query = ''): Promise<Buffer> {
  const { status, raw } = await t.get(`heap.heapsnapshot${query}`);
  expect(status).toBe(200);
  return raw;
}

/** The objects of a file, by address, and what hangs on its root. */
async function shown(query = '') {
  const { nodes, ...rest } = readSnapshot(await fetchFile(query));
  const objects = new Map(nodes.filter((n) => n.type !== 'synthetic').map((n) => [addressOf(n), n]));
  const under = nodes[0].edges.map(({ to }) => to);
  return { nodes, objects, under, groups: new Map(under.map((n) => [n.name, n])), ...rest };
}

const pointers = (n: SnapshotNode | undefined) => n?.edges.map(({ type, index, to }) => [type, index, addressOf(to)]);

describe('the file', () => {
  it('has the objects by site, their sizes, and their pointers', async () => {
    const top = await t.alloc({ size: 64, pointers: [1, 2], site: 'main;work;top' });
    const wide = await t.alloc({ size: 1024, pointers: [127], site: 'main;work;top' });
    const raw = await t.alloc({ size: 100_000, site: 'main;raw' });
    const loose = await t.alloc({ size: 8, pointers: 'all' });
    const deep = await t.alloc({ size: 100, site: 'main;deep' });
    await point(top, 1, wide);
    await point(top, 2, raw);
    await point(wide, 127, `0x${(Number(raw) + 99_999).toString(16)}`);
    await point(loose, 0, deep);
    await t.post('free', { address: deep });

    const { objects, groups, nodes } = await shown();
    expect(nodes).toHaveLength(1 + 3 + 5);
    expect([...groups.keys()]).toEqual([NO_SITE, 'main;work;top', 'main;raw']);
    for (const group of groups.values()) expect(group).toMatchObject({ type: 'synthetic', size: 0 });
    expect(
      pointers(groups.get('main;work;top'))
        ?.map(([, , to]) => to)
        .sort(),
    ).toEqual([top, wide].sort());
    expect(pointers(groups.get('main;raw'))).toEqual([['element', 0, raw]]);
    expect(pointers(groups.get(NO_SITE))).toEqual([['element', 0, loose]]);

    expect(objects.get(top)).toMatchObject({ type: 'object', name: 'top', size: 64 });
    expect(objects.get(wide)).toMatchObject({ type: 'object', name: 'top', size: 1152 });
    expect(objects.get(raw)).toMatchObject({ type: 'native', name: 'raw', size: 13 * 8192 });
    expect(objects.get(loose)).toMatchObject({ type: 'object', name: '8 B scan', size: 8 });
    expect(objects.get(deep)).toMatchObject({ type: 'native', name: 'deep', size: 112 });
    expect(pointers(objects.get(top))).toEqual([
      ['element', 1, wide],
      ['element', 2, raw],
    ]);
    expect(pointers(objects.get(wide))).toEqual([['element', 127, raw]]);
    expect(pointers(objects.get(loose))).toEqual([['element', 0, deep]]);
    expect(objects.get(deep)?.edges).toEqual([]);
  });

  it('has the bytes of all that lives, each object once', async () => {
    for (const [i, size] of [3, 5, 16, 100, 5000, 40_000, 1 << 20].entries()) {
      await t.post('alloc', { size, count: 20, noscan: i % 2 === 0, p: i % 2 });
    }
    const { addresses } = (await t.post('alloc', { size: 48, count: 30 })).body;
    await t.post('free', { addresses });
    await t.post('gc', {});
    const { HeapAlloc } = (await t.get('memstats')).body;
    const { objects } = await shown();
    expect([...objects.values()].reduce((sum, n) => sum + n.size, 0)).toBe(HeapAlloc);
  });

  it('has no garbage', async () => {
    const [a, b] = [await t.alloc({ size: 16, pointers: 'all' }), await t.alloc({ size: 16, pointers: 'all' })];
    await point(a, 0, b);
    await point(b, 0, a);
    await t.post('free', { addresses: [a, b] });
    expect((await shown()).nodes).toHaveLength(1);
    const kept = await t.alloc({ size: 16 });
    expect([...(await shown()).objects.keys()]).toEqual([kept]);
  });

  it('names each object as before, as long as it lives', async () => {
    const { addresses } = (await t.post('alloc', { size: 48, count: 30 })).body;
    const before = [...(await shown()).objects.keys()];
    expect(before.sort()).toEqual(addresses.sort());
    await t.post('alloc', { size: 48, count: 30 });
    const after = (await shown()).objects;
    expect(after.size).toBe(60);
    for (const address of before) expect(after.has(address)).toBe(true);
  });

  it('keeps what clients call their sites', async () => {
    const names = ['main;"quoted"\\', ';;', 'a;;', '] } "strings":[', 'ünï;\u2028;😀', 'main;x', 'x'];
    for (const site of names) await t.alloc({ size: 32, site });
    const { objects, groups } = await shown();
    expect([...groups.keys()].sort()).toEqual([...names].sort());
    const frames = [...objects.values()].map((n) => n.name).sort();
    expect(frames).toEqual(['"quoted"\\', '32 B', 'a', '] } "strings":[', '😀', 'x', 'x'].sort());
  });

  it('is empty for an empty heap', async () => {
    const { nodes } = readSnapshot(await fetchFile());
    expect(nodes).toHaveLength(1);
  });

  it.skipIf(!process.version.startsWith('v20.'))("has Node's meta", () => {
    const script = `require('node:v8').getHeapSnapshot().once('data', (d) => {
      console.log(d.toString().slice(0, 4000)); process.exit(); })`;
    const head = execFileSync(process.execPath, ['-e', script]).toString();
    const theirs = /^\{"snapshot":\{"meta":(.*\]\}),"node_count"/.exec(head);
    expect(JSON.parse(theirs?.[1] ?? '')).toEqual(META);
  });
});

describe('the limit', () => {
  it('leaves out what is furthest from the roots, and says so', async () => {
    const { addresses } = (await t.post('alloc', { size: 16, pointers: 'all', count: 50 })).body;
    for (let i = 1; i < 50; i++) await point(addresses[i - 1], 1, addresses[i]);
    await t.post('free', { addresses: addresses.slice(1) });
    const { objects, under } = await shown('?limit=20');
    expect([...objects.keys()]).toEqual(addresses.slice(0, 20));
    expect(under.map((n) => n.name)).toEqual([
      NO_SITE,
      '(truncated: 20 of 50 objects and 19 pointers, from the roots on)',
    ]);
    expect((await shown('?limit=50')).under).toHaveLength(1);
  });

  it('is checked', async () => {
    for (const limit of ['0', '-1', '1000001', '1.5', 'all']) {
      expectProblem(await t.get(`heap.heapsnapshot?limit=${limit}`), 400, 'validation-failed', 'limit');
    }
    expectProblem(await t.get('heap.heapsnapshot?gc=1'), 400, 'unknown-field', 'gc');
    expectProblem(await t.get('/v1/heaps/none/heap.heapsnapshot'), 404, 'heap-not-found');
  });
});

describe('the answer', () => {
  it('is a download under the name of the heap', async () => {
    const { headers } = await t.get('heap.heapsnapshot');
    expect(headers['content-disposition']).toBe('attachment; filename="t.heapsnapshot"');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    expect((await t.call('HEAD', 'heap.heapsnapshot')).status).toBe(405);
  });

  it('gives everything back, also when the client goes away', async () => {
    await t.post('alloc', { size: 16, count: 20_000 });
    const request = 'GET /v1/heaps/t/heap.heapsnapshot?limit=1000000 HTTP/1.1\r\nHost: localhost\r\n\r\n';
    for (let i = 0; i < 6; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.write(request);
      // Before the answer, or in the midst of it.
      if (i % 2 === 0) await once(socket, 'data');
      socket.destroy();
    }
    await expect.poll(async () => (await t.get('heap.heapsnapshot')).status).toBe(200);
    // Twice four fifths of the exchange do not fit, were the first one still held.
    for (let i = 0; i < 3; i++) expect((await shown('?limit=1000000')).objects.size).toBe(20_000);
  });

  it('is whole or none when the heap is deleted meanwhile', async () => {
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) {
      await t.call('PUT', '/v1/heaps/other', { reserve: '64MiB' });
      await t.call('POST', '/v1/heaps/other/alloc', { size: 16, pointers: 'all', count: 20_000 });
      const answer = t.get('/v1/heaps/other/heap.heapsnapshot');
      await new Promise((resolve) => setTimeout(resolve, i * 12));
      await t.call('DELETE', '/v1/heaps/other');
      const { status, raw } = await answer;
      seen.add(status);
      if (status === 200) expect(readSnapshot(raw).nodes).toHaveLength(20_002);
    }
    for (const status of seen) expect([200, 404, 410]).toContain(status);
  });

  it('comes to two clients at a time', async () => {
    // Their files have 10 MB, more than the kernel keeps for who does not read.
    for (let i = 0; i < 5; i++) await t.post('alloc', { size: 16, count: 50_000 });
    const slow = [0, 1].map(() => connect(port, '127.0.0.1'));
    for (const socket of slow) {
      socket.write('GET /v1/heaps/t/heap.heapsnapshot?limit=1000000 HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'readable');
    }
    const answer = await t.get('heap.heapsnapshot?limit=10');
    expectProblem(answer, 503, 'overloaded');
    expect(answer.headers['retry-after']).toBe('5');
    slow[0].destroy();
    await expect.poll(async () => (await t.get('heap.heapsnapshot?limit=10')).status).toBe(200);
    slow[1].destroy();
  });

  it('lets others in between', async () => {
    await t.post('alloc', { size: 16, count: 50_000 });
    let turns = 0;
    let going = true;
    const tick = (): void => {
      turns++;
      if (going) setImmediate(tick);
    };
    const file = fetchFile();
    tick();
    const pieces = (await file).length / (64 << 10);
    going = false;
    expect(pieces).toBeGreaterThan(20);
    expect(turns).toBeGreaterThan(pieces);
  });
});

test('the heap is that of one moment, whatever runs', async () => {
  let going = true;
  const churn = async (p: number): Promise<void> => {
    for (let round = 0; going; round++) {
      // Pairs: the one holds the other, which never has a root.
      const ops = Array.from({ length: 20 }, (_, i) => [
        { op: 'alloc', size: 24, pointers: 'all', site: `p${p};holder` },
        { op: 'alloc', size: 40, root: false, site: `p${p};held`, store: { ref: i * 2, word: 1 } },
      ]).flat();
      const { body } = await t.post('batch', { ops, p });
      const addresses = body.results.map((r: { address: string }) => r.address);
      await t.post('free', { addresses: addresses.filter((_: string, i: number) => i % 2 === 0), p });
      if (round % 10 === p) await t.post('gc', {});
    }
  };
  const churns = [churn(0), churn(1)];
  let pairs = 0;
  // A look may fall between two batches, and see nothing.
  for (let i = 0; i < 6 || pairs === 0; i++) {
    const { objects } = await shown();
    pairs += objects.size / 2;
    for (const n of objects.values()) {
      if (n.name === 'holder') for (const { index, to } of n.edges) expect([index, to.name]).toEqual([1, 'held']);
      else expect([n.name, n.edges]).toEqual(['held', []]);
    }
  }
  going = false;
  await Promise.all(churns);
  expect(pairs).toBeGreaterThan(0);
});
