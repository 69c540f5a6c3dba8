import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ReplayInputError } from '../../../src/replay/events.js';
import { fetchProfile } from '../../../src/replay/profile/fetch.js';
import { sums } from '../../../src/replay/profile/heapprofile.js';
import { readProfile } from '../../../src/replay/profile/read.js';
import { file } from './fixture.js';

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((done) => (server === undefined ? done(null) : server.close(done)));
  server = undefined;
});

async function serve(handler: RequestListener): Promise<string> {
  server = createServer(handler);
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function error(promise: Promise<unknown>): Promise<string> {
  const e = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(e).toBeInstanceOf(ReplayInputError);
  expect((e as ReplayInputError).code).toBe('replay-fetch-failed');
  return (e as ReplayInputError).message;
}

test('a profile, as net/http/pprof serves it', async () => {
  const bytes = file('gob.rate512k.pb.gz');
  let asked = '';
  const at = await serve((request, reply) => {
    asked = `${request.url} ${request.headers.authorization}`;
    reply.setHeader('content-type', 'application/octet-stream');
    reply.end(bytes);
  });
  const got = await fetchProfile(`http://user:p%40ss@${at}/debug/pprof/heap?gc=1`);
  expect(Buffer.from(got).equals(bytes)).toBe(true);
  expect(sums(readProfile(got)).allocBytes).toBe(103501887);
  expect(asked).toBe(`/debug/pprof/heap?gc=1 Basic ${Buffer.from('user:p@ss').toString('base64')}`);
});

test('what is no http URL', async () => {
  expect(await error(fetchProfile('not a url'))).toMatch(/not a URL/);
  expect(await error(fetchProfile('file:///etc/passwd'))).toMatch(/not file/);
  expect(await error(fetchProfile('ftp://127.0.0.1/heap'))).toMatch(/http or https/);
});

test('other answers than 200, and redirects, which are not followed', async () => {
  let requests = 0;
  const at = await serve((request, reply) => {
    requests++;
    reply.statusCode = request.url === '/moved' ? 302 : 404;
    reply.setHeader('location', '/elsewhere');
    reply.end();
  });
  expect(await error(fetchProfile(`http://secret:word@${at}/heap`))).toBe(`http://${at}/heap answers 404 Not Found`);
  expect(await error(fetchProfile(`http://${at}/moved`))).toMatch(/redirects to \/elsewhere/);
  expect(requests).toBe(2);
});

test('more bytes than allowed, however they are sent', async () => {
  const at = await serve((_request, reply) => {
    reply.on('error', () => {});
    const more = (): void => {
      while (!reply.destroyed && reply.write(Buffer.alloc(64 << 10)));
      reply.once('drain', more);
    };
    more();
  });
  expect(await error(fetchProfile(`http://${at}/`, { maxBytes: 1 << 20 }))).toMatch(/more than 1048576 bytes/);
});

test('a server that does not answer, or stops in the middle', async () => {
  const at = await serve((request, reply) => {
    if (request.url === '/half') reply.write('half');
    if (request.url === '/cut') {
      reply.setHeader('content-length', '100');
      reply.write('half', () => reply.destroy());
    }
  });
  expect(await error(fetchProfile(`http://${at}/`, { timeout: 200 }))).toMatch(/within 0.2 s/);
  expect(await error(fetchProfile(`http://${at}/half`, { timeout: 200 }))).toMatch(/within 0.2 s/);
  expect(await error(fetchProfile(`http://${at}/cut`))).toMatch(new RegExp(`^http://${at}/cut: `));
});

test('nobody there, nothing sent', async () => {
  const at = await serve((_request, reply) => reply.end());
  expect(await error(fetchProfile(`http://${at}/`))).toMatch(/answers with nothing/);
  // Port 1 of the loopback: refused, not filtered.
  expect(await error(fetchProfile('http://127.0.0.1:1/'))).toMatch(/^http:\/\/127\.0\.0\.1:1\/: /);
});

test('the caller can end it', async () => {
  const at = await serve(() => {});
  const abort = new AbortController();
  const promise = fetchProfile(`http://${at}/`, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(promise).rejects.toThrow('enough');
});
