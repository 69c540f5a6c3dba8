/**
 * Long words: no string of a request is without a bound, none that is too long reaches a regular expression or a parser,
 * and neither an answer nor a log line repeats more than 100 characters of what was sent.
 *
 * The attack: one PATCH with `gomemlimit` of 16 million digits stopped the event loop for 12 seconds.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, InjectOptions, RouteOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { MAX_QUOTE } from '../../src/server/quote.js';
import { type TestApp, testApp } from '../helper/routes.js';
import { json, testShell } from '../helper/shell.js';

type Schema = Record<string, unknown>;

/** Every route of an app, and the app that resolves its references. */
async function everyRoute(): Promise<{ app: FastifyInstance; routes: RouteOptions[] }> {
  const routes: RouteOptions[] = [];
  const seen = (message: unknown): void => {
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', (route) => void routes.push(route));
  };
  subscribe('fastify.initialization', seen);
  try {
    const { app } = await testShell({}, () => undefined);
    return { app, routes };
  } finally {
    unsubscribe('fastify.initialization', seen);
  }
}

const TEXT_BOUNDS = ['maxLength', 'enum', 'const'];

/** Where `schema` lets a client send a value without an end. */
function unbounded(schema: Schema, shared: Record<string, unknown>, at: string): string[] {
  if (typeof schema.$ref === 'string') return unbounded(shared[schema.$ref] as Schema, shared, at);
  const types = [schema.type].flat();
  const found: string[] = [];
  if (types.includes('string') && !TEXT_BOUNDS.some((bound) => bound in schema)) found.push(`${at}: a string`);
  if (types.includes('array') && !('maxItems' in schema)) found.push(`${at}: an array`);
  const branches = ['anyOf', 'oneOf', 'allOf'].flatMap((key) => (schema[key] as Schema[] | undefined) ?? []);
  if (schema.type === undefined && branches.length === 0 && !('enum' in schema) && !('const' in schema)) {
    found.push(`${at}: anything`);
  }
  for (const branch of branches) found.push(...unbounded(branch, shared, at));
  for (const [name, field] of Object.entries((schema.properties ?? {}) as Record<string, Schema>)) {
    found.push(...unbounded(field, shared, `${at}.${name}`));
  }
  if (schema.items !== undefined) found.push(...unbounded(schema.items as Schema, shared, `${at}[]`));
  return found;
}

/** Whether an object of the schema may have fields that it does not name. */
function open(schema: Schema, shared: Record<string, unknown>): boolean {
  if (typeof schema.$ref === 'string') return open(shared[schema.$ref] as Schema, shared);
  return schema.type === 'object' && schema.additionalProperties !== false;
}

describe('every schema of every route', () => {
  let app: FastifyInstance;
  let routes: RouteOptions[];
  beforeAll(async () => {
    ({ app, routes } = await everyRoute());
  });

  /** The schemas of what a route reads, by where it stands. Bodies that are streams have none. */
  function* parts(): Generator<[at: string, schema: Schema]> {
    for (const { method, url, schema } of routes) {
      for (const part of ['params', 'querystring', 'headers', 'body'] as const) {
        const of = schema?.[part] as (Schema & { content?: Record<string, { schema: Schema }> }) | undefined;
        const used = of?.content === undefined ? of : of.content['application/json']?.schema;
        if (used !== undefined) yield [`${method} ${url} ${part}`, used];
      }
    }
  }

  it('bounds every string and every array', () => {
    const all = [...parts()];
    expect(all.length).toBeGreaterThan(60);
    expect(all.flatMap(([at, schema]) => unbounded(schema, app.getSchemas(), at))).toEqual([]);
  });

  it('names every field of a body and of a query', () => {
    const named = [...parts()].filter(([at]) => / (body|querystring)$/.test(at));
    expect(named.filter(([, schema]) => open(schema, app.getSchemas())).map(([at]) => at)).toEqual([]);
  });
});

