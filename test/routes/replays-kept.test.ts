/** Replays on disk: a restart finds them again, what is damaged is left out, and the oldest make room. */

import { cp, mkdir, mkdtemp, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeReplayServers, type ReplayServer, recording, replayServer } from '../helper/replays.js';
import { expectProblem } from '../helper/routes.js';

afterEach(closeReplayServers);

async function done(server: ReplayServer, query: string, pairs = 200): Promise<string> {
  const { body, status } = await server.upload(query, recording(pairs));
  expect(status, JSON.stringify(body)).toBe(202);
  expect((await server.until(body.id, 'done')).state).toBe('done');
  return body.id;
}

const ids = async (server: ReplayServer): Promise<string[]> =>
  (await server.get()).body.replays.map(({ id }: { id: string }) => id);

const warnings = (server: ReplayServer) => server.log.filter(({ level }) => Number(level) >= 40);

describe('after a restart', () => {
  it('the list, the results, the map and the cache are as before', async () => {
    const first = await replayServer();
    const a = await done(first, '?name=a&gogc=50,100&procs=1,2');
    const b = await done(first, '?name=b&clock=stw', 300);
    const before = [
      await first.get(`/${a}?include=all`),
      await first.get(`/${b}/results/0`),
      await first.get(`/${a}/map?cell=3&event=150`),
    ];
    const { bytes } = (await first.get()).body;
    await first.close();

    const second = await replayServer({}, first.folder);
    expect(await ids(second)).toEqual([b, a]);
    expect((await second.get()).body.bytes).toBe(bytes);
    const after = [
      await second.get(`/${a}?include=all`),
      await second.get(`/${b}/results/0`),
      await second.get(`/${a}/map?cell=3&event=150`),
    ];
    const still = (body: Record<string, unknown>) => ({ ...body, progress: null, cells: null });
    expect(still(after[0].body)).toEqual(still(before[0].body));
    expect(after[1].body).toEqual(before[1].body);
    expect(after[2].body).toEqual(before[2].body);
    const again = await second.upload('?gogc=50,100&procs=1,2', recording(200));
    expect([again.status, again.body.id, again.body.cached]).toEqual([200, a, true]);
    expect(warnings(second)).toEqual([]);
  });

  it('what was half written is gone, and what runs elsewhere is left alone', async () => {
    const first = await replayServer();
    await done(first, '');
    await first.close();
    const dead = 2 ** 22 + 1;
    for (const pid of [process.pid, dead, process.ppid]) {
      await mkdir(join(first.folder, 'replays', `.abcdefghijkl.${pid}.partial`));
      await writeFile(join(first.folder, 'traces', `${'0'.repeat(64)}.trace.${pid}.partial`), 'x');
    }
    const second = await replayServer({}, first.folder);
    expect(await ids(second)).toHaveLength(1);
    const left = (await second.files()).filter((name) => name.endsWith('.partial'));
    expect(left).toEqual([
      `replays/.abcdefghijkl.${process.ppid}.partial`,
      `traces/${'0'.repeat(64)}.trace.${process.ppid}.partial`,
    ]);
  });

  it('recordings without a replay go, once they are old', async () => {
    const first = await replayServer();
    const old = join(first.folder, 'traces', `${'1'.repeat(64)}.trace`);
    const fresh = join(first.folder, 'traces', `${'2'.repeat(64)}.trace`);
    await mkdir(join(first.folder, 'traces'), { recursive: true });
    for (const path of [old, fresh]) await writeFile(path, 'x');
    const yesterday = Date.now() / 1000 - 25 * 3600;
    await utimes(old, yesterday, yesterday);
    await first.get();
    expect(await first.files()).toEqual([`traces/${'2'.repeat(64)}.trace`]);
  });
});

