/**
 * The volume of the log is not a client's to choose: at `info` no request has a line of its own, whatever it does.
 */

import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { buildApp } from '../../src/server/app.js';
import { loadConfig } from '../../src/server/config.js';
import { heapFactory } from '../../src/server/factory.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import { HeapRegistry } from '../../src/server/registry.js';
import type { Host } from '../../src/server/route.js';
import { TestApp } from '../helper/routes.js';

/** An app whose log is kept. */
async function logged(level: string): Promise<{ t: TestApp; log: Record<string, unknown>[] }> {
  const log: Record<string, unknown>[] = [];
  const config = loadConfig({ GOMAXPROCS: '2', GOHEAP_RESERVE: '64MiB', LOG_LEVEL: level });
  const logger = pino({ level }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const heaps = new HeapRegistry<Host>(heapFactory(config, logger), config.maxHeaps);
  const lifecycle = new Lifecycle();
  const app = await buildApp(config, { heaps, lifecycle, logger });
  await app.ready();
  lifecycle.serve();
  return { t: new TestApp(app, heaps, lifecycle), log };
}

/** What was logged for the requests of clients, beside Fastify's own two lines a request at debug. */
const WORDS = /heap (created|changed|deleted)|recording (started|ended)|workload (started|ended)/;

/** Everything that begins or ends something. */
const REQUESTS: [method: string, path: string, body?: object][] = [
  ['PUT', '/v1/heaps/t', {}],
  ['PATCH', '/v1/heaps/t', { gogc: 50 }],
  ['PATCH', '/v1/heaps/t', { gogc: -1 }],
  ['POST', 'alloc', { size: 64 }],
  ['POST', 'batch', { ops: [{ op: 'alloc', size: 8 }] }],
  ['POST', 'free', { address: '0x1' }],
  ['POST', 'gc'],
  ['POST', 'sweep'],
  ['POST', 'scavenge'],
  ['POST', 'check'],
  ['POST', 'workloads', { workload: 'larson', duration: '50ms', rate: 100 }],
  ['GET', 'recording?seconds=0.1'],
  ['GET', 'heap.heapsnapshot'],
  ['GET', 'debug/pprof/heap?gc=1'],
  ['GET', 'doctor?window=0'],
  ['GET', 'nothing'],
  ['POST', '/v1/replays', { example: 'none' }],
  ['DELETE', '/v1/replays/none'],
  ['GET', '/nothing'],
  ['DELETE', '/v1/heaps/t'],
];

describe.each(['info', 'debug'])('at %s', (level) => {
  let t: TestApp;
  let log: Record<string, unknown>[];
  beforeAll(async () => {
    ({ t, log } = await logged(level));
  });
  afterAll(() => t.close());

  test.each(REQUESTS)('%s %s is answered', async (method, path, body) => {
    const { status } = await t.call(method, path, body);
    expect(status).toBeLessThan(500);
    // The one that runs on ends before its heap goes.
    if (path === 'workloads') {
      await expect.poll(async () => (await t.get('workloads')).body.workloads[0].state).toBe('done');
    }
  });

  it(level === 'info' ? 'left no line' : 'left a line for what began and ended', async () => {
    const lines = log.map(({ msg }) => String(msg)).filter((msg) => WORDS.test(msg));
    if (level === 'info') expect(log).toEqual([]);
    else expect(new Set(lines).size).toBe(7);
  });
});
