/**
 * The process: reads the environment, makes the default heap, listens, and ends in good order.
 *
 * Ending, on SIGTERM, SIGINT or an exception that nobody caught: nothing new begins (503 `shutting-down`, not ready),
 * the port closes, running requests finish (at most SHUTDOWN_GRACE), then every heap ends its threads. A second signal
 * ends the process at once.
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

/** Closes the port and waits for the running requests; after `grace` milliseconds cuts them off. */
export async function drain(app: FastifyInstance, grace: number): Promise<void> {
  app.lifecycle.drain();
  const { server } = app;
  // A connection whose last request ends during the drain becomes idle; nobody else would close it for a while.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), grace);
  try {
    await app.close();
  } finally {
    clearInterval(idle);
    clearTimeout(cut);
  }
}
