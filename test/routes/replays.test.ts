/** Replays over HTTP: beginning, listing, cancelling, the cache; and that the results are those of the pool itself. */

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { Ajv } from 'ajv';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../src/replay/defaults.js';
import { parse } from '../../src/replay/parse.js';
import { ReplayPool } from '../../src/replay/pool.js';
import { caveats } from '../../src/replay/report/caveats.js';
import { csv } from '../../src/replay/report/csv.js';
import { documentOfResults, reportDocument } from '../../src/replay/report/document.js';
import { reportHtml } from '../../src/replay/report/html.js';
import type { SimSettings } from '../../src/replay/settings.js';
import { TraceStore } from '../../src/replay/store.js';
import type { Evaluated } from '../../src/replay/whatif/evaluate.js';
import { ExampleList, MapView, ReplayDocumentView, ReplayList, ResultView } from '../../src/server/schemas/replays.js';
import {
  closeReplayServers,
  type ReplayServer,
  recording,
  replayServer,
  sharedReplayServer,
} from '../helper/replays.js';
import { expectProblem } from '../helper/routes.js';
import { holdTimers } from '../helper/timers.js';

const JQ = new URL('../../examples/jq.mtrace.gz', import.meta.url);

afterEach(closeReplayServers);

/** For tests that look only at replays of their own, and leave nothing running. */
let server: ReplayServer;
let end: () => Promise<void>;
beforeAll(async () => {
  ({ server, end } = await sharedReplayServer());
});
afterAll(() => end());

const pool = new ReplayPool(2);
afterAll(() => pool.close());

/** Without HTTP. */
async function directly(cells: readonly SimSettings[]) {
  const store = TraceStore.create();
  try {
    const { report, hash } = await parse({ path: JQ.pathname }, store);
    const results = await pool.grid(store.handle, cells);
    const map = await pool.mapAt(store.handle, cells[1], 50_000);
    return { report, hash, results, map };
  } finally {
    store.close();
  }
}

function expectSchema(schema: object, value: unknown): void {
  const ajv = new Ajv({ strict: false, formats: { 'date-time': true } });
  const validate = ajv.compile(schema);
  validate(value);
  expect(validate.errors).toBeNull();
}

/** As it travels. */
const json = (value: unknown) => JSON.parse(JSON.stringify(value));

it('gives the results of the pool itself, to the byte', async () => {
  const begun = await server.start('?gogc=50,100&memlimit=off,16MiB&variations=1', { example: 'jq' });
  expect(begun.status).toBe(202);
  const { id } = begun.body;
  expect(begun.headers.location).toBe(`/v1/replays/${id}`);
  expect(begun.body).toMatchObject({ name: 'jq', source: 'example', cached: false });

  const done = await server.until(id, 'done');
  expect(done).toMatchObject({ state: 'done', error: null, progress: { share: 1 } });
  const cells: SimSettings[] = [
    DEFAULT_SETTINGS,
    { ...DEFAULT_SETTINGS, gogc: 50 },
    { ...DEFAULT_SETTINGS, gogc: 50, memoryLimit: 16 * 2 ** 20 },
    { ...DEFAULT_SETTINGS, memoryLimit: 16 * 2 ** 20 },
  ];
  const direct = await directly(cells);
  const { body } = await server.get(`/${id}?include=all`);
  expect(body.results).toEqual(json(direct.results));
  expect(body).toMatchObject({ hash: direct.hash, ingest: direct.report, caveats: caveats(direct.report) });
  expectSchema(ReplayDocumentView, body);

  const report = documentOfResults('jq', direct.hash, direct.report, direct.results);
  expect(body.advice).toEqual(json(report.advice));
  report.cells.forEach((cell, i) => {
    expect(body.cells[i]).toMatchObject(json(cell));
  });
  expect(body.cells.map(({ gogc, memlimit }: Record<string, unknown>) => [gogc, memlimit])).toEqual([
    [100, 'off'],
    [50, 'off'],
    [50, '16MiB'],
    [100, '16MiB'],
  ]);

  for (const [i, result] of direct.results.entries()) {
    const one = await server.get(`/${id}/results/${i}`);
    expect(one.body).toEqual(json(result));
    expectSchema(ResultView, one.body);
  }
  const map = await server.get(`/${id}/map?cell=1&event=50000`);
  expect(map.body).toEqual(json(direct.map));
  expectSchema(MapView, map.body);
  const again = await server.get(`/${id}/map?cell=1&event=50000`);
  expect(again.raw.equals(map.raw)).toBe(true);
});

