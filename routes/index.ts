/**
 * Every route plugin, in three lists, one for each scope of the app (`src/server/app.ts`).
 *
 * A plain list instead of a directory scan: it is typed, it starts faster, and the order of the OpenAPI document is
 * the order of these lines. A new resource is one file in this directory and one line here.
 */

import type { FastifyInstance } from 'fastify';
import health from './health.js';
import heaps from './heaps.js';
import openapi from './openapi.js';
import problems from './problems.js';
import sd from './sd.js';

/** Outside everything: probes must be answered whatever else is configured. */
export async function registerHealth(app: FastifyInstance): Promise<void> {
  await app.register(health);
}

/** What a browser renders, with security headers and without a token. */
export async function registerPages(app: FastifyInstance): Promise<void> {
  await app.register(openapi);
  await app.register(problems);
}

/** The API: behind the gate, and behind the token where one is configured. */
export async function registerApi(app: FastifyInstance): Promise<void> {
  await app.register(heaps, { prefix: '/v1/heaps' });
  await app.register(sd, { prefix: '/v1/sd' });
  // Resources of one heap go under `/v1/heaps/:heap`, with `HeapParams` as their path parameters.
}
