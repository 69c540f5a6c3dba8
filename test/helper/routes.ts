/** The real app with real heaps and real threads, and short ways to talk to it. */

import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { expect } from 'vitest';
import { buildApp } from '../../src/server/app.js';
import { loadConfig } from '../../src/server/config.js';
import { heapFactory, memoryBudget } from '../../src/server/factory.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import { HeapRegistry } from '../../src/server/registry.js';
import type { Host } from '../../src/server/route.js';

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
  body: any;
  raw: Buffer;
}

export class TestApp {
  readonly app: FastifyInstance;
  readonly heaps: HeapRegistry<Host>;
  readonly lifecycle: Lifecycle;

  constructor(app: FastifyInstance, heaps: HeapRegistry<Host>, lifecycle: Lifecycle) {
    this.app = app;
    this.heaps = heaps;
    this.lifecycle = lifecycle;
  }

  get host(): Host {
    return this.heaps.get('t');
  }

  async call(method: string, path: string, payload?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const url = path.startsWith('/') ? path : `/v1/heaps/t/${path}`;
    const answer = await this.app.inject({ method: method as 'GET', url, payload: payload as object, headers });
    const type = String(answer.headers['content-type'] ?? '');
    const body = /json/.test(type) && !/ndjson/.test(type) ? answer.json() : answer.body;
    return { status: answer.statusCode, headers: answer.headers, body, raw: answer.rawPayload };
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.call('GET', path, undefined, headers);
  }

  post(path: string, payload: unknown = {}, headers?: Record<string, string>): Promise<Answer> {
    return this.call('POST', path, payload, headers);
  }

  async alloc(body: object): Promise<string> {
    const { status, body: answer } = await this.post('alloc', body);
    expect(status, JSON.stringify(answer)).toBe(201);
    return answer.address;
  }

  /** What the last request left for the Ps to do is done. */
  async atRest(): Promise<void> {
    await expect.poll(() => new Set(this.host.stats().ps.map((p) => p.status))).toEqual(new Set(['idle']));
  }

  /** Ends a test with a heap: every invariant holds. */
  async check(): Promise<void> {
    const { status, body } = await this.post('check');
    expect(body.differences).toEqual([]);
    expect([status, body.ok]).toEqual([200, true]);
  }

  /** Removes the heap `t` and makes it anew. */
  async renew(): Promise<void> {
    const { settings } = this.host;
    await this.heaps.delete('t');
    await this.heaps.put('t', settings);
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.heaps.close();
  }
}

/** An app with one heap, `t`. `rss`: the memory that the process is taken to use; a test's own does not count. */
export async function testApp(env: Record<string, string> = {}, rss: () => number = () => 0): Promise<TestApp> {
  const config = loadConfig({ GOMAXPROCS: '2', GOHEAP_RESERVE: '256MiB', LOG_LEVEL: 'silent', ...env });
  const logger = pino({ level: 'silent' });
  const heaps = new HeapRegistry<Host>(heapFactory(config, logger), config.maxHeaps, memoryBudget(config, rss));
  const lifecycle = new Lifecycle();
  const app = await buildApp(config, { heaps, lifecycle, logger });
  await app.ready();
  lifecycle.serve();
  const { gomaxprocs, gogc, gomemlimit, arenaSize, reserve } = config;
  await heaps.put('t', { gomaxprocs, gogc, gomemlimit, arenaSize, reserve });
  return new TestApp(app, heaps, lifecycle);
}

/** That an answer is a problem document of this code, about this field. */
export function expectProblem(answer: Answer, status: number, code: string, field?: string): void {
  expect([answer.status, answer.body.code], JSON.stringify(answer.body)).toEqual([status, code]);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.body).toMatchObject({ status, type: `/problems/${code}`, detail: expect.any(String) });
  if (field !== undefined) {
    expect(answer.body.field).toBe(field);
    expect(answer.body.allowed).toBeDefined();
  }
}
