/** GET …/arenas: the arenas, and each of them down to its pages. */

import { setImmediate as turn } from 'node:timers/promises';
import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { arenaCount, arenaRuns, arenaView } from '../src/server/inspect/arenas.js';
import { Problem } from '../src/server/problem.js';
import { heapsOf } from '../src/server/route.js';
import { HeapName, HeapParams } from '../src/server/schemas/common.js';
import { Arenas, Cursor, Limit, OneArena } from '../src/server/schemas/inspect.js';

const Query = Type.Object({ cursor: Cursor, limit: Limit(256, 64) }, { additionalProperties: false });
const OneParams = Type.Object({
  heap: HeapName,
  index: Type.Integer({ minimum: 0, description: 'Number of an arena' }),
});

const arenas: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/arenas',
    {
      config: { problems: ['invalid-cursor'] },
      schema: {
        operationId: 'listArenas',
        tags: ['inspection'],
        summary: 'List the arenas',
        params: HeapParams,
        querystring: Query,
        response: { 200: { ...Arenas, description: 'A page of arenas' } },
      },
    },
    (request, reply) => {
      const { heap } = heaps.get(request.params.heap);
      const { cursor, limit = 64 } = request.query;
      const count = arenaCount(heap);
      const from = cursor === undefined ? 0 : Number.parseInt(cursor, 36);
      if (from > count)
        throw new Problem('invalid-cursor', 'The cursor is of no page of this listing.', { field: 'cursor' });
      const end = Math.min(count, from + limit);
      const views = Array.from({ length: end - from }, (_, i) => arenaView(heap, from + i));
      reply.send(end < count ? { arenas: views, next: end.toString(36) } : { arenas: views });
    },
  );
  app.get(
    '/arenas/:index',
    {
      config: { problems: ['arena-not-found'] },
      schema: {
        operationId: 'getArena',
        tags: ['inspection'],
        summary: 'Read an arena, down to each page',
        params: OneParams,
        response: { 200: Type.Unsafe<string>({ ...OneArena, description: 'The arena' }) },
      },
    },
    async (request, reply) => {
      const { heap } = heaps.get(request.params.heap);
      const { index } = request.params;
      const count = arenaCount(heap);
      if (index >= count)
        throw new Problem('arena-not-found', `The heap has ${count} arenas, numbered from 0.`, { limit: count });
      // Written in portions, and not by the serialiser of the schema: thousands of runs would hold up every other request.
      const text = [JSON.stringify(arenaView(heap, index)).slice(0, -1), ',"runs":['];
      for (const runs of arenaRuns(heap, index)) {
        if (text.length > 2) {
          text.push(',');
          await turn();
        }
        text.push(JSON.stringify(runs).slice(1, -1));
      }
      text.push(']}');
      return reply.type('application/json; charset=utf-8').send(text.join(''));
    },
  );
  done();
};
export default arenas;
