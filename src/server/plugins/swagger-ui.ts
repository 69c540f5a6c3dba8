/**
 * Swagger UI at `/docs`. https://github.com/fastify/fastify-swagger-ui
 *
 * It makes the pages; what it would serialise for every request (`/docs/json`, `/docs/yaml`), and the files that it would
 * open for every request, are sent from memory instead: see `documents.ts`.
 */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { documentOf, folder, once, sendDocument } from '../documents.js';
import { Problem } from '../problem.js';

const STATIC = join(dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui')), 'static');

type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply;

export async function registerSwaggerUi(app: FastifyInstance): Promise<void> {
  const yaml = once(() => documentOf('application/x-yaml', app.swagger({ yaml: true })));
  const files = folder(STATIC);
  const handlers: Readonly<Record<string, Handler>> = {
    '/docs/json': (request, reply) => sendDocument(request, reply, app.openapi()),
    '/docs/yaml': (request, reply) => sendDocument(request, reply, yaml()),
    '/docs/static/*': (request, reply) => {
      const name = (request.params as { '*': string })['*'];
      const file = files.get(name === '' ? 'index.html' : name);
      if (file === undefined) throw new Problem('not-found', 'There is no such file. See /docs for every path.');
      return sendDocument(request, reply, file);
    },
  };
  const missing = new Set(Object.keys(handlers));
  app.addHook('onRoute', (route) => {
    if (!Object.hasOwn(handlers, route.url)) return;
    missing.delete(route.url);
    route.handler = handlers[route.url] as typeof route.handler;
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { docExpansion: 'list', deepLinking: true, tryItOutEnabled: true },
    theme: { title: 'goheap API' },
  });
  // Another version may have other routes; then what it does itself must not go unnoticed.
  if (missing.size > 0) throw new Error(`@fastify/swagger-ui has no route ${[...missing].join(', ')}`);
}
