/**
 * Collecting over HTTP: POST and GET …/gc, POST …/scavenge, what PATCH changes of them while a heap runs, and which objects a cycle keeps.
 */

import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { releaseMode } from '../../src/memory/os.js';
import { buildApp } from '../../src/server/app.js';
import { type Config, defaultSettings, loadConfig } from '../../src/server/config.js';
import { heapFactory } from '../../src/server/factory.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import { HeapRegistry } from '../../src/server/registry.js';
import { expectProblem, TestApp } from '../helper/routes.js';

const MiB = 2 ** 20;
const BYTES = { 'content-type': 'application/octet-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };

/** As testApp, with heaps as the server makes them: GODEBUG counts. */
async function debugApp(env: Record<string, string> = {}): Promise<TestApp> {
  const config: Config = loadConfig({ GOMAXPROCS: '2', GOHEAP_RESERVE: '256MiB', LOG_LEVEL: 'silent', ...env });
  const logger = pino({ level: 'silent' });
  const heaps = new HeapRegistry(heapFactory(config, logger), config.maxHeaps);
  const lifecycle = new Lifecycle();
  const app = await buildApp(config, { heaps, lifecycle, logger });
  await app.ready();
  lifecycle.serve();
  await heaps.put('t', defaultSettings(config));
  return new TestApp(app, heaps, lifecycle);
}

let t: TestApp;
beforeAll(async () => {
  // Cycles when the tests ask for them, and at no other time.
  t = await debugApp({ GOGC: 'off' });
});
afterEach(() => t.check());
afterAll(() => t.close());

const collect = async () => {
  const { status, body } = await t.post('gc');
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const history = async (query = '') => (await t.get(`gc${query}`)).body;
const stats = async () => (await t.get('memstats')).body;
const free = async (...addresses: string[]) => {
  expect((await t.post('free', { addresses })).body).toEqual({ freed: addresses.length, refused: [] });
};
const point = async (from: string, word: number, to: string | null) => {
  const { status, body } = await t.call('PUT', `objects/${from}/pointers/${word}`, { address: to });
  expect(status, JSON.stringify(body)).toBe(200);
};
const write = async (address: string, bytes: Buffer, at = 0) => {
  const part = { ...BYTES, 'content-range': `bytes ${at}-${at + bytes.length - 1}/*` };
  const { body } = await t.call('PUT', `objects/${address}/data`, bytes, part);
  expect(body.written, JSON.stringify(body)).toBe(bytes.length);
};
const word = (value: string | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const plus = (address: string, bytes: number) => `0x${(Number.parseInt(address, 16) + bytes).toString(16)}`;
const isThere = async (address: string): Promise<boolean> => {
  const { status, body } = await t.get(`objects/${address}`);
  if (status === 200) return true;
  expect([status, body.code]).toEqual([404, 'never-allocated']);
  return false;
};

describe('POST gc', () => {
  it('answers with the record of a whole cycle', async () => {
    const { addresses } = (await t.post('alloc', { size: 1000, count: 500 })).body;
    const holder = await t.alloc({ size: 800, pointers: 'all' });
    await free(...addresses);
    const before = await stats();
    const asked = Date.now();
    const { seconds, gctrace, ...record } = await collect();
    const after = await stats();
    expect(record).toMatchObject({ number: before.NumGC + 1, why: 'forced', forced: true, gomaxprocs: 2 });
    expect([after.NumGC, after.NumForcedGC]).toEqual([before.NumGC + 1, before.NumForcedGC + 1]);
    expect(record.heap.marked).toBe(after.HeapAlloc);
    expect(record.heap.start).toBeGreaterThanOrEqual(before.HeapAlloc);
    expect(record.heap.end).toBe(record.heap.start);
    expect(record.mark).toMatchObject({ scanBytes: 888, objectsScanned: 1, rootsMarked: after.HeapObjects });
    // All of it is swept, and counted.
    expect(record.sweep).toMatchObject({ done: true, objectsFreed: after.Frees - before.Frees });
    expect(record.sweep.objectsFreed).toBeGreaterThanOrEqual(500);
    expect(record.sweep.pagesFreed * 8192).toBe(before.HeapInuse - after.HeapInuse);
    // Two pauses, in Go's ring as one.
    const { sweepTermination, markTermination } = record.pauses;
    expect(sweepTermination).toBeGreaterThan(record.pauses.stoppingSweepTermination);
    expect(markTermination).toBeGreaterThan(record.pauses.stoppingMarkTermination);
    expect(after.PauseNs[(after.NumGC + 255) % 256]).toBe(Math.round((sweepTermination + markTermination) * 1e9));
    expect(after.PauseTotalNs - before.PauseTotalNs).toBe(after.PauseNs[(after.NumGC + 255) % 256]);
    expect(record.cpu.pauses).toBeCloseTo(2 * (sweepTermination + markTermination), 9);
    expect(seconds).toBeGreaterThan(record.markSeconds);
    // The heap's clock is read apart from the system's.
    expect(Date.parse(record.startedAt)).toBeGreaterThan(asked - 1000);
    expect(Date.parse(record.startedAt)).toBeLessThan(Date.now() + 1000);
    expect(after.LastGC / 1e6).toBeGreaterThanOrEqual(Date.parse(record.startedAt));
    expect(gctrace).toMatch(new RegExp(`^gc ${record.number} @.* 2 P \\(forced\\)$`));
    // The history has it too.
    expect((await history()).cycles[0]).toEqual({ ...record, gctrace });
    await free(holder);
  });

  it('collects although nothing was freed, and needs no body', async () => {
    const { number } = await collect();
    const { status, body } = await t.call('POST', 'gc');
    expect([status, body.number, body.sweep.objectsFreed]).toEqual([200, number + 1, 0]);
  });

  it('serves many at once: for each a cycle that began after it asked', async () => {
    const { NumGC } = await stats();
    const answers = await Promise.all(Array.from({ length: 16 }, () => t.post('gc')));
    for (const { status, body } of answers) {
      expect([status, body.forced, body.sweep.done]).toEqual([200, true, true]);
      expect(body.number).toBeGreaterThan(NumGC);
    }
    expect((await stats()).NumGC).toBe(Math.max(...answers.map(({ body }) => body.number)));
  });

  test.each([
    [{ force: true }, 'unknown-field', 'force'],
    [{ __proto__x: 1 }, 'unknown-field', '__proto__x'],
    [[], 'validation-failed', 'body'],
    [[{}], 'validation-failed', 'body'],
  ])('refuses %j', async (body, code, field) => {
    const { NumGC } = await stats();
    expectProblem(await t.post('gc', body), 400, code, field);
    expect((await stats()).NumGC).toBe(NumGC);
  });

  test.each(['7', '"now"', 'true'])('refuses the body %s', async (text) => {
    expectProblem(await t.call('POST', 'gc', text, JSON_TYPE), 400, 'validation-failed', 'body');
  });
});

describe('GET gc', () => {
  it('of a new heap is empty', async () => {
    await t.call('PUT', '/v1/heaps/fresh', { gogc: 100 });
    expect((await t.get('/v1/heaps/fresh/gc')).body).toEqual({
      cycles: [],
      numGC: 0,
      numForcedGC: 0,
      abandoned: 0,
      phase: 'off',
      nextGC: 4 * MiB,
      trigger: (4 * MiB * 61) / 64,
      heapLive: 0,
      sweepDone: true,
    });
    await t.call('DELETE', '/v1/heaps/fresh');
  });

  it('has the last 256 cycles, the newest first', async () => {
    await t.call('PUT', '/v1/heaps/long', {});
    for (let i = 1; i <= 300; i++) {
      const { body } = await t.post('/v1/heaps/long/gc');
      if (body.number !== i) expect.fail(`cycle ${i} is number ${body.number}`);
      if (i !== 255 && i !== 256 && i !== 257 && i !== 300) continue;
      const { cycles, numGC, numForcedGC } = (await t.get('/v1/heaps/long/gc')).body;
      expect([numGC, numForcedGC]).toEqual([i, i]);
      const numbers = cycles.map((cycle: { number: number }) => cycle.number);
      expect(numbers).toEqual(Array.from({ length: Math.min(i, 256) }, (_, n) => i - n));
      const at = cycles.map((cycle: { at: number }) => cycle.at);
      expect(at).toEqual([...at].sort((a, b) => b - a));
    }
    expect((await t.post('/v1/heaps/long/check')).body.differences).toEqual([]);
    await t.call('DELETE', '/v1/heaps/long');
  });

  it('shows as many as are asked for', async () => {
    for (let i = 0; i < 3; i++) await collect();
    const { cycles, numGC } = await history();
    expect(cycles[0].number).toBe(numGC);
    expect((await history('?limit=2')).cycles).toEqual(cycles.slice(0, 2));
    expect((await history('?limit=0')).cycles).toEqual([]);
  });

  test.each([
    ['?limit=-1', 'validation-failed', 'limit'],
    ['?limit=257', 'validation-failed', 'limit'],
    ['?limit=1.5', 'validation-failed', 'limit'],
    ['?limit=all', 'validation-failed', 'limit'],
    ['?last=3', 'unknown-field', 'last'],
  ])('refuses %s', async (query, code, field) => {
    expectProblem(await t.get(`gc${query}`), 400, code, field);
  });
});

describe('POST scavenge', () => {
  /** Frees that many MiB of pages, and has them swept. */
  const makeFree = async (mib: number) => {
    const { addresses } = (await t.post('alloc', { size: MiB, count: mib })).body;
    await free(...addresses);
    await collect();
  };

  it('collects, and gives everything idle back', async () => {
    const { addresses } = (await t.post('alloc', { size: 8192, count: 4000 })).body;
    await free(...addresses);
    const before = await stats();
    const { status, body } = await t.post('scavenge');
    const after = await stats();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      release: releaseMode(),
      collected: true,
      heapIdle: after.HeapIdle,
      heapReleased: after.HeapReleased,
      heapSys: after.HeapSys,
    });
    expect(after.NumGC).toBe(before.NumGC + 1);
    expect(before.HeapAlloc - after.HeapAlloc).toBeGreaterThanOrEqual(4000 * 8192);
    expect(body.releasedBytes).toBe(body.heapReleased - body.heapReleasedBefore);
    expect(body.releasedBytes).toBeGreaterThan(0);
    // What a P keeps in its page cache, at most 64 pages each, stays.
    expect(body.heapIdle - body.heapReleased).toBeLessThanOrEqual(2 * 64 * 8192);
    expect((await t.post('scavenge')).body.releasedBytes).toBe(0);
  });

  it('does not collect when told not to', async () => {
    await makeFree(8);
    const dropped = await t.alloc({ size: 5 * MiB });
    await free(dropped);
    const before = await stats();
    const { body } = await t.post('scavenge', { gc: false });
    const after = await stats();
    expect(body.collected).toBe(false);
    expect(body.heapReleased).toBe(body.heapReleasedBefore + body.releasedBytes);
    expect([after.NumGC, after.HeapAlloc]).toEqual([before.NumGC, before.HeapAlloc]);
    expect((await t.post('scavenge', { gc: true })).body).toMatchObject({ collected: true });
    expect(await isThere(dropped)).toBe(false);
  });

  it('gives back about as much as is asked for', async () => {
    await t.post('scavenge');
    await makeFree(32);
    for (const bytes of [1, 8192, MiB, 5 * MiB + 1]) {
      const { body } = await t.post('scavenge', { bytes, gc: false });
      expect(body.releasedBytes).toBeGreaterThanOrEqual(bytes);
      // Whole pages, and no huge page is broken up for it.
      expect(body.releasedBytes).toBeLessThan(bytes + 8192 + 2 * MiB);
    }
    const { body } = await t.post('scavenge', { bytes: Number.MAX_SAFE_INTEGER, gc: false });
    expect(body.heapIdle - body.heapReleased).toBeLessThanOrEqual(2 * 64 * 8192);
  });

  it('leaves objects as they are, and released pages read zero when they come back', async () => {
    const kept = await t.alloc({ size: 100_000 });
    await write(kept, Buffer.alloc(100_000, 0xa5));
    const gone = await t.alloc({ size: 4 * MiB });
    await write(gone, Buffer.alloc(4 * MiB, 0xa5));
    await free(gone);
    await t.post('scavenge');
    expect((await t.get(`objects/${kept}/data`)).raw).toEqual(Buffer.alloc(100_000, 0xa5));
    const fresh = await t.alloc({ size: 4 * MiB });
    expect((await t.get(`objects/${fresh}/data`)).raw.equals(Buffer.alloc(4 * MiB))).toBe(true);
    await free(kept, fresh);
  });

  test.each([
    [{ bytes: 0 }, 'validation-failed', 'bytes'],
    [{ bytes: -1 }, 'validation-failed', 'bytes'],
    [{ bytes: 1.5 }, 'validation-failed', 'bytes'],
    [{ bytes: 2 ** 53 }, 'validation-failed', 'bytes'],
    [{ bytes: '1MiB' }, 'validation-failed', 'bytes'],
    [{ bytes: null }, 'validation-failed', 'bytes'],
    [{ bytes: [1] }, 'validation-failed', 'bytes'],
    [{ gc: 'yes' }, 'validation-failed', 'gc'],
    [{ gc: 0 }, 'validation-failed', 'gc'],
    [{ gc: null }, 'validation-failed', 'gc'],
    [{ pages: 1 }, 'unknown-field', 'pages'],
    [[], 'validation-failed', 'body'],
  ])('refuses %j', async (body, code, field) => {
    const { NumGC, HeapAlloc, HeapSys } = await stats();
    expectProblem(await t.post('scavenge', body), 400, code, field);
    expect(await stats()).toMatchObject({ NumGC, HeapAlloc, HeapSys });
  });
});

describe.each([
  ['POST', 'gc'],
  ['GET', 'gc'],
  ['POST', 'scavenge'],
])('%s %s', (method, path) => {
  it('refuses heaps that are not there, and names that no heap has', async () => {
    const payload = method === 'GET' ? undefined : {};
    expectProblem(await t.call(method, `/v1/heaps/none/${path}`, payload), 404, 'heap-not-found');
    for (const name of ['..%2f..', 'a%20b', 'UPPER', 'x'.repeat(64)]) {
      expectProblem(await t.call(method, `/v1/heaps/${name}/${path}`, payload), 400, 'invalid-heap-name', 'heap');
    }
  });

  it('refuses other methods', async () => {
    for (const other of ['PUT', 'DELETE', 'PATCH'])
      expectProblem(await t.call(other, path, {}), 405, 'method-not-allowed');
  });
});

test.each(['gc', 'scavenge'])('POST %s refuses what is not JSON', async (path) => {
  expectProblem(await t.call('POST', path, '{"bytes":', JSON_TYPE), 400, 'invalid-json');
  expectProblem(await t.call('POST', path, 'all', { 'content-type': 'text/plain' }), 415, 'unsupported-media-type');
});

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
