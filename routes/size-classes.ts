/** GET …/size-classes: the 67 size classes by Go's rule, and how much of each is in use. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { sizeClassViews } from '../src/server/inspect/classes.js';
import { heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { SizeClasses } from '../src/server/schemas/inspect.js';

const sizeClasses: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/size-classes',
    {
      schema: {
        operationId: 'listSizeClasses',
        tags: ['inspection'],
        summary: 'List the size classes',
        params: HeapParams,
        response: { 200: { ...SizeClasses, description: 'The size classes, and their use' } },
      },
    },
    (request, reply) => {
      reply.send({ sizeClasses: sizeClassViews(heaps.get(request.params.heap).heap) });
    },
  );
  done();
};
export default sizeClasses;
