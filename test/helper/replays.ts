/** A server that replays, on a real port, with a data directory of its own; and recordings for it. Needs the compiled workers (`npm run build`). */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { buildApp } from '../../src/server/app.js';
import { loadConfig } from '../../src/server/config.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import { HeapRegistry } from '../../src/server/registry.js';
import { FakeFactory } from './fake-heap.js';
import type { Answer } from './routes.js';

export class ReplayServer {
  readonly app: FastifyInstance;
  readonly lifecycle: Lifecycle;
  readonly folder: string;
  /** Parsed log entries. */
  readonly log: Record<string, unknown>[];

  constructor(app: FastifyInstance, lifecycle: Lifecycle, folder: string, log: Record<string, unknown>[]) {
    this.app = app;
    this.lifecycle = lifecycle;
    this.folder = folder;
    this.log = log;
  }

  get port(): number {
    return (this.app.server.address() as AddressInfo).port;
  }

  url(path = ''): string {
    return `http://127.0.0.1:${this.port}/v1/replays${path}`;
  }

  async call(
    method: string,
    path = '',
    body?: RequestInit['body'],
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const duplex = body instanceof ReadableStream ? { duplex: 'half' } : {};
    const answer = await fetch(this.url(path), { method, body, headers, ...duplex } as RequestInit);
    const raw = Buffer.from(await answer.arrayBuffer());
    const all = Object.fromEntries(answer.headers);
    const json = raw.length > 0 && /json/.test(all['content-type'] ?? '');
    return { status: answer.status, headers: all, body: json ? JSON.parse(raw.toString()) : raw.toString(), raw };
  }

  get(path = ''): Promise<Answer> {
    return this.call('GET', path);
  }

  upload(query: string, recording: string | Uint8Array): Promise<Answer> {
    const body = typeof recording === 'string' ? recording : (recording as Uint8Array<ArrayBuffer>);
    return this.call('POST', query, body, { 'content-type': 'application/octet-stream' });
  }

  /** Without saying how long it is. */
  stream(query: string, pieces: Iterable<Uint8Array>): Promise<Answer> {
    const body = Readable.toWeb(Readable.from(pieces)) as unknown as RequestInit['body'];
    return this.call('POST', query, body, { 'content-type': 'application/octet-stream' });
  }

  start(query: string, body: object): Promise<Answer> {
    return this.call('POST', query, JSON.stringify(body), { 'content-type': 'application/json' });
  }

  /** Waits until a replay is in this state, or has ended. */
  async until(id: string, state: string): Promise<Answer['body']> {
    for (;;) {
      const { body } = await this.get(`/${id}`);
      if (body.state === state || ['done', 'failed', 'cancelled'].includes(body.state)) return body;
      await sleep(20);
    }
  }

  /** Begins an upload that stays unfinished; `end` ends it as the client chooses, with `rest`. */
  halfUpload(
    query: string,
    half: string | Buffer,
    rest = half,
  ): { end: (how: 'destroy' | 'finish') => void; status: Promise<number> } {
    const { port } = this;
    const headers = { 'content-type': 'application/octet-stream', 'content-length': half.length + rest.length };
    const req = request({ port, host: '127.0.0.1', method: 'POST', path: `/v1/replays${query}`, headers });
    const status = new Promise<number>((resolve) => {
      req.on('response', (res) => resolve(res.resume().statusCode ?? 0)).on('error', () => resolve(0));
    });
    req.write(half);
    return { status, end: (how) => void (how === 'destroy' ? req.destroy() : req.end(rest)) };
  }

  /** Paths of what is in the data directory, but for the two folders. */
  async files(): Promise<string[]> {
    const all = await readdir(this.folder, { recursive: true }).catch(() => []);
    return all.filter((name) => name !== 'replays' && name !== 'traces').sort();
  }

  async close(): Promise<void> {
    this.lifecycle.drain();
    // Kept-alive connections would keep the server open. What runs ends by itself.
    const idle = setInterval(() => this.app.connections.closeIdle(), 20);
    await this.app.close();
    clearInterval(idle);
  }
}

const opened: ReplayServer[] = [];
const folders: string[] = [];

const dataFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'goheap-test-replays-'));

/** `folder`: that of a server before it. */
export async function replayServer(env: Record<string, string> = {}, folder?: string): Promise<ReplayServer> {
  const data = folder ?? (await dataFolder());
  if (folder === undefined) folders.push(data);
  const server = await openServer(env, data);
  opened.push(server);
  return server;
}

/**
 * For beforeAll: a server that the tests of a file share, where each looks only at replays of its
 * own. `closeReplayServers` leaves it alone; the returned `end` closes it.
 */
export async function sharedReplayServer(
  env: Record<string, string> = {},
): Promise<{ server: ReplayServer; end: () => Promise<void> }> {
  const data = await dataFolder();
  const server = await openServer(env, data);
  const end = async () => {
    await server.close();
    await rm(data, { recursive: true, force: true });
  };
  return { server, end };
}

async function openServer(env: Record<string, string>, data: string): Promise<ReplayServer> {
  const config = loadConfig({ GOHEAP_DATA_DIR: data, ...env });
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const lifecycle = new Lifecycle();
  const heaps = new HeapRegistry(new FakeFactory().create, config.maxHeaps);
  const app = await buildApp(config, { heaps, lifecycle, logger });
  await app.listen({ port: 0, host: '127.0.0.1' });
  lifecycle.serve();
  return new ReplayServer(app, lifecycle, data, log);
}

/** For afterEach: closes every server, and removes their directories. */
export async function closeReplayServers(): Promise<void> {
  for (const server of opened.splice(0)) await server.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
}

/** Text of mtrace: `pairs` objects, of which each is freed when `live` later ones were allocated. */
export function recording(pairs: number, live = 100, size = 64): string {
  const lines = ['= Start'];
  const at = (i: number): string => `0x${(0x5500_0000_0000 + (i % (live + 1)) * 4096).toString(16)}`;
  for (let i = 0; i < pairs; i++) {
    if (i > live) lines.push(`@ app:[0x1] - ${at(i)}`);
    lines.push(`@ app:[0x1] + ${at(i)} 0x${(size + (i % 7) * 8).toString(16)}`);
  }
  lines.push('= End', '');
  return lines.join('\n');
}
