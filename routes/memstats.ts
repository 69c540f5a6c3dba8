/** GET …/memstats: Go's MemStats, field for field, without disturbing the heap unless asked to. */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { type GCMemStats, memStats } from '../src/gc/memstats.js';
import { Op } from '../src/sched/ops.js';
import { callJson, heapsOf, RUNS } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { MemStatsAnswer } from '../src/server/schemas/memory.js';

const Query = Type.Object(
  {
    flush: Type.Optional(
      Type.Boolean({
        description:
          "Stop the world and empty every mcache first, as Go's ReadMemStats does. It changes later placement",
      }),
    ),
  },
  { additionalProperties: false },
);

const memstats: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/memstats',
    {
      config: { effect: true, problems: RUNS },
      schema: {
        operationId: 'getMemStats',
        tags: ['inspection'],
        summary: "Read Go's MemStats",
        params: HeapParams,
        querystring: Query,
        response: { 200: { ...MemStatsAnswer, description: 'The statistics' } },
      },
    },
    async (request): Promise<GCMemStats> => {
      const host = heaps.get(request.params.heap);
      if (request.query.flush !== true) return memStats(host.heap);
      return callJson<GCMemStats>(host, Op.flush, [0], 1 << 16);
    },
  );
  done();
};
export default memstats;
