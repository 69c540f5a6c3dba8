/**
 * `goheap record` against a real server: as a process, of what `npm run build` has made, and what
 * is refused as a call of what that process calls.
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { called } from '../helper/command.js';
import { play } from '../helper/recording.js';
import { type TestApp, testApp } from '../helper/routes.js';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), 'goheap-record-'));

let t: TestApp;
let url = '';
beforeAll(async () => {
  t = await testApp({ AUTH_TOKEN: 'secret' });
  url = await t.app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await expect.poll(() => t.host.recorded).toBe(false);
});
afterAll(async () => {
  await t.close();
  rmSync(scratch, { recursive: true, force: true });
});

const auth = { authorization: 'Bearer secret' };

function start(args: string[], env: Record<string, string> = { AUTH_TOKEN: 'secret' }) {
  const child = spawn(process.execPath, [CLI, 'record', '--url', url, '--heap', 't', ...args], {
    env: { PATH: process.env.PATH, ...env },
  });
  let err = '';
  const out: Buffer[] = [];
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const ended = new Promise<{ status: number | null; out: Buffer; err: string }>((resolve) => {
    child.on('close', (status) => resolve({ status, out: Buffer.concat(out), err }));
  });
  return { child, ended };
}

const record = (args: string[], env?: Record<string, string>) => start(args, env).ended;
const recordHere = (args: string[]) =>
  called(['record', '--url', url, '--heap', 't', ...args], { AUTH_TOKEN: 'secret' });
const file = (name: string): string => join(scratch, name);
/**
 * The file is opened once the server has answered: what was there is copied, and what comes is
 * told.
 */
const begun = (name: string) => expect.poll(() => existsSync(file(name)), { message: `${name} is begun` }).toBe(true);

async function allocate(count: number): Promise<string[]> {
  const { body } = await t.post('alloc', { size: 48, count }, auth);
  return body.addresses;
}

it('writes what happens into a file, compressed if its name says so', async () => {
  for (const name of ['a.trace', 'a.trace.gz']) {
    const before = await allocate(5);
    // Not for a time: it might be over before anything has happened.
    const { ended } = start(['--seconds', '3600', '-o', file(name)]);
    await begun(name);
    await t.post('free', { addresses: await allocate(20) }, auth);
    await t.renew();
    const { status, err, out } = await ended;
    expect([status, out.length], err).toEqual([0, 0]);
    expect(err).toMatch(
      /^record: 0\.0 MiB of text in \S+\nrecord: told: 20 mallocs of 960 bytes, 20 frees\nrecord: end: the heap was deleted\n$/m,
    );
    const bytes = readFileSync(file(name));
    const played = play((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString());
    expect(played).toMatchObject({ mallocs: 20, frees: 20 });
    expect([...played.older.keys()].sort()).toEqual([...before].sort());
  }
});

it('ends by itself after its time', async () => {
  await allocate(5);
  const { out, err } = await record(['--seconds', '0.1', '--no-live', '-o', '-']);
  expect(play(out.toString())).toMatchObject({ mallocs: 0, older: new Map() });
  expect(err).toContain('record: end: the time is over\n');
});

it('ends in good order when it is interrupted', async () => {
  const { child, ended } = start(['--seconds', '3600', '-o', file('i.gz')]);
  await begun('i.gz');
  await allocate(20);
  child.kill('SIGINT');
  const { status, err } = await ended;
  expect(err).toContain('record: end: interrupted by its reader\n');
  expect(status).toBe(0);
  expect(play(gunzipSync(readFileSync(file('i.gz'))).toString()).remarks.at(-1)).toBe('end: interrupted by its reader');
});

it('keeps whole lines of what broke off, and says so', async () => {
  const server = createServer((_request, response) => {
    // Not before the text is with the system: it arrives, and then the connection ends.
    response.write('# goheap\n0: malloc 0xc000000000 16 0 0\n0: malloc 0xc00000', () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { status, err } = await record(['--url', `http://127.0.0.1:${port}`, '-o', file('b.trace')]);
  server.close();
  expect(status).toBe(1);
  expect(err).toContain('record: broke off');
  expect(play(readFileSync(file('b.trace'), 'utf8')).older.size).toBe(1);
});

it.each([
  [[], '-o FILE is missing'],
  [['-o', 'x', '--seconds', '0'], '--seconds must be'],
  [['-o', 'x', '--seconds', '1e3'], '--seconds must be'],
  [['-o', 'x', '--bytes', '1GB'], '--bytes must be'],
  [['-o', 'x', '--bytes', '1KiB'], '--bytes must be'],
  [['-o', 'x', '--url', 'ftp://x'], '--url "ftp://x" is no http(s) URL'],
  [['-o', 'x', '--what'], "Unknown option '--what'"],
  [['-o', 'x', 'y'], 'Unexpected argument'],
])('%j is status 2 and one line', async (args, what) => {
  const { status, err } = await recordHere(args);
  expect(err).toMatch(/^goheap record: .*\n$/);
  expect(err).toContain(what);
  expect(status).toBe(2);
});

it.each([
  [['--heap', 'nope', '-o', file('n')], 'the server answers 404 heap-not-found'],
  [['--token', 'wrong', '-o', file('n')], 'the server answers 401'],
  [['--url', 'http://127.0.0.1:1', '-o', file('n')], 'no server answers at http://127.0.0.1:1'],
  [['--seconds', '0.1', '-o', join(scratch, 'none', 'x')], 'ENOENT'],
])('%j is status 1, one line, and no file', async (args, what) => {
  const { status, err } = await recordHere(args);
  expect(err).toMatch(/^goheap record: .*\n$/);
  expect(err).toContain(what);
  expect(status).toBe(1);
  expect(existsSync(file('n'))).toBe(false);
});

it('fails with these as a process, too', async () => {
  const [usage, server] = await Promise.all([record([]), record(['--heap', 'nope', '-o', file('n')])]);
  expect(usage.err).toMatch(/^goheap record: -o FILE is missing.*\n$/);
  expect(server.err).toMatch(/^goheap record: the server answers 404 heap-not-found.*\n$/);
  expect([usage.status, server.status]).toEqual([2, 1]);
});

it.skipIf(!existsSync('/dev/full'))('leaves a device that cannot be written alone', async () => {
  const { status, err } = await record(['--seconds', '0.1', '-o', '/dev/full']);
  expect([status, err]).toEqual([1, 'goheap record: cannot write /dev/full: ENOSPC\n']);
  expect(existsSync('/dev/full')).toBe(true);
});

it('says how it is used', async () => {
  const { status, out } = await record(['--help']);
  expect(status).toBe(0);
  expect(out.toString()).toMatch(/^Usage: goheap record/);
});
