/** Ending in order, over real connections. */

import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { drain } from '../../src/server/main.js';
import { testShell } from '../helper/shell.js';

function get(port: number, path: string, agent: Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ port, host: '127.0.0.1', path, agent }, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body }));
    });
    req.on('error', reject).end();
  });
}

/** A server with one slow route; `finish` ends what runs. */
async function slowServer() {
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let entered = () => {};
  const running = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const shell = await testShell({}, (app) => {
    app.get('/slow', async () => {
      entered();
      await finished;
      return { done: true };
    });
  });
  await shell.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = shell.app.server.address() as AddressInfo;
  return { ...shell, port, finish, running };
}

it('finishes what runs, begins nothing, and closes what is idle', async () => {
  const { app, port, finish, running } = await slowServer();
  const busy = new Agent({ keepAlive: true, maxSockets: 1 });
  const idle = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await get(port, '/livez', idle)).status).toBe(200);
  const slow = get(port, '/slow', busy);
  await running;

  const began = Date.now();
  const drained = drain(app, 100_000);
  // The port closes; a connection that slips in before is reset, or told.
  const late = await get(port, '/v1/heaps', new Agent()).catch((error) => error.code);
  expect(['ECONNREFUSED', 'ECONNRESET', 503]).toContain(late.status ?? late);
  await expect(get(port, '/v1/heaps', new Agent())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  finish();
  expect(await slow).toEqual({ status: 200, body: '{"done":true}' });
  await drained;
  // Kept-alive connections did not hold it up.
  expect(Date.now() - began).toBeLessThan(90_000);
  for (const agent of [busy, idle]) agent.destroy();
});

it('cuts off what does not end in the time of grace', async () => {
  const { app, port, finish, running } = await slowServer();
  const slow = get(port, '/slow', new Agent()).catch((error) => error.code);
  await running;
  await drain(app, 50);
  expect(await slow).toBe('ECONNRESET');
  finish();
});
