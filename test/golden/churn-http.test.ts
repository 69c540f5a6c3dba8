/**
 * churn.json over HTTP: what churn.test.ts does to a heap in process, done to the heap of a real server, by binary batches pinned to its one P,
 * `POST …/gc` and `GET …/memstats?flush=true`.
 *
 * Compared with Go: the same fields, at the same 20 checkpoints of each of the 3 seeds. GOMAXPROCS=1, as in Go's run: with more, idle Ps
 * sweep as well, and the order in which spans are swept is the order in which they are reused.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MemStats } from '../../src/heap/memstats.js';
import { operations, runs } from './churn-rule.js';
import { type Held, Records } from './records.js';
import { Server } from './server.js';
import { delta, stable } from './support.js';

let server: Server;
beforeAll(async () => {
  server = await Server.start({ GOMAXPROCS: '1', GOGC: 'off', GOHEAP_RESERVE: '1GiB' });
});
afterAll(() => server.stop());

test.each(runs)('seed $seed', async (run) => {
  const heap = `seed-${run.seed}`;
  await server.json('PUT', '', {}, heap);
  const stats = (): Promise<MemStats> => server.json('GET', '/memstats?flush=true', undefined, heap);
  const start = await stats();
  const rows = run.rows.values();
  const compare = async (ops: number, when: string): Promise<void> => {
    const want = rows.next().value!;
    expect([want.ops, want.when]).toEqual([ops, when]);
    expect(stable(delta(start, await stats())), `${when} ${ops}`).toEqual(stable(want.deltaFromStart));
  };
  const records = new Records(server, heap);
  const table: (Held | undefined)[] = new Array(run.T);
  let done = 0;
  for (const { at, size, scan } of operations(run)) {
    // As in Go: the new object is made before the old one is dropped.
    const made = records.alloc(size, scan);
    const old = table[at];
    if (old !== undefined) records.free(old);
    table[at] = made;
    if (++done % run.G !== 0) continue;
    await records.run();
    await compare(done, 'beforeGC');
    const { forced, number } = await server.json('POST', '/gc', {}, heap);
    expect([forced, number]).toEqual([true, done / run.G]);
    await compare(done, 'afterGC');
  }
  expect([done, rows.next().done]).toEqual([run.N, true]);
  await server.check(heap);
});
