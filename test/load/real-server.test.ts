/** The main job, whole: a server as a process, the examples over HTTP, every count right, and `check` passes. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../src/load/run.js';
import { ServerProcess } from '../helper/server-process.js';

const root = join(import.meta.dirname, '../..');
let server: ServerProcess;
let url = '';

beforeAll(async () => {
  server = await ServerProcess.start({ GOMAXPROCS: '2', AUTH_TOKEN: 't', SHUTDOWN_GRACE: '1h' });
  url = `http://127.0.0.1:${server.port}`;
});

afterAll(async () => {
  await server.stop();
  expect(server.complaints).toEqual([]);
});

const base = { keep: false, connections: 4, batch: 1000, loops: 1, scan: false, token: 't' };

test.each([
  { file: 'jq', format: 'json', reuse: 'sweep', allocs: 56_354, frees: 56_354 },
  { file: 'jq', format: 'binary', reuse: 'immediate', allocs: 56_354, frees: 56_354, scan: true },
  { file: 'jq', format: 'binary', reuse: 'immediate', allocs: 56_354, frees: 56_354, connections: 1 },
  { file: 'sqlite3', format: 'json', reuse: 'immediate', allocs: 148_788, frees: 148_788 },
  { file: 'sqlite3', format: 'binary', reuse: 'sweep', allocs: 297_576, frees: 297_576, loops: 2, batch: 10_000 },
] as const)('$file, $format, $reuse', async ({ file, allocs, frees, ...options }) => {
  const trace = join(root, `examples/${file}.mtrace.gz`);
  const report = await run({ ...base, ...options, url, trace });
  expect(report.run.errorsByCode).toEqual({});
  expect(report.run).toMatchObject({ allocs, frees, errors: 0, skippedFrees: 0 });
  expect(report.check).toMatchObject({ ok: true });
  expect(report.ok).toBe(true);
  const { memory } = report;
  expect(memory!.internalFragmentation.ratio).toBeGreaterThan(0.02);
  expect(memory!.internalFragmentation.ratio).toBeLessThan(0.15);
  // Only one connection keeps to the order of the recording. Others may lag behind it by as much as
  // they hold, so that not all that was live at once is live at once again.
  if (report.run.connections === 1) expect(memory!.heapInusePeak).toBeGreaterThan(memory!.peakLiveBytes);
  // Everything was freed; what a sweep leaves is a span or two that a P still holds.
  expect(memory!.afterSweep!.heapInuse).toBeLessThan(2 ** 20);
  expect(report.sizeClasses).toHaveLength(10);
  const { heaps } = (await fetch(`${url}/v1/heaps`, { headers: { authorization: 'Bearer t' } }).then((r) =>
    r.json(),
  )) as {
    heaps: { name: string }[];
  };
  expect(heaps.map(({ name }) => name)).toEqual(['default']);
});
