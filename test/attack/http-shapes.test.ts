/**
 * Requests whose shape is wrong: framing that two parsers could read in two ways, targets and
 * headers that are no client's.
 *
 * What a proxy and this server could read differently must be refused, and the connection closed,
 * so that nothing behind it is taken for a request (request smuggling). Here each ambiguous message
 * carries a second request that makes a heap, `smuggled`; at the end no such heap may exist. What
 * is odd but clear gets the answer of the ordinary request that it is.
 */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { ServerProcess } from '../helper/server-process.js';
import { type Answer, allAnswers } from './fuzz/answer.js';
import { converse } from './fuzz/wire.js';

const HOST = 'Host: localhost\r\n';
const JSON_TYPE = 'Content-Type: application/json\r\n';
const CLOSE = 'Connection: close\r\n';
const ALLOC = `POST /v1/heaps/default/alloc HTTP/1.1\r\n${HOST}${JSON_TYPE}`;
/** Ten bytes. */
const BODY = '{"size":8}';
const CHUNKED = `a\r\n${BODY}\r\n0\r\n\r\n`;
const SMUGGLED = `PUT /v1/heaps/smuggled HTTP/1.1\r\n${HOST}${CLOSE}Content-Length: 0\r\n\r\n`;
/** Asks for the end of the connection, so that the conversation ends when it has been answered. */
const LAST = `GET /livez HTTP/1.1\r\n${HOST}${CLOSE}\r\n`;

let server: ServerProcess;

beforeAll(async () => {
  const env = { GOMAXPROCS: '2', GOHEAP_RESERVE: '64MiB', GOHEAP_ARENA_SIZE: '4MiB', GOHEAP_BODY_LIMIT: '64KiB' };
  server = await ServerProcess.start(env);
});

afterAll(async () => {
  const check = await json('POST', '/v1/heaps/default/check');
  const { heaps } = await json('GET', '/v1/heaps');
  const { alive, complaints } = server;
  await server.stop();
  expect(check).toMatchObject({ ok: true, differences: [] });
  expect(heaps.map(({ name }: { name: string }) => name)).toEqual(['default']);
  expect([alive, complaints]).toEqual([true, []]);
});

// biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
async function json(method: string, path: string): Promise<any> {
  return (await fetch(`http://127.0.0.1:${server.port}${path}`, { method })).json();
}

/** Every answer on a connection of its own, which the server closes. */
async function answers(bytes: string | string[], methods: string[] = []): Promise<Answer[]> {
  return allAnswers(await converse(server.port, [bytes].flat(), false), methods);
}

const statuses = (all: readonly Answer[]): number[] => all.map(({ status }) => status);
const codeOf = (answer: Answer): string => JSON.parse(answer.body.toString()).code;

async function refused(bytes: string, status = 400, code = 'bad-request'): Promise<void> {
  const all = await answers(bytes);
  expect(statuses(all)).toEqual([status]);
  expect(codeOf(all[0])).toBe(code);
  expect(all[0].headers.connection).toBe('close');
}

