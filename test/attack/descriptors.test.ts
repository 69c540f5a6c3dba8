/** Connections that end before their responses were sent leave nothing open. */

import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Server } from '../console/server.js';
import { get, metric, mute } from './client.js';

let server: Server;
beforeAll(async () => {
  server = new Server();
  await server.start();
});
afterAll(() => server.stop());

/** Regular files that the server has open. */
function files(): number {
  const dir = `/proc/${server.pid}/fd`;
  return readdirSync(dir).filter((fd) => {
    try {
      return readlinkSync(`${dir}/${fd}`).startsWith('/') && !readlinkSync(`${dir}/${fd}`).startsWith('/dev/');
    } catch {
      return false;
    }
  }).length;
}

it.runIf(process.platform === 'linux')('100 connections that ask for two static files each and close', async () => {
  await fetch(`${server.base}/docs/static/swagger-ui-bundle.js`).then((answer) => answer.arrayBuffer());
  const before = files();
  for (let i = 0; i < 100; i++) {
    const socket = await mute(server.port);
    socket.write(get('/docs/static/swagger-ui-bundle.js').repeat(2));
    // The first has begun, so the second was seen, too.
    await new Promise<void>((resolve) => socket.once('readable', resolve));
    socket.destroy();
  }
  await expect.poll(() => metric(server.base, 'goheap_http_connections')).toBeLessThan(5);
  // A thread that was still reading its modules may have had some open before.
  await expect.poll(files).toBeLessThanOrEqual(before);
  expect((await fetch(`${server.base}/v1/heaps/a`, { method: 'PUT' })).status).toBe(201);
});
