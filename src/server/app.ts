/**
 * The application: routes, schemas, errors. It does not listen, read the environment, or install signal handlers;
 * `main.ts` does, and tests call `app.inject()` on what `buildApp` returns.
 *
 * Three scopes, so that a request passes only the hooks it needs:
 *
 *     root      rate limit where configured; schemas, validation, error handler, OpenAPI document; health
 *      ├─ pages helmet; /docs, /openapi.json, /problems
 *      └─ api   gate, token where configured; /v1, /metrics
 *
 * The allocation path is measured against a bare Fastify route (18 µs of CPU a request), so `api` has one synchronous
 * hook (0.1 µs), and Fastify itself gets a logger only when requests are logged one by one (LOG_LEVEL=debug or trace):
 * a logger costs every request a child logger and a listener, 1.7 µs. Everything else logs through `app.logger`.
 */

import { randomBytes } from 'node:crypto';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { registerApi, registerHealth, registerPages } from '../../routes/index.js';
import { installHttpMetrics } from '../telemetry/http.js';
import { Bodies } from './bodies.js';
import type { Config } from './config.js';
import { Connections } from './connections.js';
import { installErrorHandler, installNotFound, onClientError, sendProblem, toProblem } from './error-handler.js';
import type { ErrorCode } from './errors.js';
import type { Lifecycle } from './lifecycle.js';
import { registerBearerAuth } from './plugins/bearer-auth.js';
import { addGate, addNosniff, addPageGate } from './plugins/gate.js';
import { registerHelmet } from './plugins/helmet.js';
import { closeMethods, watchPaths } from './plugins/method-not-allowed.js';
import { installPlainHttp } from './plugins/plain-http.js';
import { type CountRequest, registerRateLimit } from './plugins/rate-limit.js';
import { registerSwagger } from './plugins/swagger.js';
import { registerSwaggerUi } from './plugins/swagger-ui.js';
import type { HeapRegistry } from './registry.js';
import { Replays } from './replays/registry.js';
import { requestLogger } from './request-log.js';
import { addSchemas } from './schemas/index.js';
import { installValidation } from './validation.js';

export interface AppDeps {
  heaps: HeapRegistry;
  lifecycle: Lifecycle;
  /** A pino logger; requests are logged through it one by one if its level is debug or trace. */
  logger: FastifyBaseLogger;
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly config: Config;
    readonly heaps: HeapRegistry;
    readonly replays: Replays;
    readonly lifecycle: Lifecycle;
    readonly connections: Connections;
    readonly bodies: Bodies;
    /** The process's log. `app.log` and `request.log` are silent unless requests are logged one by one. */
    readonly logger: FastifyBaseLogger;
  }
  interface FastifyContextConfig {
    /** The problems that this route can answer, beyond those that follow from its kind; for the OpenAPI document. */
    problems?: readonly ErrorCode[];
    /** A GET that does more than read: it collects, stops the world, records, or stays open (`plugins/gate.ts`). */
    effect?: true;
    /** Its answers hold nothing that a client wrote, and need not say `nosniff`. */
    ownWords?: true;
  }
}

/**
 * Bytes of a body where nothing else is said, which is wherever it has a few fields or should not be there at all, as at a path
 * that does not exist: 16 MB of tiny values take JSON.parse seconds. Routes that take lists have a `bodyLimit` of their own.
 */
const SMALL_BODY = 64 * 1024;

/** An id that a client may choose: short, and harmless in a header and a log. */
const REQUEST_ID = /^[A-Za-z0-9._:@/+=-]{1,128}$/;

function requestIds(): (request: { headers: Record<string, unknown> }) => string {
  // The prefix tells processes apart in a shared log; the counter tells requests apart.
  const prefix = randomBytes(4).toString('hex');
  let last = 0;
  return ({ headers }) => {
    const sent = headers['x-request-id'];
    return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : `${prefix}-${++last}`;
  };
}

/**
 * Node looks for requests that take too long only now and then, and by its own times for headers: each follows from
 * REQUEST_TIMEOUT, so that it holds whatever it is.
 */
export function serverOptions({ requestTimeout }: Pick<Config, 'requestTimeout'>) {
  const limited = requestTimeout > 0;
  return {
    requestTimeout,
    // plugins/plain-http.ts says more than an empty 400.
    requireHostHeader: false,
    headersTimeout: limited ? Math.min(60_000, requestTimeout) : 60_000,
    connectionsCheckingInterval: limited ? Math.min(30_000, Math.max(100, Math.ceil(requestTimeout / 10))) : 30_000,
    // Longer than the usual 60 s of load balancers, which must be the first to close an idle connection.
    keepAliveTimeout: 72_000,
  };
}

export async function buildApp(config: Config, deps: AppDeps): Promise<FastifyInstance> {
  const verbose = config.logLevel === 'debug' || config.logLevel === 'trace';
  const trusted = config.trustProxy;
  let count: CountRequest | undefined;
  const connections = new Connections(config);
  const app = Fastify({
    ...(verbose ? { loggerInstance: requestLogger(deps.logger) } : { logger: false }),
    genReqId: requestIds(),
    bodyLimit: Math.min(config.bodyLimit, SMALL_BODY),
    serverFactory: (handler) => connections.createServer(handler, serverOptions(config)),
    trustProxy: trusted === 'off' ? false : (_address: string, hop: number) => hop < trusted,
    // The gate answers with a problem instead.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024 },
    clientErrorHandler: onClientError,
    frameworkErrors: (error, request, reply) => {
      const to = [request as FastifyRequest, reply as FastifyReply] as const;
      const send = (what: unknown): void => sendProblem(toProblem(what, to[0]), ...to);
      if (count === undefined) send(error);
      else count(...to).then(() => send(error), send);
    },
  });

  installPlainHttp(app);
  app.decorate('config', config);
  app.decorate('heaps', deps.heaps);
  app.decorate('lifecycle', deps.lifecycle);
  app.decorate('logger', deps.logger);
  app.decorate('connections', connections);
  app.decorate('bodies', new Bodies(config.maxBodies));
  const replays = new Replays(config, deps.logger);
  app.decorate('replays', replays);
  deps.lifecycle.signal.addEventListener('abort', () => replays.stop(), { once: true });
  app.addHook('preClose', async () => replays.stop());
  app.addHook('onClose', () => replays.close());

  // JSON, and what a route adds for itself; text/plain would also be readable from any web page without a preflight.
  app.removeContentTypeParser('text/plain');
  addSchemas(app);
  installValidation(app);
  installErrorHandler(app);

  installHttpMetrics(app);
  if (config.rateLimit !== 'off') count = await registerRateLimit(app, config.rateLimit);
  installNotFound(app);
  const paths = watchPaths(app);
  await registerSwagger(app);
  await app.register(registerHealth);
  await app.register(async (pages) => {
    addPageGate(pages);
    await registerHelmet(pages);
    await registerSwaggerUi(pages);
    await pages.register(registerPages);
  });
  await app.register(async (api) => {
    addGate(api);
    addNosniff(api);
    if (config.authToken !== undefined) await registerBearerAuth(api, config.authToken);
    await api.register(registerApi);
  });
  closeMethods(app, paths);
  return app;
}
