/**
 * Threads that the system refuses: few descriptors, no thread left. The server goes on, says 503
 * with Retry-After (507 for a heap), and keeps nothing of what it could not do.
 *
 * Once with a real server in a process that has few descriptors, all of them taken by connections;
 * and once for each thread that there is, with refusals put in the place of `new Worker`, both as
 * an exception and as an event that comes before anybody waits for it. Needs the compiled workers
 * (`npm run build`).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HeapHost } from '../../src/sched/host.js';
import { Op } from '../../src/sched/ops.js';
import { system } from '../../src/threads/thread.js';
import { alloc, crashes, differences, json, newHost } from '../helper/host.js';
import { closeReplayServers, type ReplayServer, recording, replayServer } from '../helper/replays.js';
import { type TestApp, testApp } from '../helper/routes.js';

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  process.on('unhandledRejection', note);
});

afterEach(async () => {
  vi.restoreAllMocks();
  process.off('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

const spawned = system.spawn;
type How = 'throws' | 'tells';

/** Of the threads of this name, refuses those that `which` says. @returns how many were refused */
function refuse(name: RegExp, how: How, which: (n: number) => boolean = () => true): { refused: number } {
  const count = { refused: 0 };
  let n = 0;
  vi.spyOn(system, 'spawn').mockImplementation((script, options) => {
    if (!name.test(String(options.name)) || !which(n++)) return spawned(script, options);
    count.refused++;
    const error = Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
    if (how === 'throws') throw error;
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
    setImmediate(() => {
      worker.emit('error', error);
      void worker.terminate();
    });
    return worker;
  });
  return count;
}

const descriptors = async (pid: number | 'self' = 'self'): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;

/** What a client is told, and that nothing is left of it. */
async function expectRefusal(server: ReplayServer, answer: { status: number; body: unknown; headers: object }) {
  expect(answer).toMatchObject({ status: 503, body: { code: 'overloaded' }, headers: { 'retry-after': '1' } });
  // The thread that was refused may take a while to end.
  await expect.poll(async () => (await server.get()).body).toMatchObject({ running: 0, waiting: 0 });
  await expect
    .poll(async () => (await server.files()).filter((name) => /partial|goheap-replay-/.test(name)))
    .toEqual([]);
}

/** That there is a thread again. Nothing of the replay is in the way of the next test. */
async function expectAccepted(server: ReplayServer, answer: { status: number; body: { id: string } }): Promise<void> {
  expect(answer.status).toBe(202);
  expect((await server.call('DELETE', `/${answer.body.id}`)).status).toBeLessThan(300);
}

let app: TestApp | undefined;
afterAll(() => app?.close());

let recordings = 0;
/** A recording that no server has seen. */
const another = (): string => recording(1000 + recordings++);

