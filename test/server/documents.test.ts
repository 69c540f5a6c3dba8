/** What is sent from memory: the same bytes to everybody, made once. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it, test, vi } from 'vitest';
import { testShell } from '../helper/shell.js';

const STATIC = join(dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui')), 'static');

const pages = [
  ['/docs/json', 'application/json; charset=utf-8'],
  ['/docs/yaml', 'application/x-yaml'],
  ['/openapi.json', 'application/json; charset=utf-8'],
  ['/docs/static/swagger-ui-bundle.js', 'application/javascript; charset=utf-8'],
  ['/docs/static/swagger-ui.css', 'text/css; charset=utf-8'],
  ['/docs/static/favicon-32x32.png', 'image/png'],
  ['/docs/static/logo.svg', 'image/svg+xml'],
  ['/docs/static/', 'text/html; charset=utf-8'],
  ['/problems', 'text/markdown; charset=utf-8'],
  ['/problems/overloaded', 'text/markdown; charset=utf-8'],
] as const;

describe.each(pages)('%s', (url, type) => {
  it('is sent with its type and a tag, and not again to who has it', async () => {
    const { app } = await testShell();
    const answer = await app.inject({ url });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'content-length': String(answer.rawPayload.length),
      'cache-control': expect.stringMatching(/^public, max-age=/),
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
    });
    const etag = String(answer.headers.etag);
    expect(etag).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await app.inject({ url, headers: { 'if-none-match': known } });
      expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, '', etag]);
    }
    const other = await app.inject({ url, headers: { 'if-none-match': '"other"' } });
    expect(other.rawPayload.equals(answer.rawPayload)).toBe(true);
    const head = await app.inject({ method: 'HEAD', url });
    expect(head.statusCode).toBe(200);
    expect(head.headers).toMatchObject({
      etag,
      'content-type': type,
      'content-length': answer.headers['content-length'],
    });
  });
});

test('files are those of the package, and no others', async () => {
  const { app } = await testShell();
  const sent = await app.inject({ url: '/docs/static/swagger-ui-bundle.js' });
  expect(sent.rawPayload.equals(readFileSync(join(STATIC, 'swagger-ui-bundle.js')))).toBe(true);
  for (const name of ['nothing.js', '..%2Fpackage.json', '%2e%2e/package.json', '__proto__', 'constructor']) {
    const { statusCode } = await app.inject({ url: `/docs/static/${name}` });
    expect(statusCode, name).toBe(404);
  }
});

test('the document is made once, whoever asks for it in whichever form', async () => {
  const { app } = await testShell({}, () => {});
  const made = vi.spyOn(app, 'swagger');
  const texts = [];
  for (let i = 0; i < 3; i++) {
    for (const url of ['/docs/json', '/openapi.json', '/docs/yaml']) texts.push((await app.inject({ url })).body);
  }
  expect(made.mock.calls.length).toBeLessThanOrEqual(2);
  expect(new Set(texts).size).toBe(2);
  expect(JSON.parse(texts[0])).toMatchObject({ openapi: '3.1.0' });
});

test('/docs is the page, which finds its scripts', async () => {
  const { app } = await testShell();
  const { body } = await app.inject({ url: '/docs/' });
  for (const [, path] of body.matchAll(/(?:src|href)="\.\/(static\/[^"]+)"/g)) {
    expect((await app.inject({ url: `/docs/${path}` })).statusCode, path).toBe(200);
  }
});
