/**
 * Requests a minute for each client address. https://github.com/fastify/fastify-rate-limit
 *
 * Registered only when RATE_LIMIT is set. Behind a proxy set TRUST_PROXY too, or all clients share one address.
 */

import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../problem.js';

export async function registerRateLimit(app: FastifyInstance, perMinute: number): Promise<void> {
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: '1 minute',
    cache: 10_000,
    errorResponseBuilder: (_request, { max, ttl }) => {
      const seconds = String(Math.max(1, Math.ceil(ttl / 1000)));
      return new Problem(
        'rate-limited',
        `More than ${max} requests a minute.`,
        { limit: max },
        { 'retry-after': seconds },
      );
    },
  });
}
