/** What connections may hold, with a clock of the test's own and handlers that it ends. */

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { type ConnectionLimits, Connections } from '../../src/server/connections.js';
import { exchange, get, mute } from '../attack/client.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Of waits for many megabytes: a bound for what hangs, not for what is slow. */
const HANGS = { timeout: 110_000 };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(limits: Partial<ConnectionLimits>, answer: Answer) {
  const connections = new Connections({ maxPipeline: 64, maxUnsent: 2 ** 28, sendTimeout: 0, ...limits });
  // Only what these tests are about closes a connection.
  const server = connections.createServer(answer, { keepAliveTimeout: 0, requestTimeout: 0 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    connections.closeAll();
    server.close();
  });
  return { connections, server, port: (server.address() as AddressInfo).port };
}

async function client(port: number): Promise<Socket> {
  const socket = await mute(port);
  closers.push(() => socket.destroy());
  return socket;
}

it('runs as many requests of a connection as it may, and the rest in order', async () => {
  const running: ServerResponse[] = [];
  const paths: (string | undefined)[] = [];
  const { connections, port } = await serve({ maxPipeline: 3 }, (request, response) => {
    paths.push(request.url);
    running.push(response);
  });
  const text = exchange(
    port,
    [0, 1, 2, 3, 4, 5, 6].map((i) => get(`/${i}`, i < 6 ? '' : 'connection: close\r\n')).join(''),
  );
  await expect.poll(() => connections.stats.held).toBe(4);
  expect(paths).toEqual(['/0', '/1', '/2']);
  // The second is ready first, and waits for its turn: nothing else may start.
  running[1].end('b');
  running[0].end('a');
  await expect.poll(() => paths.length).toBe(5);
  expect(connections.stats.held).toBe(2);
  for (let i = 2; i < 7; i++) {
    await expect.poll(() => running.length).toBeGreaterThan(i);
    running[i].end('cdefg'[i - 2]);
  }
  expect([...(await text).matchAll(/\r\n\r\n([a-g])/g)].map(([, letter]) => letter).join('')).toBe('abcdefg');
  expect(paths).toEqual(['/0', '/1', '/2', '/3', '/4', '/5', '/6']);
  expect(connections.stats.held).toBe(0);
});

it('starts none while a connection has a lot unsent, but always one', async () => {
  // More than the system takes of one.
  const big = Buffer.alloc(16 << 20);
  let started = 0;
  const { connections, port } = await serve({}, (_request, response) => {
    started++;
    response.end(big);
  });
  const socket = await client(port);
  socket.write(get('/').repeat(50));
  await expect.poll(() => connections.stats.held).toBeGreaterThan(40);
  expect(started).toBeLessThan(5);
  let bytes = 0;
  socket.on('data', (piece) => {
    bytes += piece.length;
  });
  socket.resume();
  await expect.poll(() => bytes, HANGS).toBeGreaterThanOrEqual(50 * big.length);
  expect(started).toBe(50);
});

it('closes every response of a connection that closes, and what comes too late at once', async () => {
  const streams: PassThrough[] = [];
  const closed: boolean[] = [];
  const { connections, port } = await serve({}, (_request, response) => {
    const stream = new PassThrough();
    streams.push(stream);
    const i = streams.length - 1;
    response.once('close', () => {
      closed[i] = true;
      stream.destroy();
    });
    stream.pipe(response);
    stream.write('x');
  });
  const socket = await client(port);
  socket.write(get('/').repeat(4));
  await expect.poll(() => streams.length).toBe(4);
  socket.destroy();
  await expect.poll(() => closed).toEqual([true, true, true, true]);
  expect(streams.every((stream) => stream.destroyed)).toBe(true);
  expect(connections.stats).toMatchObject({ open: 0, held: 0, unsent: 0 });
});

it('cuts a client that takes nothing for as long as it may, and none that takes a little or has nothing to take', async () => {
  let now = 0;
  const { connections, port } = await serve({ sendTimeout: 1000, now: () => now }, (request, response) => {
    if (request.url === '/silent') response.writeHead(200).write('one event');
    else response.end(Buffer.alloc(64 << 20));
  });
  const [silent, stuck, slow] = await Promise.all([client(port), client(port), client(port)]);
  silent.write(get('/silent'));
  stuck.write(get('/big'));
  slow.write(get('/big'));
  slow.on('data', () => void slow.pause());
  await expect.poll(() => connections.stats.unsent).toBeGreaterThan(64 << 20);
  const gone: string[] = [];
  silent.on('close', () => gone.push('silent'));
  stuck.on('close', () => gone.push('stuck'));
  slow.on('close', () => gone.push('slow'));
  // Until the system's buffers are full the server sees progress.
  const settled = async () => {
    const read = once(slow, 'data');
    slow.resume();
    await read;
  };
  await expect
    .poll(
      async () => {
        now += 400;
        // As much as makes the system take more.
        for (let i = 0; i < 40; i++) await settled();
        connections.sweep();
        return connections.stats.cut.stalled;
      },
      { ...HANGS, interval: 1 },
    )
    .toBe(1);
  stuck.resume();
  await expect.poll(() => gone).toEqual(['stuck']);
});

it('cuts those with the most unsent when all together have too much', async () => {
  const { connections, port } = await serve({ maxUnsent: 100 << 20 }, (request, response) => {
    response.end(Buffer.alloc(Number(request.url?.slice(1)) << 20));
  });
  const sizes = [30, 60, 45];
  const clients = await Promise.all(sizes.map(() => client(port)));
  const gone: number[] = [];
  clients.forEach((socket, i) => {
    socket.on('close', () => gone.push(sizes[i]));
    socket.write(get(`/${sizes[i]}`));
  });
  await expect.poll(() => connections.stats.cut.unsent).toBe(1);
  await expect.poll(() => connections.stats.unsent).toBeGreaterThan(60 << 20);
  for (const socket of clients) socket.resume();
  await expect.poll(() => gone).toEqual([60]);
  expect(connections.stats.cut).toEqual({ stalled: 0, unsent: 1, pipelined: 0 });
});

it('cuts the connection with the most requests that wait', async () => {
  const { connections, port } = await serve({ maxPipeline: 1, maxHeld: 100 }, () => {});
  const [few, many] = [await client(port), await client(port)];
  few.write(get('/').repeat(40));
  await expect.poll(() => connections.stats.held).toBe(39);
  many.write(get('/').repeat(90));
  await expect.poll(() => connections.stats.cut.pipelined).toBe(1);
  expect(connections.stats).toMatchObject({ held: 39 });
  await expect.poll(() => connections.stats.open).toBe(1);
});
