/**
 * 405 for a known path with another method, and an answer to OPTIONS.
 *
 * Fastify's router knows only method and path together, so a wrong method looks to it like a wrong path. This file
 * notes the paths as routes are added, and at the end gives each the methods that it lacks; those answer before any
 * body is read. `watchPaths` comes before the routes, `closeMethods` after them.
 */

import type { FastifyInstance, HTTPMethods } from 'fastify';
import { Problem } from '../problem.js';
import { briefPath } from '../quote.js';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

export function watchPaths(app: FastifyInstance): Set<string> {
  const paths = new Set<string>();
  app.addHook('onRoute', ({ url }) => {
    if (!url.includes('*')) paths.add(url);
  });
  return paths;
}

export function closeMethods(app: FastifyInstance, paths: Set<string>): void {
  for (const url of [...paths]) {
    const allowed = METHODS.filter((method) => app.hasRoute({ method, url }));
    const missing = METHODS.filter((method) => !allowed.includes(method));
    const allow = allowed.join(', ');
    if (missing.length > 0) {
      app.route({
        method: missing,
        url,
        schema: { hide: true },
        exposeHeadRoute: false,
        onRequest: (request, _reply, done) => {
          const detail = `${request.method} is not a method of ${briefPath(request.url)}.`;
          done(new Problem('method-not-allowed', detail, { allowed }, { allow }));
        },
        handler: () => undefined,
      });
    }
    if (app.hasRoute({ method: 'OPTIONS', url })) continue;
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
