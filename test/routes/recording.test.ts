/** GET …/recording on heaps with real threads: what it tells, under races, at its bounds, to readers of every kind. */

import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takesGzip } from '../../routes/recording.js';
import { T_DROPPED, T_LARGE_REQUESTED } from '../../src/heap/heap.js';
import { readMemStats, sumStat } from '../../src/heap/memstats.js';
import { BatchOp, Flag } from '../../src/sched/ops.js';
import { drain } from '../../src/server/main.js';
import { STALL_MS } from '../../src/telemetry/recording/stream.js';
import { requestedBytes, reusedSlots } from '../../src/telemetry/view.js';
import { type Played, play } from '../helper/recording.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';
import { holdTimers } from '../helper/timers.js';

let t: TestApp;
beforeEach(async () => {
  // A reader may be as slow as it likes: that is part of what is tested.
  t = await testApp({ SEND_TIMEOUT: '0s' });
});
afterEach(async () => {
  if (!t.lifecycle.draining) await t.check();
  await t.close();
});

const sum = (numbers: Float64Array): number => numbers.reduce((total, n) => total + n, 0);

/** What the heap itself counted: allocations, frees, requested bytes. */
function counted() {
  const { heap } = t.host;
  return {
    mallocs: readMemStats(heap).Mallocs + sum(reusedSlots(heap)),
    frees: sumStat(heap, T_DROPPED),
    bytes: sum(requestedBytes(heap)) + sumStat(heap, T_LARGE_REQUESTED),
  };
}

/** A recording that has begun. `text` ends when it does. */
async function record(query = '', path = '/v1/heaps/t/recording') {
  if (t.app.server.address() === null) await t.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = t.app.server.address() as AddressInfo;
  const request = httpRequest({ port, host: '127.0.0.1', path: path + query }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  const text = (async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  })();
  text.catch(() => {});
  return { request, response, text };
}

/** Records what `work` does, and a little longer; what it says, and what the heap counted. */
async function recorded(work: () => Promise<unknown>, query = '') {
  const { heap } = t.host;
  const before = counted();
  const objects = readMemStats(heap).HeapObjects;
  const { text } = await record(`?seconds=3600&${query}`);
  await work();
  const after = counted();
  await endRecording();
  const whole = await text;
  const told = {
    mallocs: after.mallocs - before.mallocs,
    frees: after.frees - before.frees,
    bytes: after.bytes - before.bytes,
  };
  return { text: whole, told, objects, ...play(whole) };
}

/** Ends what runs as a drain does, without one. Once a test. */
async function endRecording(): Promise<void> {
  t.lifecycle.signal.dispatchEvent(new Event('abort'));
}

/** What only the one has, and what only the other: the first few, since a list of thousands takes minutes to print. */
function apart(one: Iterable<string>, other: Iterable<string>): [string[], string[]] {
  const [a, b] = [new Set(one), new Set(other)];
  return [[...a].filter((x) => !b.has(x)).slice(0, 10), [...b].filter((x) => !a.has(x)).slice(0, 10)];
}

const counts = ({ mallocs, frees, bytes }: Played) => ({ mallocs, frees, bytes });

