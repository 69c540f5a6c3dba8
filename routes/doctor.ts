/** GET …/doctor: what is wrong with a heap, why, and what to do about it. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { Problem } from '../src/server/problem.js';
import { heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { DoctorAnswer, DoctorQuery } from '../src/server/schemas/doctor.js';
import { DEFAULT_WINDOW, examine } from '../src/telemetry/doctor/doctor.js';

const doctor: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/doctor',
    {
      config: { effect: true, problems: ['heap-deleted'] },
      schema: {
        operationId: 'askDoctor',
        tags: ['inspection'],
        summary: 'Ask what is wrong with a heap',
        description:
          'Looks at the heap for a moment, without stopping it, and answers with findings: fragmentation inside and outside of slots, ' +
          'retained idle memory, a collector that runs too often or against its limit, mcaches that do not help, contended locks, a ' +
          'live heap that only grows, spans held by single objects. A heap that is well has none.',
        params: HeapParams,
        querystring: DoctorQuery,
        response: { 200: { ...DoctorAnswer, description: 'What was found' } },
      },
    },
    async (request, reply) => {
      const { window = DEFAULT_WINDOW / 1000 } = request.query;
      const host = heaps.get(request.params.heap);
      const examination = await examine(host, window * 1000);
      if (!heaps.list().includes(host))
        throw new Problem('heap-deleted', 'The heap was deleted while it was looked at.');
      reply.header('cache-control', 'no-store');
      return examination;
    },
  );
  done();
};
export default doctor;
