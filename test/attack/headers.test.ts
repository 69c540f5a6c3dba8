/** No browser may guess at what an answer is: bytes of an object are no script, whatever they spell. */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
let address: string;
beforeAll(async () => {
  t = await testApp();
  address = await t.alloc({ size: 64, site: '<script>' });
  await t.call('PUT', `objects/${address}/data`, Buffer.from('alert(1)'), {
    'content-type': 'application/octet-stream',
  });
});
afterAll(() => t.close());

const sniffed = ({ headers }: { headers: Record<string, unknown> }): unknown => headers['x-content-type-options'];

/** Every answer that may hold what a client wrote, and the small ones beside. */
const GETS = [
  '/v1/heaps',
  '/v1/heaps/t',
  '/v1/replays',
  '/v1/replays/examples',
  '/v1/sd',
  '/metrics',
  'metrics',
  'metrics/spans',
  'runtime/metrics',
  'memstats',
  'gc',
  'spans',
  'arenas',
  'ps',
  'mcentrals',
  'size-classes',
  'workloads',
  'doctor?window=0',
  'debug/vars',
  'debug/pprof/heap',
  'debug/pprof/allocs',
  'heap.heapsnapshot',
  'recording?seconds=0.1',
  '/',
  '/docs',
  '/docs/json',
  '/openapi.json',
  '/problems',
];

test.each(GETS)('GET %s says nosniff', async (path) => {
  const answer = await t.get(path);
  expect(answer.status).toBeLessThan(400);
  expect(sniffed(answer)).toBe('nosniff');
});

it('a live stream says nosniff', async () => {
  const url = await t.app.listen({ port: 0, host: '127.0.0.1' });
  const stream = await fetch(`${url}/v1/heaps/t/events`);
  expect([stream.status, stream.headers.get('x-content-type-options')]).toEqual([200, 'nosniff']);
  await stream.body?.cancel();
});

describe('the bytes of an object say nosniff', () => {
  test.each<[string, Record<string, string>]>([
    ['whole', {}],
    ['in part', { range: 'bytes=0-3' }],
  ])('%s', async (_how, headers) => {
    const answer = await t.get(`objects/${address}/data`, headers);
    expect(answer.raw.toString()).toMatch(/^aler/);
    expect([answer.headers['content-type'], sniffed(answer)]).toEqual(['application/octet-stream', 'nosniff']);
  });

  test.each(['', '/path', '/retained'])('and what is known of it (%j)', async (path) => {
    expect(sniffed(await t.get(`objects/${address}${path}`))).toBe('nosniff');
  });
});

test.each([
  ['application/json', '{"ops":[]}'],
  ['application/x-ndjson', '{"op":"<script>"}\n'],
  ['application/vnd.goheap.batch', Buffer.alloc(0)],
])('a batch of %s says nosniff', async (type, payload) => {
  const answer = await t.call('POST', 'batch', payload, { 'content-type': type });
  expect([answer.status, sniffed(answer)]).toEqual([200, 'nosniff']);
});

test.each(['nothing', 'objects/0x1', '/nothing', '/v1/heaps/A'])('the problem of %s says nosniff', async (path) => {
  expect(sniffed(await t.get(path))).toBe('nosniff');
});

it('alloc and free answer in words of the server alone', async () => {
  const site = 'site-of-a-client';
  const one = await t.post('alloc', { size: 8, site });
  const many = await t.post('alloc', { size: 8, site, count: 2 });
  const freed = await t.post('free', { addresses: [one.body.address, '0x1'] });
  for (const { raw, headers } of [one, many, freed]) {
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(raw.toString()).not.toContain(site);
  }
  await t.check();
});
