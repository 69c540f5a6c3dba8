/**
 * Uploads that stall, and that break off: at every stage of the reading, a DELETE and the server's
 * end get through at once, the client is told, its connection ends, and no file, thread, descriptor
 * or listener is left. Needs the compiled workers (`npm run build`).
 */

import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Thread } from '../../src/threads/thread.js';
import { system } from '../../src/threads/thread.js';
import { effort } from '../helper/effort.js';
import { closeReplayServers, type ReplayServer, recording, replayServer } from '../helper/replays.js';

afterEach(async () => {
  vi.restoreAllMocks();
  await closeReplayServers();
});

let profile: Buffer;
beforeAll(async () => {
  profile = await readFile(new URL('../fixtures/replay/pprof/json.rate512k.pb.gz', import.meta.url));
});

/** Where an upload stalls, by what was sent before. */
const STAGES: [where: string, sent: () => Buffer][] = [
  ['before its first byte', () => Buffer.alloc(0)],
  ['in its first bytes', () => Buffer.from('= Start\n')],
  ['in its last byte but one of those that tell a profile', () => Buffer.from(recording(1000)).subarray(0, 4095)],
  ['in the middle', () => Buffer.from(recording(50_000)).subarray(0, 1_000_000)],
  ['in the middle of a profile', () => profile.subarray(0, 5000)],
];

interface Stalled {
  readonly answer: Promise<{ status: number; code: string } | null>;
  /** The connection is gone. */
  readonly closed: Promise<void>;
  destroy(): void;
}

function stall(server: ReplayServer, sent: Buffer, query = ''): Stalled {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': sent.length + 100_000 };
  const req = request({ port: server.port, host: '127.0.0.1', method: 'POST', path: `/v1/replays${query}`, headers });
  const answer = new Promise<{ status: number; code: string } | null>((resolve) => {
    req.on('response', (res: IncomingMessage) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, code: JSON.parse(text).code }));
    });
    req.on('error', () => resolve(null));
  });
  const closed = new Promise<void>((resolve) => {
    req.on('socket', (socket) => socket.on('close', () => resolve()));
  });
  req.flushHeaders();
  if (sent.length > 0) req.write(sent);
  return { answer, closed, destroy: () => void req.destroy() };
}

/** The id of the one replay that is being read. */
async function parsing(server: ReplayServer): Promise<string> {
  await expect.poll(async () => (await server.get()).body.replays[0]?.state).toBe('parsing');
  return (await server.get()).body.replays[0].id;
}

async function expectNothingLeft(server: ReplayServer): Promise<void> {
  await expect.poll(async () => (await server.get()).body).toMatchObject({ replays: [], running: 0, waiting: 0 });
  await expect.poll(() => server.files()).toEqual([]);
}

/**
 * All stages at once: the server reads the rest of each upload for a moment after its answer, and
 * they wait for that together. Each replay has the name of its stage.
 */
