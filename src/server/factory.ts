/** Where the server meets the scheduler: the one place that knows how a heap is made. */

import type { FastifyBaseLogger } from 'fastify';
import { gctraceLine } from '../gc/gctrace.js';
import { cycleRecords } from '../gc/record.js';
import { HeapHost } from '../sched/host.js';
import type { Config } from './config.js';
import type { HeapFactory } from './hosted.js';
import { MemoryBudget } from './memory-budget.js';

/** As Go reads it: what is no number is ignored. */
function rate(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Go's trace lines go to standard error; with several heaps, each behind its heap's name. */
function trace(host: HeapHost, numGC: number): void {
  const record = cycleRecords(host.heap, 4).find((cycle) => cycle.number === numGC);
  if (record === undefined) return;
  process.stderr.write(`${host.name === 'default' ? '' : `${host.name}: `}${gctraceLine(record)}\n`);
}

export function heapFactory(config: Config, logger: FastifyBaseLogger): HeapFactory {
  return (name, settings) =>
    HeapHost.create(name, settings, {
      clobberFree: config.godebug.clobberfree === '1',
      stopTheWorld: Number(config.godebug.gcstoptheworld ?? 0),
      memProfileRate: rate(config.godebug.memprofilerate),
      onCycle: config.godebug.gctrace === '1' ? (host, numGC) => trace(host, numGC) : undefined,
      onRestart: (p, error) => logger.error({ heap: name, p, err: error }, 'an M died; a new one took over its P'),
      onStranded: (p, error, ms) =>
        logger.error({ heap: name, p, err: error, ms }, 'no new M could be started for a P yet'),
    });
}

/** Beside the heaps' threads there are those that simulate, the one that draws heap maps, and one for each recording that is parsed. */
export function memoryBudget(config: Config, rss?: () => number): MemoryBudget {
  const otherThreads = config.replayThreads + 1 + config.replaysRunning;
  return new MemoryBudget({ limit: config.memory, otherThreads, rss });
}