it('tells ranges over variations', async () => {
  const { body } = await server.start('?gogc=50&variations=3', { example: 'jq' });
  const { cells, variations } = await server.until(body.id, 'done');
  expect(variations).toBe(3);
  const [{ headline, ranges }] = cells;
  expect(Object.keys(ranges)).toEqual(Object.keys(headline));
  for (const [name, [min, max]] of Object.entries(ranges as Record<string, [number, number]>)) {
    expect(headline[name], name).toBeGreaterThanOrEqual(min);
    expect(headline[name], name).toBeLessThanOrEqual(max);
  }
});

it('gives the large parts that are asked for, and no others', async () => {
  const { body } = await server.upload('?variations=1', recording(500));
  await server.until(body.id, 'done');
  const large = ['timeline', 'classes', 'lifetimes', 'cycles', 'gctrace', 'memstats', 'samples'];
  const has = (result: object): string[] => large.filter((part) => part in result);
  expect(has((await server.get(`/${body.id}`)).body.results[0])).toEqual([]);
  expect(has((await server.get(`/${body.id}?include=classes,timeline`)).body.results[0])).toEqual([
    'timeline',
    'classes',
  ]);
  expect(has((await server.get(`/${body.id}/results/0`)).body)).toEqual(large);
  expect(has((await server.get(`/${body.id}/results/0?include=gctrace`)).body)).toEqual(['gctrace']);
  for (const path of [`/${body.id}?include=`, `/${body.id}/results/0?include=timeline,all`]) {
    expectProblem(await server.get(path), 400, 'validation-failed', 'include');
  }
});

it('reads the same from a stream without a length, plain or packed, in pieces of any size', async () => {
  const text = Buffer.from(recording(2000));
  const pieces = function* (bytes: Uint8Array, size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const answers = [
    await server.upload('?variations=1', text),
    await server.stream('?variations=1', pieces(gzipSync(text), 1000)),
    await server.stream('?variations=1&name=b', pieces(text, 7001)),
  ];
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 200]);
  const ids = answers.map(({ body }) => body.id);
  expect(ids[2]).toBe(ids[0]);
  const [plain, packed] = [await server.until(ids[0], 'done'), await server.until(ids[1], 'done')];
  expect(packed.results).toEqual(plain.results);
  expect(packed.ingest).toMatchObject({ compression: 'gzip', textBytes: text.length });
});

describe('the cache', () => {
  it('answers the same recording with the same settings, however it comes', async () => {
    const server = await replayServer();
    const first = await server.start('?gogc=50,off&variations=1', { example: 'jq' });
    await server.until(first.body.id, 'done');
    const second = await server.upload('?gogc=50,off&variations=1&name=other', readFileSync(JQ));
    expect(second.status).toBe(200);
    expect(second.headers.location).toBe(first.headers.location);
    expect(second.body).toMatchObject({ id: first.body.id, cached: true, state: 'done', name: 'jq' });
    const third = await server.start('?gogc=off,50&variations=1', { replay: first.body.id });
    expect(third.body).toMatchObject({ cached: false, source: 'replay', name: 'jq', hash: first.body.hash });
    await server.until(third.body.id, 'done');
    expect((await server.get()).body.replays).toHaveLength(2);
    // They share the recording on disk.
    expect((await server.files()).filter((name) => name.endsWith('.trace'))).toHaveLength(1);
  });

  it('joins one that still runs', async () => {
    const server = await replayServer();
    const first = await server.start('?loops=10000', { example: 'jq' });
    const second = await server.start('?loops=10000', { example: 'jq' });
    expect([second.status, second.body.id, second.body.cached]).toEqual([200, first.body.id, true]);
    expect((await server.get()).body.replays).toHaveLength(1);
  });
});

