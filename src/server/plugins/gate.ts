/**
 * What every API request passes first: one synchronous hook, a few property reads.
 *
 * - While the server drains, nothing new begins: 503 `shutting-down`. The connection is told to close, so that the
 *   client's next request goes elsewhere.
 * - A browser that another web site makes send a changing request says so in Sec-Fetch-Site; such requests are
 *   refused, because a page that someone merely visits must not drive a server on that person's machine. Programs do
 *   not send the header.
 * - A large body is counted against what clients may have on their way (`bodies.ts`), or refused if there is no room.
 * - The request id of the client (`x-request-id`) is echoed. Without one, only problems carry an id.
 */

import type { FastifyInstance } from 'fastify';
import { Bodies } from '../bodies.js';
import { Problem, retryLater } from '../problem.js';

export function addGate(app: FastifyInstance): void {
  const { bodies, lifecycle } = app;
  app.addHook('onRequest', (request, reply, done) => {
    const { headers } = request.raw;
    if (headers['x-request-id'] !== undefined) reply.header('x-request-id', request.id);
    if (lifecycle.draining) {
      reply.header('connection', 'close');
      done(retryLater('shutting-down', 'The server is shutting down and takes no new requests.'));
      return;
    }
    if (headers['sec-fetch-site'] === 'cross-site' && request.method !== 'GET' && request.method !== 'HEAD') {
      done(new Problem('cross-site', 'A page of another web site sent this request.'));
      return;
    }
    done(Bodies.isLarge(headers) ? bodies.watch(request) : undefined);
  });
}