describe('a replay whose files are damaged', () => {
  const cases: Record<string, (folder: string) => Promise<void>> = {
    'replay.json is no JSON': (folder) => writeFile(join(folder, 'replay.json'), '{"kept": 1,'),
    'replay.json is something else': (folder) => writeFile(join(folder, 'replay.json'), '[]'),
    'replay.json has no cells': (folder) => edit(folder, (kept) => ({ ...kept, cells: undefined })),
    'replay.json is of another version': (folder) => edit(folder, (kept) => ({ ...kept, kept: 99 })),
    'replay.json is of another replay': (folder) => edit(folder, (kept) => ({ ...kept, id: 'abcdefghijkl' })),
    'the results are short': (folder) => truncate(join(folder, 'results'), 1000),
  };
  const edit = async (folder: string, change: (kept: object) => object): Promise<void> => {
    const path = join(folder, 'replay.json');
    await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))));
  };

  /** What one server left behind; each case damages a copy. */
  let copies: string;
  let bad: string;
  let good: string;
  beforeAll(async () => {
    copies = await mkdtemp(join(tmpdir(), 'goheap-test-damaged-'));
    const first = await replayServer({}, join(copies, 'whole'));
    bad = await done(first, '?name=bad');
    good = await done(first, '?name=good&gogc=50');
    await first.close();
  });
  afterAll(() => rm(copies, { recursive: true, force: true }));

  it.each(Object.keys(cases))('is left out, with a line in the log: %s', async (what) => {
    const folder = join(copies, what);
    await cp(join(copies, 'whole'), folder, { recursive: true, preserveTimestamps: true });
    await cases[what](join(folder, 'replays', bad));
    const second = await replayServer({}, folder);
    expect(await ids(second)).toEqual([good]);
    expect(warnings(second)).toMatchObject([{ replay: bad, msg: 'a kept replay cannot be read' }]);
    expect((await second.get(`/${good}/results/0`)).status).toBe(200);
    // What is damaged is not in the way of the same replay again.
    await done(second, '');
  });

  it('is dropped when its results are read, and turn out to be others', async () => {
    const server = await replayServer();
    const id = await done(server, '');
    const path = join(server.folder, 'replays', id, 'results');
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] ^= 1;
    await writeFile(path, bytes);
    expectProblem(await server.get(`/${id}/results/0`), 404, 'replay-not-found');
    expect(warnings(server)).toMatchObject([{ replay: id, msg: 'a kept replay is damaged, and dropped' }]);
    expect(await ids(server)).toEqual([]);
  });

  it('has its results, but no map, when only the recording is', async () => {
    const first = await replayServer();
    const id = await done(first, '');
    await first.close();
    const trace = (await first.files()).find((name) => name.endsWith('.trace')) as string;
    await truncate(join(first.folder, trace), 500);
    const second = await replayServer({}, first.folder);
    expect((await second.get(`/${id}/results/0`)).status).toBe(200);
    expectProblem(await second.get(`/${id}/map?event=10`), 409, 'replay-trace-gone');
    expectProblem(await second.start('?gogc=50', { replay: id }), 409, 'replay-trace-gone');
  });
});

describe('the oldest make room', () => {
  it('by number', async () => {
    const server = await replayServer({ GOHEAP_REPLAYS_KEPT: '2' });
    const all: string[] = [];
    for (const gogc of [50, 60, 70]) all.push(await done(server, `?gogc=${gogc}`));
    await expect.poll(() => ids(server)).toEqual([all[2], all[1]]);
    await expect
      .poll(async () => (await server.files()).filter((name) => /^replays.[^/]*$/.test(name)))
      .toHaveLength(2);
    // Their recording is still that of the others.
    expect((await server.get(`/${all[1]}/map?event=10`)).status).toBe(200);
  });

  it('by bytes, recordings included', async () => {
    const server = await replayServer({ GOHEAP_REPLAY_DISK: '1MiB' });
    const all: string[] = [];
    // About 400 KB of a recording each, and results: two fit.
    for (const pairs of [26_000, 26_001, 26_002]) all.push(await done(server, '?variations=1', pairs));
    await expect.poll(() => ids(server)).not.toContain(all[0]);
    const { replays, bytes } = (await server.get()).body;
    expect(replays[0].id).toBe(all[2]);
    expect(bytes).toBeLessThanOrEqual(2 ** 20);
    // Files go once their replay is off the list.
    const traces = async () => (await server.files()).filter((name) => name.endsWith('.trace')).length;
    await expect.poll(traces).toBe(replays.length);
  });

  it('at the start of a server with a lower limit', async () => {
    const first = await replayServer();
    for (const gogc of [50, 60, 70]) await done(first, `?gogc=${gogc}`);
    const [newest] = await ids(first);
    await first.close();
    const second = await replayServer({ GOHEAP_REPLAYS_KEPT: '1' }, first.folder);
    expect(await ids(second)).toEqual([newest]);
  });

  it('but a recording that is larger than all that may be kept is not kept', async () => {
    const server = await replayServer({ GOHEAP_REPLAY_DISK: '1MiB' });
    const { body } = await server.upload('?variations=1', recording(80_000));
    await server.until(body.id, 'done');
    expect((await server.files()).filter((name) => name.endsWith('.trace'))).toEqual([]);
    await server.close();
    const second = await replayServer({}, server.folder);
    expect((await second.get(`/${body.id}/results/0`)).status).toBe(200);
    expectProblem(await second.get(`/${body.id}/map?event=10`), 409, 'replay-trace-gone');
  });
});

it('says what is wrong with the data directory, and tries again', async () => {
  const first = await replayServer();
  const file = join(first.folder, 'file');
  await writeFile(file, '');
  const server = await replayServer({}, join(file, 'data'));
  const answer = await server.get();
  expectProblem(answer, 507, 'replay-disk');
  expectProblem(await server.upload('', recording(10)), 507, 'replay-disk');
});
