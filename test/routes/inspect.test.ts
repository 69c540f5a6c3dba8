/** What can be seen of a heap agrees with itself, and looking changes nothing. */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { arenaRuns, type PageRun } from '../../src/server/inspect/arenas.js';
import { listSpans } from '../../src/server/inspect/spans.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
let addresses: string[];
beforeAll(async () => {
  // Without cycles of its own: they would empty the mcaches.
  t = await testApp({ GOHEAP_ARENA_SIZE: '4MiB', GOGC: 'off' });
  addresses = (await t.post('alloc', { size: 64, count: 1000, p: 0 })).body.addresses;
  await t.post('alloc', { size: 128, count: 500, noscan: false, p: 1 });
  await t.post('alloc', { size: 5_000_000 });
  await t.post('free', { addresses: addresses.slice(0, 300), p: 0 });
});
afterAll(async () => {
  await t.check();
  await t.close();
});

// biome-ignore lint/suspicious/noExplicitAny: JSON
async function all(path: string, key: string): Promise<any[]> {
  const out = [];
  let cursor = '';
  do {
    const { body } = await t.get(`${path}${path.includes('?') ? '&' : '?'}limit=3${cursor}`);
    expect(body[key].length).toBeLessThanOrEqual(3);
    out.push(...body[key]);
    cursor = body.next === undefined ? '' : `&cursor=${body.next}`;
  } while (cursor !== '');
  return out;
}

describe('spans', () => {
  it('are all listed, by address, page by page', async () => {
    const spans = await all('spans', 'spans');
    const starts = spans.map((s) => Number.parseInt(s.address, 16));
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    const { HeapInuse } = (await t.get('memstats')).body;
    expect(spans.reduce((sum, s) => sum + s.pages * 8192, 0)).toBe(HeapInuse);
    expect(spans).toEqual((await t.get('spans?limit=1000')).body.spans);
  });

  it('are filtered', async () => {
    const all64 = (await t.get('spans?class=6')).body.spans;
    expect(all64).toHaveLength(Math.ceil(1000 / 126));
    expect((await t.get('spans?class=6&scan=true')).body.spans).toEqual([]);
    const cached = (await t.get('spans?class=6&state=mcache')).body.spans;
    expect(cached).toMatchObject([{ list: 'mcache', p: 0 }]);
    expect((await t.get('spans?class=6&state=full')).body.spans).toHaveLength(all64.length - 1);
  });

  it('show each slot', async () => {
    const { span } = (await t.get(`objects/${addresses[0]}`)).body;
    const { body } = await t.get(`spans/${span}`);
    expect(body.slotList).toHaveLength(126);
    expect(body.slotList[0]).toMatchObject({ address: addresses[0], state: 'dropped', rooted: false });
    const kept = (await t.get(`spans/${(await t.get(`objects/${addresses[999]}`)).body.span}`)).body;
    const states = kept.slotList.map((s: { state: string }) => s.state);
    expect(states.filter((s: string) => s === 'allocated')).toHaveLength(kept.allocated);
    expect(states.filter((s: string) => s === 'free' || s === 'cached')).toHaveLength(126 - kept.allocated);
    expect(states).toContain('cached');
  });

  it('stand in lists, linked both ways', async () => {
    const central = (await t.get('mcentrals?class=6')).body.mcentrals[1];
    const list = central.full.swept;
    let id = list.first;
    let before: number | null = null;
    let n = 0;
    for (; id !== null; n++) {
      const { body } = await t.get(`spans/${id}`);
      expect([body.prev, body.list]).toEqual([before, 'full-swept']);
      before = id;
      id = body.next;
    }
    expect(n).toBe(list.spans);
  });
});

describe('arenas', () => {
  it('account for every page', async () => {
    const arenas = await all('arenas', 'arenas');
    const stats = (await t.get('memstats')).body;
    const sum = (key: string) => arenas.reduce((n, a) => n + a.pages[key] * 8192, 0);
    expect(sum('total') - sum('unmapped')).toBe(stats.HeapSys);
    expect(sum('inUse')).toBe(stats.HeapInuse);
    expect(sum('cached') + sum('free') + sum('released')).toBe(stats.HeapIdle);
    for (const { index, pages } of arenas) {
      const { runs } = (await t.get(`arenas/${index}`)).body;
      const count = { unmapped: 0, inUse: 0, cached: 0, free: 0, released: 0 } as Record<string, number>;
      for (const run of runs) count[run.state] += run.pages;
      expect({ total: pages.total, ...count }).toEqual(pages);
    }
  });
});

