/** POST …/sweep: reclaims what was freed, and says what it did. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { Op } from '../src/sched/ops.js';
import { callJson, heapsOf, RUNS } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { SweepAnswer, SweepBody } from '../src/server/schemas/memory.js';

const MODES = { auto: 0, never: 1, always: 2 } as const;

const sweep: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.post(
    '/sweep',
    {
      config: { problems: RUNS },
      schema: {
        operationId: 'sweep',
        tags: ['collection'],
        summary: 'Sweep: reclaim what was freed',
        description:
          'If something was freed since the last mark, a mark runs first, and the answer says so; then every unswept span is ' +
          'swept. Requests on other Ps run meanwhile.',
        params: HeapParams,
        body: SweepBody,
        response: { 200: { ...SweepAnswer, description: 'What it did' } },
      },
    },
    (request) =>
      callJson<never>(heaps.get(request.params.heap), Op.sweep, [MODES[request.body.mark ?? 'auto']], 1 << 16),
  );
  done();
};
export default sweep;
