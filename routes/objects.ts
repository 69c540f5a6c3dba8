/**
 * Single objects: what is known of one, its bytes (with ranges, streamed in pieces of at most 1 MiB), its pointers.
 *
 * Bytes are copied by an M, never by the main thread: it alone may look at an object that others free. A long read or
 * write is several operations, so an object that is freed in between ends it: the connection of a read is cut, a write
 * answers how far it came.
 */

import { Readable } from 'node:stream';
import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { Status } from '../src/heap/objects.js';
import { Reach, reachBytes } from '../src/sched/inspect-ops.js';
import { Op } from '../src/sched/ops.js';
import * as address from '../src/server/address.js';
import { parseAddress } from '../src/server/address.js';
import { describeObject, objectBase, ZERO_OBJECT, zeroObject } from '../src/server/inspect/object.js';
import { MAX_PIECE, ObjectBytes, writeAll } from '../src/server/object-bytes.js';
import { Problem } from '../src/server/problem.js';
import { contentRange, range } from '../src/server/ranges.js';
import { ADDRESSED, call, type Host, heapsOf, take } from '../src/server/route.js';
import { statusProblem } from '../src/server/sched-errors.js';
import {
  ObjectAnswer,
  ObjectParams,
  PointerAnswer,
  PointerBody,
  PointerParams,
  WriteAnswer,
} from '../src/server/schemas/object.js';

const BYTES = 'application/octet-stream';
/** Steps of a path that are wanted where only its existence is. */
const SHORTEST = 2;
const binary = (description: string) => ({
  description,
  content: { [BYTES]: { schema: { type: 'string', format: 'binary' } } },
});

const Query = Type.Object(
  {
    pointers: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10_000, description: 'Show at most so many pointers; 100 where left out' }),
    ),
    reachable: Type.Optional(
      Type.Boolean({ description: 'Also tell whether it is reachable. Stops the world, unless it has a root itself' }),
    ),
  },
  { additionalProperties: false },
);

const objects: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.addContentTypeParser(BYTES, (_request, payload, parsed) => parsed(null, payload));

  app.get(
    '/objects/:address',
    {
      config: { effect: true, problems: ADDRESSED },
      schema: {
        operationId: 'getObject',
        tags: ['objects'],
        summary: 'Look at an object',
        params: ObjectParams,
        querystring: Query,
        response: { 200: { ...ObjectAnswer, description: 'The object' } },
      },
    },
    async (request) => {
      const host = heaps.get(request.params.heap);
      const text = request.params.address;
      if (text === ZERO_OBJECT) return zeroObject();
      const view = describeObject(host.heap, text, request.query.pointers ?? 100, (id) => host.sites.name(id));
      if (typeof view === 'number') throw refused(host, view, text);
      if (request.query.reachable !== true) return view;
      return { ...view, reachable: view.rooted || (await isReachable(host, text)) };
    },
  );

  app.get(
    '/objects/:address/data',
    {
      config: { problems: [...ADDRESSED, 'range-not-satisfiable'] },
      schema: {
        operationId: 'readObject',
        tags: ['objects'],
        summary: "Read an object's bytes",
        description: 'Takes one byte range (RFC 9110). More than one, or another unit, and the whole object is sent.',
        params: ObjectParams,
        headers: Type.Object({ range: Type.Optional(Type.String({ maxLength: 1024, examples: ['bytes=0-15'] })) }),
        response: { 200: binary('All bytes'), 206: binary('The bytes of the range') },
      },
    },
    async (request, reply) => {
      const host = heaps.get(request.params.heap);
      const object = new ObjectBytes(host, request.params.address);
      const size = await object.size();
      reply.header('accept-ranges', 'bytes').type(BYTES);
      const part = range(request.headers.range, size);
      const from = part?.from ?? 0;
      const length = part === undefined ? size : part.to - part.from + 1;
      if (part !== undefined) reply.code(206).header('content-range', `bytes ${part.from}-${part.to}/${size}`);
      if (length <= MAX_PIECE) return reply.send(await object.read(from, length));
      reply.header('content-length', length);
      return reply.send(Readable.from(object.stream(from, length), { objectMode: false }));
    },
  );

  app.put(
    '/objects/:address/data',
    {
      config: { problems: [...ADDRESSED, 'outside-object'] },
      schema: {
        operationId: 'writeObject',
        tags: ['objects'],
        summary: "Write an object's bytes",
        description:
          'From its beginning, or where Content-Range (`bytes 16-31/*`) says. With a Content-Length that does not fit, ' +
          'nothing is written.',
        params: ObjectParams,
        headers: Type.Object({
          'content-range': Type.Optional(Type.String({ maxLength: 128, examples: ['bytes 16-31/*'] })),
        }),
        body: { content: { [BYTES]: { schema: { type: 'string', format: 'binary' } } } },
        response: { 200: { ...WriteAnswer, description: 'How much was written' } },
      },
      // The body is a stream.
      validatorCompiler: ({ schema, httpPart }) =>
        httpPart === 'body'
          ? () => true
          : (app.validatorCompiler as never as (o: object) => never)({ schema, httpPart }),
    },
    async (request) => {
      const host = heaps.get(request.params.heap);
      const object = new ObjectBytes(host, request.params.address);
      if (request.body !== undefined && !(request.body instanceof Readable)) {
        const detail = `The bytes of an object are ${BYTES}.`;
        throw new Problem('unsupported-media-type', detail, { allowed: [BYTES] }, { accept: BYTES });
      }
      const part = contentRange(request.headers['content-range']);
      const sent = request.headers['content-length'];
      return writeAll(
        object,
        request.body as Readable | undefined,
        part,
        sent === undefined ? undefined : Number(sent),
        app.bodies.open(request.ip),
      );
    },
  );

  app.put(
    '/objects/:address/pointers/:word',
    {
      config: { problems: [...ADDRESSED, 'not-pointer-word', 'invalid-pointer'] },
      schema: {
        operationId: 'setPointer',
        tags: ['objects'],
        summary: 'Point at another object',
        params: PointerParams,
        body: PointerBody,
        response: { 200: { ...PointerAnswer, description: 'What the word holds now' } },
      },
    },
    async (request) => {
      const { address: text, word } = request.params;
      const host = heaps.get(request.params.heap);
      const value = request.body.address;
      let lo = 0;
      let hi = 0;
      if (value !== null) {
        parseAddress(value);
        lo = address.lo;
        hi = address.hi;
      }
      parseAddress(text);
      const { r } = await call(host, Op.setPointer, -1, [address.lo, address.hi, word, lo, hi]);
      if (r[0] !== Status.ok) throw refused(host, r[0], text);
      return { address: text, word, value };
    },
  );
  done();
};
export default objects;

function refused(host: Host, status: number, text: string) {
  const base = status === Status.interior ? objectBase(host.heap, text) : undefined;
  return statusProblem(status, text, base === undefined ? {} : { base });
}

/** Whether a walk from the roots meets the object, as `…/path` tells. */
async function isReachable(host: Host, text: string): Promise<boolean> {
  parseAddress(text);
  const { lo, hi } = address;
  const piece = take(host, reachBytes(Reach.path, SHORTEST));
  try {
    const { r } = await call(host, Op.reach, -1, [lo, hi, Reach.path, 0, SHORTEST, piece.offset, piece.length]);
    // It was collected meanwhile.
    if (r[0] < 0) return false;
    return (JSON.parse(piece.bytes.toString('utf8', 0, r[0])) as { reachable: boolean }).reachable;
  } finally {
    piece.release();
  }
}
