/**
 * Clients that hang up before they are answered: what they had asked for does not stay allocated under addresses that nobody was told.
 *
 * The Ms are held at a safepoint while the clients come and go, so that every one of them is gone before its request runs.
 */

import { type ClientRequest, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BatchOp, Flag } from '../../src/sched/ops.js';
import { K_STOP, type Shared, STOPPED } from '../../src/sched/shared.js';
import { BATCH_TYPE } from '../../src/server/batch/binary.js';
import { type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
let port: number;

beforeEach(async () => {
  t = await testApp();
  await t.app.listen({ host: '127.0.0.1', port: 0 });
  port = (t.app.server.address() as AddressInfo).port;
});
afterEach(async () => {
  await t.check();
  await t.close();
});

/** The Ms stand still until the answer is called. */
function holdStill(): () => void {
  const { k } = t.host as unknown as { k: Shared };
  const stop = k.scalars + K_STOP;
  Atomics.store(k.m, stop, STOPPED);
  return () => {
    Atomics.store(k.m, stop, 0);
    Atomics.notify(k.m, stop);
  };
}

function send(path: string, type: string, body: string | Buffer): ClientRequest {
  const options = { host: '127.0.0.1', port, method: 'POST', path: `/v1/heaps/t/${path}`, agent: false };
  const client = request({ ...options, headers: { 'content-type': type, 'content-length': Buffer.byteLength(body) } });
  // It is cut off, that is the point.
  client.on('error', () => undefined);
  client.end(body);
  return client;
}

const connections = (): Promise<number> =>
  new Promise((resolve, reject) => t.app.server.getConnections((error, n) => (error ? reject(error) : resolve(n))));

const objects = async (): Promise<number> => {
  await t.post('gc');
  await t.post('gc');
  return (await t.get('memstats?flush=true')).body.HeapObjects;
};

const JSON_TYPE = 'application/json';
const binary = (): Buffer => {
  const words = new Int32Array(500 * 4);
  for (let i = 0; i < 500; i++) words.set([BatchOp.alloc | (Flag.noscan << 8), 0, 8 + i, 0], i * 4);
  return Buffer.from(words.buffer);
};
const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify({ op: 'alloc', size: 1 + i })).join('\n');

test('nothing stays of what they allocated', async () => {
  const kept = await t.alloc({ size: 64 });
  const holder = await t.alloc({ size: 16, pointers: 'all' });
  const release = holdStill();
  const clients: ClientRequest[] = [];
  const ops = Array.from({ length: 500 }, (_, i) => ({
    op: 'alloc',
    size: 8 + i,
    site: i % 2 === 0 ? 'f' : undefined,
  }));
  for (let i = 0; i < 5; i++) {
    clients.push(send('alloc', JSON_TYPE, JSON.stringify({ size: 100 })));
    clients.push(send('alloc', JSON_TYPE, JSON.stringify({ size: 3 })));
    clients.push(send('alloc', JSON_TYPE, JSON.stringify({ size: 48, root: false })));
    clients.push(send('alloc', JSON_TYPE, JSON.stringify({ size: 50_000, count: 20 })));
    clients.push(send('batch', JSON_TYPE, JSON.stringify({ ops })));
    clients.push(send('batch', 'application/x-ndjson', lines));
    clients.push(send('batch', BATCH_TYPE, binary()));
  }
  // One that links what it allocates: that stays, as its holder is known.
  clients.push(
    send('alloc', JSON_TYPE, JSON.stringify({ size: 32, root: false, store: { address: holder, word: 0 } })),
  );
  await expect.poll(() => t.host.stats().inFlight).toBe(clients.length);
  for (const client of clients) client.destroy();
  await expect.poll(connections).toBe(0);
  expect(t.host.stats().inFlight).toBe(clients.length);
  release();
  // The frees come after; they are in flight, too, or wait a moment for room.
  await expect.poll(objects).toBe(3);
  expect((await t.get(`objects/${holder}/pointers`)).status).toBeLessThan(500);
  const { body } = await t.post('free', { addresses: [kept, holder] });
  expect(body.failed ?? 0).toBe(0);
  expect(await objects()).toBe(0);
});

test('those that stay are told', async () => {
  const release = holdStill();
  const answers = Promise.all(Array.from({ length: 20 }, () => t.post('alloc', { size: 100 })));
  await expect.poll(() => t.host.stats().inFlight).toBe(20);
  release();
  const addresses = (await answers).map(({ body }) => body.address);
  expect(await objects()).toBe(20);
  await t.post('free', { addresses });
  expect(await objects()).toBe(0);
});
