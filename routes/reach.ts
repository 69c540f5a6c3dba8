/**
 * Reachability: what keeps an object alive, what would go with it, and what lies below it.
 *
 * Each is one operation with the world stopped, which may walk the whole heap: milliseconds for a small one, some
 * tenths of a second for a million objects. The M writes the JSON, and it is sent as it is.
 */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { Status } from '../src/heap/objects.js';
import { Reach, reachBytes } from '../src/sched/inspect-ops.js';
import { Op } from '../src/sched/ops.js';
import * as address from '../src/server/address.js';
import { parseAddress } from '../src/server/address.js';
import { objectBase } from '../src/server/inspect/object.js';
import { ADDRESSED, call, type Host, heapsOf, take } from '../src/server/route.js';
import { statusProblem } from '../src/server/sched-errors.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { ObjectParams } from '../src/server/schemas/object.js';
import {
  DEPTH,
  GraphAnswer,
  GraphQuery,
  LIMIT,
  PathAnswer,
  PathQuery,
  RetainedAnswer,
} from '../src/server/schemas/reach.js';

const PROBLEMS = [...ADDRESSED.filter((code) => code !== 'already-freed'), 'unknown-field'] as const;

const reach: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/objects/:address/path',
    {
      config: { effect: true, problems: PROBLEMS },
      schema: {
        operationId: 'getPath',
        tags: ['objects'],
        summary: 'Find out what keeps an object alive',
        description:
          'The shortest chain of pointers from an object that a client holds a root of. An object that none leads to is ' +
          'garbage: `reachable` is false. Stops the world.',
        params: ObjectParams,
        querystring: PathQuery,
        response: { 200: { ...PathAnswer, description: 'The way to it' } },
      },
    },
    async (request, reply) => {
      const { heap, address: text } = request.params;
      const { limit = LIMIT } = request.query;
      return ask(reply, heaps.get(heap), Reach.path, text, {}, 0, limit);
    },
  );
  app.get(
    '/objects/:address/retained',
    {
      config: { effect: true, problems: PROBLEMS },
      schema: {
        operationId: 'getRetained',
        tags: ['objects'],
        summary: 'Find out what an object costs',
        description:
          'What would become garbage if the object went, with its root and with every pointer to it: the objects that ' +
          'cannot be reached in another way. Stops the world.',
        params: ObjectParams,
        response: { 200: { ...RetainedAnswer, description: 'What it retains' } },
      },
    },
    async (request, reply) => {
      const { heap, address: text } = request.params;
      return ask(reply, heaps.get(heap), Reach.retained, text, {}, 0, 0);
    },
  );
  app.get(
    '/graph',
    {
      config: { effect: true, problems: PROBLEMS },
      schema: {
        operationId: 'getGraph',
        tags: ['objects'],
        summary: 'See the objects below an object',
        description:
          'The object, what it points at, what that points at, level by level. At most 4 × `limit` + 1000 pointers ' +
          'are shown. Stops the world.',
        params: HeapParams,
        querystring: GraphQuery,
        response: { 200: { ...GraphAnswer, description: 'Objects and pointers' } },
      },
    },
    async (request, reply) => {
      const { root, depth = DEPTH, limit = LIMIT } = request.query;
      return ask(reply, heaps.get(request.params.heap), Reach.graph, root, { field: 'root' }, depth, limit);
    },
  );
  done();
};
export default reach;

/** Asks an M about the object at `text`, and sends what it writes. `members`: what a problem says beside. */
async function ask(
  reply: FastifyReply,
  host: Host,
  kind: number,
  text: string,
  members: { field?: string },
  depth: number,
  limit: number,
): Promise<never> {
  parseAddress(text);
  const { lo, hi } = address;
  const piece = take(host, reachBytes(kind, limit));
  try {
    const { r } = await call(host, Op.reach, -1, [lo, hi, kind, depth, limit, piece.offset, piece.length]);
    if (r[0] < 0) throw refused(host, -r[0], text, members);
    reply.type('application/json; charset=utf-8');
    // A copy: the piece goes back to the exchange before the bytes have left.
    return reply.send(Buffer.from(piece.bytes.subarray(0, r[0]))) as never;
  } finally {
    piece.release();
  }
}

function refused(host: Host, status: number, text: string, members: { field?: string }) {
  const base = status === Status.interior ? objectBase(host.heap, text) : undefined;
  return statusProblem(status, text, base === undefined ? members : { ...members, base });
}
