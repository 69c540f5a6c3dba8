/** GET …/ps: the Ps: what each runs, and what its caches hold. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { pViews } from '../src/server/inspect/classes.js';
import { heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { Ps } from '../src/server/schemas/inspect.js';

const ps: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/ps',
    {
      schema: {
        operationId: 'listPs',
        tags: ['inspection'],
        summary: 'List the Ps, their mcaches and page caches',
        params: HeapParams,
        response: { 200: { ...Ps, description: 'The Ps' } },
      },
    },
    (request, reply) => {
      const host = heaps.get(request.params.heap);
      const stats = host.stats();
      const { globalQueued, inFlight, restarts, stops, stoppedSeconds } = stats;
      reply.send({ ps: pViews(host.heap, stats), globalQueued, inFlight, restarts, stops, stoppedSeconds });
    },
  );
  done();
};
export default ps;
