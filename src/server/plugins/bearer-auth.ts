/**
 * The bearer token, compared in constant time. https://github.com/fastify/fastify-bearer-auth
 *
 * Registered only when AUTH_TOKEN is set, so that a server without one pays nothing, and only in the scope of what
 * the token protects: `/v1` and `/metrics` (Prometheus can send a token). Health, docs and problem pages stay open:
 * probes carry no secrets, and the pages say nothing about the heaps.
 */

import bearerAuth from '@fastify/bearer-auth';
import type { FastifyInstance } from 'fastify';

export async function registerBearerAuth(app: FastifyInstance, token: string): Promise<void> {
  // `addHook: false` hands the error to our handler, which answers it as a problem.
  await app.register(bearerAuth, {
    keys: new Set([token]),
    addHook: false,
    verifyErrorLogLevel: undefined,
    // `bearer` is `Bearer`: the name of a scheme has no case (RFC 9110, 11.1).
    specCompliance: 'rfc6749',
  });
  const verify = app.verifyBearerAuth;
  if (verify === undefined) throw new Error('@fastify/bearer-auth did not decorate the app');
  app.addHook('onRequest', verify);
}
