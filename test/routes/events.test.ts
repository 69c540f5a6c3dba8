/** The live stream over real connections. */

import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { Why } from '../../src/gc/state.js';
import type { HeapHost } from '../../src/sched/host.js';
import { Op } from '../../src/sched/ops.js';
import { drain } from '../../src/server/main.js';
import { callJson } from '../../src/server/route.js';
import { alloc } from '../helper/host.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';
import { EventReader, type EventServer, eventServer, type ServerEvent } from '../helper/sse.js';

/** Milliseconds that no test lives to see. */
const HOURS = 2 ** 30;

const ending: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function serve(options: Parameters<typeof eventServer>[0] = {}, listen?: Parameters<typeof eventServer>[1]) {
  const server = await eventServer(options, listen);
  ending.push(() => server.close());
  return server;
}

async function open(server: EventServer, query = '', headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = await EventReader.open(server.url(query), headers);
  ending.push(() => reader.close());
  return reader;
}

/**
 * Opens and closes a stream; its status. An answer that nobody reads would hold up the server's
 * end.
 */
async function attempt(server: EventServer): Promise<number> {
  const reader = await EventReader.open(server.url());
  reader.close();
  return reader.status;
}

const host = (server: EventServer): HeapHost => server.heaps.get('t') as unknown as HeapHost;
const collect = (server: EventServer) => callJson(server.heaps.get('t'), Op.gc, [Why.forced], 1 << 14);

/**
 * Makes so many milliseconds pass from each sample to the next, however busy the machine is: a
 * client gets the same samples every time. Counts how often the sampler reads the heap's stats,
 * which is twice a sample.
 */
function clockedBySamples(server: EventServer, ms: number): () => number {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  ending.push(() => void vi.useRealTimers());
  return samplesTaken(server, () => void vi.setSystemTime(Date.now() + ms / 2));
}

it('says hello, then samples at the rate that was asked for', async () => {
  const server = await serve();
  const intervals = vi.spyOn(globalThis, 'setInterval');
  ending.push(() => intervals.mockRestore());
  clockedBySamples(server, 40);
  const reader = await open(server, '?rate=10');
  expect(reader.status).toBe(200);
  expect(reader.headers.get('content-type')).toBe('text/event-stream');
  expect(reader.headers.get('cache-control')).toBe('no-store');
  const hello = await reader.next();
  expect(hello).toMatchObject({ event: 'hello', retry: '2000' });
  expect(hello!.data).toMatchObject({ heap: 't', rate: 10, resumed: false, settings: { gomaxprocs: 2, gogc: 100 } });
  expect(hello!.data.version).toMatch(/^\d/);

  const first = await reader.next();
  // The sampler is as fast as its client asks it to be, and no client gets more than it asked for:
  // nine gaps of 100 ms, but for how late the first may be and how early the last.
  expect(intervals.mock.calls.map(([, ms]) => ms)).toContain(100);
  const rest = await reader.take(10);
  expect(rest[9].data.t - rest[0].data.t).toBeGreaterThanOrEqual(775);
  for (let i = 0; i < 100; i++) await alloc(host(server), 64);
  let last = rest[9].data;
  while (last.mallocs - first!.data.mallocs < 100 || last.cpu.wait <= first!.data.cpu.wait) {
    last = (await reader.nextOf('sample'))!.data;
  }
  expect(last.mallocs - first!.data.mallocs).toBe(100);
  expect(last.served.mcache).toBeGreaterThan(50);
  expect(last.ps).toHaveLength(2);
  for (const { id, data } of rest) {
    expect(id).toMatch(/^[0-9a-z]+-[0-9]+$/);
    expect(JSON.stringify(data).length).toBeLessThan(4000);
  }
});

it('tells of collections and of threads that were replaced', async () => {
  const server = await serve({ second: 100 });
  const reader = await open(server, '?rate=10');
  await reader.nextOf('sample');
  await collect(server);
  const gc = await reader.nextOf('gc');
  expect(gc!.data).toMatchObject({ number: 1, why: 'forced', skipped: 0 });
  expect(gc!.data.gctrace).toMatch(/^gc 1 @.*\(forced\)$/);
  expect(JSON.stringify(gc!.data).length).toBeLessThan(4000);
  await host(server).terminateM(1);
  const restart = await reader.nextOf('restart');
  expect(restart!.data).toMatchObject({ restarts: 1, since: 1, ps: [1] });
  // It may be that the thread was seen as gone before its successor was there, never that it was
  // not seen.
  expect((await reader.nextOf('sample'))!.data.ps).toHaveLength(2);
});

it('tells of no more than eight collections a sample, and how many it left out', async () => {
  const server = await serve();
  const reader = await open(server, '?rate=1');
  await reader.nextOf('sample');
  for (let i = 0; i < 12; i++) await collect(server);
  const told = [];
  for (let n = 0, last = 0; last < 12; n = 0) {
    const gc = await reader.nextOf('gc');
    last = gc!.data.number;
    n = gc!.data.skipped;
    told.push(...new Array(n).fill(0), last);
  }
  expect(told).toHaveLength(12);
  expect(told.filter((n) => n > 0).length).toBeGreaterThanOrEqual(8);
});

