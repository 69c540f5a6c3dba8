/**
 * The process: reads the environment, makes the default heap, listens, and ends in good order.
 *
 * Ending, on SIGTERM, SIGINT or an exception that nobody caught: nothing new begins (503 `shutting-down`, not ready),
 * the port closes, running requests finish (at most SHUTDOWN_GRACE), idle connections get a second in which a request is
 * still answered, then every heap ends its threads. A second signal ends the process at once.
 *
 * Exit status: 0 ended in order, 1 could not start or crashed, 2 the configuration is wrong.
 */

import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { buildApp } from './app.js';
import { ConfigError, defaultSettings, loadConfig } from './config.js';
import { configWarnings, effectiveConfig } from './config-text.js';
import { heapFactory, memoryBudget } from './factory.js';
import { Lifecycle } from './lifecycle.js';
import { HeapRegistry } from './registry.js';
import { GO_VERSION, VERSION } from './version.js';

/** Time for the heaps to end after the requests have; then the process ends without them. */
const CLOSE_HEAPS_MS = 5_000;
/** Time in which a client may still use an idle connection when the server ends. */
const LINGER_MS = 1_000;

export async function main(argv: string[]): Promise<number> {
  if (argv.length > 0) {
    process.stderr.write('goheap serve: takes no arguments; it is configured by the environment, see goheap --help\n');
    return 2;
  }
  let config: ReturnType<typeof loadConfig>;
  try {
    config = loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`goheap: ${error.message}\n`);
    return 2;
  }

  // Descriptor 1 by itself, and synchronously: the last lines must be out before the process is.
  const logger = pino({ level: config.logLevel }, pino.destination({ dest: 1, sync: true }));
  logger.info(
    { version: VERSION, model: GO_VERSION, node: process.version, config: effectiveConfig(config) },
    'starting',
  );
  for (const warning of configWarnings(config, process.env)) logger.warn(warning);

  const lifecycle = new Lifecycle();
  const heaps = new HeapRegistry(heapFactory(config, logger), config.maxHeaps, memoryBudget(config));
  let app: FastifyInstance;
  try {
    await heaps.put('default', defaultSettings(config));
    app = await buildApp(config, { heaps, lifecycle, logger });
    if (config.maxConnections !== 'off') app.server.maxConnections = config.maxConnections;
    const url = await app.listen({ host: config.host, port: config.port });
    // Before the log line: whoever waits for it may send a signal at once.
    closeWithGrace({ delay: config.shutdownGrace + CLOSE_HEAPS_MS, logger }, async ({ signal, err }) => {
      if (err) logger.fatal({ err }, 'unexpected error, shutting down');
      else logger.info({ signal }, 'shutting down');
      await drain(app, config.shutdownGrace);
      await heaps.close();
      logger.info('bye');
    });
    lifecycle.serve();
    logger.info(`listening on ${url}`);
  } catch (error) {
    process.stderr.write(`goheap: cannot start: ${(error as Error).message}\n`);
    await heaps.close();
    return 1;
  }
  // The signal handler ends the process.
  return new Promise(() => undefined);
}

/**
 * Closes the port and waits for the running requests; after `grace` milliseconds cuts them off.
 *
 * A client with an idle connection may be about to use it: for a moment it still can, and gets an answer that tells it
 * to close the connection. Then idle connections are closed.
 */
export async function drain(
  app: FastifyInstance,
  grace: number,
  lingerFor = Math.min(LINGER_MS, grace / 2),
): Promise<void> {
  const { connections, lifecycle } = app;
  lifecycle.drain();
  connections.drain();
  let idle: NodeJS.Timeout | undefined;
  const linger = setTimeout(() => {
    connections.closeIdle();
    // A connection whose last request ends from now on becomes idle; nobody else would close it for a while.
    idle = setInterval(() => connections.closeIdle(), 50);
  }, lingerFor);
  const cut = setTimeout(() => connections.closeAll(), grace);
  try {
    await connections.stopListening();
    await app.close();
  } finally {
    clearTimeout(linger);
    clearInterval(idle);
    clearTimeout(cut);
  }
}
