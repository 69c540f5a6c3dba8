/** Workloads over HTTP. */

import { afterAll, beforeAll, expect, it, test } from 'vitest';
import { KIND_NAMES } from '../../src/workloads/catalog.js';
import { type Answer, expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
beforeAll(async () => {
  t = await testApp({ GOHEAP_MAX_LOADS: '2' });
});
afterAll(async () => {
  await t.close();
});

const stop = (id: string): Promise<Answer> => t.call('DELETE', `workloads/${id}`);

test.each(KIND_NAMES.filter((name) => name !== 'thrash'))('%s starts and stops', async (workload) => {
  const { status, headers, body } = await t.post('workloads', { workload, bytes: '4MiB', seed: 3, duration: '24h' });
  expect(status, JSON.stringify(body)).toBe(201);
  expect(headers.location).toBe(`/v1/heaps/t/workloads/${body.id}`);
  expect(body).toMatchObject({ workload, state: 'running', ending: null, endedAt: null });
  expect(body.parameters).toMatchObject({ seed: 3, bytes: 4 << 20, p: 'all', keep: false, duration: 86_400 });
  expect(body.shows.length).toBeGreaterThan(20);
  expect(body.alerts).toBeInstanceOf(Array);
  await expect.poll(async () => (await t.get(`workloads/${body.id}`)).body.progress.allocs).toBeGreaterThan(0);
  const ended = await stop(body.id);
  expect(ended.status).toBe(200);
  expect(ended.body).toMatchObject({ id: body.id, state: 'done', ending: 'stopped', live: { objects: 0, bytes: 0 } });
  expect(Date.parse(ended.body.endedAt)).toBeGreaterThanOrEqual(Date.parse(ended.body.startedAt));
  // Once more is no error.
  expect((await stop(body.id)).body).toEqual(ended.body);
  await t.post('sweep', { mark: 'always' });
  expect((await t.get('memstats')).body.HeapAlloc).toBe(0);
  await t.check();
});

it('lists them, newest first', async () => {
  const a = (await t.post('workloads', { workload: 'larson', duration: '5m' })).body;
  const b = (await t.post('workloads', { workload: 'leak', duration: '5m', rate: 100, p: 1 })).body;
  const { body } = await t.get('workloads');
  expect(body).toMatchObject({ running: 2, limit: 2 });
  expect(body.workloads.slice(0, 2).map(({ id }: { id: string }) => id)).toEqual([b.id, a.id]);
  expect(body.workloads[1].parameters.duration).toBe(300);
  expectProblem(await t.post('workloads', { workload: 'larson' }), 409, 'too-many-workloads');
  await stop(b.id);
  await stop(a.id);
  expect((await t.get('workloads')).body.running).toBe(0);
});

it('ends by itself after its duration', async () => {
  const { body } = await t.post('workloads', { workload: 'leak', duration: 0.2, rate: 100, p: 1 });
  await expect.poll(async () => (await t.get(`workloads/${body.id}`)).body.state).toBe('done');
  expect((await t.get(`workloads/${body.id}`)).body.ending).toBe('duration');
});

it('takes the profile of the GC guide', async () => {
  const stage = { duration: 2, allocRate: 5, scanRate: 1024, newSurvivalRate: 0.1, oldDeathRate: 0.2 };
  const one = (await t.post('workloads', { workload: 'gcguide', profile: stage })).body;
  expect(one.parameters).toMatchObject({ duration: 2, profile: [stage] });
  const two = (await t.post('workloads', { workload: 'gcguide', profile: [stage, stage], duration: '1s' })).body;
  expect(two.parameters).toMatchObject({ duration: 1, profile: [stage, stage] });
  await Promise.all([stop(one.id), stop(two.id)]);
});

it('thrash needs a memory limit, and fills it', async () => {
  expectProblem(await t.post('workloads', { workload: 'thrash' }), 409, 'workload-needs-limit');
  await t.call('PATCH', '/v1/heaps/t', { gomemlimit: '32MiB' });
  const { body } = await t.post('workloads', { workload: 'thrash', duration: '24h' });
  expect(body.parameters.bytes).toBe(Math.floor(0.85 * (32 << 20)));
  await expect.poll(async () => (await t.get(`workloads/${body.id}`)).body.live.bytes).toBeGreaterThan(1 << 20);
  await stop(body.id);
  await t.call('PATCH', '/v1/heaps/t', { gomemlimit: 'off' });
});

test.each([
  [{}, 'validation-failed', 'workload'],
  [{ workload: 'storm' }, 'validation-failed', 'workload'],
  [{ workload: 'larson', speed: 1 }, 'unknown-field', 'speed'],
  [{ workload: 'larson', seed: -1 }, 'validation-failed', 'seed'],
  [{ workload: 'larson', duration: 0 }, 'validation-failed', 'duration'],
  [{ workload: 'larson', duration: 86_401 }, 'validation-failed', 'duration'],
  [{ workload: 'larson', duration: '25h' }, 'validation-failed', 'duration'],
  [{ workload: 'larson', duration: '0s' }, 'validation-failed', 'duration'],
  [{ workload: 'larson', duration: 'long' }, 'validation-failed', 'duration'],
  [{ workload: 'larson', rate: 0 }, 'validation-failed', 'rate'],
  [{ workload: 'larson', rate: 200_001 }, 'validation-failed', 'rate'],
  [{ workload: 'larson', bytes: 0 }, 'validation-failed', 'bytes'],
  [{ workload: 'larson', bytes: '1GiB' }, 'validation-failed', 'bytes'],
  [{ workload: 'larson', bytes: '1MB' }, 'validation-failed', 'bytes'],
  [{ workload: 'larson', p: 2 }, 'invalid-p', 'p'],
  [{ workload: 'larson', p: 'some' }, 'invalid-p', 'p'],
  [{ workload: 'larson', k: 10 }, 'validation-failed', 'k'],
  [{ workload: 'fragmentation', k: 1 }, 'validation-failed', 'k'],
  [{ workload: 'larson', profile: [] }, 'validation-failed', 'profile'],
  [{ workload: 'gcguide', profile: { duration: 1 } }, 'validation-failed', 'profile'],
])('refuses %j', async (body, code, field) => {
  expectProblem(await t.post('workloads', body), 400, code, field);
  expect((await t.get('workloads')).body.running).toBe(0);
});

it('knows what is not there', async () => {
  expectProblem(await t.get('workloads/larson-99'), 404, 'workload-not-found');
  expectProblem(await stop('larson-99'), 404, 'workload-not-found');
  expectProblem(await t.get('/v1/heaps/none/workloads'), 404, 'heap-not-found');
  expectProblem(await t.post('/v1/heaps/none/workloads', { workload: 'larson' }), 404, 'heap-not-found');
});

it('goes with its heap', async () => {
  await t.call('PUT', '/v1/heaps/other', { reserve: '64MiB' });
  const { body } = await t.call('POST', '/v1/heaps/other/workloads', { workload: 'larson' });
  expect(body.parameters.duration).toBe(60);
  expect((await t.call('GET', `/v1/heaps/t/workloads/${body.id}`)).status).toBe(404);
  await t.call('DELETE', '/v1/heaps/other');
  await expect.poll(async () => (await t.get('workloads')).body.running).toBe(0);
});