describe('a body whose length can be read in two ways', () => {
  test.each([
    ['two lengths', `Content-Length: 10\r\nContent-Length: 5\r\n\r\n${BODY}`],
    ['one length, twice', `Content-Length: 10\r\nContent-Length: 10\r\n\r\n${BODY}`],
    ['a list of lengths', `Content-Length: 10, 10\r\n\r\n${BODY}`],
    ['a length with a sign', `Content-Length: +10\r\n\r\n${BODY}`],
    ['a negative length', `Content-Length: -1\r\n\r\n${BODY}`],
    ['a hexadecimal length', `Content-Length: 0xa\r\n\r\n${BODY}`],
    ['a length beyond all numbers', `Content-Length: 99999999999999999999\r\n\r\n${BODY}`],
    ['a length, then chunks', `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`],
    ['chunks, then a length', `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${CHUNKED}`],
    ['chunks twice', `Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`],
    ['chunks not last', `Transfer-Encoding: chunked, identity\r\n\r\n${CHUNKED}`],
    ['an encoding of no name', `Transfer-Encoding: identity\r\n\r\n${BODY}`],
    ['almost chunked', `Transfer-Encoding: xchunked\r\n\r\n${CHUNKED}`],
    ['a blank before the colon', `Transfer-Encoding : chunked\r\n\r\n${CHUNKED}`],
    ['a vertical tab', `Transfer-Encoding: \x0bchunked\r\n\r\n${CHUNKED}`],
    ['a folded header', `Transfer-Encoding:\r\n chunked\r\n\r\n${CHUNKED}`],
    ['a size of a chunk that overflows', `Transfer-Encoding: chunked\r\n\r\n1000000000000000a\r\n${BODY}\r\n0\r\n\r\n`],
    ['a negative size of a chunk', `Transfer-Encoding: chunked\r\n\r\n-a\r\n${BODY}\r\n0\r\n\r\n`],
    ['a size of a chunk with 0x', `Transfer-Encoding: chunked\r\n\r\n0xa\r\n${BODY}\r\n0\r\n\r\n`],
    ['chunks with bare line feeds', `Transfer-Encoding: chunked\r\n\r\na\n${BODY}\n0\n\n`],
    ['a chunk that is longer than its size', `Transfer-Encoding: chunked\r\n\r\na\r\n${BODY}x0\r\n\r\n`],
    [
      'an extension of a chunk without end',
      `Transfer-Encoding: chunked\r\n\r\na;${'x'.repeat(20_000)}\r\n${BODY}\r\n0\r\n\r\n`,
    ],
    ['a length behind the chunks', `Transfer-Encoding: chunked\r\n\r\na\r\n${BODY}\r\n0\r\nContent-Length: 3\r\n\r\n`],
  ])('%s is refused, and nothing behind it is read', async (_name, rest) => {
    await refused(ALLOC + rest + SMUGGLED);
  });
});

