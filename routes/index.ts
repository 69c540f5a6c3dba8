/**
 * Every route plugin, in three lists, one for each scope of the app (`src/server/app.ts`).
 *
 * A plain list instead of a directory scan: it is typed, it starts faster, and the order of the OpenAPI document is
 * the order of these lines. A new resource is one file in this directory and one line here.
 */

import type { FastifyInstance } from 'fastify';
import alloc from './alloc.js';
import arenas from './arenas.js';
import batch from './batch.js';
import check from './check.js';
import consolePage from './console.js';
import doctor from './doctor.js';
import events from './events.js';
import free from './free.js';
import gc from './gc.js';
import health from './health.js';
import heaps from './heaps.js';
import heapSnapshot from './heapsnapshot.js';
import mcentrals from './mcentrals.js';
import memstats from './memstats.js';
import { heapMetrics, serverMetrics } from './metrics.js';
import objects from './objects.js';
import openapi from './openapi.js';
import pprof from './pprof.js';
import problems from './problems.js';
import ps from './ps.js';
import reach from './reach.js';
import recording from './recording.js';
import replayResults from './replay-results.js';
import replays from './replays.js';
import runtimeMetrics from './runtime-metrics.js';
import scavenge from './scavenge.js';
import sd from './sd.js';
import sizeClasses from './size-classes.js';
import spans from './spans.js';
import sweep from './sweep.js';
import workloads from './workloads.js';

/** Resources of one heap, with `HeapParams` (or more) as their path parameters. */
const OF_A_HEAP = [
  alloc,
  free,
  batch,
  objects,
  reach,
  gc,
  sweep,
  scavenge,
  check,
  memstats,
  sizeClasses,
  mcentrals,
  ps,
  spans,
  arenas,
  heapMetrics,
  pprof,
  runtimeMetrics,
  heapSnapshot,
  recording,
  events,
  workloads,
  doctor,
];

/** Outside everything: probes must be answered whatever else is configured. */
export async function registerHealth(app: FastifyInstance): Promise<void> {
  await app.register(health);
}

/** What a browser renders, with security headers and without a token. */
export async function registerPages(app: FastifyInstance): Promise<void> {
  await app.register(consolePage);
  await app.register(openapi);
  await app.register(problems);
}

/** The API: behind the gate, and behind the token where one is configured. */
export async function registerApi(app: FastifyInstance): Promise<void> {
  await app.register(heaps, { prefix: '/v1/heaps' });
  await app.register(replays, { prefix: '/v1/replays' });
  await app.register(replayResults, { prefix: '/v1/replays' });
  await app.register(sd, { prefix: '/v1/sd' });
  await app.register(serverMetrics);
  for (const resource of OF_A_HEAP) await app.register(resource, { prefix: '/v1/heaps/:heap' });
}
