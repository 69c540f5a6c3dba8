/**
 * Security headers for pages that a browser renders. https://github.com/fastify/fastify-helmet
 *
 * Registered only in the scope of the pages: its hooks run on every request of their scope, and JSON needs none of
 * these headers. The policy allows what Swagger UI needs (its own scripts, inline styles, data: images), nothing from
 * elsewhere. No HSTS and no upgrade to https: this server speaks plain HTTP, and a proxy that adds TLS adds those.
 */

import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

export async function registerHelmet(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        connectSrc: ["'self'"],
        fontSrc: ["'self'", 'data:'],
        imgSrc: ["'self'", 'data:'],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: false,
  });
}
