/**
 * What every API request passes first: one synchronous hook, a few property reads.
 *
 * - While the server drains, nothing new begins: 503 `shutting-down`. The connection is told to close, so that the
 *   client's next request goes elsewhere.
 * - A page that someone merely visits must not drive a server on that person's machine. Host and Origin are looked at
 *   (`../allowed-hosts.ts`), and what the browser says of the sender (Sec-Fetch-Site; programs do not send it): another site
 *   may send nothing, and another origin of the same site no change. The user may follow a link to anything that is
 *   only read; a GET that does more (`config.effect`: it collects, stops the world, records, or stays open) is for pages
 *   of this server, for the user's own address bar, and for programs.
 * - A large body is counted against what clients may have on their way (`bodies.ts`), or refused if there is no room.
 * - The request id of the client (`x-request-id`) is echoed. Without one, only problems carry an id.
 *
 * Pages (console, documentation, problems) say nothing of heaps, and are linked to from everywhere; of them only Host and
 * Origin are looked at, so that a foreign name fails at the page and not behind it.
 */

import type { FastifyInstance, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify';
import { type HostCheck, hostCheck } from '../allowed-hosts.js';
import { Bodies } from '../bodies.js';
import { Problem, retryLater } from '../problem.js';

/** Whether the request is one that another site, or another origin of this site, may make a browser send. */
function mayCross(request: FastifyRequest, site: string | string[]): boolean {
  const { method, headers } = request.raw;
  if ((method !== 'GET' && method !== 'HEAD') || request.routeOptions.config.effect === true) return false;
  if (site === 'same-site') return true;
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

export function addGate(app: FastifyInstance): void {
  const { bodies, lifecycle } = app;
  const check: HostCheck = hostCheck(app.config) ?? (() => undefined);
  app.addHook('onRequest', (request, reply, done) => {
    const { headers } = request.raw;
    if (headers['x-request-id'] !== undefined) reply.header('x-request-id', request.id);
    if (lifecycle.draining) {
      reply.header('connection', 'close');
      done(retryLater('shutting-down', 'The server is shutting down and takes no new requests.'));
      return;
    }
    const refused = check(headers);
    if (refused !== undefined) {
      done(refused);
      return;
    }
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !mayCross(request, site)) {
      done(new Problem('cross-site', 'A page of another web site sent this request.'));
      return;
    }
    done(Bodies.isLarge(headers) ? bodies.watch(request) : undefined);
  });
}

/**
 * Tells browsers to believe the type of every answer that may hold bytes or words of a client: no page can use an object's
 * data as a script. A hook of the routes, not of the scope: `alloc` and `free` are the hot path, answer numbers and
 * addresses alone, and say so (`config.ownWords`). Problems have the header from `sendProblem`, pages from helmet.
 */
export function addNosniff(app: FastifyInstance): void {
  const nosniff: onRequestHookHandler = (_request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    done();
  };
  app.addHook('onRoute', (route: RouteOptions) => {
    if (route.config?.ownWords === true) return;
    route.onRequest = [...[route.onRequest ?? []].flat(), nosniff];
  });
}

export function addPageGate(app: FastifyInstance): void {
  const check = hostCheck(app.config);
  if (check === undefined) return;
  app.addHook('onRequest', (request, _reply, done) => done(check(request.raw.headers)));
}
