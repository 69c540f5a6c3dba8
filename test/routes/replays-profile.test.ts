/** Heap profiles in the place of recordings: uploaded, or fetched from where the operator allows it. */

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { generate } from '../../src/replay/profile/generator.js';
import { modelFromProfile, suggestedSettings } from '../../src/replay/profile/model.js';
import { readProfile } from '../../src/replay/profile/read.js';
import { TraceStore } from '../../src/replay/store.js';
import {
  closeReplayServers,
  type ReplayServer,
  recording,
  replayServer,
  sharedReplayServer,
} from '../helper/replays.js';
import { expectProblem } from '../helper/routes.js';

const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/replay/pprof/${name}`, import.meta.url));
const JSON_PROFILE = fixture('json.rate512k.pb.gz');

const servers: Server[] = [];
afterEach(async () => {
  await closeReplayServers();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** What the model itself says. */
function directly(bytes: Uint8Array, options = {}) {
  const model = modelFromProfile(readProfile(bytes), options);
  const store = TraceStore.create();
  try {
    return { model, report: generate(model, store.writer(), { maxEvents: 200_000 }) };
  } finally {
    store.close();
  }
}

const LIMIT = { GOHEAP_REPLAY_EVENTS: '200000' };

it('plays the stream of a profile, with the settings that suit it', async () => {
  const server = await replayServer(LIMIT);
  const { status, body } = await server.upload('?gogc=50,100&seconds=2&operations=1000&variations=1', JSON_PROFILE);
  expect(status, JSON.stringify(body)).toBe(202);
  const { model, report } = directly(JSON_PROFILE, { seconds: 2, operations: 1000 });
  expect(body.ingest).toEqual(JSON.parse(JSON.stringify(report)));
  expect(body.profile).toMatchObject({ seconds: 2, operations: 1000, bytesPerOperation: model.allocBytes / 1000 });
  const done = await server.until(body.id, 'done');
  expect(done.results[0].settings).toMatchObject(suggestedSettings(model));
  expect(done.results[0].headline.cycles).toBeGreaterThan(0);
  const map = await server.get(`/${body.id}/map?event=1000`);
  expect(map.body.event).toBe(1000);

  // Again, under other settings: what was suggested holds still, and what is named wins.
  const again = await server.start('?scan=none', { replay: body.id });
  expect(again.status).toBe(202);
  const other = await server.until(again.body.id, 'done');
  expect(other.results[0].settings).toMatchObject({ ...suggestedSettings(model), scan: 'none' });
  expectProblem(await server.start('?seconds=3', { replay: body.id }), 400, 'invalid-setting', 'seconds');
});

it('knows a profile by what was told of it', async () => {
  const server = await replayServer(LIMIT);
  const a = await server.upload('?seconds=2&variations=1', JSON_PROFILE);
  const b = await server.upload('?seconds=4&variations=1', JSON_PROFILE);
  const c = await server.upload('?seconds=2&variations=1', JSON_PROFILE);
  expect(b.body.hash).not.toBe(a.body.hash);
  expect([c.body.id, c.body.cached]).toEqual([a.body.id, true]);
});

it('keeps what it knows of a profile over a restart', async () => {
  const first = await replayServer(LIMIT);
  const { body } = await first.upload('?seconds=2&variations=1', gunzipSync(JSON_PROFILE));
  const done = await first.until(body.id, 'done');
  await first.close();
  const second = await replayServer(LIMIT, first.folder);
  expect((await second.get(`/${body.id}`)).body.profile).toEqual(done.profile);
  const again = await second.start('?gogc=off&variations=1', { replay: body.id });
  expect((await second.until(again.body.id, 'done')).results[0].settings.scan).toBe('all');
});

describe('is refused', () => {
  let refusing: ReplayServer;
  let end: () => Promise<void>;
  beforeAll(async () => {
    ({ server: refusing, end } = await sharedReplayServer(LIMIT));
  });
  afterAll(() => end());

  test.each<[string, string, string | Buffer, number, string]>([
    ['one without the beginning of a number', '?seconds=x', JSON_PROFILE, 400, 'invalid-setting'],
    ['no time at all', '?seconds=0', JSON_PROFILE, 400, 'invalid-setting'],
    ['a time of what is no profile', '?seconds=3', recording(100), 400, 'invalid-setting'],
    ['operations of what is no profile', '?operations=3', recording(100), 400, 'invalid-setting'],
    ['a profile that is cut off', '', JSON_PROFILE.subarray(0, -200), 422, 'replay-damaged'],
  ])('%s', async (_what, query, body, status, code) => {
    expectProblem(await refusing.upload(query, body), status, code);
    expect((await refusing.get()).body.replays).toEqual([]);
    expect(await refusing.files()).toEqual([]);
  });

  it('a profile that is larger than an upload may be', async () => {
    const server = await replayServer({ GOHEAP_REPLAY_UPLOAD: '3000' });
    const halves = [JSON_PROFILE.subarray(0, 2900), JSON_PROFILE.subarray(2900)];
    expect(JSON_PROFILE.length).toBeGreaterThan(3000);
    expectProblem(await server.stream('', halves), 413, 'replay-too-large');
  });
});

describe('a URL', () => {
  let asked: string[];
  beforeAll(() => {
    asked = [];
  });

  async function program(answer: (path: string) => { status: number; body?: Uint8Array; location?: string }) {
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const { status, body, location } = answer(request.url ?? '');
      response.writeHead(status, location === undefined ? {} : { location }).end(body);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('is not fetched unless that was configured', async () => {
    const origin = await program(() => ({ status: 200, body: JSON_PROFILE }));
    const server = await replayServer();
    expectProblem(await server.start('', { url: `${origin}/debug/pprof/heap` }), 403, 'fetch-not-allowed');
    expect(asked).toEqual([]);
  });

  it('is fetched from an origin that was', async () => {
    const origin = await program(() => ({ status: 200, body: JSON_PROFILE }));
    const server = await replayServer({ ...LIMIT, GOHEAP_REPLAY_FETCH: `http://example.invalid:80, ${origin}/` });
    const { status, body } = await server.start('?variations=1', { url: `${origin}/debug/pprof/heap?gc=1` });
    expect(status, JSON.stringify(body)).toBe(202);
    expect(body).toMatchObject({ source: 'url', name: `${origin.slice(7)}/debug/pprof/heap` });
    expect(asked.splice(0)).toEqual(['/debug/pprof/heap?gc=1']);
    expect((await server.until(body.id, 'done')).state).toBe('done');
    const uploaded = await server.upload('?variations=1', JSON_PROFILE);
    expect(uploaded.body).toMatchObject({ id: body.id, cached: true });
  });

  it('elsewhere is not, however it is written', async () => {
    const origin = await program(() => ({ status: 200, body: JSON_PROFILE }));
    const port = origin.slice(origin.lastIndexOf(':') + 1);
    const server = await replayServer({ GOHEAP_REPLAY_FETCH: 'http://127.0.0.1:1' });
    for (const url of [
      `${origin}/x`,
      `http://localhost:1/x`,
      `http://127.0.0.1:1@127.0.0.1:${port}/x`,
      `http://[::ffff:127.0.0.1]:${port}/x`,
      'file:///etc/passwd',
      'data:text/plain,x',
      'no url',
    ]) {
      const answer = await server.start('', { url });
      expectProblem(answer, 403, 'fetch-not-allowed', 'url');
    }
    expect(asked).toEqual([]);
  });

  it('that answers something else is told', async () => {
    const origin = await program((path) =>
      path === '/moved'
        ? { status: 302, location: '/debug' }
        : path === '/text'
          ? { status: 200, body: Buffer.from('hi') }
          : { status: 404 },
    );
    const server = await replayServer({ GOHEAP_REPLAY_FETCH: origin });
    expectProblem(await server.start('', { url: `${origin}/moved` }), 502, 'replay-fetch-failed');
    expectProblem(await server.start('', { url: `${origin}/none` }), 502, 'replay-fetch-failed');
    expectProblem(await server.start('', { url: `${origin}/text` }), 422, 'replay-format');
    expect(asked.splice(0)).toEqual(['/moved', '/none', '/text']);
    expect((await server.get()).body.replays).toEqual([]);
  });
});