describe('DELETE', () => {
  it('cancels one that runs, then removes it', async () => {
    const server = await replayServer();
    const { body } = await server.start('?loops=10000&gogc=50,100,200', { example: 'jq' });
    await server.until(body.id, 'running');
    const cancelled = await server.call('DELETE', `/${body.id}`);
    expect(cancelled.status).toBe(200);
    expect(cancelled.body).toMatchObject({ id: body.id, state: 'cancelled', error: null });
    expect(await server.files()).toEqual([]);
    expectProblem(await server.get(`/${body.id}/results/0`), 409, 'replay-not-done');
    expect((await server.call('DELETE', `/${body.id}`)).status).toBe(204);
    expectProblem(await server.get(`/${body.id}`), 404, 'replay-not-found');
    // The threads are free for others.
    const next = await server.upload('', recording(100));
    expect(await server.until(next.body.id, 'done')).toMatchObject({ state: 'done' });
  });

  it('cancels one that waits', async () => {
    const server = await replayServer({ GOHEAP_REPLAYS_RUNNING: '1' });
    const running = await server.start('?loops=10000', { example: 'jq' });
    const waiting = await server.upload('', recording(100));
    expect(waiting.body.state).toBe('waiting');
    expect((await server.get()).body).toMatchObject({ running: 1, waiting: 1 });
    expect((await server.call('DELETE', `/${waiting.body.id}`)).body.state).toBe('cancelled');
    expect((await server.get()).body).toMatchObject({ running: 1, waiting: 0 });
    expect((await server.get(`/${running.body.id}`)).body.state).toBe('running');
  });

  it('removes the files of one that is done', async () => {
    const server = await replayServer();
    const { body } = await server.upload('', recording(100));
    await server.until(body.id, 'done');
    expect(await server.files()).toHaveLength(4);
    expect((await server.call('DELETE', `/${body.id}`)).status).toBe(204);
    expect(await server.files()).toEqual([]);
    expect((await server.get()).body).toMatchObject({ replays: [], bytes: 0 });
  });
});

it('runs so many at once, lets so many wait, and refuses more', async () => {
  const server = await replayServer({ GOHEAP_REPLAYS_RUNNING: '1', GOHEAP_REPLAYS_WAITING: '2' });
  const first = await server.start('?loops=10000', { example: 'jq' });
  const second = await server.upload('?gogc=50', recording(100));
  const third = await server.upload('?gogc=60', recording(100));
  expect([first, second, third].map(({ body }) => body.state)).toEqual(['running', 'waiting', 'waiting']);
  const refused = await server.upload('?gogc=70', recording(100));
  expectProblem(refused, 503, 'too-many-replays');
  expect(refused.headers['retry-after']).toBe('5');
  expect(refused.body.limit).toBe(2);
  await server.call('DELETE', `/${first.body.id}`);
  expect((await server.until(second.body.id, 'done')).state).toBe('done');
  expect((await server.until(third.body.id, 'done')).state).toBe('done');
});

it('ends one that takes too long', async () => {
  const time = holdTimers(3_600_000);
  const server = await replayServer({ GOHEAP_REPLAY_TIME: '1h' });
  const { status, body } = await server.upload('?loops=10000', recording(30_000));
  expect([status, body.state]).toEqual([202, 'running']);
  time.fire();
  time.release();
  const failed = await server.until(body.id, 'failed');
  expect(failed).toMatchObject({ state: 'failed', error: { code: 'replay-timed-out' } });
  expect(await server.files()).toEqual([]);
});

