/**
 * `kill -9`: what it loses is what SECURITY.md says, and nothing else.
 *
 * Heaps live in memory alone and are gone. Replays that were done are on disk and come back; one that
 * was uploading or running is gone, and nothing of it stays behind.
 */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { recording } from '../helper/replays.js';
import { ServerProcess } from '../helper/server-process.js';

/** Idle connections are not waited for when the test ends its server in good order. */
const AT_ONCE = { SHUTDOWN_GRACE: '10ms' };

let folder: string;
let server: ServerProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'goheap-test-kill-'));
});
afterEach(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const start = async (): Promise<void> => {
  server = await ServerProcess.start({ GOHEAP_DATA_DIR: folder, GOMAXPROCS: '1', GOHEAP_RESERVE: '64MiB', ...AT_ONCE });
};

async function call(method: string, path: string, body?: object | string) {
  const json = typeof body === 'object';
  const answer = await fetch(`http://127.0.0.1:${server.port}/v1${path}`, {
    method,
    body: json ? JSON.stringify(body) : body,
    headers: { 'content-type': json ? 'application/json' : 'application/octet-stream' },
  });
  const parsed: ReturnType<typeof JSON.parse> = await answer.json();
  return { status: answer.status, body: parsed };
}

/** Begins an upload that never ends. */
function beginUpload(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    const head = `POST /v1/replays HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n`;
    socket.write(`${head}Content-Length: 1000000\r\n\r\n${recording(1000)}`, () => resolve());
  });
}

test('loses every heap and what was under way, and keeps the replays that were done', async () => {
  await start();
  expect((await call('PUT', '/heaps/other', { gogc: 50 })).status).toBe(201);
  expect((await call('POST', '/heaps/default/alloc', { size: 64, count: 1000 })).status).toBe(201);
  const uploaded = await call('POST', '/replays?name=kept', recording(300).toString());
  expect(uploaded.status).toBe(202);
  const path = `/replays/${uploaded.body.id}`;
  await expect.poll(async () => (await call('GET', path)).body.state).toBe('done');
  const before = await call('GET', `${path}/results/0`);
  await beginUpload();
  await expect.poll(async () => (await call('GET', '/replays')).body.waiting).toBe(1);
  await server.kill();

  await start();
  expect((await call('GET', '/heaps')).body.heaps.map(({ name }: { name: string }) => name)).toEqual(['default']);
  expect((await call('GET', '/heaps/default/memstats')).body.Mallocs).toBe(0);
  const { replays, waiting } = (await call('GET', '/replays')).body;
  expect([replays.map(({ name }: { name: string }) => name), waiting]).toEqual([['kept'], 0]);
  expect((await call('GET', `${path}/results/0`)).body).toEqual(before.body);
  const files = await readdir(folder, { recursive: true });
  expect(files.filter((file) => file.includes('.partial'))).toEqual([]);
  expect(server.complaints).toEqual([]);
});
