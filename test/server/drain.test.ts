/** Ending in order, over real connections. */

import { Agent, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it, vi } from 'vitest';
import { drain } from '../../src/server/main.js';
import { testShell } from '../helper/shell.js';

/** Milliseconds that no test lives to see: what ends, ends by itself. */
const GRACE = 3_600_000;

function get(
  port: number,
  path: string,
  agent: Agent,
): Promise<{ status: number; body: string; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const req = request({ port, host: '127.0.0.1', path, agent }, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body, connection: res.headers.connection }));
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

  const cutOff = vi.spyOn(app.connections, 'closeAll');
  const drained = drain(app, GRACE);
  // The port closes; a connection that slips in before is reset, or told.
  const late = await get(port, '/v1/heaps', new Agent()).catch((error) => error.code);
  expect(['ECONNREFUSED', 'ECONNRESET', 503]).toContain(late.status ?? late);
  await expect(get(port, '/v1/heaps', new Agent())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  finish();
  // It began before, and its client learns that it must not use the connection again.
  expect(await slow).toEqual({ status: 200, body: '{"done":true}', connection: 'close' });
  await drained;
  // Kept-alive connections did not hold it up until the time of grace was over.
  expect(cutOff).not.toHaveBeenCalled();
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

it('answers what comes on an idle connection meanwhile, with Connection: close', async () => {
  const { app, port, finish } = await slowServer();
  finish();
  const agents = ['/livez', '/readyz', '/v1/heaps', '/problems'].map((path) => {
    return { path, agent: new Agent({ keepAlive: true, maxSockets: 1 }) };
  });
  for (const { path, agent } of agents) expect((await get(port, path, agent)).status).toBe(200);
  // Nobody closes them but their clients, who are told to.
  const drained = drain(app, GRACE, GRACE);
  // Each on the connection that it has: there are no others.
  const answers = await Promise.all(agents.map(({ path, agent }) => get(port, path, agent)));
  expect(answers.map(({ status }) => status)).toEqual([200, 503, 503, 200]);
  expect(answers.map(({ connection }) => connection)).toEqual(['close', 'close', 'close', 'close']);
  await drained;
  for (const { agent } of agents) agent.destroy();
});

it('is not held up by a connection that never sent a byte', async () => {
  const { app, port, finish } = await slowServer();
  finish();
  const socket = connect({ port, host: '127.0.0.1' });
  const ended = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {}).resume();
  await new Promise((resolve) => socket.once('connect', resolve));
  await drain(app, GRACE);
  await ended;
});
