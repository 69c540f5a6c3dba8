/** `/` and its files: what is served, how it may be cached, and how strict the policy is. Needs `npm run build`. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { testShell } from '../helper/shell.js';

const ASSETS = join(import.meta.dirname, '../../dist/console/assets');

describe('the page', () => {
  it('is HTML, asked for again each time, with a policy that allows this server alone', async () => {
    const { app } = await testShell();
    const { statusCode, headers, body } = await app.inject({ url: '/' });
    expect([statusCode, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['cache-control']).toBe('public, max-age=0');
    const policy = String(headers['content-security-policy']);
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
    // Nothing from elsewhere, nothing inline.
    expect(body).not.toMatch(/https?:\/\/|<style|style=|<script(?![^>]* src="\.\/assets\/)|\bon[a-z]+=/);
  });

  it('needs no token', async () => {
    const { app } = await testShell({ AUTH_TOKEN: 'correct-horse' });
    expect((await app.inject({ url: '/' })).statusCode).toBe(200);
  });
});

describe('its files', () => {
  test.each(readdirSync(ASSETS))('%s may be cached for ever', async (file) => {
    const { app } = await testShell();
    const { statusCode, headers } = await app.inject({ url: `/assets/${file}` });
    expect(statusCode).toBe(200);
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  test.each(['/assets/nothing.js', '/assets/index.html'])('%s is not found', async (url) => {
    const { app } = await testShell();
    expect((await app.inject({ url })).json()).toMatchObject({ status: 404, code: 'not-found', instance: url });
  });

  test.each(['/assets/..%2findex.html', '/assets/%2e%2e%2f%2e%2e%2fpackage.json', '/assets/.env'])(
    '%s leads nowhere',
    async (url) => {
      const { app } = await testShell();
      expect((await app.inject({ url })).statusCode).toBeGreaterThanOrEqual(400);
    },
  );
});
