/** POST …/check: compares all derived state with the span table, with the world stopped. */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { H_ARENAS, H_CUR_BASE } from '../src/heap/heap.js';
import { Op } from '../src/sched/ops.js';
import { countSpans } from '../src/server/inspect/spans.js';
import { callJson, heapsOf, RUNS } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { CheckAnswer } from '../src/server/schemas/memory.js';

const Nothing = Type.Object({}, { additionalProperties: false, 'x-body-optional': true });

interface Found {
  ok: boolean;
  differences: string[];
  found: number;
}

const check: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.post(
    '/check',
    {
      config: { problems: RUNS },
      schema: {
        operationId: 'check',
        tags: ['collection'],
        summary: 'Check every invariant',
        description: 'Answers 200 whatever it finds: `ok` tells. A difference is a bug in goheap.',
        params: HeapParams,
        body: Nothing,
        response: { 200: { ...CheckAnswer, description: 'What it found' } },
      },
    },
    async (request) => {
      const host = heaps.get(request.params.heap);
      const found = await callJson<Found>(host, Op.check, [0], 1 << 20);
      const { heap } = host;
      const checked = { spans: countSpans(heap), pages: heap.scalar(H_CUR_BASE), arenas: heap.scalar(H_ARENAS) };
      return { ...found, checked };
    },
  );
  done();
};
export default check;
