/** What holds for every request: media types, bodies, methods, tokens, limits, ids, logs, draining. */

import { connect } from 'node:net';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { afterEach, describe, expect, it, test } from 'vitest';
import { SchedError } from '../../src/sched/host-api.js';
import { serverOptions } from '../../src/server/app.js';
import { Problem } from '../../src/server/problem.js';
import { json, testShell } from '../helper/shell.js';

const HEAP = '/v1/heaps/a';
const put = (payload: string, type = 'application/json') =>
  ({ method: 'PUT', url: HEAP, payload, headers: { 'content-type': type } }) as const;

describe('bodies', () => {
  test.each(['{', '{"gogc":', 'gogc=1', '{} {}', '{"gogc":1,}', '\u0000', '{"__proto__":{"x":1}}'])(
    '%j is not JSON',
    async (payload) => {
      const { problem, heaps } = await testShell();
      await problem('invalid-json', put(payload));
      expect(heaps.list()).toEqual([]);
    },
  );

  it('an empty body that says it is JSON is an error', async () => {
    const { problem } = await testShell();
    expect((await problem('invalid-json', put(''))).detail).toMatch(/empty/);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'nonsense', 'application/jsonx'])(
    'the type %s is refused, and the answer says what is taken',
    async (type) => {
      const { problem } = await testShell();
      expect((await problem('unsupported-media-type', put('{}', type))).allowed).toContain('application/json');
    },
  );

  it('a body without a type is refused', async () => {
    const { app } = await testShell();
    const response = await app.inject({ method: 'PUT', url: HEAP, payload: '{}' });
    expect(response.json()).toMatchObject({ code: 'unsupported-media-type', detail: 'The body has no Content-Type.' });
  });

  it('application/json with a charset is taken', async () => {
    const { app } = await testShell();
    expect((await app.inject(put('{}', 'application/json; charset=utf-8'))).statusCode).toBe(201);
  });

  it('a body over the limit is refused, and the answer says the limit', async () => {
    const { problem, heaps } = await testShell({ GOHEAP_BODY_LIMIT: '1KiB' });
    const body = JSON.stringify({ gogc: 1, pad: 'x'.repeat(2000) });
    expect(await problem('body-too-large', put(body))).toMatchObject({ limit: 1024 });
    expect(heaps.list()).toEqual([]);
  });
});

