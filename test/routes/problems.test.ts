import { expect, it, test } from 'vitest';
import { ERROR_CODES, ERRORS } from '../../src/server/errors.js';
import { testShell } from '../helper/shell.js';

it('every code has a page, in Markdown and in HTML', async () => {
  const { app } = await testShell();
  for (const code of ERROR_CODES) {
    const markdown = await app.inject(`/problems/${code}`);
    expect(markdown.headers['content-type']).toBe('text/markdown; charset=utf-8');
    expect(markdown.body).toContain(`# ${code}\n`);
    expect(markdown.body).toContain(ERRORS[code].remedy);
    const html = await app.inject({ url: `/problems/${code}`, headers: { accept: 'text/html,*/*' } });
    expect(html.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(html.body).toContain(`<h1><code>${code}</code></h1>`);
  }
});

it('the list names every code', async () => {
  const { app } = await testShell();
  const { body } = await app.inject('/problems');
  for (const code of ERROR_CODES) expect(body).toContain(`(/problems/${code})`);
});

test.each(['nothing', '__proto__', 'toString', '%3Cscript%3E'])('%s is no code', async (code) => {
  const { problem } = await testShell();
  await problem('not-found', { url: `/problems/${code}` });
});

it('pages have a strict content security policy; the API does not need one', async () => {
  const { app } = await testShell();
  for (const url of ['/problems', '/docs', '/docs/static/index.html']) {
    expect((await app.inject(url)).headers['content-security-policy']).toMatch(/default-src 'none'.*script-src 'self'/);
  }
  expect((await app.inject('/v1/heaps')).headers).not.toHaveProperty('content-security-policy');
});

it('Swagger UI needs no inline script', async () => {
  const { app } = await testShell();
  const { body } = await app.inject('/docs');
  expect(body).toContain('id="swagger-ui"');
  expect(body).not.toMatch(/<script>|<script (?![^>]*src=)/);
});

it.each(['/problems', '/problems/bad-request'])(
  '%s is 304 to a client that has it, as the document says',
  async (url) => {
    const { app } = await testShell();
    for (const known of ['*', String((await app.inject(url)).headers.etag)]) {
      const answer = await app.inject({ url, headers: { 'if-none-match': known } });
      expect([answer.statusCode, answer.body]).toEqual([304, '']);
    }
    const { paths } = (await app.inject('/openapi.json')).json();
    expect(paths[url.replace('bad-request', '{code}')].get.responses).toHaveProperty('304');
  },
);
