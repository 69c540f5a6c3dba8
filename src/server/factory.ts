/** Where the server meets the scheduler: the one place that knows how a heap is made. */

import type { FastifyBaseLogger } from 'fastify';
import { HeapHost } from '../sched/host.js';
import type { Config } from './config.js';
import type { HeapFactory } from './hosted.js';

export function heapFactory(config: Config, logger: FastifyBaseLogger): HeapFactory {
  return (name, settings) =>
    HeapHost.create(name, settings, {
      clobberFree: config.godebug.clobberfree === '1',
      onRestart: (p, error) => logger.error({ heap: name, p, err: error }, 'an M died; a new one took over its P'),
    });
}
