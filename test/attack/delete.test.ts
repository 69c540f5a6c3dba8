/**
 * DELETE of a heap with memory in use, and of one with many threads: the others are answered meanwhile, and the memory is gone when it is.
 *
 * Not by the clock: what is counted are the turns of the event loop, and what may happen in one of them.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { releaseMode, slices } from '../../src/memory/os.js';
import { WAVE } from '../../src/sched/host.js';
import { type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;

beforeAll(async () => {
  t = await testApp();
});
afterAll(async () => {
  await t.check();
  await t.close();
});

/** Runs `work`. Counts the turns of the event loop meanwhile, those that count, while /livez is asked all the time. */
async function turnsDuring(work: Promise<unknown>, counts: () => boolean = () => true): Promise<number> {
  let over = false;
  let turns = 0;
  const asking = (async () => {
    while (!over) {
      expect((await t.call('GET', '/livez')).status).toBe(200);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const turn = (): void => {
    if (over) return;
    if (counts()) turns++;
    setImmediate(turn);
  };
  setImmediate(turn);
  await work;
  over = true;
  await asking;
  return turns;
}

test.skipIf(releaseMode() === 'accounted')('a heap whose memory is in use', async () => {
  expect((await t.call('PUT', '/v1/heaps/big', { reserve: '4GiB' })).status).toBe(201);
  const host = t.heaps.get('big');
  const { heap } = host;
  const w = heap.w32;
  // Pages all over the reservation.
  const step = 64 << 18;
  for (let i = 0; i < w.length; i += step) w[i] = 1;
  let gone = false;
  const deleted = t.call('DELETE', '/v1/heaps/big').then((answer) => {
    expect(answer.status).toBe(204);
    for (let i = 0; i < w.length; i += step) if (w[i] !== 0) throw new Error(`word ${i} is still in memory`);
    gone = true;
  });
  // From the end of its threads on there is nothing to do but to release.
  const turns = await turnsDuring(deleted, () => host.stats().ps.every(({ m }) => m === -1));
  expect(gone).toBe(true);
  // No turn waits for more than one slice.
  expect(turns).toBeGreaterThanOrEqual([...slices(heap.memory.reservation)].length - 1);
});

test('a heap of many threads starts one a turn and ends a few at a time', async () => {
  const threads = 24;
  const started = await turnsDuring(
    t.call('PUT', '/v1/heaps/wide', { gomaxprocs: threads }).then(({ status }) => expect(status).toBe(201)),
  );
  expect(started).toBeGreaterThanOrEqual(threads);
  const host = t.heaps.get('wide');
  const deleted = t.call('DELETE', '/v1/heaps/wide').then(({ status }) => expect(status).toBe(204));
  const alive = (): boolean[] => host.stats().ps.map(({ m }) => m !== -1);
  let over = false;
  const watching = (async () => {
    while (!over) {
      // Whoever has ended belongs to the wave of the first that lives, or to an earlier one.
      const now = alive();
      const first = now.indexOf(true);
      if (first >= 0) expect(now.lastIndexOf(false)).toBeLessThan((Math.floor(first / WAVE) + 1) * WAVE);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await deleted;
  over = true;
  await watching;
  expect(alive()).not.toContain(true);
});