describe('an upload that stalls, at every stage', () => {
  const names = STAGES.map(([where]) => where);
  const begin = (server: ReplayServer): Stalled[] =>
    STAGES.map(([where, sent]) => stall(server, sent(), `?name=${encodeURIComponent(where)}`));
  /** As many may be uploaded at a time. */
  const env = { GOHEAP_REPLAYS_WAITING: String(STAGES.length) };

  /** By stage, once all of them are being read. */
  async function allParsing(server: ReplayServer): Promise<Map<string, string>> {
    const states = async () => {
      const { replays } = (await server.get()).body;
      return Object.fromEntries(replays.map(({ name, state }: Record<string, string>) => [name, state]));
    };
    await expect.poll(states).toEqual(Object.fromEntries(names.map((name) => [name, 'parsing'])));
    const { replays } = (await server.get()).body;
    return new Map(replays.map(({ name, id }: Record<string, string>) => [name, id]));
  }

  it('is ended by a DELETE, and told', async () => {
    const server = await replayServer(env);
    const stalled = begin(server);
    const ids = await allParsing(server);
    for (const [i, where] of names.entries()) {
      const deleted = await server.call('DELETE', `/${ids.get(where)}`);
      expect(deleted, where).toMatchObject({ status: 200, body: { state: 'cancelled' } });
      expect(await stalled[i].answer, where).toEqual({ status: 409, code: 'replay-cancelled' });
    }
    for (const { closed } of stalled) await closed;
    await expectNothingLeft(server);
  });

  it('is ended by the end of the server, and told', async () => {
    const server = await replayServer(env);
    const stalled = begin(server);
    await allParsing(server);
    server.lifecycle.drain();
    // Nobody cuts connections off here: this resolves when they have ended by themselves.
    const closed = server.app.close();
    for (const [i, where] of names.entries()) {
      expect(await stalled[i].answer, where).toEqual({ status: 503, code: 'shutting-down' });
    }
    await Promise.all([...stalled.map((one) => one.closed), closed]);
    expect(await server.files()).toEqual([]);
  });

  it('leaves nothing when its client goes away', async () => {
    const server = await replayServer(env);
    const stalled = begin(server);
    await allParsing(server);
    for (const one of stalled) one.destroy();
    await expectNothingLeft(server);
  });
});

it('a profile that another server does not send is given up', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const origin = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  try {
    const server = await replayServer({ GOHEAP_REPLAY_FETCH: origin });
    const answer = server.start('', { url: `${origin}/debug/pprof/heap` });
    const id = await parsing(server);
    expect((await server.call('DELETE', `/${id}`)).status).toBe(200);
    expect(await answer).toMatchObject({ status: 409, body: { code: 'replay-cancelled' } });
    await expectNothingLeft(server);
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});

describe.skipIf(process.platform !== 'linux')('uploads that break off', () => {
  const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;

  it('while their thread reads its own modules leave no descriptor', async () => {
    // The thread is told to end before it is up; its files would stay open if it were ended then
    // and there.
    const server = await replayServer({ GOHEAP_REPLAYS_WAITING: '100' });
    const spawn = vi.spyOn(system, 'spawn');
    const { body } = await server.upload('', recording(100));
    // Threads that simulate start after the answer.
    await server.until(body.id, 'done');
    const before = await descriptors();
    const started = spawn.mock.calls.length;
    const sent = Buffer.from(recording(1000));
    const rounds = effort(12, 30);
    for (let i = 0; i < rounds; i++) {
      const stalled = stall(server, sent);
      // As soon as there is a thread, and some turns later.
      await expect.poll(() => spawn.mock.calls.length, { interval: 1 }).toBe(started + i + 1);
      for (let turns = 0; turns < i; turns++) await new Promise((resolve) => setImmediate(resolve));
      stalled.destroy();
      await expect.poll(async () => (await server.get()).body.waiting).toBe(0);
    }
    await expect.poll(descriptors).toBeLessThan(before + rounds / 3);
  });

  it('leave no thread and no listener', async () => {
    const server = await replayServer({ GOHEAP_REPLAYS_WAITING: '100' });
    const spawn = vi.spyOn(system, 'spawn');
    const warned = vi.fn();
    process.on('warning', warned);
    for (let i = 0; i < effort(20, 40); i++) {
      const [, sent] = STAGES[i % STAGES.length];
      const stalled = stall(server, sent());
      await expect.poll(async () => (await server.get()).body.waiting, { interval: 1 }).toBe(1);
      stalled.destroy();
      await expect.poll(async () => (await server.get()).body.waiting, { interval: 1 }).toBe(0);
    }
    process.off('warning', warned);
    // Node warns of more than ten listeners of a kind.
    expect(warned).not.toHaveBeenCalled();
    const workers = spawn.mock.results.map(({ value }) => value as { threadId: Thread['id'] });
    expect(workers.length).toBeGreaterThan(0);
    await expect.poll(() => workers.filter(({ threadId }) => threadId !== -1).length).toBe(0);
    await expectNothingLeft(server);
  });
});