it('resumes behind the last event that a client saw', async () => {
  const server = await serve({ linger: HOURS });
  const reads = clockedBySamples(server, 100);
  const before = await open(server, '?rate=10');
  const seen = (await before.take(6)).at(-1)!;
  before.close();
  // While nobody is there the sampler goes on for a while.
  const goneOn = async () => {
    const then = reads();
    await expect.poll(reads).toBeGreaterThan(then + 20);
  };
  await goneOn();
  await collect(server);
  await goneOn();
  const after = await open(server, '?rate=10', { 'last-event-id': seen.id! });
  expect((await after.next())!.data.resumed).toBe(true);
  const missed = await after.take(1);
  while (missed.at(-1)!.event !== 'gc') missed.push(...(await after.take(1)));
  missed.push(...(await after.take(5)));
  // Of those from before it came back, none is missing: ids are consecutive.
  const seq = (e: ServerEvent) => Number(e.id!.split('-')[1]);
  expect(missed.map(seq)).toEqual(missed.map((_, i) => seq(seen) + 1 + i));
  expect(missed.filter(({ event }) => event === 'gc')).toHaveLength(1);
  expect(missed.length).toBeGreaterThan(10);
});

it.each(['nonsense', 'zzzz-4', '-1', '9'.repeat(60)])('begins anew for an id that is not its own: %s', async (id) => {
  const server = await serve({ second: 100 });
  const reader = await open(server, '', { 'last-event-id': id });
  expect((await reader.next())!.data.resumed).toBe(false);
  expect((await reader.next())!.event).toBe('sample');
});

it('shares one sampler among its clients, at the rate of the fastest', async () => {
  const server = await serve();
  clockedBySamples(server, 100);
  const slow = await open(server, '?rate=1');
  const fast = await open(server, '?rate=10');
  await slow.next();
  await fast.next();
  // The same samples, and only some of them.
  const [a, b] = [await slow.take(3), await fast.take(12)];
  while (b.at(-1)!.data.t < a[2].data.t) b.push(...(await fast.take(1)));
  const ids = b.map(({ id }) => id);
  expect(ids).toContain(a[1].id);
  expect(ids).toContain(a[2].id);
  expect(ids.indexOf(a[2].id) - ids.indexOf(a[1].id)).toBeGreaterThan(5);
});

it('keeps a silent connection open by comments', async () => {
  const server = await serve({ heartbeat: 30 });
  const reader = await open(server, '?rate=1');
  while (reader.comments.length <= 5) await reader.take(1);
  expect(reader.comments[0]).toMatch(/^:/);
});

/** A connection whose buffers do not grow, and which is not read. */
async function stuck(path: string): Promise<Socket> {
  const socket = connect(path);
  ending.push(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.pause();
  socket.write('GET /v1/heaps/t/events?rate=10 HTTP/1.1\r\nhost: localhost\r\n\r\n');
  return socket;
}

function unixPath(): string {
  const dir = mkdtempSync(join(tmpdir(), 'goheap-events-'));
  ending.push(() => rmSync(dir, { recursive: true }));
  return join(dir, 's');
}

/**
 * How often the server's sampler reads the heap's stats, from now on; `each` is called each time.
 */
function samplesTaken(server: EventServer, each = (): void => {}): () => number {
  let n = 0;
  const { stats } = host(server);
  host(server).stats = function (this: HeapHost) {
    n++;
    each();
    return stats.call(this);
  };
  return () => n;
}

it('leaves a client that does not read out of samples, and goes on where it can', async () => {
  const path = unixPath();
  // A sample every 2 ms fills a socket soon.
  const server = await serve({ second: 20, stall: HOURS }, { path });
  const connections: Socket[] = [];
  server.app.server.on('connection', (socket) => connections.push(socket));
  const socket = await stuck(path);
  const buffered = (): number => connections[0]?.writableLength ?? 0;
  const taken = samplesTaken(server);
  await expect.poll(buffered).toBeGreaterThan(0);
  const full = taken();
  await expect.poll(taken).toBeGreaterThan(full + 200);
  expect(buffered()).toBeLessThan(150_000);
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  socket.resume();
  const gaps = (): number[] => {
    // The last line may have come in part.
    const ids = [...text.matchAll(/^id: \w+-(\d+)\n/gm)].map(([, seq]) => Number(seq));
    return ids.slice(1).map((seq, i) => seq - ids[i]);
  };
  await expect.poll(() => Math.max(...gaps())).toBeGreaterThan(50);
  expect(Math.min(...gaps())).toBeGreaterThan(0);
});

it('cuts off a client that does not read for long', async () => {
  const path = unixPath();
  const server = await serve({ second: 20, stall: 200 }, { path });
  const gone = new Promise<void>((resolve) => {
    server.app.server.on('connection', (socket) => socket.once('close', () => resolve()));
  });
  await stuck(path);
  await gone;
});

it('stops sampling when nobody listens', async () => {
  const server = await serve({ second: 50, linger: 100 });
  const [set, cleared] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')];
  ending.push(() => [set, cleared].forEach((spy) => void spy.mockRestore()));
  const reader = await open(server, '?rate=10');
  await reader.take(5);
  const sampler = set.mock.results[set.mock.calls.findIndex(([, ms]) => ms === 5)].value;
  const stopped = () => cleared.mock.calls.some(([timer]) => timer === sampler);
  expect(stopped()).toBe(false);
  reader.close();
  await expect.poll(stopped).toBe(true);
  // And begins again.
  expect((await (await open(server)).take(2))[1].event).toBe('sample');
});

it('has a limit on streams, and room again when one has ended', async () => {
  const server = await serve({ max: 2 });
  const first = await open(server);
  await open(server);
  const refused = await fetch(server.url());
  expect(refused.status).toBe(503);
  expect(refused.headers.get('content-type')).toBe('application/problem+json');
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await refused.json()).toMatchObject({ code: 'too-many-streams', limit: 2 });
  first.close();
  await expect.poll(() => attempt(server)).toBe(200);
});