describe('what it tells', () => {
  it('is each allocation and each free, by whatever request', async () => {
    const got: string[] = [];
    const { text, told, live, ...played } = await recorded(async () => {
      const a = await t.alloc({ size: 100, p: 1 });
      await t.post('free', { address: a, p: 0, reuse: 'immediate' });
      const many = (await t.post('alloc', { size: 24, pointers: [1], count: 3 })).body.addresses;
      await t.post('free', { addresses: [many[0], '0xc000000001', many[0]] });
      const keep = await t.alloc({ size: 16, pointers: 'all' });
      await t.alloc({ size: 40, store: { address: keep, word: 0 }, root: false, site: 'main;x' });
      await t.alloc({ size: 48, root: false });
      await t.alloc({ size: 0 });
      await t.alloc({ size: 100_000 });
      const big = await t.alloc({ size: 7 });
      // Refused: nothing happened, or it is undone.
      expectProblem(await t.post('alloc', { size: 8, store: { address: big, word: 0 } }), 422, 'not-pointer-word');
      expectProblem(await t.post('free', { address: a }), 409, 'already-freed');
      got.push(many[0], keep, big);
      const lines = ['{"op":"alloc","size":33}', 'nonsense', '{"op":"free","ref":0,"reuse":"immediate"}', ''].join(
        '\n',
      );
      await t.post('batch', lines, { 'content-type': 'application/x-ndjson' });
      const words = new Int32Array([
        BatchOp.alloc | (Flag.noscan << 8),
        0,
        55,
        0,
        BatchOp.free | (Flag.byRef << 8),
        0,
        0,
        0,
      ]);
      await t.post('batch', Buffer.from(words.buffer), { 'content-type': 'application/vnd.goheap.batch' });
    });
    expect(counts({ ...played, live })).toEqual(told);
    expect(played).toMatchObject({ mallocs: 12, frees: 7, scans: 4 });
    const at = (address: string) => live.get(address);
    expect(at(got[0])).toBeUndefined();
    expect(at(got[1])).toMatchObject({ size: 16, scan: true });
    expect(at(got[2])).toMatchObject({ size: 7, scan: false });
    expect([...live.values()].map(({ size }) => size).sort((a, b) => a - b)).toEqual([7, 16, 24, 24, 100_000]);
    expect([...played.ps].sort()).toEqual([0, 1]);
    expect(text).toMatch(/^# goheap \S+: heap t, \S+Z, GOMAXPROCS 2, GOGC 100\n/);
    expect(played.remarks.slice(1)).toEqual([
      `told: 12 mallocs of ${told.bytes} bytes, 7 frees`,
      'left out: 1 allocations of 0 bytes',
      'end: the server shuts down',
    ]);
  });

  it('begins with what is there', async () => {
    const { addresses } = (await t.post('alloc', { size: 48, count: 100 })).body;
    await t.post('free', { addresses: addresses.slice(50) });
    const tiny = (await t.post('alloc', { size: 5, count: 7, p: 0 })).body.addresses;
    const large = await t.alloc({ size: 50_000, noscan: false });
    const header = await t.alloc({ size: 600, noscan: false });
    const { older, live, frees } = await recorded(async () => {
      await t.post('free', { addresses: addresses.slice(0, 10) });
      await t.post('free', { addresses: [...tiny, large], reuse: 'immediate' });
    });
    expect([...older.keys()].sort()).toEqual([...addresses.slice(0, 50), ...tiny, large, header].sort());
    expect(older.get(addresses[0])).toMatchObject({ size: 48, scan: false });
    expect(older.get(large)).toMatchObject({ size: 50_000, scan: true });
    expect(older.get(header)).toMatchObject({ size: 632, scan: true });
    expect(frees).toBe(18);
    expect([...live.keys()].sort()).toEqual([...addresses.slice(10, 50), header].sort());
  });

  it('leaves out what is there, and its frees, where it is told to', async () => {
    const a = await t.alloc({ size: 48 });
    const { older, frees, mallocs, remarks } = await recorded(async () => {
      await t.post('free', { address: a });
      await t.post('free', { address: await t.alloc({ size: 48 }) });
    }, 'live=false');
    expect([older.size, mallocs, frees]).toEqual([0, 1, 1]);
    expect(remarks).toContain('left out: 1 frees of objects from before');
  });

  it('is in order and complete while all Ps allocate, free and reuse each other’s slots', async () => {
    await t.call('PUT', '/v1/heaps/t', { gomaxprocs: 2 });
    const held: string[] = [];
    // There is much before, and work is under way when the recording begins.
    held.push(...(await t.post('alloc', { size: 64, count: 5000 })).body.addresses);
    let going = true;
    const client = async (id: number, rounds = Number.POSITIVE_INFINITY): Promise<void> => {
      let seed = id + 1;
      const next = (n: number): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 1) % n;
      for (let round = 0; going && round < rounds; round++) {
        const ops: object[] = [];
        for (let i = 0; i < 60 + next(200); i++) {
          if (held.length > 3000 || (held.length > 0 && next(2) === 0)) {
            ops.push({
              op: 'free',
              address: held.splice(next(held.length), 1)[0],
              reuse: next(3) === 0 ? 'sweep' : 'immediate',
            });
          } else if (next(12) === 0) {
            ops.push({ op: 'alloc', size: 5000 + next(40_000) });
          } else {
            ops.push({ op: 'alloc', size: 1 + next(90), noscan: next(4) !== 0 });
            if (next(3) === 0) ops.push({ op: 'free', ref: ops.length - 1, reuse: 'immediate' });
          }
        }
        const { status, body } = await t.post('batch', { ops, p: id % 2 });
        expect([status, body.failed]).toEqual([200, 0]);
        const freed = new Set(ops.flatMap((op) => ('ref' in op ? [op.ref] : [])));
        body.results.forEach((result: { address?: string }, i: number) => {
          if (result.address !== undefined && !freed.has(i)) held.push(result.address);
        });
        if (next(10) === 0) {
          await t.post('free', { address: await t.alloc({ size: 64 }), reuse: 'immediate' });
        }
      }
    };
    const clients = [0, 1, 2, 3, 4, 5].map((id) => client(id));
    const xmalloc = { workload: 'xmalloc', rate: 50_000, duration: '24h', bytes: 1 << 20 };
    const { status, body: load } = await t.post('workloads', xmalloc);
    expect(status, JSON.stringify(load)).toBe(201);
    const seen = { mallocs: 0, frees: 0, reused: 0, ps: new Set<number>() };
    const enough = () => seen.mallocs > 5000 && seen.frees > 5000 && seen.reused > 500 && seen.ps.size === 2;
    // Until enough has happened, however fast it does and in whichever thread.
    for (let round = 0; round < 5 || !enough(); round++) {
      const played = play(await (await record('?seconds=3600&bytes=1500000')).text);
      seen.mallocs += played.mallocs;
      seen.frees += played.frees;
      seen.reused += played.reused;
      for (const p of played.ps) seen.ps.add(p);
      expect(played.remarks.filter((line) => !/^(goheap|told|end)/.test(line))).toEqual([]);
    }
    // At rest at both ends everything can be compared.
    going = false;
    await Promise.all(clients);
    await t.call('DELETE', `workloads/${load.id}`);
    going = true;
    const { told, live, older, ...played } = await recorded(async () => {
      await Promise.all([6, 7, 8, 9].map((id) => client(id, 25)));
    });
    expect(counts({ ...played, live, older })).toEqual(told);
    expect(played.mallocs).toBeGreaterThan(2000);
    expect(apart(live.keys(), held)).toEqual([[], []]);
  });
});

