/** GET …/mcentrals: for each span class its lists of spans, and how its lock fares. */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { mcentralViews } from '../src/server/inspect/classes.js';
import { heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { Mcentrals } from '../src/server/schemas/inspect.js';

const Query = Type.Object(
  { class: Type.Optional(Type.Integer({ minimum: 0, maximum: 67, description: 'Only this size class' })) },
  { additionalProperties: false },
);

const mcentrals: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/mcentrals',
    {
      schema: {
        operationId: 'listMcentrals',
        tags: ['inspection'],
        summary: 'List the mcentrals',
        params: HeapParams,
        querystring: Query,
        response: { 200: { ...Mcentrals, description: 'The mcentrals, by span class' } },
      },
    },
    (request, reply) => {
      reply.send({ mcentrals: mcentralViews(heaps.get(request.params.heap).heap, request.query.class) });
    },
  );
  done();
};
export default mcentrals;
