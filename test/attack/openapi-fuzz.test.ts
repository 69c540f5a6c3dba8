/**
 * Requests made from the server's own OpenAPI document, right ones and wrong ones, against a real
 * server.
 *
 * Every answer must be one that the document declares: status, content type, body. No request may
 * make the server fail, hang, or log an error, and at the end every heap must be whole. Every
 * operation must have succeeded at least once, or the fuzzer would only have seen the front of it.
 *
 *     npm run fuzz                               2,000 requests, the seed of the ordinary run
 *     GOHEAP_FUZZ_SEED=7 npm run fuzz            another seed; `random` chooses one
 *     GOHEAP_FUZZ_REQUESTS=50000 npm run fuzz    more requests
 *     GOHEAP_FUZZ_LANES=1 npm run fuzz           one at a time, so that a seed repeats exactly
 *
 * The ordinary run has a fixed seed, so that it cannot fail by luck; test:long draws one, and
 * prints it. What fails is printed as a line for curl, made as small as fast-check can in a hundred
 * requests. How requests are made and judged: `fuzz/`.
 */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { LONG } from '../helper/effort.js';
import { ServerProcess } from '../helper/server-process.js';
import { Document } from './fuzz/document.js';
import { Run } from './fuzz/run.js';
import { Wire } from './fuzz/wire.js';

const SECONDS = Number(process.env.GOHEAP_LONG_SECONDS ?? 0);
/** All of them where there are ten minutes; fewer, in proportion, where there is less time. */
const REQUESTS = Number(
  process.env.GOHEAP_FUZZ_REQUESTS ||
    (LONG ? Math.max(2_000, Math.round(100_000 * Math.min(1, SECONDS / 600))) : 2_000),
);
const asked = process.env.GOHEAP_FUZZ_SEED || (LONG ? 'random' : '1');
const SEED = asked === 'random' ? Math.floor(Math.random() * 2 ** 30) : Number(asked);
const LANES = Number(process.env.GOHEAP_FUZZ_LANES || 8);

/** Small: what matters is that limits are met. */
const ENV = {
  GOMAXPROCS: '2',
  GOHEAP_MAX_PROCS: '4',
  GOHEAP_MAX_HEAPS: '6',
  GOHEAP_ARENA_SIZE: '4MiB',
  GOHEAP_RESERVE: '64MiB',
  GOHEAP_BODY_LIMIT: '1MiB',
  GOHEAP_MAX_LOADS: '4',
  GOHEAP_REPLAY_THREADS: '1',
  GOHEAP_REPLAYS_RUNNING: '1',
  GOHEAP_REPLAYS_WAITING: '4',
  GOHEAP_REPLAYS_KEPT: '8',
  GOHEAP_REPLAY_CELLS: '4',
  GOHEAP_REPLAY_TIME: '30s',
  GOHEAP_REPLAY_EVENTS: '1000',
};

/** Operations that need not succeed, each with its reason. */
const NEED_NOT_SUCCEED: Record<string, string> = {};

let server: ServerProcess;
let document: Document;

beforeAll(async () => {
  server = await ServerProcess.start(ENV);
  const answer = await fetch(`http://127.0.0.1:${server.port}/openapi.json`);
  document = new Document(await answer.text());
});

afterAll(() => server?.stop());

it(
  `answers ${REQUESTS} requests as its document says (GOHEAP_FUZZ_SEED=${SEED})`,
  async () => {
    const run = new Run(document, server.port);
    const wire = new Wire(server.port);
    const told = (): string =>
      `GOHEAP_FUZZ_SEED=${SEED} GOHEAP_FUZZ_REQUESTS=${REQUESTS}: ${run.report()}\n${server.complaints.slice(0, 20).join('\n')}`;

    // Something to begin with: two heaps with objects, and a replay that has results.
    for (const heap of ['keep-0', 'keep-1']) {
      await run.one(run.plain('putHeap', { heap }), wire);
      const json = { size: 64, count: 8, pointers: 'all' };
      await run.one(run.plain('alloc', { heap }, { type: 'application/json', json }), wire);
    }
    await run.tend(wire);
    const [id] = run.world.replays;
    expect(id, told()).toBeDefined();
    await expect
      .poll(async () => (await run.one(run.plain('getReplay', { id }), wire)) && run.world.done)
      .toContain(id);

    await run.lanes(REQUESTS, LANES, SEED);
    await run.catchUp(SEED);

    // Nothing goes on any more that could change a heap while it is checked; then every heap is
    // whole, and the server is, too.
    for (const [heap, { workload }] of run.world.heaps) {
      for (const id of workload) await run.one(run.plain('stopWorkload', { heap, workload: id }), wire);
    }
    const { heaps } = (await (await fetch(`http://127.0.0.1:${server.port}/v1/heaps`)).json()) as {
      heaps: { name: string }[];
    };
    for (const { name } of heaps) {
      const answer = await run.one(run.plain('check', { heap: name }), wire);
      const { ok, differences } = JSON.parse(String(answer?.body));
      expect([name, ok, differences], told()).toEqual([name, true, []]);
    }
    const alive = await run.one(run.plain('livez'), wire);
    expect(alive?.status, told()).toBe(200);
    wire.close();
    console.log(told());
    if (process.env.GOHEAP_FUZZ_STATS) console.log(run.succeeded, run.refused);

    expect([...run.found.keys()], told()).toEqual([]);
    const missing = run.missing.map(({ id }) => id).filter((id) => !Object.hasOwn(NEED_NOT_SUCCEED, id));
    expect(missing, `operations of which no valid request succeeded; ${told()}`).toEqual([]);
    expect(server.alive, told()).toBe(true);
    expect(server.complaints, told()).toEqual([]);
  },
  // Catches a hang: a tenth of a second a request is far more than any takes.
  120_000 + REQUESTS * 100,
);
