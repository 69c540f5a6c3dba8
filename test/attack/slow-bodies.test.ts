/**
 * Bodies that arrive slowly, many at once: they take nothing that others need, and no more memory than there is for them.
 */

import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../../src/sched/ops.js';
import { BATCH_TYPE } from '../../src/server/batch/binary.js';
import { type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
let port: number;
const clients: Socket[] = [];

async function start(env: Record<string, string>): Promise<void> {
  t = await testApp(env);
  await t.app.listen({ port: 0, host: '127.0.0.1' });
  port = (t.app.server.address() as AddressInfo).port;
}

/** For each group one server; a test leaves no body in it, and a whole heap. */
function serverWith(env: Record<string, string>): void {
  beforeAll(() => start(env));
  afterAll(() => t.close());
}

afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await expect.poll(() => t.app.bodies.bytes).toBe(0);
  await t.check();
});

/** Begins a request that announces more than it sends; collects what comes back. */
async function begin(path: string, type: string, length: number | 'chunked', first: Buffer | string, from = '') {
  const socket = connect({ port, host: '127.0.0.1' });
  clients.push(socket);
  const state = { socket, text: '', closed: false };
  socket.on('error', () => {});
  socket.setEncoding('latin1').on('data', (piece) => {
    state.text += piece;
  });
  socket.on('close', () => {
    state.closed = true;
  });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  const size = length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`;
  const method = path.endsWith('/data') ? 'PUT' : 'POST';
  socket.write(
    `${method} /v1/heaps/t/${path} HTTP/1.1\r\nHost: localhost\r\n${from}Content-Type: ${type}\r\n${size}\r\n\r\n`,
  );
  socket.write(first);
  return state;
}

const sizes = [1_600_000, 150_000, 24_000, 2720];
const held = () => t.app.bodies.bytes;

describe('with the usual limits', () => {
  serverWith({});

  it('75 binary uploads on their way hold nothing of the exchange', async () => {
    for (let i = 0; i < 75; i++) await begin('batch', BATCH_TYPE, sizes[i % 4], Buffer.alloc(16));
    // All have begun: each first chunk is counted.
    await expect.poll(held).toBeGreaterThanOrEqual(75 * 16);
    expect(t.host.take(60 << 20).release()).toBeUndefined();
    expect((await t.post('gc')).status).toBe(200);
    const ops = Array.from({ length: 20_000 }, () => ({ op: 'alloc', size: 64 }));
    expect((await t.post('batch', { ops })).body).toMatchObject({ done: 20_000, failed: 0 });
    await t.check();
  });

  it('one that is complete at last is carried out, whatever pieces it came in', async () => {
    const n = 1000;
    const records = Buffer.alloc(n * RECORD_BYTES);
    for (let i = 0; i < n; i++) {
      records.writeInt32LE(BatchOp.alloc | (Flag.noscan << 8), i * RECORD_BYTES);
      records.writeInt32LE(48, i * RECORD_BYTES + 8);
    }
    const objects = async (): Promise<number> => (await t.get('memstats?flush=true')).body.HeapObjects;
    const before = await objects();
    const state = await begin('batch', BATCH_TYPE, records.length, records.subarray(0, 5));
    for (let at = 5; at < records.length; at += 777) state.socket.write(records.subarray(at, at + 777));
    await expect.poll(() => state.text.length).toBeGreaterThan(n * RESULT_BYTES);
    expect(state.text).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(await objects()).toBe(before + n);
  });

  it('NDJSON that waits for its next line holds nothing of the exchange, and puts a line together once', async () => {
    const streams = [];
    for (let i = 0; i < 75; i++)
      streams.push(await begin('batch', 'application/x-ndjson', 'chunked', '5\r\n{"op"\r\n'));
    await expect.poll(held).toBeGreaterThan(75 * 2 ** 19);
    expect(t.host.take(60 << 20).release()).toBeUndefined();
    const rest = ':"alloc","size":8}\n';
    for (const { socket } of streams) {
      for (const c of rest) socket.write(`1\r\n${c}\r\n`);
      socket.write('0\r\n\r\n');
    }
    for (const state of streams) await expect.poll(() => state.text).toMatch(/"address":"0x[0-9a-f]+"/);
  });

  it('the body of a request for nothing is not waited for, nor kept', async () => {
    const state = await begin('nothing', 'application/json', 16_000_000, Buffer.alloc(100_000, 32));
    await expect.poll(() => state.text).toMatch(/^HTTP\/1.1 404 .*"code":"not-found"/s);
    expect(held()).toBe(0);
  });

  it('a body that is too long is answered though it is not read to its end', async () => {
    const state = await begin('batch', BATCH_TYPE, 'chunked', '');
    const chunk = Buffer.alloc(65_536);
    const piece = Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from('\r\n')]);
    for (let sent = 0; sent < 2 << 20; sent += chunk.length) state.socket.write(piece);
    await expect.poll(() => state.text).toMatch(/^HTTP\/1.1 413 .*"code":"batch-too-large"/s);
    // The rest is read and thrown away, and the connection can be used again.
    state.socket.write('0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => state.text).toMatch(/{"status":"alive"}$/);
  });
});

describe('with little memory for bodies', () => {
  serverWith({ GOHEAP_MAX_BODIES: '4MiB', TRUST_PROXY: '1' });

  const MiB = 2 ** 20;
  const piece = (bytes: number) => Buffer.alloc(bytes, 32);
  const from = (ip: string) => `X-Forwarded-For: ${ip}\r\n`;

  it.each([
    ['a JSON batch', 'batch', 'application/json'],
    ['a list of frees', 'free', 'application/json'],
    ['a binary batch', 'batch', BATCH_TYPE],
  ])('one address may have half of it on its way: %s', async (_what, path, type) => {
    const before = t.app.bodies.refused;
    const first = await begin(path, type, 1_600_000, piece(MiB), from('10.0.0.1'));
    await expect.poll(held).toBeGreaterThan(MiB);
    const second = await begin(path, type, 1_600_000, piece(MiB), from('10.0.0.1'));
    await expect.poll(() => second.text).toMatch(/^HTTP\/1.1 503 .*retry-after: 1\r\n.*"code":"overloaded"/is);
    await expect.poll(() => second.closed).toBe(true);
    // Another still may; small requests always may; the first goes on.
    const other = await begin(path, type, 1_600_000, piece(MiB), from('10.0.0.2'));
    await expect.poll(held).toBeGreaterThan(2 * MiB);
    expect((await t.post('alloc', { size: 8 })).status).toBe(201);
    expect([first.closed, other.closed, first.text, other.text]).toEqual([false, false, '', '']);
    expect(t.app.bodies.refused).toBe(before + 1);
  });

  it('and what is announced takes nothing', async () => {
    for (let i = 0; i < 20; i++) await begin('batch', 'application/json', 16_000_000, '{', from('10.0.0.1'));
    await expect.poll(held).toBeGreaterThan(19);
    expect(held()).toBeLessThan(64 * 1024);
  });

  it('chunks of one byte count for what they cost', async () => {
    const tiny = '1\r\n \r\n'.repeat(40_000);
    const state = await begin('batch', 'application/json', 'chunked', tiny, from('10.0.0.1'));
    await expect.poll(() => state.text).toMatch(/^HTTP\/1.1 503 .*"code":"overloaded"/s);
  });

  it('the bytes of an object, too', async () => {
    const address = await t.alloc({ size: 2 * MiB });
    const other = await begin('batch', BATCH_TYPE, 1_600_000, piece(1_500_000), from('10.0.0.1'));
    await expect.poll(held).toBeGreaterThan(1_500_000);
    const state = await begin(
      `objects/${address}/data`,
      'application/octet-stream',
      2 * MiB,
      piece(900_000),
      from('10.0.0.1'),
    );
    await expect.poll(() => state.text).toMatch(/^HTTP\/1.1 503 .*"code":"overloaded"/s);
    other.socket.destroy();
  });
});

describe('with a short time for requests', () => {
  serverWith({ REQUEST_TIMEOUT: '500ms' });

  it.each([
    ['application/json', 'alloc'],
    [BATCH_TYPE, 'batch'],
  ])('a body (%s) that does not come ends with 408', async (type, path) => {
    const state = await begin(path, type, 1000, '{');
    await expect.poll(() => state.text).toMatch(/^HTTP\/1.1 408 .*"code":"request-timeout"/s);
    await expect.poll(() => state.closed).toBe(true);
  });

  it('one whose answer has begun is cut, not written into', async () => {
    // The time stands still until the answer has begun, however slow this process is.
    Object.assign(t.app.server, { requestTimeout: 0, headersTimeout: 0 });
    const state = await begin(
      'batch',
      'application/x-ndjson',
      'chunked',
      '16\r\n{"op":"alloc","size":1\r\n2\r\n}\n\r\n',
    );
    await expect.poll(() => state.text).toContain('"address"');
    expect(state.closed).toBe(false);
    t.app.server.requestTimeout = 1;
    await expect.poll(() => state.closed).toBe(true);
    expect(state.text).toMatch(/^HTTP\/1.1 200 .*"address"/s);
    expect(state.text).not.toContain('408');
  });
});
