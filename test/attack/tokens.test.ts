/**
 * Who has no token, or the wrong one: guesses are counted by the rate limit like everything else, on every path but
 * health, whatever is answered.
 */

import type { InjectOptions } from 'fastify';
import { describe, expect, it, test } from 'vitest';
import { registerRateLimit } from '../../src/server/plugins/rate-limit.js';
import { testShell } from '../helper/shell.js';

const TOKEN = { AUTH_TOKEN: 'correct-horse' };
/** One app for all tests of the limit: each of them is another client. */
const TWO = { RATE_LIMIT: '2' };
const TWO_PROXIED = { ...TWO, TRUST_PROXY: '1' };

let clients = 0;
/** The address of a client that the app has not seen yet. */
const newClient = () => ({ remoteAddress: `192.0.2.${++clients}` });

/** The statuses of so many equal requests. */
async function statuses(
  app: { inject(r: InjectOptions): Promise<{ statusCode: number }> },
  r: InjectOptions,
  n: number,
) {
  const all: number[] = [];
  for (let i = 0; i < n; i++) all.push((await app.inject(r)).statusCode);
  return all;
}

describe('with RATE_LIMIT', () => {
  it('wrong tokens are counted: so many guesses a minute', async () => {
    const { app, problem } = await testShell({ ...TOKEN, RATE_LIMIT: '20' }, () => undefined);
    const guess = { url: '/v1/heaps', headers: { authorization: 'Bearer wrong' } };
    expect(await statuses(app, guess, 30)).toEqual([...Array(20).fill(401), ...Array(10).fill(429)]);
    // Nor does the right one help, or no guess could be told from another.
    await problem('rate-limited', { url: '/v1/heaps', headers: { authorization: 'Bearer correct-horse' } });
  });

  test.each<[string, InjectOptions, number]>([
    ['the API', { url: '/v1/heaps' }, 200],
    ['the metrics', { url: '/metrics' }, 200],
    ['the console', { url: '/' }, 0],
    ["the console's files", { url: '/assets/none.js' }, 404],
    ['the documentation', { url: '/docs' }, 0],
    ['files of the documentation', { url: '/docs/static/swagger-ui.css' }, 200],
    ['the document', { url: '/docs/json' }, 200],
    ['the OpenAPI document', { url: '/openapi.json' }, 200],
    ['the list of problems', { url: '/problems' }, 200],
    ['a problem', { url: '/problems/internal' }, 200],
    ['what is not there', { url: '/nothing' }, 404],
    ['what is not there in the API', { url: '/v1/nothing' }, 404],
    ['another method', { method: 'POST', url: '/v1/heaps' }, 405],
    ['another method of a page', { method: 'DELETE', url: '/problems' }, 405],
    ['OPTIONS', { method: 'OPTIONS', url: '/v1/heaps' }, 204],
    ['a path that cannot be decoded', { url: '/v1/heaps/%zz' }, 400],
    ['a path that is too long', { url: `/v1/heaps/${'x'.repeat(2000)}` }, 414],
    ['a wrong name', { url: '/v1/heaps/A' }, 400],
  ])('%s is limited', async (_what, request, status) => {
    const { app } = await testShell(TWO);
    const [first, second, third] = await statuses(app, { ...request, ...newClient() }, 3);
    expect([first, second, third]).toEqual([status || first, first, 429]);
  });

  test.each(['/livez', '/readyz'])(
    '%s is not: an orchestrator that is refused would restart the server',
    async (url) => {
      const { app } = await testShell(TWO);
      expect(await statuses(app, { url, ...newClient() }, 10)).toEqual(Array(10).fill(200));
    },
  );

  it('an IPv6 client is its /64, which it has whole', async () => {
    const { app } = await testShell(TWO_PROXIED);
    const from = (address: string) => ({ url: '/v1/heaps', headers: { 'x-forwarded-for': address } });
    const answers: number[] = [];
    for (const address of ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8::3', '2001:db8:0:1::1']) {
      answers.push((await app.inject(from(address))).statusCode);
    }
    expect(answers).toEqual([200, 200, 429, 200]);
    // An IPv4 address is the same one in both of its notations.
    expect(await statuses(app, from('::ffff:10.0.0.1'), 2)).toEqual([200, 200]);
    expect(await statuses(app, from('10.0.0.1'), 1)).toEqual([429]);
  });

  it('what is no address counts as one client, however many there are', async () => {
    const { app } = await testShell(TWO_PROXIED);
    const from = (address: string) => ({ url: '/v1/heaps', headers: { 'x-forwarded-for': address } });
    expect(await statuses(app, from('nobody'), 2)).toEqual([200, 200]);
    expect(await statuses(app, from('x'.repeat(5000)), 1)).toEqual([429]);
  });

  it('as many addresses are remembered as were told; of more, the one unseen for longest begins anew', async () => {
    const { default: fastify } = await import('fastify');
    const app = fastify({ trustProxy: true });
    await registerRateLimit(app, 1, 2);
    app.get('/', (_request, reply) => reply.send('x'));
    const from = async (address: string) =>
      (await app.inject({ url: '/', headers: { 'x-forwarded-for': address } })).statusCode;
    expect([await from('10.0.0.1'), await from('10.0.0.1'), await from('10.0.0.2')]).toEqual([200, 429, 200]);
    expect(await from('10.0.0.1')).toBe(429);
    // The third drives out the second, not the first, which was seen since.
    expect([await from('10.0.0.3'), await from('10.0.0.1'), await from('10.0.0.2')]).toEqual([200, 429, 200]);
    await app.close();
  });
});

describe('the scheme of the token', () => {
  test.each(['Bearer', 'bearer', 'BEARER'])('%s is told by its letters, not by their case', async (scheme) => {
    const { app } = await testShell(TOKEN);
    const as = (token: string) => ({ url: '/v1/heaps', headers: { authorization: `${scheme} ${token}` } });
    expect((await app.inject(as('correct-horse'))).statusCode).toBe(200);
    expect((await app.inject(as('Correct-horse'))).statusCode).toBe(401);
  });
});
