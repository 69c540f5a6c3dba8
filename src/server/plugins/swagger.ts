/**
 * The OpenAPI document, made from the routes' schemas. https://github.com/fastify/fastify-swagger
 *
 * Routes say only what is theirs; this file adds what follows from rules: the problems that any request of a kind can
 * meet, and the answers for those that a route declares in `config.problems`. Must be registered before any route.
 */

import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyContextConfig, FastifyInstance, RouteOptions } from 'fastify';
import { type Document, documentOf, once } from '../documents.js';
import { ERRORS, type ErrorCode } from '../errors.js';
import { PROBLEM_JSON } from '../problem.js';
import { VERSION } from '../version.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The OpenAPI document as JSON; made when it is first asked for, after all routes are there. */
    readonly openapi: () => Document;
  }
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head'] as const;

/** The resources, in the order in which a newcomer meets them. A route's `tags` name one. */
const TAGS = [
  { name: 'heaps', description: 'Create, list, tune and delete heaps' },
  { name: 'allocation', description: 'Allocate and free, one object at a time or in batches' },
  { name: 'objects', description: 'Look into objects, read and write their bytes and pointers' },
  { name: 'collection', description: 'Sweep, collect, scavenge, check' },
  { name: 'inspection', description: 'Every level of the heap, from MemStats down to single slots and pages' },
  { name: 'replays', description: "What Go's heap would cost a recorded program" },
  { name: 'telemetry', description: 'Prometheus metrics, service discovery, profiles, live events' },
  { name: 'server', description: 'Health, and the pages that explain errors' },
];

type Operation = Record<string, unknown> & {
  responses?: Record<string, unknown>;
  requestBody?: { required?: boolean };
};

/** What the HTTP server itself answers, whatever the route. */
const OF_HTTP = ['bad-request', 'request-timeout', 'headers-too-large'] as const satisfies readonly ErrorCode[];
/** A body is read before anybody asks whether the route has one. */
const OF_A_BODY = [
  'invalid-json',
  'incomplete-body',
  'body-too-large',
  'unsupported-media-type',
] as const satisfies readonly ErrorCode[];
/** What is refused for the page, or the name, that it came by. */
const OF_BROWSERS = ['cross-site', 'host-not-allowed'] as const satisfies readonly ErrorCode[];

/** Every problem that this route can answer: what it declares, and what its kind implies. `internal` is any route's, and a bug. */
export function problemsOf(route: RouteOptions): ErrorCode[] {
  const { schema, url } = route;
  const config = route.config as FastifyContextConfig | undefined;
  const codes = new Set<ErrorCode>([...OF_HTTP, ...(config?.problems ?? [])]);
  if ([schema?.body, schema?.params, schema?.querystring, schema?.headers].some((part) => part !== undefined)) {
    codes.add('validation-failed');
  }
  if (schema?.body !== undefined || schema?.querystring !== undefined) codes.add('unknown-field');
  if (![route.method].flat().every((method) => method === 'GET' || method === 'HEAD')) {
    for (const code of OF_A_BODY) codes.add(code);
    // Bodies on their way are counted (plugins/gate.ts).
    if (isProtected(url)) codes.add('overloaded');
  }
  if (url.includes(':')) codes.add('uri-too-long');
  if (url.includes(':heap')) codes.add('invalid-heap-name').add('heap-not-found').add('heap-deleted');
  // Health is never refused.
  if (config?.rateLimit !== false) {
    codes.add('rate-limited');
    for (const code of OF_BROWSERS) codes.add(code);
  }
  if (isProtected(url)) codes.add('unauthorized').add('shutting-down');
  return Object.keys(ERRORS).filter((code) => codes.has(code as ErrorCode)) as ErrorCode[];
}

function isProtected(url: string): boolean {
  return url.startsWith('/v1/') || url === '/metrics';
}

/** One response for each status, which lists its codes. */
function problemResponses(codes: readonly ErrorCode[]): Record<string, unknown> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  const schema = { $ref: '#/components/schemas/Problem' };
  const responses: Record<string, unknown> = {};
  for (const [status, group] of [...byStatus].sort(([a], [b]) => a - b)) {
    const description = group.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('. ');
    responses[String(status)] = { description, content: { [PROBLEM_JSON]: { schema } } };
  }
  return responses;
}

export async function registerSwagger(app: FastifyInstance): Promise<void> {
  const options: FastifyDynamicSwaggerOptions = {
    hideUntagged: true,
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'goheap',
        version: VERSION,
        description: "Go's memory manager, whole and live, behind HTTP.",
        license: { name: 'MIT', identifier: 'MIT' } as { name: string },
      },
      servers: [{ url: '/', description: 'This server' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'Needed where the server was started with AUTH_TOKEN',
          },
        },
      },
    },
    refResolver: { buildLocalReference: (json, _baseUri, _fragment, i) => String(json.$id ?? `schema-${i}`) },
    transform: ({ schema, url, route }) => {
      const open = !isProtected(url);
      // Without a token configured, requests need none; with one, the protected paths need it.
      const security = open ? [] : app.config.authToken === undefined ? [{}, { bearer: [] }] : [{ bearer: [] }];
      const body = schema?.body as Record<string, unknown> | undefined;
      const shared = typeof body?.$ref === 'string' ? (app.getSchema(body.$ref) as Record<string, unknown>) : body;
      return {
        schema: {
          ...schema,
          security,
          'x-problems': problemsOf(route),
          ...(shared?.['x-body-optional'] === true ? { 'x-body-optional': true } : undefined),
        } as never,
        url,
      };
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject;
      const { openapiObject } = document;
      for (const path of Object.values(openapiObject.paths ?? {})) {
        for (const method of METHODS) {
          const operation = (path as Record<string, Operation | undefined>)[method];
          if (operation !== undefined) finish(operation);
        }
      }
      return openapiObject;
    },
  };
  await app.register(swagger, options);
  app.decorate(
    'openapi',
    once(() => documentOf('application/json; charset=utf-8', JSON.stringify(app.swagger()))),
  );
}

/** Replaces our `x-` notes on an operation by what they mean. */
function finish(operation: Operation): void {
  const codes = operation['x-problems'] as ErrorCode[] | undefined;
  if (codes !== undefined) operation.responses = { ...operation.responses, ...problemResponses(codes) };
  if (operation['x-body-optional'] === true && operation.requestBody !== undefined) {
    operation.requestBody.required = false;
  }
  delete operation['x-problems'];
  delete operation['x-body-optional'];
}
