/**
 * Web pages that a local user visits: what a browser sends for them, and what comes of it.
 *
 * A page can make the browser send requests (Sec-Fetch-Site, Origin), and it can make its own host name resolve to loopback
 * (DNS rebinding): then the browser takes this server for the page's own, and only Host gives it away.
 */

import { connect } from 'node:net';
import { hostname } from 'node:os';
import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/server/config.js';
import { configWarnings } from '../../src/server/config-text.js';
import { type TestApp, testApp } from '../helper/routes.js';
import { json, testShell } from '../helper/shell.js';

const at = (host: string, more: InjectOptions = {}): InjectOptions => ({
  url: '/v1/heaps',
  ...more,
  headers: { ...more.headers, host },
});

const LOOPBACK = [
  'localhost',
  'LocalHost:8080',
  'localhost.:1',
  'a.localhost:8080',
  '127.0.0.1',
  '127.255.0.1:9',
  '[::1]:8080',
];
const FOREIGN = [
  'evil.example',
  'evil.example:8080',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'evillocalhost',
];
/** Nobody can make a public name of these; what a container or another machine is called. */
const NEAR = [
  'goheap:8080',
  '192.168.1.5:8080',
  '10.0.0.1',
  '[fe80::1]:8080',
  'goheap.local',
  'host.docker.internal:8080',
];

describe('Host', () => {
  const cases: [what: string, env: Record<string, string>, allowed: string[], refused: string[]][] = [
    ['on loopback', {}, LOOPBACK, [...FOREIGN, ...NEAR]],
    [
      'on every interface',
      { HOST: '0.0.0.0' },
      [...LOOPBACK, ...NEAR, hostname()],
      FOREIGN.filter((name) => name.includes('.')),
    ],
    ['of a name that it listens on', { HOST: 'box.example' }, [...LOOPBACK, 'box.example:8080'], ['x.box.example']],
    [
      'with a list',
      { HOST: '0.0.0.0', GOHEAP_ALLOWED_HOSTS: 'goheap, Proxy.Example,10.0.0.1' },
      [...LOOPBACK, 'goheap:8080', 'proxy.example', '10.0.0.1:80'],
      [...FOREIGN, '10.0.0.2', 'goheap2', 'x.proxy.example'],
    ],
    ['with a token', { AUTH_TOKEN: 't' }, [...LOOPBACK, ...FOREIGN, ...NEAR], []],
    ['with off', { GOHEAP_ALLOWED_HOSTS: 'off' }, [...LOOPBACK, ...FOREIGN, ...NEAR], []],
    ['with *', { GOHEAP_ALLOWED_HOSTS: '*' }, [...LOOPBACK, ...FOREIGN, ...NEAR], []],
  ];

  describe.each(cases)('%s', (_what, env, allowed, refused) => {
    const headers = { authorization: 'Bearer t' };
    test.each(allowed)('%j is served', async (host) => {
      const { app } = await testShell(env);
      expect((await app.inject(at(host, { headers }))).statusCode).toBe(200);
    });
    if (refused.length > 0) {
      test.each(refused)('%j is not', async (host) => {
        const { problem } = await testShell(env);
        const { detail } = await problem('host-not-allowed', at(host));
        expect(detail).toContain('GOHEAP_ALLOWED_HOSTS');
      });
    }
  });

  test.each(['evil example', 'evil.example:port', 'a@localhost', 'localhost/', '[::1', '::1', 'x'.repeat(5000)])(
    '%j is no host',
    async (host) => {
      const { problem } = await testShell();
      expect((await problem('host-not-allowed', at(host))).detail.length).toBeLessThan(400);
    },
  );

  test.each([
    '/',
    '/docs',
    '/docs/json',
    '/openapi.json',
    '/problems',
    '/problems/internal',
    '/metrics',
    '/v1/replays',
  ])('is looked at for %s', async (url) => {
    const { problem } = await testShell();
    await problem('host-not-allowed', at('evil.example', { url }));
  });

  test.each(['/livez', '/readyz'])('is not looked at for %s', async (url) => {
    const { app } = await testShell();
    expect((await app.inject(at('evil.example', { url }))).statusCode).toBe(200);
  });

  it('a refused request changes nothing', async () => {
    const { problem, heaps } = await testShell();
    await problem('host-not-allowed', at('evil.example', { method: 'PUT', url: '/v1/heaps/a', ...json({}) }));
    expect(heaps.list()).toEqual([]);
  });

  it('may be missing: a client of HTTP/1.0 is no browser', async () => {
    const { app } = await testShell({}, () => undefined);
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as { port: number };
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write('GET /v1/heaps HTTP/1.0\r\n\r\n'));
      socket.setEncoding('utf8').on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text)).on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    await app.close();
  });

  it('a proxy that is trusted cannot be played by a page', async () => {
    const { problem } = await testShell({ TRUST_PROXY: '1' });
    await problem('host-not-allowed', at('evil.example', { headers: { 'x-forwarded-host': 'localhost' } }));
  });

  test.each(['http://goheap', 'goheap:8080', 'a b', 'goheap,,x', '*.example', '-'.repeat(300)])(
    'the setting %j is refused',
    (list) => expect(() => loadConfig({ GOHEAP_ALLOWED_HOSTS: list })).toThrow(ConfigError),
  );

  it('off without a token is warned of', () => {
    const warnings = (env: Record<string, string>) => configWarnings(loadConfig(env), env).join();
    expect(warnings({ GOHEAP_ALLOWED_HOSTS: 'off' })).toMatch(/GOHEAP_ALLOWED_HOSTS/);
    expect(warnings({ GOHEAP_ALLOWED_HOSTS: 'off', AUTH_TOKEN: 't' })).toBe('');
    expect(warnings({})).toBe('');
  });
});