it('ends with the heap', async () => {
  const server = await serve();
  const [a, b] = [await open(server, '?rate=10'), await open(server, '?rate=1')];
  await server.heaps.delete('t');
  expect((await a.nextOf('gone'))!.data).toEqual({ heap: 't' });
  expect(await a.next()).toBeUndefined();
  expect(await b.nextOf('gone')).toBeDefined();
  expect((await fetch(server.url())).status).toBe(404);
  // Another heap of that name is another heap.
  await server.heaps.put('t', { gomaxprocs: 1, gogc: 100, gomemlimit: 'off', arenaSize: 64 << 20, reserve: 1 << 28 });
  expect((await (await open(server)).take(2))[1].data.ps).toHaveLength(1);
});

it('ends when the server drains', async () => {
  const server = await serve();
  const reader = await open(server);
  await reader.take(2);
  const cutOff = vi.spyOn(server.app.connections, 'closeAll');
  await drain(server.app, HOURS);
  expect(cutOff).not.toHaveBeenCalled();
  expect(await reader.nextOf('none')).toBeUndefined();
});

it('ends when the app closes without a drain', async () => {
  const server = await serve();
  const reader = await open(server);
  await reader.take(2);
  await server.app.close();
  expect(await reader.nextOf('none')).toBeUndefined();
});

it('leaves nothing behind for clients that go away', async () => {
  const server = await serve({ max: 3 });
  for (let i = 0; i < 30; i++) await attempt(server);
  await expect.poll(() => attempt(server)).toBe(200);
});

it('reads the heap no more often for five clients than for one', async () => {
  const server = await serve();
  const reads = samplesTaken(server);
  const readers = await Promise.all(Array.from({ length: 5 }, () => open(server, '?rate=10')));
  await Promise.all(readers.map((reader) => reader.take(21)));
  await server.heaps.delete('t');
  // Each sample has a number, and took two reads.
  let newest = 0;
  for (const reader of readers) {
    for (const { id } of await reader.take(Number.POSITIVE_INFINITY)) {
      if (id !== undefined) newest = Math.max(newest, Number(id.split('-')[1]));
    }
  }
  expect(newest).toBeGreaterThanOrEqual(20);
  expect(reads()).toBeLessThan(2 * 2 * newest);
});

it('is a route of the server, documented as an event stream', async () => {
  const t: TestApp = await testApp({ GOHEAP_MAX_STREAMS: '0' });
  ending.push(() => t.close());
  expectProblem(await t.get('events'), 503, 'too-many-streams');
  expectProblem(await t.get('/v1/heaps/none/events'), 404, 'heap-not-found');
  expectProblem(await t.get('events?rate=11'), 400, 'validation-failed', 'rate');
  expectProblem(await t.get('events?rate=0'), 400, 'validation-failed', 'rate');
  expectProblem(await t.get('events?speed=1'), 400, 'unknown-field', 'speed');
  expectProblem(await t.post('events'), 405, 'method-not-allowed');
  expect((await t.call('HEAD', 'events')).status).toBe(405);
  const { body } = await t.get('/openapi.json');
  const { get } = body.paths['/v1/heaps/{heap}/events'];
  expect(Object.keys(get.responses['200'].content)).toEqual(['text/event-stream']);
  const types = get.responses['200'].content['text/event-stream'].schema.anyOf.map((s: { title: string }) => s.title);
  expect(types).toEqual(['hello', 'sample', 'gc', 'restart', 'gone']);
  expect(get.parameters.map((p: { name: string }) => p.name).sort()).toEqual(['heap', 'last-event-id', 'rate']);
});