describe('a heap with thousands of runs', () => {
  let many: TestApp;
  beforeAll(async () => {
    many = await testApp({ GOGC: 'off' });
    const { addresses } = (await many.post('alloc', { size: 8192, count: 6000, p: 0 })).body;
    await many.post('free', { addresses: addresses.filter((_: string, i: number) => i % 2 === 0) });
    await many.post('sweep', { mark: 'always' });
  });
  afterAll(async () => {
    await many.check();
    await many.close();
  });

  it('is told page by page, without a gap, in portions that others get in between', async () => {
    const { runs, pages } = (await many.get('arenas/0')).body as { runs: PageRun[]; pages: { total: number } };
    expect(runs.length).toBeGreaterThan(5000);
    let next = 0;
    for (const { page, pages: n } of runs) {
      expect(page).toBe(next);
      next += n;
    }
    expect(next).toBe(pages.total);
    for (let i = 1; i < runs.length; i++)
      expect([runs[i].state, runs[i].span]).not.toEqual([runs[i - 1].state, runs[i - 1].span]);
    const portions = [...arenaRuns(many.host.heap, 0)];
    expect(portions.flat()).toEqual(runs);
    expect(Math.max(...portions.map(({ length }) => length))).toBeLessThanOrEqual(1025);
  });

  it('lists its spans in portions, each span once', async () => {
    const { spans, next } = (await many.get('spans?limit=1000')).body;
    expect(spans).toHaveLength(1000);
    const more = (await many.get(`spans?limit=1000&cursor=${next}`)).body;
    const ids = new Set([...spans, ...more.spans].map(({ id }: { id: number }) => id));
    expect(ids.size).toBe(2000);
    const portions = [...listSpans(many.host.heap, {}, 0, 1000)];
    expect(portions.flatMap((portion) => portion.spans)).toEqual(spans);
    expect(Math.max(...portions.map((portion) => portion.spans.length))).toBeLessThanOrEqual(200);
    // None of them is of this class: a look is bounded all the same.
    expect([...listSpans(many.host.heap, { class: 3 }, 0, 10)].flatMap((portion) => portion.spans)).toEqual([]);
  });
});

describe('the rest', () => {
  it('counts the same objects', async () => {
    const classes = (await t.get('size-classes')).body.sizeClasses;
    expect(classes).toHaveLength(67);
    expect(classes[5]).toMatchObject({ class: 6, size: 64, mallocs: 1000, slots: { scan: 124, noscan: 126 } });
    const { ps } = (await t.get('ps')).body;
    expect(ps).toHaveLength(2);
    const of64 = ps[0].mcache.find((c: { spanClass: number }) => c.spanClass === 13);
    expect(of64).toMatchObject({ slots: 126, free: 8 * 126 - 1000 });
    expect((await t.get('mcentrals')).body.mcentrals).toHaveLength(136);
  });

  it('looks without disturbing', async () => {
    const { flushGen: _, ...before } = (await t.get('ps')).body.ps[0];
    for (const path of ['memstats', 'spans', 'arenas', 'arenas/0', 'size-classes', 'mcentrals']) await t.get(path);
    const { flushGen: __, ...after } = (await t.get('ps')).body.ps[0];
    expect(after.mcache).toEqual(before.mcache);
    const still = (await t.get('memstats')).body;
    const flushed = (await t.get('memstats?flush=true')).body;
    expect(flushed.HeapAlloc).toBe(still.HeapAlloc);
    expect((await t.get('ps')).body.ps[0].mcache).toEqual([]);
  });

  it('sweeps what was freed, and says so', async () => {
    const { body } = await t.post('sweep');
    expect(body).toMatchObject({ marked: true, objectsFreed: 300 });
    expect((await t.post('sweep')).body).toMatchObject({ marked: false, objectsFreed: 0 });
    expect((await t.post('sweep', { mark: 'never' })).body.marked).toBe(false);
    expect((await t.post('sweep', { mark: 'always' })).body.marked).toBe(true);
    expect((await t.call('POST', 'sweep')).status).toBe(200);
    expect((await t.call('POST', 'check')).body.checked.spans).toBeGreaterThan(0);
  });

  test.each([
    ['spans?limit=0', 400, 'validation-failed'],
    ['spans?limit=1001', 400, 'validation-failed'],
    ['spans?class=68', 400, 'validation-failed'],
    ['spans?state=lost', 400, 'validation-failed'],
    ['spans?scan=maybe', 400, 'validation-failed'],
    ['spans?colour=red', 400, 'unknown-field'],
    ['spans?cursor=!', 400, 'invalid-cursor'],
    ['spans?cursor=zzzzzzzz', 400, 'invalid-cursor'],
    ['spans/0', 404, 'span-not-found'],
    ['spans/999999999999', 404, 'span-not-found'],
    ['spans/x', 400, 'validation-failed'],
    ['arenas?cursor=zzz', 400, 'invalid-cursor'],
    ['arenas/9999', 404, 'arena-not-found'],
    ['arenas/-1', 400, 'validation-failed'],
    ['mcentrals?class=x', 400, 'validation-failed'],
    ['memstats?flush=2', 400, 'validation-failed'],
    ['memstats?flash=true', 400, 'unknown-field'],
  ])('refuses %s', async (path, status, code) => {
    expectProblem(await t.get(path), status, code);
  });

  test.each([
    ['sweep', { mark: 'maybe' }, 'validation-failed'],
    ['sweep', { marks: 'auto' }, 'unknown-field'],
    ['check', { deep: true }, 'unknown-field'],
  ])('%s refuses %j', async (path, body, code) => {
    expectProblem(await t.post(path, body), 400, code);
  });

  test.each(['memstats', 'size-classes', 'ps', 'mcentrals', 'spans', 'spans/1', 'arenas', 'arenas/0'])(
    '%s is not found on a heap that is not there',
    async (path) => {
      expectProblem(await t.get(`/v1/heaps/none/${path}`), 404, 'heap-not-found');
    },
  );
});
