/** The app on fake heaps, for tests of the shell: configured by variables, ready to inject, serving. */

import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import { expect } from 'vitest';
import { buildApp } from '../../src/server/app.js';
import { loadConfig } from '../../src/server/config.js';
import { ERRORS, type ErrorCode } from '../../src/server/errors.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import type { ProblemDocument } from '../../src/server/problem.js';
import { HeapRegistry } from '../../src/server/registry.js';
import { FakeFactory } from './fake-heap.js';

export interface TestShell {
  app: FastifyInstance;
  factory: FakeFactory;
  heaps: HeapRegistry;
  lifecycle: Lifecycle;
  /** Parsed log entries. */
  log: Record<string, unknown>[];
  /** Injects, expects this problem, and gives its document. */
  problem(code: ErrorCode, request: InjectOptions): Promise<ProblemDocument>;
}

const built = new Map<string, TestShell>();

/**
 * An app without heaps. Building one takes a good part of a second, so tests of a file share those of equal
 * configuration; what a test added to (`extend`), or drained, is not used again.
 */
export async function testShell(
  env: Record<string, string> = {},
  extend?: (app: FastifyInstance) => void,
): Promise<TestShell> {
  if (extend !== undefined) return build(env, extend);
  const key = JSON.stringify(env);
  const shell = built.get(key);
  if (shell === undefined || shell.lifecycle.draining) {
    const fresh = await build(env);
    built.set(key, fresh);
    return fresh;
  }
  for (const { name } of shell.heaps.list()) await shell.heaps.delete(name);
  Object.assign(shell.factory, { delay: 0, fail: undefined });
  shell.factory.made.length = 0;
  shell.log.length = 0;
  return shell;
}

async function build(env: Record<string, string>, extend?: (app: FastifyInstance) => void): Promise<TestShell> {
  const config = loadConfig({ GOMAXPROCS: '2', ...env });
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: config.logLevel }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const factory = new FakeFactory();
  const heaps = new HeapRegistry(factory.create, config.maxHeaps);
  const lifecycle = new Lifecycle();
  const app = await buildApp(config, { heaps, lifecycle, logger });
  extend?.(app);
  await app.ready();
  lifecycle.serve();

  const problem = async (code: ErrorCode, request: InjectOptions): Promise<ProblemDocument> => {
    const response = await app.inject(request);
    const document = response.json<ProblemDocument>();
    expect(document).toMatchObject({ code });
    expect(response.statusCode).toBe(ERRORS[code].status);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(document).toMatchObject({
      type: `/problems/${code}`,
      title: ERRORS[code].title,
      status: response.statusCode,
    });
    expect(document.requestId).toBe(response.headers['x-request-id']);
    expect(document.detail).not.toMatch(/\.[cm]?[jt]s\b|node_modules/);
    return document;
  };
  return { app, factory, heaps, lifecycle, log, problem };
}

/** A JSON body, as a client writes it. */
export function json(payload: unknown): Pick<InjectOptions, 'payload' | 'headers'> {
  return { payload: JSON.stringify(payload), headers: { 'content-type': 'application/json' } };
}
