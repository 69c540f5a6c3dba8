import { expect, it } from 'vitest';
import { testShell } from '../helper/shell.js';

it('/livez is alive in every phase', async () => {
  const { app, lifecycle } = await testShell();
  expect((await app.inject('/livez')).json()).toEqual({ status: 'alive' });
  lifecycle.drain();
  expect((await app.inject('/livez')).json()).toEqual({ status: 'alive' });
});

it('/readyz follows the phases, and tells how many heaps are live', async () => {
  const { app, lifecycle } = await testShell();
  await app.inject({ method: 'PUT', url: '/v1/heaps/a' });
  const ready = await app.inject('/readyz');
  expect([ready.statusCode, ready.json()]).toEqual([200, { status: 'ready', heaps: 1 }]);
  expect(ready.headers['cache-control']).toBe('no-store');

  lifecycle.drain();
  const draining = await app.inject('/readyz');
  expect([draining.statusCode, draining.json()]).toEqual([503, { status: 'draining', heaps: 1 }]);
  lifecycle.serve();
  expect((await app.inject('/readyz')).statusCode).toBe(503);
});

it('/readyz is not ready before the server serves', async () => {
  const { Lifecycle } = await import('../../src/server/lifecycle.js');
  const lifecycle = new Lifecycle();
  expect(lifecycle.phase).toBe('starting');
  lifecycle.drain();
  lifecycle.serve();
  expect(lifecycle.phase).toBe('draining');
});