it('begins in the midst of long batches', async () => {
  const n = 30_000;
  const words = new Int32Array(n * 4);
  // Each holds two objects for a while, so that at any moment something is live and something is free.
  for (let i = 0; i < n; i++) {
    const earlier = i - 4 - (i % 2);
    if (i % 2 === 0 || earlier < 0) words.set([BatchOp.alloc | (Flag.noscan << 8), 0, 16 + (i % 100), 0], i * 4);
    else words.set([BatchOp.free | ((Flag.byRef | Flag.immediate) << 8), 0, earlier - (earlier % 2), 0], i * 4);
  }
  const body = Buffer.from(words.buffer);
  let going = true;
  const clients = [0, 1, 0, 1].map(async (p) => {
    while (going) await t.post(`batch?p=${p}`, body, { 'content-type': 'application/vnd.goheap.batch' });
  });
  for (let round = 0; round < 8; round++) {
    const { remarks, mallocs } = play(await (await record('?seconds=3600&bytes=3000000')).text);
    expect(remarks.filter((line) => /^repaired/.test(line))).toEqual([]);
    expect(mallocs).toBeGreaterThan(100);
  }
  going = false;
  await Promise.all(clients);
});

it('goes on when threads die, and knows what is left', async () => {
  const { text } = await record('?seconds=3600');
  let going = true;
  const client = async (p: number): Promise<void> => {
    let mine: string[] = [];
    for (let round = 1; going; round++) {
      const ops: object[] = mine.splice(0, 100).map((address) => ({ op: 'free', address, reuse: 'immediate' }));
      for (let i = 0; i < 400; i++) {
        ops.push({ op: 'alloc', size: 8 + ((round * 31 + i) % 120) });
        if (i % 2 === 0) ops.push({ op: 'free', ref: ops.length - 1, reuse: i % 4 === 0 ? 'immediate' : 'sweep' });
      }
      const { status, body } = await t.post('batch', { ops, p });
      expect([200, 503]).toContain(status);
      if (status === 200) mine.push(...body.results.flatMap((r: { address?: string }) => r.address ?? []));
      // Those that were freed by reference are freed again, and refused.
      mine = mine.slice(-2000);
    }
  };
  const clients = [0, 1, 0, 1].map(client);
  /** Until work of about two batches was done. */
  const goneOn = async () => {
    const { mallocs } = counted();
    await expect.poll(() => counted().mallocs).toBeGreaterThan(mallocs + 800);
  };
  for (let i = 0; i < 8; i++) {
    await goneOn();
    await t.host.terminateM(i % 2);
  }
  await goneOn();
  going = false;
  await Promise.all(clients);
  expect(t.host.stats().restarts).toBe(8);
  await endRecording();
  const played = play(await text);
  expect(played.mallocs).toBeGreaterThan(1000);
  // The roots that the heap itself knows now.
  const { older } = play((await t.get('recording?seconds=0.1')).body);
  expect(older.size).toBeGreaterThan(100);
  expect(apart(played.live.keys(), older.keys())).toEqual([[], []]);
});

