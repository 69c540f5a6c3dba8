/**
 * 405 for a known path with another method, and an answer to OPTIONS.
 *
 * Fastify's router knows only method and path together, so a wrong method looks to it like a wrong path. This file
 * notes the methods of every path as routes are added and at the end adds the missing ones, which answer before any
 * body is read. `watchMethods` comes before the routes, `closeMethods` after them.
 */

import type { FastifyInstance, HTTPMethods } from 'fastify';
import { Problem } from '../problem.js';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

export type MethodTable = Map<string, Set<string>>;

export function watchMethods(app: FastifyInstance): MethodTable {
  const table: MethodTable = new Map();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = table.get(url) ?? new Set<string>();
    table.set(url, methods);
    for (const name of [method].flat()) methods.add(name);
  });
  return table;
}

export function closeMethods(app: FastifyInstance, table: MethodTable): void {
  for (const [url, methods] of [...table]) {
    if (url.includes('*')) continue;
    const allowed = METHODS.filter((method) => methods.has(method));
    const allow = allowed.join(', ');
    const missing = METHODS.filter((method) => !methods.has(method));
    if (missing.length > 0) {
      app.route({
        method: missing,
        url,
        schema: { hide: true },
        exposeHeadRoute: false,
        onRequest: (request, _reply, done) => {
          const detail = `${request.method} is not a method of ${request.url.split('?', 1)[0]}.`;
          done(new Problem('method-not-allowed', detail, { allowed }, { allow }));
        },
        handler: () => undefined,
      });
    }
    if (!methods.has('OPTIONS')) {
      app.route({
        method: 'OPTIONS',
        url,
        schema: { hide: true },
        onRequest: (_request, reply) => {
          reply.code(204).header('allow', allow).send();
        },
        handler: () => undefined,
      });
    }
  }
}
