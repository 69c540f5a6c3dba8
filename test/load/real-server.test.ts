/** The main job, whole: a server as a process, the examples over HTTP, every count right, and `check` passes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { run } from '../../src/load/run.js';

const root = join(import.meta.dirname, '../..');
let child: ChildProcess;
let url = '';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  child = spawn(process.execPath, [join(root, 'dist/src/cli.js'), 'serve'], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(port),
      LOG_LEVEL: 'error',
      GOMAXPROCS: '2',
      AUTH_TOKEN: 't',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).ok).toBe(true), {
    timeout: 100_000,
    interval: 50,
  });
});

afterAll(async () => {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
});

const base = { keep: false, connections: 4, batch: 1000, loops: 1, scan: false, token: 't' };

test.each([
  { file: 'jq', format: 'json', reuse: 'sweep', allocs: 56_354, frees: 56_354 },
  { file: 'jq', format: 'binary', reuse: 'immediate', allocs: 56_354, frees: 56_354, scan: true },
  { file: 'sqlite3', format: 'json', reuse: 'immediate', allocs: 148_788, frees: 148_788 },
  { file: 'sqlite3', format: 'binary', reuse: 'sweep', allocs: 297_576, frees: 297_576, loops: 2, batch: 10_000 },
] as const)('$file, $format, $reuse', { timeout: 120_000 }, async ({ file, allocs, frees, ...options }) => {
  const trace = join(root, `examples/${file}.mtrace.gz`);
  const report = await run({ ...base, ...options, url, trace });
  expect(report.run.errorsByCode).toEqual({});
  expect(report.run).toMatchObject({ allocs, frees, errors: 0, skippedFrees: 0 });
  expect(report.check).toMatchObject({ ok: true });
  expect(report.ok).toBe(true);
  const { memory } = report;
  expect(memory!.internalFragmentation.ratio).toBeGreaterThan(0.02);
  expect(memory!.internalFragmentation.ratio).toBeLessThan(0.15);
  expect(memory!.heapInusePeak).toBeGreaterThan(memory!.peakLiveBytes);
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
