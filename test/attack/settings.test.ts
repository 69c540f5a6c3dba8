/**
 * PATCH, by many at once: what a client is shown is what the collector goes by.
 *
 * A change is one step. So an answer shows its own values or those of a change that came later, two clients that change one setting each both get
 * what they asked for, and what was refused never shows.
 */

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { C_GC_PERCENT, C_MEMORY_LIMIT, MAX_INT64 } from '../../src/gc/pacer.js';
import { gcSettings } from '../../src/gc/settings.js';
import { pacerOf } from '../../src/gc/state.js';
import { parseGoSize } from '../../src/server/gosize.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;

beforeAll(async () => {
  t = await testApp({ GOMAXPROCS: '3' });
});
afterEach(() => t.check());
afterAll(() => t.close());

const patch = (settings: object) => t.call('PATCH', '/v1/heaps/t', settings);
const shown = async () => (await t.call('GET', '/v1/heaps/t')).body.settings;

/** What GET, the metrics and the samples show, and what the pacer goes by, as one number each. */
async function sources(): Promise<{ gogc: unknown[]; limit: unknown[] }> {
  const { gogc, gomemlimit } = t.host.settings;
  const { f, at } = pacerOf(t.host.heap);
  const metrics = String((await t.call('GET', '/v1/heaps/t/metrics')).body);
  const runtime = (await t.call('GET', '/v1/heaps/t/runtime/metrics')).body.metrics as {
    name: string;
    value: string;
  }[];
  const family = (name: string) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(metrics)?.[1]);
  const metric = (name: string) => Number(runtime.find((m) => m.name === name)?.value);
  return {
    gogc: [gogc, f[at + C_GC_PERCENT], family('go_gc_gogc_percent'), metric('/gc/gogc:percent')],
    limit: [gomemlimit, f[at + C_MEMORY_LIMIT], family('go_gc_gomemlimit_bytes'), metric('/gc/gomemlimit:bytes')],
  };
}

test('of 60 changes at once, the one that is shown is the one that the goal follows', async () => {
  const object = await t.alloc({ size: 16 << 20 });
  for (let round = 0; round < 10; round++) {
    const values = Array.from({ length: 60 }, (_, i) => 100 + round * 60 + i);
    const answers = await Promise.all(values.map((gogc) => patch({ gogc })));
    expect(answers.map((a) => a.status)).toEqual(values.map(() => 200));
    const { gogc } = await shown();
    expect(values).toContain(gogc);
    const { body } = await t.post('gc');
    const { marked, goal } = body.cycles?.[0]?.heap ?? body.heap;
    expect(Math.abs(goal - marked * (1 + gogc / 100))).toBeLessThan(marked / 200);
    const all = await sources();
    expect(all.gogc).toEqual(all.gogc.map(() => gogc));
  }
  await t.post('free', { address: object });
});

test('an answer shows its own values or later ones, never half of a change', async () => {
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const { status, body } = await patch({ gogc: 1000 + i, gomemlimit: 2 ** 40 + 1000 + i });
      expect(status).toBe(200);
      expect(parseGoSize(body.settings.gomemlimit)).toBe(2 ** 40 + body.settings.gogc);
      order.push(body.settings.gogc);
    }),
  );
  expect(order.at(-1)).toBe((await shown()).gogc);
});

test('two clients that change one setting each do not undo each other', async () => {
  for (let i = 0; i < 50; i++) {
    const answers = await Promise.all([patch({ gogc: 200 + i }), patch({ gomemlimit: `${300 + i}MiB` })]);
    expect(answers[0].body.settings.gogc).toBe(200 + i);
    expect(answers[1].body.settings.gomemlimit).toBe(`${300 + i}MiB`);
    expect(await shown()).toMatchObject({ gogc: 200 + i, gomemlimit: `${300 + i}MiB` });
  }
});

test('every limit up to 2^53 is kept to the byte', async () => {
  await patch({ gogc: 'off' });
  const limits = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 - 1, 2 ** 52 + 1, 2 ** 53 - 1];
  for (const gomemlimit of limits) {
    const { body } = await patch({ gomemlimit });
    expect(body.settings.gogc).toBe('off');
    const { limit } = await sources();
    expect(limit).toEqual(limit.map(() => gomemlimit));
  }
  await patch({ gomemlimit: 'off' });
  expect(gcSettings(t.host.heap).memoryLimit).toBe(Number.POSITIVE_INFINITY);
  expect((await sources()).limit.slice(0, 2)).toEqual(['off', MAX_INT64]);
});

test('a change that is refused for lack of room never shows', async () => {
  await patch({ gogc: 77 });
  // More at once than a heap can have in flight.
  const answers = await Promise.all(Array.from({ length: 4200 }, (_, i) => patch({ gogc: 10_000 + i })));
  const refused = answers.flatMap((a, i) => (a.status === 200 ? [] : [10_000 + i]));
  for (const a of answers) if (a.status !== 200) expectProblem(a, 503, 'overloaded');
  expect(refused).not.toContain((await shown()).gogc);
  const good = answers.filter((a) => a.status === 200);
  for (const a of good) expect(refused).not.toContain(a.body.settings.gogc);
});

test('a change whose thread dies happened whole, or not at all and says so', async () => {
  await patch({ gogc: 100, gomemlimit: 2 ** 40 + 100 });
  let died = 0;
  for (let i = 0; i < 12; i++) {
    const values = Array.from({ length: 40 }, (_, j) => 1000 * (i + 1) + j);
    const all = Promise.all(values.map(async (v) => ({ v, a: await patch({ gogc: v, gomemlimit: 2 ** 40 + v }) })));
    for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve));
    await t.host.terminateM(i % 3);
    const answers = await all;
    const now = await shown();
    expect(parseGoSize(now.gomemlimit)).toBe(2 ** 40 + now.gogc);
    for (const { v, a } of answers) {
      if (a.status === 200) continue;
      expectProblem(a, 503, 'm-died');
      expect(a.body.happened).toBe('no');
      expect(now.gogc).not.toBe(v);
      died++;
    }
    const { gogc, limit } = await sources();
    expect(gogc).toEqual(gogc.map(() => now.gogc));
    expect(limit).toEqual(limit.map(() => 2 ** 40 + now.gogc));
  }
  console.log(`changes that died with their thread: ${died}`);
});
