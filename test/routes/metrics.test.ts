/** The three pages over HTTP, from a heap with real threads: format, headers, and that a scrape disturbs nothing. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HEAP_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';
import { PROMETHEUS_TEXT } from '../../src/telemetry/text.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';
import { parse, sum } from '../telemetry/support.js';

let t: TestApp;
beforeAll(async () => {
  t = await testApp();
  await t.post('alloc', { size: 64, count: 1000 });
  await t.post('alloc', { size: 100_000 });
});
afterAll(async () => {
  await t.check();
  await t.close();
});

describe.each([
  ['/v1/heaps/t/metrics', HEAP_TABLE],
  ['/v1/heaps/t/metrics/spans', SPANS_TABLE],
])('GET %s', (path, table) => {
  it('is Prometheus text of exactly the table', async () => {
    const { status, headers, body } = await t.get(path);
    expect([status, headers['content-type']]).toEqual([200, PROMETHEUS_TEXT]);
    expect(headers['cache-control']).toBe('no-store');
    expect([...parse(body).keys()]).toEqual(table.map((f) => f.name));
  });

  it('is JSON for who asks for it', async () => {
    const { status, headers, body } = await t.get(path, { accept: 'application/json' });
    expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body.map((f: { name: string }) => f.name)).toEqual(table.map((f) => f.name));
  });

  it('is refused for a heap that does not exist', async () => {
    expectProblem(await t.get(path.replace('/t/', '/nobody/')), 404, 'heap-not-found');
  });
});

describe('a scrape', () => {
  it('says what memstats says', async () => {
    const page = parse((await t.get('metrics')).body);
    const { body } = await t.get('memstats');
    expect(sum(page, 'go_memstats_heap_alloc_bytes')).toBe(body.HeapAlloc);
    expect(sum(page, 'go_memstats_mallocs_total')).toBe(body.Mallocs);
    expect(sum(page, 'go_memstats_sys_bytes')).toBe(body.Sys);
    const inside = parse((await t.get('metrics/spans')).body);
    expect(sum(inside, 'goheap_served_total')).toBe(1001);
    expect(sum(inside, 'goheap_requested_bytes_total')).toBe(164_000);
  });

  it('stops nothing and takes no lock', async () => {
    const counts = async () => {
      const page = parse((await t.get('metrics/spans')).body);
      const of = (name: string): number => sum(page, name);
      return [of('goheap_world_stops_total'), of('goheap_lock_acquisitions_total'), of('goheap_gs_run_total')];
    };
    await t.atRest();
    const before = await counts();
    for (let i = 0; i < 10; i++) await t.get('metrics');
    expect(await counts()).toEqual(before);
  });

  it('goes on while an M dies and is replaced', async () => {
    await t.host.terminateM(0);
    await t.post('alloc', { size: 64, p: 0 });
    const page = parse((await t.get('metrics/spans')).body);
    expect(sum(page, 'goheap_thread_restarts_total')).toBe(1);
    expect(sum(parse((await t.get('metrics')).body), 'go_threads')).toBe(3);
  });
});

describe('GET /metrics', () => {
  it('counts requests by route, never by path', async () => {
    const requests = async (labels: Record<string, string>): Promise<number> => {
      const family = parse((await t.get('/metrics')).body).get('goheap_http_request_duration_seconds');
      const counts = family?.samples.filter((s) => s.name.endsWith('_count')) ?? [];
      return counts.find((s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value ?? 0;
    };
    const route = '/v1/heaps/:heap/memstats';
    const ok = await requests({ method: 'GET', route, status: '200' });
    await t.get('memstats');
    await t.get('/v1/heaps/nobody/memstats');
    await t.get('/no/such/path');
    expect(await requests({ method: 'GET', route, status: '200' })).toBe(ok + 1);
    expect(await requests({ method: 'GET', route, status: '404' })).toBe(1);
    const { body } = await t.get('/metrics');
    expect(body).not.toContain('nobody');
    expect(body).not.toContain('/no/such');
  });

  it('shows heaps and the process', async () => {
    const { status, headers, body } = await t.get('/metrics');
    expect([status, headers['content-type']]).toEqual([200, PROMETHEUS_TEXT]);
    const page = parse(body);
    expect(sum(page, 'goheap_heaps')).toBe(1);
    expect(sum(page, 'goheap_heap_inuse_bytes', { heap: 't' })).toBeGreaterThan(164_000);
    expect(sum(page, 'process_resident_memory_bytes')).toBeGreaterThan(0);
    expect(page.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
  });
});