describe('Origin', () => {
  const from = (origin: string, more: InjectOptions = {}) =>
    at('localhost:8080', { method: 'PUT', url: '/v1/heaps/a', payload: {}, ...more, headers: { origin } });

  test.each([
    'http://evil.example',
    'null',
    'http://localhost',
    'http://localhost:3000',
    'file://',
    'http://127.0.0.1:8080',
    '',
  ])('%j is foreign', async (origin) => {
    const { problem, heaps } = await testShell();
    await problem('cross-site', from(origin));
    await problem('cross-site', from(origin, { method: 'GET', url: '/problems' }));
    expect(heaps.list()).toEqual([]);
  });

  it('of the server itself is not, nor one that is listed', async () => {
    const { app } = await testShell();
    expect((await app.inject(from('http://localhost:8080'))).statusCode).toBe(201);
    const behind = await testShell({ GOHEAP_ALLOWED_HOSTS: 'heap.example' });
    expect((await behind.app.inject(from('https://heap.example'))).statusCode).toBe(201);
    await behind.problem('cross-site', from('https://other.example'));
  });
});

describe('Sec-Fetch-Site', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await testApp();
  });
  afterAll(() => t.close());

  const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const status = async (url: string, headers: Record<string, string>) => {
    const answer = await t.get(url, headers);
    return answer.body?.code ?? answer.status;
  };
  /** GETs that collect, stop the world, record, or keep something open. */
  const EFFECTS = [
    'debug/pprof/heap?gc=1',
    'debug/pprof/heap',
    'debug/pprof/allocs?gc=1',
    'memstats?flush=true',
    'recording?seconds=0.1',
    'heap.heapsnapshot',
    'objects/0xc000000000?reachable=true',
    'objects/0xc000000000/path',
    'objects/0xc000000000/retained',
    'graph?root=0xc000000000',
    'events',
    'doctor?window=0',
    '/v1/replays/x/events',
    '/v1/replays/x/map?event=0',
    '/v1/replays/x/report.html',
    '/v1/replays/x/report.csv',
  ];
  const READS = ['', 'metrics', 'spans', 'gc', 'workloads', 'runtime/metrics', '/v1/heaps', '/metrics', '/v1/replays'];
  const of = (path: string): string => (path === '' ? '/v1/heaps/t' : path);

  test.each(EFFECTS)('%s is for no other site, and nothing runs', async (url) => {
    const before = t.host.summary();
    const collections = (await t.get('memstats')).body.NumGC;
    for (const site of ['cross-site', 'same-site']) {
      expect(await status(url, { 'sec-fetch-site': site })).toBe('cross-site');
      expect(await status(url, { 'sec-fetch-site': site, ...navigation })).toBe('cross-site');
    }
    expect((await t.get('memstats')).body.NumGC).toBe(collections);
    expect(t.host.summary()).toEqual(before);
  });

  test.each(READS)('%s is for no other site, unless the user goes there', async (path) => {
    expect(await status(of(path), { 'sec-fetch-site': 'cross-site' })).toBe('cross-site');
    expect(
      await status(of(path), {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'iframe',
      }),
    ).toBe('cross-site');
    for (const headers of [{ 'sec-fetch-site': 'cross-site', ...navigation }, { 'sec-fetch-site': 'same-site' }]) {
      expect(await status(of(path), headers)).toBe(200);
    }
  });

  test.each([...EFFECTS.slice(0, 4), ...READS])(
    '%s is for the server itself, for the user, and for programs',
    async (path) => {
      for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none', ...navigation }, {}]) {
        expect(await status(of(path), headers as Record<string, string>)).toBe(200);
      }
    },
  );

  test.each(['cross-site', 'same-site'])('a change is refused to %s, also where the user goes there', async (site) => {
    for (const headers of [{ 'sec-fetch-site': site }, { 'sec-fetch-site': site, ...navigation }]) {
      expect((await t.call('POST', 'gc', undefined, headers)).body.code).toBe('cross-site');
    }
  });

  it('left the heap as it was', () => t.check());
});