describe.each<How>(['throws', 'tells'])('a thread that cannot start: `new Worker` %s', (how) => {
  /** For those tests that need no settings. No recording is sent twice: its result would be there. */
  let server: ReplayServer;
  beforeAll(async () => {
    server = await replayServer();
  });
  afterAll(closeReplayServers);

  it('the parser, of an upload and of an example', async () => {
    refuse(/parser/, how);
    await expectRefusal(server, await server.upload('', another()));
    const before = await descriptors();
    for (let i = 0; i < 10; i++) await expectRefusal(server, await server.start('', { example: 'jq' }));
    await expect.poll(() => descriptors()).toBeLessThan(before + 5);
    vi.restoreAllMocks();
    await expectAccepted(server, await server.upload('', another()));
  });

  it('the thread of a profile', async () => {
    refuse(/profile/, how);
    const profile = await readFile(new URL('../fixtures/replay/pprof/flate.rate512k.pb.gz', import.meta.url));
    await expectRefusal(server, await server.upload('?seconds=1', profile));
    vi.restoreAllMocks();
    await expectAccepted(server, await server.upload('?seconds=1', profile));
  });

  it('that of a report: the next one is not refused for those that were never made', async () => {
    const { body } = await server.upload('', another());
    await server.until(body.id, 'done');
    refuse(/report/, how);
    for (let i = 0; i < 5; i++) await expectRefusal(server, await server.get(`/${body.id}/report.html`));
    vi.restoreAllMocks();
    expect((await server.get(`/${body.id}/report.html`)).status).toBe(200);
  });

  it('that of a heap map', async () => {
    const { body } = await server.upload('', another());
    await server.until(body.id, 'done');
    refuse(/simulator/, how);
    for (let i = 0; i < 20; i++) await expectRefusal(server, await server.get(`/${body.id}/map?event=${i}`));
    vi.restoreAllMocks();
    expect((await server.get(`/${body.id}/map?event=10`)).status).toBe(200);
  });

  it('the simulators: the replay fails, and says why', async () => {
    const server = await replayServer({ GOHEAP_REPLAY_THREADS: '2' });
    refuse(/simulator/, how);
    const text = another();
    const { body } = await server.upload('?gogc=50,100,200', text);
    expect(await server.until(body.id, 'done')).toMatchObject({ state: 'failed', error: { code: 'overloaded' } });
    await expect.poll(() => server.files()).toEqual([]);
    vi.restoreAllMocks();
    const again = await server.upload('?gogc=50,100,200', text);
    expect(await server.until(again.body.id, 'done')).toMatchObject({ state: 'done' });
  });

  it('one simulator of two: the other does all', async () => {
    const server = await replayServer({ GOHEAP_REPLAY_THREADS: '2' });
    // Every other one: that of the first task comes up.
    const count = refuse(/simulator/, how, (n) => n % 2 === 1);
    const { body } = await server.upload('?gogc=50,100,200,400', recording(5000));
    expect(await server.until(body.id, 'done')).toMatchObject({ state: 'done' });
    expect(count.refused).toBeGreaterThan(0);
  });

  it('an M of a new heap: 507, and nothing of it remains', async () => {
    app ??= await testApp();
    const before = await descriptors();
    const count = refuse(/goheap new P1/, how);
    for (let i = 0; i < 5; i++) {
      const answer = await app.call('PUT', '/v1/heaps/new', { gomaxprocs: 3 });
      expect(answer).toMatchObject({ status: 507, body: { code: 'heap-start-failed' } });
      expect((await app.get('/v1/heaps/new')).status).toBe(404);
    }
    // One for each PUT: nobody tried to replace what never ran.
    expect(count.refused).toBe(5);
    await expect.poll(() => descriptors()).toBeLessThan(before + 5);
    vi.restoreAllMocks();
    expect((await app.call('PUT', '/v1/heaps/new', { gomaxprocs: 3 })).status).toBe(201);
    expect((await app.post('/v1/heaps/new/check')).status).toBe(200);
    expect((await app.call('DELETE', '/v1/heaps/new')).status).toBe(204);
  });
});

describe.each<How>(['throws', 'tells'])('an M that died and cannot be replaced: `new Worker` %s', (how) => {
  let host: HeapHost;

  afterEach(async () => {
    expect(crashes).toEqual([]);
    await host?.close();
  });

  it('its P refuses, the others go on, and it comes back', async () => {
    const waits: number[] = [];
    host = await newHost({ gomaxprocs: 2 }, { onStranded: (_p, _error, ms) => waits.push(ms) });
    const before = await alloc(host, 64, 1);
    const count = refuse(/P1$/, how, (n) => n < 3);
    await host.terminateM(1);
    await expect.poll(() => waits.length).toBeGreaterThan(0);
    await expect(alloc(host, 64, 1)).rejects.toMatchObject({ code: 'overloaded' });
    expect(await alloc(host, 64, 0)).toMatchObject({ p: 0 });
    expect(await alloc(host, 64)).toMatchObject({ p: 0 });
    // A dead P may be refused for a while, not for ever.
    await expect
      .poll(() =>
        alloc(host, 64, 1).then(
          ({ p }) => p,
          () => -1,
        ),
      )
      .toBe(1);
    expect(count.refused).toBe(3);
    // No hot loop: each wait is twice the one before.
    expect(waits).toEqual([100, 200, 400]);
    expect(host.stats()).toMatchObject({ restarts: 1, inFlight: 0 });
    expect(before.status).toBe(0);
    expect(await differences(host)).toEqual([]);
  });

  it('what was queued on the only P, or ran there, is answered', async () => {
    host = await newHost({ gomaxprocs: 1 });
    await alloc(host, 64);
    refuse(/P0$/, how, (n) => n < 2);
    const waiting = [
      json(host, Op.check),
      ...Array.from({ length: 200 }, (_, i) => alloc(host, 64, i % 2 === 0 ? 0 : -1)),
    ].map((answer) =>
      answer.then(
        () => 'done',
        ({ code }) => code as string,
      ),
    );
    await host.terminateM(0);
    const answers = await Promise.all(waiting);
    for (const answer of answers) expect(['done', 'm-died', 'overloaded']).toContain(answer);
    await expect
      .poll(() =>
        alloc(host, 64).then(
          ({ status }) => status,
          () => -1,
        ),
      )
      .toBe(0);
    expect(host.stats().inFlight).toBe(0);
    expect(await differences(host)).toEqual([]);
  });

  it('a heap is deleted all the same', async () => {
    host = await newHost({ gomaxprocs: 2 });
    refuse(/P1$/, how);
    await host.terminateM(1);
    await expect
      .poll(() =>
        alloc(host, 64, 1).then(
          () => '',
          ({ code }) => code,
        ),
      )
      .toBe('overloaded');
    await host.close();
    expect(host.stats().ps.map(({ m }) => m)).toEqual([-1, -1]);
  });
});