describe('on the wire', () => {
  /** Sends bytes, gives back everything that comes. */
  async function exchange(app: FastifyInstance, text: string, end = false): Promise<string> {
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as { port: number };
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(port, '127.0.0.1', () => (end ? socket.end(text) : socket.write(text)));
      socket.setEncoding('utf8').on('data', (data) => {
        answer += data;
      });
      socket.on('close', () => resolve(answer)).on('error', reject);
    });
  }
  let app: FastifyInstance | undefined;
  /** One that may be closed. */
  const ownShell = () => testShell({}, () => undefined);
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  it('bytes that are no request are not the answer to the request before them', async () => {
    const running: FastifyReply[] = [];
    ({ app } = await testShell({}, (extended) => {
      extended.get('/slow', (_request, reply) => {
        running.push(reply);
      });
    }));
    const answer = exchange(app, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n').catch(() => '');
    expect(await answer).toBe('');
    expect(running).toHaveLength(1);
  });

  it('bytes that are no HTTP get a problem', async () => {
    ({ app } = await ownShell());
    const answer = await exchange(app, 'HELO there\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json/);
    expect(JSON.parse(answer.split('\r\n\r\n')[1])).toMatchObject({ code: 'bad-request', status: 400 });
  });

  it('headers without end get a problem', async () => {
    ({ app } = await ownShell());
    const answer = await exchange(app, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect(answer).toContain('"code":"headers-too-large"');
  });

  it('a body that is cut short changes nothing', async () => {
    const t = await ownShell();
    ({ app } = t);
    const head = `PUT ${HEAP} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    await exchange(app, `${head}{"gogc":`, true);
    expect(t.heaps.list()).toEqual([]);
    expect(t.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  test.each(['..', '%2e%2e', '.'])('the heap name %s is refused', async (name) => {
    ({ app } = await ownShell());
    const answer = await exchange(
      app,
      `GET /v1/heaps/${name} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*"code":"invalid-heap-name"/s);
  });
});

describe('paths and methods', () => {
  test.each(['/nothing', '/v1', '/v1/heaps/a/nothing', '/v1/heap', '/docs/nothing'])('%s is not found', async (url) => {
    const { problem } = await testShell();
    expect((await problem('not-found', { url })).instance).toBe(url);
  });

  test.each([
    ['POST', '/v1/heaps', 'GET, HEAD'],
    ['DELETE', '/livez', 'GET, HEAD'],
    ['POST', '/v1/heaps/a', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['PUT', '/openapi.json', 'GET, HEAD'],
  ] as const)('%s %s is not allowed', async (method, url, allow) => {
    const { app, problem } = await testShell();
    expect(await problem('method-not-allowed', { method, url })).toMatchObject({ allowed: allow.split(', ') });
    // Before a body is read, whatever it is.
    const response = await app.inject({ method, url, payload: '{', headers: { 'content-type': 'text/plain' } });
    expect(response.statusCode).toBe(405);
    expect(response.headers.allow).toBe(allow);
  });

  it('OPTIONS says what there is', async () => {
    const { app } = await testShell();
    const response = await app.inject({ method: 'OPTIONS', url: '/v1/heaps' });
    expect([response.statusCode, response.headers.allow]).toEqual([204, 'GET, HEAD']);
  });

  it('a path that cannot be decoded is a bad request', async () => {
    const { problem } = await testShell();
    await problem('bad-request', { url: '/v1/heaps/%zz' });
  });

  it('the query is not repeated in the answer', async () => {
    const { problem } = await testShell();
    expect(JSON.stringify(await problem('not-found', { url: '/nothing?token=secret' }))).not.toContain('secret');
  });
});

describe('with AUTH_TOKEN', () => {
  const env = { AUTH_TOKEN: 'correct-horse' };
  const as = (authorization: string) => ({ headers: { authorization } });

  test.each([
    '',
    'correct-horse',
    'Basic correct-horse',
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    'Bearer correct-hors',
    'Bearer correct-horsee',
  ])('the header %j is not enough', async (authorization) => {
    const { app, problem, heaps } = await testShell(env);
    await problem('unauthorized', { url: '/v1/heaps', ...as(authorization) });
    const response = await app.inject({ method: 'PUT', url: HEAP, ...as(authorization) });
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer realm="goheap"');
    expect(heaps.list()).toEqual([]);
  });

  it('the token opens', async () => {
    const { app } = await testShell(env);
    expect((await app.inject({ url: '/v1/heaps', ...as('Bearer correct-horse') })).statusCode).toBe(200);
  });

  test.each(['/livez', '/readyz', '/docs', '/openapi.json', '/problems', '/problems/unauthorized'])(
    '%s stays open',
    async (url) => {
      const { app } = await testShell(env);
      expect((await app.inject(url)).statusCode).toBeLessThan(400);
    },
  );

  it('the token comes before the body, and is not logged', async () => {
    const { problem, log } = await testShell({ ...env, LOG_LEVEL: 'debug' });
    await problem('unauthorized', { ...put('{'), headers: { authorization: 'Bearer nearly', 'content-type': 'x' } });
    expect(JSON.stringify(log)).not.toMatch(/correct-horse|nearly/);
  });
});

describe('with RATE_LIMIT', () => {
  it('requests beyond it are refused, health is not counted', async () => {
    const { app, problem } = await testShell({ RATE_LIMIT: '2' });
    for (let i = 0; i < 5; i++) expect((await app.inject('/livez')).statusCode).toBe(200);
    for (let i = 0; i < 2; i++) expect((await app.inject('/v1/heaps')).statusCode).toBe(200);
    expect(await problem('rate-limited', { url: '/v1/heaps' })).toMatchObject({ limit: 2 });
    expect(Number((await app.inject('/v1/heaps')).headers['retry-after'])).toBeGreaterThan(0);
  });

  it('clients are told apart by what a trusted proxy says, and only by that', async () => {
    const from = (ip: string) => ({ url: '/v1/heaps', headers: { 'x-forwarded-for': ip } });
    const behind = await testShell({ RATE_LIMIT: '1', TRUST_PROXY: '1' });
    for (const ip of ['10.0.0.1', '10.0.0.2']) expect((await behind.app.inject(from(ip))).statusCode).toBe(200);
    const bare = await testShell({ RATE_LIMIT: '1' });
    await bare.app.inject(from('10.0.0.1'));
    await bare.problem('rate-limited', from('10.0.0.2'));
  });
});

describe('pages of other web sites', () => {
  it('cannot change anything', async () => {
    const { problem, app } = await testShell();
    const headers = { 'sec-fetch-site': 'cross-site' };
    await problem('cross-site', { method: 'PUT', url: HEAP, headers });
    expect(
      (await app.inject({ method: 'PUT', url: HEAP, headers: { 'sec-fetch-site': 'same-origin' } })).statusCode,
    ).toBe(201);
  });
});

describe('request ids', () => {
  it('of the client are echoed', async () => {
    const { app } = await testShell();
    const response = await app.inject({ url: '/v1/heaps', headers: { 'x-request-id': 'trace-7' } });
    expect(response.headers['x-request-id']).toBe('trace-7');
  });

  test.each(['a b', 'x'.repeat(200), 'ü', '"'])('like %j are replaced', async (id) => {
    const { problem } = await testShell();
    const document = await problem('not-found', { url: '/nothing', headers: { 'x-request-id': id } });
    expect(document.requestId).toMatch(/^[0-9a-f]{8}-[0-9]+$/);
  });
});

describe('errors of routes', () => {
  const failing = (error: unknown) =>
    testShell({}, (app) => {
      app.get('/v1/fail', () => {
        throw error;
      });
      app.get('/v1/fail-late', async () => Promise.reject(error));
    });

  it('that are bugs say nothing, and are logged', async () => {
    const { problem, log } = await failing(new TypeError('secret path /etc/x'));
    const document = await problem('internal', { url: '/v1/fail' });
    expect(JSON.stringify(document)).not.toContain('secret');
    await problem('internal', { url: '/v1/fail-late' });
    const entries = log.filter(({ level }) => level === 50);
    expect(entries).toHaveLength(2);
    expect(entries[0]).toMatchObject({ reqId: document.requestId, err: { message: 'secret path /etc/x' } });
  });

  test.each([null, undefined, 'text', 7, { code: 'internal' }])('that are %j are bugs too', async (error) => {
    const { app } = await failing(error);
    expect((await app.inject('/v1/fail-late')).statusCode).toBeGreaterThanOrEqual(500);
  });

  it('that are problems go out as they are', async () => {
    const { problem, log } = await failing(new Problem('already-freed', 'Twice.', { index: 3 }));
    expect(await problem('already-freed', { url: '/v1/fail' })).toMatchObject({ detail: 'Twice.', index: 3 });
    expect(log).toEqual([]);
  });

  it('that the scheduler reports become problems', async () => {
    const { app, problem } = await failing(new SchedError('m-died', 'the M died', 'partly', 12));
    expect(await problem('m-died', { url: '/v1/fail' })).toMatchObject({ happened: 'partly', completed: 12 });
    expect((await app.inject('/v1/fail')).headers['retry-after']).toBe('1');
  });

  it('of a heap that closes while the server goes on mean that the heap was deleted', async () => {
    const { problem, lifecycle } = await failing(new SchedError('shutting-down', 'the heap is closing'));
    await problem('heap-deleted', { url: '/v1/fail' });
    lifecycle.drain();
    await problem('shutting-down', { url: '/v1/fail' });
  });
});

describe('logs', () => {
  it('have no line for a request at info, and two at debug', async () => {
    const quiet = await testShell();
    await quiet.app.inject('/v1/heaps');
    expect(quiet.log).toEqual([]);
    const verbose = await testShell({ LOG_LEVEL: 'debug' });
    await verbose.app.inject({ url: '/v1/heaps', headers: { 'x-request-id': 'r1' } });
    expect(verbose.log.filter(({ reqId }) => reqId === 'r1')).toHaveLength(2);
  });
});

describe('while the server drains', () => {
  it('nothing new begins, health answers, and the connection is to be closed', async () => {
    const { app, problem, lifecycle, heaps } = await testShell();
    lifecycle.drain();
    expect(lifecycle.signal.aborted).toBe(true);
    await problem('shutting-down', { method: 'PUT', url: HEAP, ...json({}) });
    const response = await app.inject('/v1/heaps');
    expect(response.headers).toMatchObject({ connection: 'close', 'retry-after': '1' });
    expect(heaps.list()).toEqual([]);
    expect((await app.inject('/livez')).statusCode).toBe(200);
  });
});

describe('times', () => {
  test.each([
    [0, { requestTimeout: 0, headersTimeout: 60_000, connectionsCheckingInterval: 30_000 }],
    [500, { requestTimeout: 500, headersTimeout: 500, connectionsCheckingInterval: 100 }],
    [10_000, { requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 1000 }],
    [60_000, { requestTimeout: 60_000, headersTimeout: 60_000, connectionsCheckingInterval: 6000 }],
    [3_600_000, { requestTimeout: 3_600_000, headersTimeout: 60_000, connectionsCheckingInterval: 30_000 }],
  ])('all of Node follow a REQUEST_TIMEOUT of %i ms', (requestTimeout, expected) => {
    expect(serverOptions({ requestTimeout })).toMatchObject(expected);
  });

  test('the server has them', async () => {
    const { app } = await testShell({ REQUEST_TIMEOUT: '10s' });
    expect(app.server).toMatchObject({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 72_000 });
    expect(app.server).toMatchObject({ connectionsCheckingInterval: 1000 });
  });
});