describe('a head that can be read in two ways', () => {
  test.each([
    ['bare line feeds', `GET /livez HTTP/1.1\nHost: a\n\n${SMUGGLED}`],
    ['a bare line feed at its end', `GET /livez HTTP/1.1\r\n${HOST}\n${SMUGGLED}`],
    ['a bare carriage return', `GET /livez HTTP/1.1\r\nHost: a\rX: b\r\n\r\n${SMUGGLED}`],
    ['a null byte', `GET /livez HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n${SMUGGLED}`],
    ['a folded header', `GET /livez HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n${SMUGGLED}`],
    ['a blank in the target', `GET /livez x HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['bytes beyond ASCII in the target', `GET /liv\xc3\xa9z HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['no method', ` /livez HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a version in lower case', `GET /livez http/1.1\r\n${HOST}\r\n${SMUGGLED}`],
    ['a version that there is not', `GET /livez HTTP/1.2\r\n${HOST}\r\n${SMUGGLED}`],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['the beginning of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('%s: refused, and nothing behind it is read', async (_name, bytes) => {
    await refused(bytes);
  });

  it('too large: refused', async () => {
    await refused(`GET /livez HTTP/1.1\r\n${HOST}X: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers-too-large');
    await refused(`GET /livez?${'a'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`, 431, 'headers-too-large');
    await refused(
      `${ALLOC}Transfer-Encoding: chunked\r\n\r\na\r\n${BODY}\r\n0\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    );
  });

  it('without Host: told so', async () => {
    await refused('GET /livez HTTP/1.1\r\n\r\n');
  });

  it('with two Hosts: refused, RFC 9112 3.2', async () => {
    await refused(`GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n${CLOSE}\r\n`);
  });
});

describe('a request that is odd, but clear', () => {
  test.each([
    ['lines before it', `\r\n\r\n${LAST}`],
    ['HTTP/1.0', 'GET /livez HTTP/1.0\r\n\r\n'],
    ['HTTP/0.9', 'GET /livez\r\n\r\n'],
    ['an absolute target', `GET http://other.example/livez HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    ['a fragment in the target', `GET /livez#x HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
    ['two thousand headers', `GET /livez HTTP/1.1\r\n${HOST}${CLOSE}${'a:\r\n'.repeat(2000)}\r\n`],
    [
      'an upgrade to websockets',
      `GET /livez HTTP/1.1\r\n${HOST}${CLOSE}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    ],
    ['an upgrade to HTTP/2', `GET /livez HTTP/1.1\r\n${HOST}Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n`],
    [
      'proxies without end',
      `GET /livez HTTP/1.1\r\n${HOST}${CLOSE}X-Forwarded-For: ${'1.2.3.4, '.repeat(1000)}5.6.7.8\r\n\r\n`,
    ],
    ['conditions', `GET /livez HTTP/1.1\r\n${HOST}${CLOSE}If-Match: "x"\r\nIf-None-Match: *\r\nIf-Range: "x"\r\n\r\n`],
    ['an expectation that there is not', `GET /livez HTTP/1.1\r\n${HOST}${CLOSE}Expect: the-worst\r\n\r\n`],
  ])('%s: answered', async (_name, bytes) => {
    const all = await answers(bytes);
    expect(statuses(all)).toEqual([200]);
    expect(JSON.parse(all[0].body.toString())).toEqual({ status: 'alive' });
  });

  test.each([
    [
      'chunks with extensions',
      `${ALLOC}${CLOSE}Transfer-Encoding: chunked\r\n\r\na;x=y;z="\\""\r\n${BODY}\r\n0\r\n\r\n`,
    ],
    [
      'chunks of one byte',
      `${ALLOC}${CLOSE}Transfer-Encoding: chunked\r\n\r\n${[...BODY].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`,
    ],
    ['trailers', `${ALLOC}${CLOSE}Transfer-Encoding: chunked\r\n\r\na\r\n${BODY}\r\n0\r\n__proto__: 1\r\n\r\n`],
    ['chunks over HTTP/1.0', `${ALLOC.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n${CHUNKED}`],
    ['an upgrade', `${ALLOC}Connection: close, Upgrade\r\nUpgrade: h2c\r\nContent-Length: 10\r\n\r\n${BODY}`],
  ])('%s: allocated', async (_name, bytes) => {
    expect(statuses(await answers(bytes))).toEqual([201]);
  });

  it('the body of a GET or HEAD is read over, and the next request answered', async () => {
    for (const method of ['GET', 'HEAD']) {
      const head = `${method} /livez HTTP/1.1\r\n${HOST}${JSON_TYPE}`;
      for (const body of [`Content-Length: 10\r\n\r\n${BODY}`, `Transfer-Encoding: chunked\r\n\r\n${CHUNKED}`]) {
        const all = await answers(head + body + LAST, [method, 'GET']);
        expect(statuses(all)).toEqual([200, 200]);
        expect(all[0].body.length > 0).toBe(method === 'GET');
      }
    }
  });

  it('asks for leave to send its body, and gets it', async () => {
    const asked = `${ALLOC}${CLOSE}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n`;
    const bytes = await converse(server.port, [asked, BODY], false);
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
  });

  it('asks for leave to send a body that is too large, and is refused', async () => {
    const all = await answers(`${ALLOC}${CLOSE}Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n`);
    expect(all.map(codeOf)).toEqual(['body-too-large']);
  });

  it('CONNECT is told that this is no proxy', async () => {
    await refused(`CONNECT other.example:443 HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`);
    await refused(`CONNECT /livez HTTP/1.1\r\n${HOST}\r\n`);
  });

  it('what comes behind the last request of a connection is not carried out', async () => {
    const [first] = await answers(LAST + SMUGGLED);
    expect(first.status).toBe(200);
  });

  // An answer that stands first belongs to the first request: a client would take this one for its.
  it('the refusal of a malformed request is not sent in the place of an answer that is due', async () => {
    const [first] = await answers(`${ALLOC}Content-Length: 10\r\n\r\n${BODY}GARBAGE\r\n\r\n`);
    expect([201, undefined]).toContain(first?.status);
  });
});

describe('paths out of a folder of pages', () => {
  test.each([
    '/docs/static/../../../package.json',
    '/docs/static/..%2f..%2f..%2fpackage.json',
    '/docs/static/%2e%2e/%2e%2e/%2e%2e/package.json',
    '/docs/static/..%5c..%5c..%5cpackage.json',
    '/docs/static/..%252f..%252fpackage.json',
    '/docs/static/%c0%ae%c0%ae/package.json',
    '/docs/static//etc/passwd',
    '/docs/static/index.html%00.js',
    '/docs/..%2f..%2fpackage.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/..',
    '/assets/.',
    '/v1/replays/..%2f..%2fetc%2fpasswd',
    '/problems/..%2f..%2fpackage.json',
    '/..%2fpackage.json',
  ])('%s leads nowhere', async (path) => {
    const all = await answers(`GET ${path} HTTP/1.1\r\n${HOST}${CLOSE}\r\n`);
    expect(all).toHaveLength(1);
    expect([400, 404]).toContain(all[0].status);
    expect(all[0].headers['content-type']).toBe('application/problem+json');
    expect(all[0].body.toString()).not.toMatch(/devDependencies|root:/);
  });
});

describe('ranges', () => {
  const MANY = Array.from({ length: 500 }, (_, i) => `${i}-${i + 7}`).join(',');
  let address: string;

  beforeAll(async () => {
    const [made] = await answers(`${ALLOC}${CLOSE}Content-Length: 13\r\n\r\n{"size":1024}`);
    ({ address } = JSON.parse(made.body.toString()));
  });

  const data = async (range: string): Promise<Answer> => {
    const path = `/v1/heaps/default/objects/${address}/data`;
    const all = await answers(`GET ${path} HTTP/1.1\r\n${HOST}${CLOSE}Range: ${range}\r\n\r\n`);
    expect(all).toHaveLength(1);
    return all[0];
  };

  test.each([
    ['bytes=0-0', 206, 1],
    ['bytes=1000-', 206, 24],
    ['bytes=-1', 206, 1],
    ['bytes=-99999999', 206, 1024],
    ['bytes=0-99999999', 206, 1024],
    // Several at once, and what is no range, may be ignored (RFC 9110, 14.2): the whole is the
    // answer, once.
    ['bytes=0-,0-,0-,0-', 200, 1024],
    ['bytes=5-2', 200, 1024],
    ['bytes=a-b', 200, 1024],
    ['lines=0-1', 200, 1024],
    ['bytes=0x0-0x1', 200, 1024],
    ['bytes=99999999999999999999-', 200, 1024],
  ])('%s of an object: %i', async (range, status, length) => {
    const answer = await data(range);
    expect([answer.status, answer.body.length]).toEqual([status, length]);
  });

  it('five hundred of an object are refused: a header of that length is no range', async () => {
    const answer = await data(`bytes=${MANY}`);
    expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([400, 'validation-failed']);
  });

  test.each(['bytes=1024-', 'bytes=-0', 'bytes=5000-6000'])('%s of an object: outside of it', async (range) => {
    const answer = await data(range);
    expect([answer.status, codeOf(answer), answer.headers['content-range']]).toEqual([
      416,
      'range-not-satisfiable',
      'bytes */1024',
    ]);
  });

  it('of a page are ignored: it comes whole, from memory', async () => {
    const get = (header: string) => answers(`GET /docs/static/swagger-ui.css HTTP/1.1\r\n${HOST}${CLOSE}${header}\r\n`);
    const [whole] = await get('');
    for (const range of [`bytes=${MANY}`, 'bytes=0-,0-,0-,0-', 'bytes=0-0,-1', 'bytes=9-3', 'bytes=99999999-']) {
      const [answer, ...more] = await get(`Range: ${range}\r\n`);
      expect(more).toEqual([]);
      expect([answer.status, answer.body.length]).toEqual([200, whole.body.length]);
    }
    const [unchanged] = await get(`If-None-Match: ${whole.headers.etag}\r\n`);
    expect([unchanged.status, unchanged.body.length]).toEqual([304, 0]);
  });
});
