/**
 * Pipelined requests whose responses nobody reads: a connection has only so many running and so
 * much unsent, whatever it sends, and the server goes on for everybody else.
 */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Server } from '../console/server.js';
import { exchange, get, metric, mute } from './client.js';

const MiB = 2 ** 20;
/**
 * A process that holds more than this in JavaScript ends. Clients that read nothing stay connected,
 * however long a test takes to look at them.
 */
const SMALL = { NODE_OPTIONS: '--max-old-space-size=192', SEND_TIMEOUT: '0s' };

describe('a server with a small memory', () => {
  let server: Server;
  const open: Awaited<ReturnType<typeof mute>>[] = [];
  beforeAll(async () => {
    server = new Server(SMALL);
    await server.start();
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    await expect.poll(() => metric(server.base, 'goheap_http_requests_held')).toBe(0);
  });
  afterAll(() => server.stop());

  const flood = async (connections: number, request: string, times: number): Promise<void> => {
    for (let i = 0; i < connections; i++) {
      const socket = await mute(server.port);
      open.push(socket);
      socket.write(request.repeat(times));
    }
  };

  it.each(['/docs/json', '/docs/yaml', '/openapi.json', '/docs/static/swagger-ui-bundle.js', '/problems'])(
    'holds back what 8 connections ask for that send 1,500 × GET %s and never read',
    async (path) => {
      const size = (await (await fetch(`${server.base}${path}`)).arrayBuffer()).byteLength;
      await flood(8, get(path), 1500);
      await expect.poll(() => metric(server.base, 'goheap_http_requests_held')).toBeGreaterThan(0);
      // What the system's own buffers take is not counted.
      const unsent = await metric(server.base, 'goheap_http_unsent_bytes');
      expect(unsent).toBeLessThan(8 * (MiB + 6 * size));
      expect((await fetch(`${server.base}/livez`)).status).toBe(200);
      expect(server.running).toBe(true);
    },
  );

  it('holds back large listings, too', async () => {
    const ops = Array.from({ length: 20_000 }, () => ({ op: 'alloc', size: 8192 }));
    await server.api('POST', 'batch', { ops });
    await flood(15, get('/v1/heaps/default/spans?limit=1000'), 900);
    await expect.poll(() => metric(server.base, 'goheap_http_requests_held')).toBeGreaterThan(0);
    await expect.poll(() => metric(server.base, 'goheap_http_unsent_bytes')).toBeGreaterThan(15 * MiB);
    expect(await metric(server.base, 'goheap_http_unsent_bytes')).toBeLessThan(256 * MiB);
    expect((await server.api<{ ok: boolean }>('POST', 'check', {})).ok).toBe(true);
    expect(server.running).toBe(true);
  });

  it('ends the connection that holds most when there are too many', async () => {
    const before = await metric(server.base, 'goheap_http_connections_cut_total');
    // 34 bytes each. The system may hand over as little as 32 KiB at first, 963 of them, and no
    // more is read before those are answered: 24 connections have more than 16,384 at any speed.
    await flood(24, 'GET /docs/json HTTP/1.1\r\nHost:\r\n\r\n', 4000);
    await expect.poll(() => metric(server.base, 'goheap_http_connections_cut_total')).toBeGreaterThan(before);
    expect(await metric(server.base, 'goheap_http_requests_held')).toBeLessThanOrEqual(16_384);
  });
});

describe('a client that reads', () => {
  let server: Server;
  beforeAll(async () => {
    server = new Server({ MAX_PIPELINE: '4' });
    await server.start();
  });
  afterAll(() => server.stop());

  it('gets every response, in order, however many requests it sent at once', async () => {
    const n = 1500;
    const requests = Array.from({ length: n }, (_, i) => get('/nothing', `x-request-id: r-${i}\r\n`)).join('');
    const text = await exchange(server.port, `${requests}${get('/livez', 'connection: close\r\n')}`);
    const ids = [...text.matchAll(/^x-request-id: r-(\d+)\r$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: n }, (_, i) => i));
    expect(text.endsWith('{"status":"alive"}')).toBe(true);
  });

  it('gets its bodies read, of held requests, too', async () => {
    const n = 300;
    const alloc = (body: string) =>
      `POST /v1/heaps/default/alloc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    // The padding makes the requests more than one read, so that the last that is held has half a
    // body.
    const body = `{"size":64${' '.repeat(1000)}}`;
    const text = await exchange(server.port, `${alloc(body).repeat(n)}${get('/livez', 'connection: close\r\n')}`);
    expect([...text.matchAll(/HTTP\/1\.1 201 Created/g)]).toHaveLength(n);
    expect(text.endsWith('{"status":"alive"}')).toBe(true);
    expect((await server.api<{ ok: boolean }>('POST', 'check', {})).ok).toBe(true);
  });
});