describe('how it ends', () => {
  it('after its time, and another may begin', async () => {
    const timers = holdTimers(1_234_000);
    const { text } = await record('?seconds=1234');
    const answer = await t.get('recording');
    expectProblem(answer, 409, 'recording-under-way');
    expect(answer.headers['retry-after']).toBe('5');
    timers.fire();
    timers.release();
    expect(play(await text).remarks.at(-1)).toBe('end: the time is over');
    expect(t.host.recorded).toBe(false);
    expect((await t.get('recording?seconds=0.1')).status).toBe(200);
  });

  it('at its bound in bytes, with whole lines', async () => {
    await t.post('alloc', { size: 16, count: 2000 });
    const { text } = await record('?seconds=3600&bytes=20000');
    const whole = await text;
    expect(whole.length).toBeLessThanOrEqual(20_000);
    expect(whole.length).toBeGreaterThan(18_000);
    const { remarks, older } = play(whole);
    expect(remarks.slice(1)).toEqual(['end: the bound in bytes is reached']);
    expect(older.size).toBeGreaterThan(400);
    expect(t.host.recorded).toBe(false);
  });

  it('when the heap is deleted', async () => {
    await t.call('PUT', '/v1/heaps/other', { reserve: '64MiB' });
    const { text } = await record('?seconds=3600', '/v1/heaps/other/recording');
    await t.call('POST', '/v1/heaps/other/alloc', { size: 16 });
    await t.call('DELETE', '/v1/heaps/other');
    expect(play(await text)).toMatchObject({
      mallocs: 1,
      remarks: [/goheap/, /told/, 'end: the heap was deleted'].map((r) =>
        typeof r === 'string' ? r : expect.stringMatching(r),
      ),
    });
  });

  it('when the server drains, in good order', async () => {
    const { text, response } = await record('?seconds=3600');
    await t.alloc({ size: 16 });
    await drain(t.app, 3_600_000);
    expect(play(await text)).toMatchObject({ mallocs: 1 });
    expect((await text).endsWith('# end: the server shuts down\n')).toBe(true);
    expect(response.complete).toBe(true);
  });

  it('when its client goes away', async () => {
    for (const header of [undefined, 'gzip']) {
      const { port } = t.app.server.address() === null ? await listening() : (t.app.server.address() as AddressInfo);
      const headers = header === undefined ? {} : { 'accept-encoding': header };
      const request = httpRequest({
        port,
        host: '127.0.0.1',
        path: '/v1/heaps/t/recording?seconds=3600',
        headers,
      }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.on('error', () => {});
      request.on('error', () => {});
      expect(t.host.recorded).toBe(true);
      request.destroy();
      await expect.poll(() => t.host.recorded).toBe(false);
    }
  });
});

async function listening(): Promise<AddressInfo> {
  await t.app.listen({ host: '127.0.0.1', port: 0 });
  return t.app.server.address() as AddressInfo;
}

describe('its reader', () => {
  it('gets gzip where it takes it, before a block is full', async () => {
    const { port } = await listening();
    const headers = { 'accept-encoding': 'br, gzip;q=0.5' };
    const request = httpRequest({ port, host: '127.0.0.1', path: '/v1/heaps/t/recording?seconds=3600', headers }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-encoding': 'gzip',
      'content-disposition': 'attachment; filename="t.trace"',
      'cache-control': 'no-store',
      vary: 'accept-encoding',
    });
    const chunks: Buffer[] = [];
    response.on('data', (chunk) => chunks.push(chunk));
    await t.alloc({ size: 77 });
    await expect.poll(() => Buffer.concat(chunks).length).toBeGreaterThan(100);
    await endRecording();
    await once(response, 'end');
    expect(play(gunzipSync(Buffer.concat(chunks)).toString())).toMatchObject({ mallocs: 1, bytes: 77 });
  });

  it('says by Accept-Encoding whether it takes gzip', () => {
    for (const [header, takes] of [
      [undefined, false],
      ['gzip', true],
      ['deflate, gzip;q=1.0, *;q=0.5', true],
      ['br;q=1.0, gzip;q=0', false],
      ['gzip;q=0.001', true],
      ['ungzip', false],
    ] as const) {
      expect(takesGzip(header), header).toBe(takes);
    }
  });

  it('may be as slow as it likes: it gets less, in pairs, and nobody waits', async () => {
    const stalled = holdTimers(STALL_MS);
    const { response, text } = await record('?seconds=3600');
    const before = counted();
    response.socket.pause();
    // 1.8 million allocations, which are freed again: more than queue and kernel hold.
    const words = new Int32Array(20_000 * 4);
    for (let i = 0; i < 20_000; i += 2) {
      words.set([BatchOp.alloc | (Flag.noscan << 8), 0, 16 + (i % 1000), 0], i * 4);
      words.set([BatchOp.free | ((Flag.byRef | Flag.immediate) << 8), 0, i, 0], i * 4 + 4);
    }
    const body = Buffer.from(words.buffer);
    const kept: string[] = (await t.post('alloc', { size: 64, count: 1000 })).body.addresses;
    for (let i = 0; i < 180; i++) {
      const { status } = await t.post('batch', body, { 'content-type': 'application/vnd.goheap.batch' });
      expect(status).toBe(200);
    }
    // These frees fall into the gap.
    await t.post('free', { addresses: kept.slice(0, 900) });
    const late: string[] = (await t.post('alloc', { size: 64, count: 10 })).body.addresses;
    const after = counted();
    stalled.release();
    response.socket.resume();
    await endRecording();
    const played = play(await text);
    const dropped = /^dropped: (\d+) events in (\d+) gaps, and (\d+) frees came late/.exec(played.remarks[2]);
    expect(dropped, played.remarks.join('\n')).not.toBeNull();
    expect(Number(dropped?.[3])).toBeGreaterThanOrEqual(900);
    const told = after.mallocs - before.mallocs + after.frees - before.frees;
    expect(played.mallocs + played.frees + Number(dropped?.[1])).toBe(told);
    expect([...played.live.keys()].filter((address) => kept.includes(address))).toEqual(
      kept.slice(900).filter((a) => played.live.has(a)),
    );
    expect(kept.slice(0, 900).some((address) => played.live.has(address) && !late.includes(address))).toBe(false);
  });
});

it('checks what it is asked for', async () => {
  for (const [query, field] of [
    ['seconds=0', 'seconds'],
    ['seconds=3601', 'seconds'],
    ['bytes=4095', 'bytes'],
    ['bytes=1.5', 'bytes'],
    ['live=maybe', 'live'],
  ]) {
    expectProblem(await t.get(`recording?${query}`), 400, 'validation-failed', field);
  }
  expectProblem(await t.get('recording?heap=1'), 400, 'unknown-field');
  expectProblem(await t.get('/v1/heaps/none/recording'), 404, 'heap-not-found');
  expect((await t.call('HEAD', 'recording')).status).toBe(405);
  expect(t.host.recorded).toBe(false);
});
