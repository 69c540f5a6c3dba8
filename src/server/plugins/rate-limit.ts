/**
 * Requests a minute for each client address. https://github.com/fastify/fastify-rate-limit
 *
 * Registered only when RATE_LIMIT is set, and then on the root of the app, before everything else: a guess of the token, a
 * page, a wrong path or method count like any request. Only routes with `config.rateLimit: false` do not, which are the
 * health probes: an orchestrator that is refused would restart the server.
 *
 * A client is an IPv4 address, or the /64 of an IPv6 address, since that is what a single machine is given. Behind a proxy
 * set TRUST_PROXY too, or all clients share one address. So many addresses are remembered; when there are more, the
 * one unseen for longest is forgotten, and begins anew: memory is bounded, and who has ten thousand addresses has ten
 * thousand allowances anyway.
 */

import { isIP } from 'node:net';
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problem.js';

const REMEMBERED = 10_000;
/** Bits of an IPv6 address that tell clients apart. */
const IPV6_PREFIX = 64;

/** Counts a request; rejects with the Problem when it is one too many. */
export type CountRequest = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** What a trusted proxy forwards is mostly an address; what is none must not fill the table with its length. */
function clientOf({ ip }: FastifyRequest): string {
  return isIP(ip) === 0 ? 'unknown' : normalizeIP(ip, IPV6_PREFIX);
}

/** On the root, before other hooks. What it gives back counts requests that Fastify refuses before any hook. */
export async function registerRateLimit(
  app: FastifyInstance,
  perMinute: number,
  remembered = REMEMBERED,
): Promise<CountRequest> {
  await app.register(rateLimit, {
    global: false,
    max: perMinute,
    timeWindow: '1 minute',
    cache: remembered,
    keyGenerator: clientOf,
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
  const limit = app.rateLimit();
  const count: CountRequest = async (request, reply) => {
    if (request.routeOptions.config?.rateLimit === false) return;
    await limit.call(app, request, reply);
  };
  app.addHook('onRequest', count);
  return count;
}
