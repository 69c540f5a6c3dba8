/** GET …/spans: the spans in use by address, and each of them down to its slots. */

import { setImmediate as turn } from 'node:timers/promises';
import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { listSpans, oneSpan, STATES } from '../src/server/inspect/spans.js';
import { Problem } from '../src/server/problem.js';
import { heapsOf } from '../src/server/route.js';
import { HeapName, HeapParams } from '../src/server/schemas/common.js';
import { Cursor, Limit, OneSpan, Spans } from '../src/server/schemas/inspect.js';

const Query = Type.Object(
  {
    class: Type.Optional(Type.Integer({ minimum: 0, maximum: 67, description: 'Only this size class; 0 is large' })),
    scan: Type.Optional(Type.Boolean({ description: 'Only spans with (true) or without (false) pointers' })),
    state: Type.Optional(
      Type.Unsafe<(typeof STATES)[number]>({
        type: 'string',
        enum: [...STATES],
        description: 'Only spans with a free slot, without one, or cached by a P',
      }),
    ),
    cursor: Cursor,
    limit: Limit(1000, 100),
  },
  { additionalProperties: false },
);

const OneParams = Type.Object({ heap: HeapName, id: Type.Integer({ minimum: 0, description: 'Id of a span' }) });

const spans: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/spans',
    {
      config: { problems: ['invalid-cursor'] },
      schema: {
        operationId: 'listSpans',
        tags: ['inspection'],
        summary: 'List spans',
        description: 'By address. An answer may have fewer spans than `limit` and still a `next`: look is bounded.',
        params: HeapParams,
        querystring: Query,
        response: { 200: Type.Unsafe<string>({ ...Spans, description: 'A page of spans' }) },
      },
    },
    async (request, reply) => {
      const { heap } = heaps.get(request.params.heap);
      const { cursor, limit = 100, ...filter } = request.query;
      const from = cursor === undefined ? 0 : Number.parseInt(cursor, 36);
      if (from > heap.pages)
        throw new Problem('invalid-cursor', 'The cursor is of no page of this listing.', { field: 'cursor' });
      // Written in portions, and not by the serialiser of the schema, which would hold up every other request.
      const parts: string[] = [];
      let after = -1;
      let first = true;
      for (const { spans, next } of listSpans(heap, filter, from, limit)) {
        if (!first) await turn();
        first = false;
        after = next;
        if (spans.length > 0) parts.push(JSON.stringify(spans).slice(1, -1));
      }
      const end = after < 0 ? '' : `,"next":"${after.toString(36)}"`;
      return reply.type('application/json; charset=utf-8').send(`{"spans":[${parts.join(',')}]${end}}`);
    },
  );
  app.get(
    '/spans/:id',
    {
      config: { problems: ['span-not-found'] },
      schema: {
        operationId: 'getSpan',
        tags: ['inspection'],
        summary: 'Read a span, down to each slot',
        params: OneParams,
        response: { 200: { ...OneSpan, description: 'The span' } },
      },
    },
    (request, reply) => {
      const { heap, id } = request.params;
      const span = oneSpan(heaps.get(heap).heap, id);
      if (span === undefined) throw new Problem('span-not-found', `No span in use has the id ${id}.`);
      reply.send(span);
    },
  );
  done();
};
export default spans;