it('lists replays and examples', async () => {
  const server = await replayServer();
  const { body } = await server.upload('?name=my%20app&gogc=50,100', recording(300));
  await server.until(body.id, 'done');
  const list = (await server.get()).body;
  expectSchema(ReplayList, list);
  expect(list.replays).toMatchObject([{ id: body.id, name: 'my app', cells: 2, ingest: { format: 'mtrace' } }]);
  const gallery = (await server.get('/examples')).body;
  expectSchema(ExampleList, gallery);
  expect(gallery.examples.map(({ name }: { name: string }) => name)).toEqual(['jq', 'sqlite3']);
});

describe('unknown', () => {
  test.each([
    ['GET', '/nosuchreplay'],
    ['GET', '/nosuchreplay/results/0'],
    ['GET', '/nosuchreplay/map?event=0'],
    ['GET', '/nosuchreplay/events'],
    ['DELETE', '/nosuchreplay'],
  ])('%s %s', async (method, path) => {
    expectProblem(await server.call(method, path), 404, 'replay-not-found');
  });

  it('example, replay, cell', async () => {
    const example = await server.start('', { example: 'emacs' });
    expectProblem(example, 404, 'example-not-found');
    expect(example.body.allowed).toEqual(['jq', 'sqlite3']);
    expectProblem(await server.start('', { replay: 'nosuchreplay' }), 404, 'replay-not-found');
    const { body } = await server.upload('?gogc=50,100', recording(100));
    await server.until(body.id, 'done');
    const cell = await server.get(`/${body.id}/results/2`);
    expectProblem(cell, 404, 'cell-not-found');
    expect(cell.body.limit).toBe(2);
    expectProblem(await server.get(`/${body.id}/map?cell=2&event=0`), 404, 'cell-not-found');
    expectProblem(await server.get(`/${body.id}/results/x`), 400, 'validation-failed', 'cell');
  });

  it('methods', async () => {
    expectProblem(await server.call('PUT', '', '{}'), 405, 'method-not-allowed');
    expect((await server.call('HEAD', '/x/events')).status).toBe(405);
  });
});

it('has a map at every event, and none beyond', async () => {
  const { body } = await server.upload('?loops=2', recording(200));
  const { ingest } = await server.until(body.id, 'done');
  const last = ingest.events * 2;
  const first = (await server.get(`/${body.id}/map?event=0`)).body;
  expect(first).toMatchObject({ event: 0 });
  expect((await server.get(`/${body.id}/map?event=${last}`)).body.event).toBe(last);
  for (const event of [last + 1, -1, 1.5, 'x']) {
    expectProblem(await server.get(`/${body.id}/map?event=${event}`), 400, 'validation-failed', 'event');
  }
  expectProblem(await server.get(`/${body.id}/map`), 400, 'validation-failed', 'event');
  expectProblem(await server.get(`/${body.id}/map?event=0&page=1`), 400, 'unknown-field');
});

it('draws a map while the replay runs', async () => {
  const server = await replayServer();
  const { body } = await server.start('?loops=10000&gogc=50,100,200', { example: 'jq' });
  const map = await server.get(`/${body.id}/map?event=1000`);
  expect(map.status).toBe(200);
  expect(map.body).toMatchObject({ event: 1000, runs: expect.any(Array) });
  expect((await server.get(`/${body.id}`)).body.state).toBe('running');
});

it('ends a map whose client has gone away', async () => {
  const server = await replayServer();
  const { body } = await server.start('?loops=10000&gogc=50,100,200', { example: 'jq' });
  const total = body.ingest.events * 10_000;
  const gone = new AbortController();
  const long = fetch(server.url(`/${body.id}/map?event=${total}`), { signal: gone.signal }).catch(() => 'gone');
  const { replays } = server.app;
  const waiting = () => (replays as unknown as { maps: { waiting: number } }).maps.waiting;
  await expect.poll(waiting).toBe(1);
  gone.abort();
  expect(await long).toBe('gone');
  await expect.poll(waiting).toBe(0);
});