/** A server of its own process with few descriptors. */
class Child {
  readonly process: ChildProcess;
  readonly port: number;
  readonly folder: string;
  readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  private constructor(child: ChildProcess, port: number, folder: string) {
    this.process = child;
    this.port = port;
    this.folder = folder;
  }

  static async start(limit: number): Promise<Child> {
    const folder = await mkdtemp(join(tmpdir(), 'goheap-test-few-'));
    const command = `ulimit -n ${limit}; exec "${process.execPath}" dist/src/cli.js serve`;
    const env = { ...process.env, PORT: '0', HOST: '127.0.0.1', GOMAXPROCS: '1', GOHEAP_DATA_DIR: folder };
    const child = spawn('sh', ['-c', command], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const port = await new Promise<number>((resolve, reject) => {
      let log = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        const found = /listening on http:\/\/127\.0\.0\.1:([0-9]+)/.exec(log);
        if (found !== null) resolve(Number(found[1]));
      });
      child.once('exit', () => reject(new Error(log)));
    });
    return new Child(child, port, folder);
  }

  get pid(): number {
    return this.process.pid as number;
  }

  /** Over the one connection that is there from the beginning. */
  call(method: string, path: string, body?: object): Promise<{ status: number; code?: string; retry?: string }> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const { port, agent } = this;
      const req = request({ host: '127.0.0.1', port, agent, method, path, headers }, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (piece) => {
          text += piece;
        });
        res.on('end', () => {
          const { code } = text === '' ? {} : JSON.parse(text);
          resolve({ status: res.statusCode ?? 0, code, retry: res.headers['retry-after'] as string });
        });
      });
      req.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async end(): Promise<number | null> {
    this.agent.destroy();
    const exited = new Promise<number | null>((resolve) => this.process.once('exit', resolve));
    if (this.process.exitCode === null) this.process.kill('SIGTERM');
    const code = this.process.exitCode ?? (await exited);
    await rm(this.folder, { recursive: true, force: true });
    return code;
  }
}

describe.skipIf(process.platform !== 'linux')('a server that has no descriptor left', () => {
  it('goes on: 503 for what needs one, 507 for a heap, and all of it again afterwards', async () => {
    // As few as Node starts with: it has hundreds of modules open at once.
    const limit = 512;
    const child = await Child.start(limit);
    const sockets: Socket[] = [];
    try {
      // The data directory is looked at, and what is loaded late is there.
      const path = '/v1/replays';
      expect((await child.call('GET', path)).status).toBe(200);
      const open = await descriptors(child.pid);
      for (let i = open; i < limit + 5; i++) {
        sockets.push(connect(child.port, '127.0.0.1').on('error', () => {}));
      }
      await expect.poll(() => descriptors(child.pid)).toBeGreaterThanOrEqual(limit - 1);
      // A few at a time they are given back: a thread needs several, so that it fails at another
      // place each time.
      const seen = new Set<number>();
      for (let i = 0; i < 60 && !(seen.has(202) && seen.has(201)); i++) {
        const answer = await child.call('POST', path, { example: 'jq' });
        seen.add(answer.status);
        if (answer.status >= 300) expect(answer).toMatchObject({ status: 503, code: 'overloaded', retry: '1' });
        const heap = await child.call('PUT', '/v1/heaps/new', { gomaxprocs: 1, reserve: '64MiB' });
        seen.add(heap.status);
        if (heap.status === 201) expect((await child.call('DELETE', '/v1/heaps/new')).status).toBe(204);
        else expect(heap).toMatchObject({ status: 507, code: 'heap-start-failed' });
        expect((await child.call('GET', '/livez')).status).toBe(200);
        for (const socket of sockets.splice(-3)) socket.destroy();
      }
      expect([...seen]).toEqual(expect.arrayContaining([503, 507, 202, 201]));
      for (const socket of sockets.splice(0)) socket.destroy();
      await expect.poll(() => descriptors(child.pid)).toBeLessThan(open + 20);
      await expect.poll(async () => (await child.call('POST', path, { example: 'sqlite3' })).status).toBe(202);
      expect((await child.call('POST', '/v1/heaps/default/check')).status).toBe(200);
      const traces = () => readdir(join(child.folder, 'traces'));
      await expect.poll(async () => (await traces()).filter((name) => name.startsWith('goheap-replay-'))).toEqual([]);
    } finally {
      for (const socket of sockets) socket.destroy();
      expect(await child.end()).toBe(0);
    }
  });
});
