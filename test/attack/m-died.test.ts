/**
 * Threads that die under requests: nothing stays rooted whose address nobody was told.
 *
 * Clients allocate in every way that there is while Ms are killed. Each remembers what it was told,
 * from answers of every kind. After each round they free that, and in the end the heap must be
 * empty: not a single object more.
 */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { BatchOp, Flag } from '../../src/sched/ops.js';
import { BATCH_TYPE } from '../../src/server/batch/binary.js';
import { system } from '../../src/threads/thread.js';
import { effort } from '../helper/effort.js';
import { type Answer, expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;

// One heap for all: each test leaves it empty, and its Ms are new ones by then.
beforeAll(async () => {
  t = await testApp({ GOMAXPROCS: '3', GOHEAP_RESERVE: '1GiB', GOGC: '50', GOHEAP_MAX_BATCH: '200000' });
});
afterAll(() => t.close());

const MANY = 30_000;
const BATCH = '/v1/heaps/t/batch';

/** Addresses that an answer tells. */
interface Told {
  addresses: string[];
  died: number;
}

type Kind = (n: number) => Promise<Told>;

function refused(answer: Answer): Told {
  expectProblem(answer, 503, 'm-died');
  return { addresses: [], died: 1 };
}

const KINDS: Record<string, Kind> = {
  JSON: async (n) => {
    const ops = Array.from({ length: MANY }, (_, i) => ({ op: 'alloc', size: 1 + ((i * 61 + n) % 600) }));
    const answer = await t.call('POST', BATCH, { ops });
    if (answer.status !== 200) {
      // There is nothing else in it, so that all of it is undone: it can be sent again.
      expect(answer.body).toMatchObject({ happened: 'no', completed: 0 });
      return refused(answer);
    }
    return { addresses: answer.body.results.map((r: { address: string }) => r.address), died: 0 };
  },
  'JSON, with sites and frees of its own': async (n) => {
    const ops: object[] = [];
    for (let i = 0; i < MANY / 4; i++) {
      ops.push({ op: 'alloc', size: 8 + ((i * 61 + n) % 90), site: `f${i % 5}` });
      ops.push({ op: 'alloc', size: 16 + (n % 200), noscan: false });
      ops.push({ op: 'free', ref: ops.length - 1, reuse: i % 2 === 0 ? 'immediate' : 'sweep' });
    }
    const answer = await t.call('POST', BATCH, { ops });
    if (answer.status !== 200) {
      expect(['no', 'partly']).toContain(answer.body.happened);
      expect(answer.body.completed).toBeLessThan(ops.length);
      return refused(answer);
    }
    expect(answer.body.failed).toBe(0);
    const { results } = answer.body as { results: { address: string }[] };
    return { addresses: results.filter((_, i) => i % 3 === 0).map((r) => r.address), died: 0 };
  },
  NDJSON: async (n) => {
    const lines = Array.from({ length: 8000 }, (_, i) => JSON.stringify({ op: 'alloc', size: 1 + ((i + n) % 3000) }));
    const answer = await t.call('POST', BATCH, lines.join('\n'), { 'content-type': 'application/x-ndjson' });
    expect(answer.status).toBe(200);
    const told: Told = { addresses: [], died: 0 };
    for (const line of String(answer.body).trim().split('\n')) {
      const result = JSON.parse(line);
      if (result.address !== undefined) told.addresses.push(result.address);
      else {
        expect(result.error.code).toBe('m-died');
        told.died++;
      }
    }
    return told;
  },
  binary: async (n) => {
    const words = new Int32Array(MANY * 4);
    for (let i = 0; i < MANY; i++) {
      words.set([BatchOp.alloc | ((i % 3 === 0 ? 0 : Flag.noscan) << 8), 0, 8 + ((i * 7 + n) % 900), 0], i * 4);
    }
    const answer = await t.call('POST', BATCH, Buffer.from(words.buffer), { 'content-type': BATCH_TYPE });
    if (answer.status !== 200) return refused(answer);
    const addresses: string[] = [];
    for (let i = 0; i < MANY; i++) addresses.push(`0x${answer.raw.readUIntLE(i * 8, 6).toString(16)}`);
    return { addresses, died: 0 };
  },
  'alloc with count': async (n) => {
    const answer = await t.post('alloc', { size: 1 + (n % 100), count: 20_000, site: n % 2 === 0 ? 'f' : undefined });
    if (answer.status !== 201) {
      expect(answer.body.happened).toBe('no');
      return refused(answer);
    }
    return { addresses: answer.body.addresses, died: 0 };
  },
  'many single objects': async (n) => {
    const told: Told = { addresses: [], died: 0 };
    const one = async (i: number): Promise<void> => {
      const answer = await t.post('alloc', { size: 1 + ((i * 31 + n) % 200), root: i % 5 === 0 ? false : undefined });
      if (answer.status !== 201) {
        // What was done is answered as done.
        expect(answer.body.happened).toBe('no');
        refused(answer);
        told.died++;
      } else if (i % 5 !== 0) told.addresses.push(answer.body.address);
    };
    await Promise.all(Array.from({ length: 600 }, (_, i) => one(i)));
    return told;
  },
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function freeAll(addresses: readonly string[]): Promise<void> {
  for (let i = 0; i < addresses.length; i += 50_000) {
    const some = addresses.slice(i, i + 50_000).map(Number);
    const words = new Int32Array(some.flatMap((address) => [BatchOp.free, 0, address, Math.floor(address / 2 ** 32)]));
    const answer = await t.call('POST', BATCH, Buffer.from(words.buffer), { 'content-type': BATCH_TYPE });
    expect(answer.status).toBe(200);
    // Two bytes of an address, then a status: 0 for what was freed.
    const failed = some.filter((_, n) => answer.raw[n * 8 + 6] !== 0);
    expect(failed).toEqual([]);
  }
}

/** Nothing is left, and the heap is whole. */
async function expectEmpty(): Promise<void> {
  await t.post('gc');
  await t.post('gc');
  const { body } = await t.get('memstats?flush=true');
  expect(body.HeapObjects).toBe(0);
  await t.check();
}

describe.each(Object.entries(KINDS))('%s', (name, kind) => {
  test('leaves nothing behind when its threads die', async () => {
    const rounds = effort(3, 25);
    let died = 0;
    let objects = 0;
    for (let round = 0; round < rounds; round++) {
      const told: string[] = [];
      const all = Promise.all([kind(round * 3), kind(round * 3 + 1), kind(round * 3 + 2)]);
      for (let i = 0; i < 2; i++) {
        // As soon as something runs; then some turns later, another number each time.
        for (let w = 0; w < 2000 && t.host.stats().inFlight === 0; w++) await turn();
        for (let j = 0; j < (round * 7) % 12; j++) await turn();
        await t.host.terminateM((round + i) % 3);
      }
      for (const one of await all) {
        told.push(...one.addresses);
        died += one.died;
      }
      objects += told.length;
      // At once: how many of the rounds are answered depends on the machine, and all of their
      // objects might not fit.
      await freeAll(told);
    }
    await expectEmpty();
    console.log(`${name}: ${died} answers m-died, ${objects} objects told of`);
  });
});

test('a batch is answered while no thread can take the place of its own', async () => {
  const spawn = system.spawn;
  let refusing = false;
  vi.spyOn(system, 'spawn').mockImplementation((script, options) => {
    if (refusing) throw Object.assign(new Error('no thread is left'), { code: 'ERR_WORKER_INIT_FAILED' });
    return spawn(script, options);
  });
  try {
    const told: string[] = [];
    let unknown = 0;
    for (let round = 0; round < effort(6, 12); round++) {
      const kind = KINDS[round % 2 === 0 ? 'JSON' : 'binary'];
      const all = Promise.allSettled([kind(round), kind(round + 1), kind(round + 2)]);
      for (let w = 0; w < 2000 && t.host.stats().inFlight === 0; w++) await turn();
      for (let j = 0; j < round; j++) await turn();
      refusing = true;
      await Promise.all([t.host.terminateM(0), t.host.terminateM(1), t.host.terminateM(2)]);
      // Were any of them to wait for a thread, this would never end.
      for (const one of await all) {
        if (one.status === 'fulfilled') told.push(...one.value.addresses);
        else unknown++;
      }
      refusing = false;
      await expect.poll(async () => (await t.post('alloc', { size: 8, p: 0, root: false })).status).toBe(201);
    }
    await expect.poll(() => t.host.stats().inFlight).toBe(0);
    await freeAll(told);
    // The last object of a batch whose fate was not known: it is dropped, or it stays.
    const left = async (): Promise<number> => {
      await t.post('gc');
      await t.post('gc');
      return (await t.get('memstats?flush=true')).body.HeapObjects;
    };
    // A thread that is only now replaced keeps a collection waiting.
    await expect.poll(left).toBeLessThanOrEqual(unknown);
    await t.check();
  } finally {
    vi.restoreAllMocks();
  }
});
