/** Heaps of many threads: as many as the memory of the process allows, and then an answer that says so. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { M_BYTES, PROCESS_BYTES } from '../../src/server/memory-budget.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

/** Room for so many threads of heaps, of which the heap `t` has two. */
const THREADS = 12;
const LIMIT = PROCESS_BYTES + (THREADS + 3) * M_BYTES;

let t: TestApp;
let rss = 0;

beforeAll(async () => {
  // Three threads are for replays: one simulates, one draws, one parses.
  const env = { GOHEAP_REPLAY_THREADS: '1', GOHEAP_REPLAYS_RUNNING: '1', GOHEAP_MEMORY: `${LIMIT / 2 ** 20}MiB` };
  t = await testApp(env, () => rss);
});
afterAll(async () => {
  await t.check();
  await t.close();
});

const put = (name: string, gomaxprocs: number) => t.call('PUT', `/v1/heaps/${name}`, { gomaxprocs });
const heaps = async () => (await t.call('GET', '/v1/heaps')).body.heaps.map((h: { name: string }) => h.name);

test('a heap of 64 threads is refused where there is no memory for them', async () => {
  const answer = await put('big', 64);
  expectProblem(answer, 507, 'no-memory-for-threads', 'gomaxprocs');
  expect(answer.body).toMatchObject({ limit: LIMIT, needed: 64 * M_BYTES, available: 10 * M_BYTES });
  expect(await heaps()).toEqual(['t']);
});

test('many at once do not get more together than one after the other', async () => {
  const answers = await Promise.all(Array.from({ length: 15 }, (_, i) => put(`h${i}`, 3)));
  const made = answers.filter((a) => a.status === 201);
  expect(made).toHaveLength(3);
  for (const a of answers) if (a.status !== 201) expectProblem(a, 507, 'no-memory-for-threads', 'gomaxprocs');
  // One thread more has room, two have not.
  expectProblem(await put('two', 2), 507, 'no-memory-for-threads', 'gomaxprocs');
  expect((await put('one', 1)).status).toBe(201);
  // The same settings again are no new heap.
  expect((await put('one', 1)).status).toBe(200);
  for (const name of await heaps()) if (name !== 't') await t.call('DELETE', `/v1/heaps/${name}`);
});

test('there is room again once a heap is gone, and not before', async () => {
  expect((await put('a', 10)).status).toBe(201);
  const [gone, early] = await Promise.all([t.call('DELETE', '/v1/heaps/a'), put('b', 10)]);
  expect(gone.status).toBe(204);
  expectProblem(early, 507, 'no-memory-for-threads', 'gomaxprocs');
  expect((await put('b', 10)).status).toBe(201);
  await t.call('DELETE', '/v1/heaps/b');
});

test('what heaps hold counts, and what the system says', async () => {
  const address = await t.alloc({ size: 64 << 20 });
  // One arena of 64 MiB and a part of a second.
  const { body } = await put('a', 10);
  expect(body.code).toBe('no-memory-for-threads');
  expect(body.available).toBeLessThan(10 * M_BYTES - (64 << 20) + 1);
  await t.post('free', { address });
  await t.post('scavenge', { gc: true });
  rss = LIMIT;
  expect((await put('a', 1)).body).toMatchObject({ code: 'no-memory-for-threads', available: 0 });
  rss = 0;
});
