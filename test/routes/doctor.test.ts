/** The doctor over HTTP and on the command line. */

import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it, test, vi } from 'vitest';
import { main } from '../../src/telemetry/doctor/cli.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
let url: string;
beforeAll(async () => {
  t = await testApp({ GOGC: 'off' });
  await t.app.listen({ port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(t.app.server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await t.check();
  await t.close();
});

async function cli(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
  try {
    return { status: await main(argv), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

it('has nothing to say of a new heap', async () => {
  const { status, body, headers } = await t.get('doctor?window=0.05');
  expect(status).toBe(200);
  expect(body).toMatchObject({ healthy: true, findings: [] });
  expect(body.window).toBeGreaterThan(0.04);
  expect(headers['cache-control']).toBe('no-store');
  const { status: exit, out } = await cli('--url', url, '--heap', 't', '--window', '0');
  expect([exit, out.replaceAll(/\s+/g, ' ')]).toEqual([0, `t: ${body.summary} `]);
});

it('tells what is wrong with another, in JSON and in words', async () => {
  await t.post('alloc', { size: 33, count: 60_000 });
  const { body } = await t.get('doctor?window=0');
  expect(body.healthy).toBe(false);
  const [finding] = body.findings;
  expect(finding).toMatchObject({ code: 'internal-fragmentation', severity: 'warning' });
  expect(finding.numbers.wastedShare).toBeGreaterThan(finding.threshold.wastedShare);
  const { status, out } = await cli('--url', url, '--heap', 't', '--window', '0');
  expect(status).toBe(0);
  expect(out).toMatch(/1\. Slots are much larger than what is put into them \[warning, internal-fragmentation\]/);
  expect(out).toMatch(/48-byte slots \(size class 5\)/);
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(96);
  expect(JSON.parse((await cli('--url', url, '--heap', 't', '--window', '0', '--json')).out).findings).toHaveLength(1);
});

test.each([
  ['doctor?window=11', 'validation-failed', 'window'],
  ['doctor?window=-1', 'validation-failed', 'window'],
  ['doctor?window=soon', 'validation-failed', 'window'],
  ['doctor?pulse=1', 'unknown-field', 'pulse'],
])('refuses %s', async (path, code, field) => {
  expectProblem(await t.get(path), 400, code, field);
});

it('knows no heap that is not there, or is gone when it has looked', async () => {
  expectProblem(await t.get('/v1/heaps/none/doctor'), 404, 'heap-not-found');
  await t.call('PUT', '/v1/heaps/brief', { reserve: '64MiB' });
  // The window ends when the heap is gone, whatever the clock says.
  const real = setTimeout;
  let end: () => void = () => {};
  const looks = new Promise<void>((resolve) => {
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((f: () => void, ms?: number, ...args: []) => {
      if (ms !== 1234) return real(f, ms, ...args);
      end = f;
      resolve();
      return real(() => {}, 0);
    }) as typeof setTimeout);
  });
  const answer = t.get('/v1/heaps/brief/doctor?window=1.234');
  await looks;
  vi.restoreAllMocks();
  await t.call('DELETE', '/v1/heaps/brief');
  end();
  expectProblem(await answer, 410, 'heap-deleted');
});

it('says on the command line what went wrong', async () => {
  expect(await cli('--help')).toMatchObject({ status: 0, out: expect.stringMatching(/^Usage: goheap doctor/) });
  expect(await cli('--pulse')).toMatchObject({ status: 2, err: expect.stringMatching(/^goheap doctor: /) });
  expect((await cli('--window', 'x')).status).toBe(2);
  expect((await cli('--url', 'here')).status).toBe(2);
  const none = await cli('--url', url, '--heap', 'none');
  expect([none.status, none.err]).toEqual([1, expect.stringMatching(/There is no heap named "none"/)]);
  const nobody = await cli('--url', 'http://127.0.0.1:1');
  expect([nobody.status, nobody.err]).toEqual([1, expect.stringMatching(/no server answers at/)]);
});

it('keeps to its schema under a limit of 0, which no heap can meet', async () => {
  await t.call('PATCH', '/v1/heaps/t', { gomemlimit: 0 });
  await t.post('alloc', { size: 1000, count: 2000 });
  for (let i = 0; i < 3; i++) await t.post('gc');
  const { body } = await t.get('doctor?window=0.1');
  for (const { numbers, threshold } of body.findings) {
    for (const n of [...Object.values(numbers), ...Object.values(threshold)]) expect(n).toBeTypeOf('number');
  }
  await t.call('PATCH', '/v1/heaps/t', { gomemlimit: 'off' });
});