describe('a report', () => {
  it('is what the command writes of the same results', async () => {
    const { body } = await server.start('?gogc=50,100&variations=2&name=a%20b/c', { example: 'jq' });
    await server.until(body.id, 'done');
    const whole = (await server.get(`/${body.id}?include=all`)).body;
    const ranges = whole.cells.map((cell: { ranges: Evaluated['ranges'] }) => cell.ranges);
    const document = reportDocument({
      name: whole.name,
      hash: whole.hash,
      ingest: whole.ingest,
      variations: 2,
      evaluated: whole.results.map((result: Evaluated['result'], i: number) => ({ result, ranges: ranges[i] })),
    });
    const grid = await server.get(`/${body.id}/report.csv`);
    expect(grid.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="a_b_c.csv"',
    });
    expect(grid.body).toBe(csv([document], 'grid'));
    expect((await server.get(`/${body.id}/report.csv?table=cycles`)).body).toBe(csv([document], 'cycles'));
    expectProblem(await server.get(`/${body.id}/report.csv?table=sums`), 400, 'validation-failed', 'table');
    const page = await server.get(`/${body.id}/report.html`);
    expect(page.headers['content-disposition']).toBe('attachment; filename="a_b_c.html"');
    expect(page.body).toBe(reportHtml(document));
  });

  it('of none, or of one that runs or was cancelled, there is none', async () => {
    const server = await replayServer();
    expectProblem(await server.get('/nosuchreplay/report.html'), 404, 'replay-not-found');
    const { body } = await server.start('?loops=10000', { example: 'jq' });
    expectProblem(await server.get(`/${body.id}/report.csv`), 409, 'replay-not-done');
    await server.call('DELETE', `/${body.id}`);
    expectProblem(await server.get(`/${body.id}/report.html`), 409, 'replay-not-done');
  });
});

it('ends in order: what runs is cancelled, what is uploaded is told, nothing is left', async () => {
  const server = await replayServer({ GOHEAP_REPLAYS_RUNNING: '1' });
  const { body } = await server.start('?loops=10000', { example: 'jq' });
  await server.until(body.id, 'running');
  const waiting = await server.upload('', recording(50));
  const half = server.halfUpload('', recording(5000));
  await expect.poll(async () => (await server.get()).body.waiting).toBe(2);
  const { replays } = server.app;
  const list = replays.list();
  server.lifecycle.drain();
  expect(await half.status).toBe(503);
  await server.close();
  expect(list.map(({ state }) => state)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  expect(list.map(({ id }) => id)).toContain(waiting.body.id);
  expect(await server.files()).toEqual([]);
});

it('tells its metrics', async () => {
  const server = await replayServer();
  const { body } = await server.upload('?variations=1', recording(300));
  await server.until(body.id, 'done');
  await server.upload('?variations=1', recording(300));
  await server.upload('', 'garbage');
  const metrics = (await server.call('GET', '/../../metrics')).raw.toString();
  const value = (name: string) =>
    Number(
      metrics
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1],
    );
  expect(value('goheap_replays_running')).toBe(0);
  expect(value('goheap_replays_waiting')).toBe(0);
  expect(value('goheap_replays_total{state="done"}')).toBe(1);
  expect(value('goheap_replays_total{state="cached"}')).toBe(1);
  expect(value('goheap_replays_total{state="refused"}')).toBe(1);
  expect(value('goheap_replay_events_total')).toBe(body.ingest.events);
  expect(value('goheap_replay_seconds_total')).toBeGreaterThan(0);
  expect(value('goheap_replay_disk_bytes')).toBe((await server.get()).body.bytes);
});
