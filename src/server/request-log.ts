/**
 * A request as the log shows it, where requests are logged one by one (LOG_LEVEL=debug or trace).
 *
 * Fastify's own serializer writes the whole URL, the Host and Accept-Version as they came, up to 16 KB a line; here each
 * is cut. Headers with secrets are not shown at all.
 */

import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { brief } from './quote.js';

function shown(request: FastifyRequest) {
  const { method, url, host, ip, socket } = request;
  return {
    method,
    url: brief(url),
    host: brief(host ?? ''),
    remoteAddress: brief(ip),
    remotePort: socket?.remotePort,
  };
}

/** The logger, as Fastify is given it. */
export function requestLogger(logger: FastifyBaseLogger): FastifyBaseLogger {
  return logger.child({}, { serializers: { req: shown } });
}
