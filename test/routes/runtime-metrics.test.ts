/** GET …/runtime/metrics over HTTP, from a heap with real threads. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { RUNTIME_METRICS } from '../../src/telemetry/runtime-metrics.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';
import { parse } from '../telemetry/support.js';

let t: TestApp;
beforeAll(async () => {
  t = await testApp();
  await t.post('alloc', { size: 64, count: 1000 });
  await t.post('alloc', { size: 100_000, noscan: false });
  await t.post('gc', {});
});
afterAll(async () => {
  await t.check();
  await t.close();
});

interface Metric {
  name: string;
  value: number;
  cumulative: boolean;
}

it('has every metric, and disturbs nothing', async () => {
  await t.atRest();
  const before = t.host.stats();
  const { status, headers, body } = await t.get('runtime/metrics');
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  expect(headers['cache-control']).toBe('no-store');
  const shape = body.metrics.map(({ value: _, ...rest }: Metric) => rest);
  expect(shape).toEqual(
    RUNTIME_METRICS.map(({ name, kind, description, cumulative }) => ({ name, kind, description, cumulative })),
  );
  const { stops, ran } = t.host.stats();
  expect({ stops, ran }).toEqual({ stops: before.stops, ran: before.ran });
});

it('says what the Prometheus page and memstats say of a heap at rest', async () => {
  const scrape = async (): Promise<Map<string, number>> => {
    const values = new Map<string, number>();
    for (const { help, samples } of parse((await t.get('metrics')).body).values()) {
      const source = / Sourced from (\S+)\.$/.exec(help);
      if (source !== null && samples.length === 1) values.set(source[1], samples[0].value);
    }
    return values;
  };
  await t.atRest();
  const before = await scrape();
  const metrics: Metric[] = (await t.get('runtime/metrics')).body.metrics;
  const after = await scrape();
  for (const { name, value, cumulative } of metrics) {
    if (typeof value !== 'number') continue;
    expect(before.has(name), name).toBe(true);
    if (!cumulative) expect(value, name).toBe(before.get(name));
    else {
      expect(value, name).toBeGreaterThanOrEqual(before.get(name) as number);
      expect(value, name).toBeLessThanOrEqual(after.get(name) as number);
    }
  }
  const of = (name: string): number => metrics.find((m) => m.name === name)?.value as number;
  const { body } = await t.get('memstats');
  expect(of('/memory/classes/heap/objects:bytes')).toBe(body.HeapAlloc);
  expect(of('/memory/classes/total:bytes')).toBe(body.Sys);
  expect(of('/gc/heap/allocs:objects') + of('/gc/heap/tiny/allocs:objects')).toBe(body.Mallocs);
  expect(of('/gc/cycles/total:gc-cycles')).toBe(body.NumGC);
});

it('has only what is asked for, each once', async () => {
  const names = async (query: string) =>
    (await t.get(`runtime/metrics?${query}`)).body.metrics.map((m: Metric) => m.name);
  expect(await names('name=/gc/heap/live:bytes')).toEqual(['/gc/heap/live:bytes']);
  expect(await names('name=%2Fgc%2Fheap%2Flive%3Abytes')).toEqual(['/gc/heap/live:bytes']);
  expect(await names('name=/gc/heap/live:bytes&name=/gc/heap/goal:bytes&name=/gc/heap/live:bytes')).toEqual([
    '/gc/heap/goal:bytes',
    '/gc/heap/live:bytes',
  ]);
});

it('refuses names that it does not have', async () => {
  const wrong = await t.get('runtime/metrics?name=/gc/heap/live:bytes&name=/gc/heap/dead:bytes');
  expectProblem(wrong, 400, 'validation-failed', 'name');
  expect(wrong.body.allowed).toContain('/gc/heap/live:bytes');
  expect(wrong.body.detail).toBe('There is no metric "/gc/heap/dead:bytes".');
  const leftOut = await t.get('runtime/metrics?name=/gc/finalizers/queued:finalizers');
  expectProblem(leftOut, 400, 'validation-failed', 'name');
  expect(leftOut.body.detail).toContain('there are no finalizers');
  expectProblem(await t.get('runtime/metrics?name='), 400, 'validation-failed', 'name');
  expectProblem(await t.get('runtime/metrics?names=x'), 400, 'unknown-field', 'names');
  expectProblem(await t.get('/v1/heaps/none/runtime/metrics'), 404, 'heap-not-found');
});

it('writes what a double cannot hold', async () => {
  await t.call('PATCH', '/v1/heaps/t', { gogc: 'off' });
  const { raw } = await t.get('runtime/metrics?name=/gc/gogc:percent&name=/gc/gomemlimit:bytes');
  expect(raw.toString()).toMatch(/"value":18446744073709551615\}.*"value":9223372036854775807\}/);
});
