/** Collecting over HTTP: POST and GET …/gc, POST …/scavenge. */

import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { releaseMode } from '../../src/memory/os.js';
import { debugApp, gcClient } from '../helper/gc-client.js';
import { expectProblem, type TestApp } from '../helper/routes.js';

const MiB = 2 ** 20;
const JSON_TYPE = { 'content-type': 'application/json' };

let t: TestApp;
beforeAll(async () => {
  // Cycles when the tests ask for them, and at no other time.
  t = await debugApp({ GOGC: 'off' });
});
afterEach(() => t.check());
afterAll(() => t.close());

const { collect, history, stats, free, write, isThere } = gcClient(() => t);

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