/** The longest text that a regular expression looked at meanwhile, but for two: those look for `__proto__` and the like in a body, and are linear. */
async function longestMatched(run: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  const look = (expression: RegExp, text: unknown): void => {
    if (!expression.source.startsWith('"(?:')) longest = Math.max(longest, String(text).length);
  };
  const { test: testing, exec } = RegExp.prototype;
  const spies = [
    vi.spyOn(RegExp.prototype, 'test').mockImplementation(function (this: RegExp, text: string) {
      look(this, text);
      return testing.call(this, text);
    }),
    vi.spyOn(RegExp.prototype, 'exec').mockImplementation(function (this: RegExp, text: string) {
      look(this, text);
      return exec.call(this, text);
    }),
  ];
  try {
    await run();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return longest;
}

/** Less than any route accepts as a body. */
const LONG = 60_000;

describe('a long word', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await testApp({ LOG_LEVEL: 'silent' });
  });
  afterAll(() => t.close());

  const X = 'x'.repeat(LONG);
  const NINES = '9'.repeat(LONG);
  const NAME = 'x'.repeat(1000);
  const post = (path: string, body: unknown): InjectOptions => ({
    method: 'POST',
    url: `/v1/heaps/t/${path}`,
    ...json(body),
  });
  /** `[[[[…]]]]`, as text. */
  const deep = (n: number): string => '['.repeat(n) + ']'.repeat(n);

  const requests: Record<string, InjectOptions> = {
    'gomemlimit of PATCH': { method: 'PATCH', url: '/v1/heaps/t', ...json({ gomemlimit: NINES }) },
    'gogc of PATCH': { method: 'PATCH', url: '/v1/heaps/t', ...json({ gogc: X }) },
    'reserve of PUT': { method: 'PUT', url: '/v1/heaps/u', ...json({ reserve: NINES }) },
    'arenaSize of PUT': { method: 'PUT', url: '/v1/heaps/u', ...json({ arenaSize: NINES }) },
    'gomaxprocs of PUT': { method: 'PUT', url: '/v1/heaps/u', ...json({ gomaxprocs: X }) },
    'a field of PUT': { method: 'PUT', url: '/v1/heaps/u', ...json({ [X]: 1 }) },
    'a field of PATCH': { method: 'PATCH', url: '/v1/heaps/t', ...json({ [X]: 1 }) },
    'a field of alloc': post('alloc', { size: 1, [X]: 1 }),
    'a field of store': post('alloc', { size: 1, store: { address: '0xc000000000', word: 0, [X]: 1 } }),
    'size of alloc': post('alloc', { size: X }),
    'site of alloc': post('alloc', { size: 1, site: X }),
    'a frame of alloc': post('alloc', { size: 1, site: [X] }),
    'pointers of alloc': post('alloc', { size: 1, pointers: X }),
    'store.address of alloc': post('alloc', { size: 1, store: { address: X, word: 0 } }),
    'address of free': post('free', { address: X }),
    'addresses of free': post('free', { addresses: [X] }),
    'reuse of free': post('free', { address: '0xc000000000', reuse: X }),
    'mark of sweep': post('sweep', { mark: X }),
    'duration of a workload': post('workloads', { workload: 'larson', duration: X }),
    'bytes of a workload': post('workloads', { workload: 'larson', bytes: NINES }),
    'the name of a workload': post('workloads', { workload: X }),
    'a field of a batch': post('batch', { ops: [], [X]: 1 }),
    'p of a batch': post('batch', { ops: [], p: X }),
    'nested arrays for a size': { ...post('alloc', {}), payload: `{"size":${deep(LONG / 2)}}` },
    'nested arrays for pointers': { ...post('alloc', {}), payload: `{"size":64,"pointers":${deep(LONG / 2)}}` },
    'nested arrays for a profile': {
      ...post('workloads', {}),
      payload: `{"workload":"gcguide","profile":${deep(LONG / 2)}}`,
    },
    'the name of a heap': { url: `/v1/heaps/${NAME}` },
    'a path': { url: `/${'x'.repeat(10_000)}` },
    'a path with another method': { method: 'DELETE', url: `/problems/${NAME}` },
    'a part of a path': { url: `/v1/heaps/${'x'.repeat(5000)}` },
    'an address in a path': { url: `/v1/heaps/t/objects/${NAME}` },
    'a word in a path': { method: 'PUT', url: `/v1/heaps/t/objects/0x1/pointers/${NAME}`, ...json({ address: null }) },
    'a control character, many times': { url: `/v1/heaps/${'%01'.repeat(1000)}` },
    'a field of a query': { url: `/v1/heaps/t/spans?${'x'.repeat(10_000)}=1` },
    'many fields of a query': { url: `/v1/heaps/t/spans?${'x&'.repeat(5000)}` },
    'a value of a query': { url: `/v1/heaps/t/spans?cursor=${'x'.repeat(10_000)}` },
    'a field of the query of a batch': { method: 'POST', url: `/v1/heaps/t/batch?${'x'.repeat(10_000)}`, ...json({}) },
    'a metric': { url: `/v1/heaps/t/runtime/metrics?name=${'x'.repeat(10_000)}` },
    'many metrics': { url: `/v1/heaps/t/runtime/metrics?${'name=x&'.repeat(2000)}` },
    'a workload in a path': { url: `/v1/heaps/t/workloads/${NAME}` },
    'a replay in a path': { url: `/v1/replays/${NAME}` },
    'control characters for a replay': { url: `/v1/replays/${'%01'.repeat(64)}` },
    'an example': { method: 'POST', url: '/v1/replays', ...json({ example: X }) },
    'an example of control characters': {
      method: 'POST',
      url: '/v1/replays',
      ...json({ example: '\u0001'.repeat(64) }),
    },
    'the grid of a replay': { method: 'POST', url: `/v1/replays?gogc=${'x'.repeat(4000)}`, ...json({ example: 'jq' }) },
    'the time of a replay': { method: 'POST', url: `/v1/replays?time=${NAME}`, ...json({ example: 'jq' }) },
    'the name of a replay': { method: 'POST', url: `/v1/replays?name=${NAME}`, ...json({ example: 'jq' }) },
    'parts of a replay': { url: `/v1/replays/x?include=${'x'.repeat(256)}` },
    'a problem': { url: `/problems/${NAME}` },
    'a media type': {
      method: 'POST',
      url: '/v1/heaps/t/alloc',
      payload: '{}',
      headers: { 'content-type': `a/${NAME}` },
    },
    'a range': { url: '/v1/heaps/t/objects/0xc000000000/data', headers: { range: 'x'.repeat(10_000) } },
    'a content range': {
      method: 'PUT',
      url: '/v1/heaps/t/objects/0xc000000000/data',
      payload: Buffer.of(1),
      headers: { 'content-type': 'application/octet-stream', 'content-range': 'x'.repeat(10_000) },
    },
    'the id of an event': { url: '/v1/heaps/t/events', headers: { 'last-event-id': 'x'.repeat(10_000) } },
  };

  test.each(Object.entries(requests))('for %s is refused in a few words', async (_name, request) => {
    let answer = '';
    const longest = await longestMatched(async () => {
      const response = await t.app.inject(request);
      expect(response.statusCode, response.body.slice(0, 300)).toBeGreaterThanOrEqual(400);
      expect(response.statusCode).toBeLessThan(500);
      // It was read: what is larger is for the next test.
      expect(response.statusCode).not.toBe(413);
      expect(response.json()).toMatchObject({ detail: expect.any(String) });
      answer = response.body;
    });
    expect(answer).not.toMatch(new RegExp(`[x9]{${MAX_QUOTE + 1}}|(\\\\u0001){20}`));
    // The names of all metrics are what is allowed for one.
    expect(JSON.stringify({ ...JSON.parse(answer), allowed: '' }).length).toBeLessThan(1000);
    // Headers and URLs are bounded by the HTTP server, bodies are not.
    expect(longest).toBeLessThan(20_000);
  });

  const KiB = 1024;
  test.each<[method: string, url: string, limit: number]>([
    ['PATCH', '/v1/heaps/t', 64 * KiB],
    ['PUT', '/v1/heaps/u', 64 * KiB],
    ['DELETE', '/v1/heaps/t', 64 * KiB],
    ['POST', '/v1/heaps/t/gc', 64 * KiB],
    ['POST', '/v1/heaps/t/check', 64 * KiB],
    ['POST', '/v1/heaps/t/workloads', 64 * KiB],
    ['PUT', '/v1/heaps/t/objects/0x1/pointers/0', 64 * KiB],
    ['POST', '/v1/replays', 64 * KiB],
    ['POST', '/v1/heaps/t/alloc', 1024 * KiB],
  ])('a body of %s %s beyond its limit is not parsed', async (method, url, limit) => {
    const parse = vi.spyOn(JSON, 'parse');
    const payload = `{"x":[${'{},'.repeat(limit / 3)}1]}`;
    const answer = await t.app.inject({
      method: method as 'POST',
      url,
      payload,
      headers: { 'content-type': 'application/json' },
    });
    const parsed = parse.mock.calls.map(([text]) => String(text).length);
    parse.mockRestore();
    expect(answer.json()).toMatchObject({ code: 'body-too-large', limit });
    expect(Math.max(0, ...parsed)).toBeLessThan(limit);
  });

  it.each(['/nothing', '/v1/heaps/t/nothing'])('a body of POST %s is not parsed at all', async (url) => {
    const parse = vi.spyOn(JSON, 'parse');
    const payload = `{"x":[${'{},'.repeat(KiB)}1]}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await t.app.inject({ method: 'POST', url, payload, headers });
    const parsed = parse.mock.calls.length;
    parse.mockRestore();
    expect([answer.json().code, parsed]).toEqual(['not-found', 0]);
  });

  it('a list of frees may be as long as the server says', async () => {
    const addresses = Array.from({ length: 10_000 }, () => '0xc000000000');
    expect((await t.post('free', { addresses })).status).toBe(200);
  });

  const operations: Record<string, string> = {
    'a ref': JSON.stringify({ op: 'free', ref: X.slice(0, 60_000) }),
    'a nested ref': `{"op":"free","ref":${deep(20_000)}}`,
    'a field': JSON.stringify({ op: 'free', [X.slice(0, 60_000)]: 1 }),
    'a field of a store': JSON.stringify({ op: 'alloc', size: 8, store: { [X.slice(0, 60_000)]: 1 } }),
    'an address': JSON.stringify({ op: 'free', address: X.slice(0, 60_000) }),
    'an operation': JSON.stringify({ op: X.slice(0, 60_000) }),
    'a size': JSON.stringify({ op: 'alloc', size: X.slice(0, 60_000) }),
    'a site': JSON.stringify({ op: 'alloc', size: 8, site: X.slice(0, 60_000) }),
  };

  describe.each(['application/json', 'application/x-ndjson'])('in a batch of %s', (type) => {
    test.each(Object.entries(operations))('for %s is refused in a few words', async (_name, text) => {
      const payload = type === 'application/json' ? `{"ops":[${text}]}` : `${text}\n`;
      const answer = await t.app.inject({
        method: 'POST',
        url: '/v1/heaps/t/batch',
        payload,
        headers: { 'content-type': type },
      });
      expect(answer.statusCode).toBe(200);
      expect(answer.body).toContain('"error"');
      expect(answer.body).not.toMatch(new RegExp(`x{${MAX_QUOTE + 1}}`));
      expect(answer.body.length).toBeLessThan(1000);
    });
  });

  it('changed nothing', async () => {
    expect(t.heaps.list().map(({ name }) => name)).toEqual(['t']);
    expect((await t.get('/v1/heaps/t')).body.settings).toMatchObject({ gogc: 100, gomemlimit: 'off' });
    await t.check();
  });
});

describe('a log line', () => {
  it('of a mistake has the beginning of the path, and no query', async () => {
    const { app, log } = await testShell({}, (extended) => {
      extended.get('/v1/fail/*', () => {
        throw new TypeError('a mistake');
      });
    });
    await app.inject(`/v1/fail/${'x'.repeat(10_000)}?secret`);
    expect(log).toHaveLength(1);
    expect(JSON.stringify(log)).not.toMatch(/x{101}|secret/);
  });

  it('of a request at debug has the beginning of what was sent', async () => {
    const { app, log } = await testShell({ LOG_LEVEL: 'debug' });
    const headers = { host: 'x'.repeat(5000), 'accept-version': 'x'.repeat(5000) };
    await app.inject({ url: `/livez?${'x'.repeat(10_000)}`, headers });
    await app.inject({ url: `/v1/heaps/${'x'.repeat(5000)}`, headers });
    await app.inject({ url: `/${'x'.repeat(5000)}` });
    expect(log.length).toBeGreaterThan(3);
    expect(JSON.stringify(log)).not.toMatch(/x{101}/);
  });
});
