/**
 * `…/heap.heapsnapshot`: the heap as a file for Chrome's DevTools.
 *
 * An M reads the heap with the world stopped and leaves numbers in the exchange (`src/gc/snapshot.ts`). They are copied
 * at once, so that the exchange is free again however slowly the client reads; then the file is made of them as it is
 * sent (`src/telemetry/heapsnapshot.ts`). All of it in steps well below a millisecond, for requests come in between.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { NODE_WORDS, shapeOf } from '../src/gc/snapshot.js';
import { Op } from '../src/sched/ops.js';
import { MAX_SNAPSHOT, snapshotBytes, snapshotCounts } from '../src/sched/snapshot-op.js';
import { Problem, retryLater } from '../src/server/problem.js';
import { call, type Host, heapsOf, RUNS, take } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { type Graph, HeapSnapshotFile } from '../src/telemetry/heapsnapshot.js';
import { SnapshotStream } from '../src/telemetry/snapshot-stream.js';

export const DEFAULT_SNAPSHOT = 100_000;
/** Snapshots that a server makes and sends at the same time: each may hold 50 MB until its client has read it. */
const MAX_OPEN = 2;
/** Words that are copied between two turns of the event loop. */
const COPY = 1 << 17;

const Query = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_SNAPSHOT,
        description: `At most so many objects; ${DEFAULT_SNAPSHOT} where left out`,
        examples: [10_000],
      }),
    ),
  },
  { additionalProperties: false },
);

const FILE = {
  200: {
    description: 'A file for the Memory panel of DevTools: Load',
    content: { 'application/json': { schema: Type.Any() } },
  },
};

const heapsnapshot: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  let open = 0;
  app.get(
    '/heap.heapsnapshot',
    {
      // The answer to a HEAD would be made to its end, and thrown away.
      exposeHeadRoute: false,
      config: { effect: true, problems: RUNS },
      schema: {
        operationId: 'getHeapSnapshot',
        tags: ['telemetry'],
        summary: "The heap as a file for Chrome's DevTools",
        description:
          'All objects that the roots reach, with the sizes of their slots, named by the innermost frame of their ' +
          'site, or by their size; and the pointers between them. Rooted objects hang on a node for their site. Of a heap ' +
          'with more objects than `limit`, or with more pointers than 4 × `limit` and 1,048,576, the file has those nearest to ' +
          'the roots, and a node `(truncated: …)` says so. An object is the node whose id is ' +
          `(address - 0xc000000000) / 4 + 1. Stops the world. A server sends ${MAX_OPEN} of them at a time.`,
        params: HeapParams,
        querystring: Query,
        response: FILE,
      },
    },
    async (request, reply) => {
      const host = heaps.get(request.params.heap);
      const { limit = DEFAULT_SNAPSHOT } = request.query;
      if (open === MAX_OPEN) {
        throw retryLater('overloaded', `${open} snapshots are being sent, and there may be ${MAX_OPEN}.`, 5);
      }
      open++;
      let stream: SnapshotStream;
      try {
        const graph = await snapshot(host, limit);
        // The exchange of a heap that was deleted meanwhile is empty, and so may be the copy.
        if (!heaps.list().includes(host)) throw new Problem('heap-deleted', `The heap ${host.name} was deleted.`);
        stream = new SnapshotStream(new HeapSnapshotFile(graph, (id) => host.sites.name(id)).pieces());
      } catch (error) {
        open--;
        throw error;
      }
      stream.once('close', () => open--);
      return reply
        .header('content-disposition', `attachment; filename="${host.name}.heapsnapshot"`)
        .header('cache-control', 'no-store')
        .type('application/json; charset=utf-8')
        .send(stream);
    },
  );
  done();
};
export default heapsnapshot;

/** Has an M take a snapshot, and brings it out of the exchange. */
async function snapshot(host: Host, limit: number): Promise<Graph> {
  const shape = shapeOf(limit);
  const piece = take(host, snapshotBytes(limit));
  try {
    const { r } = await call(host, Op.snapshot, -1, [limit, piece.offset]);
    const counts = snapshotCounts(r);
    const part = (at: number, words: number): Promise<Int32Array> => copy(piece.words.subarray(at, at + words));
    return {
      ...counts,
      parts: {
        nodes: await part(shape.nodes, counts.nodes * NODE_WORDS),
        edges: await part(shape.edges, counts.edges * 2),
        rooted: await part(shape.rooted, counts.rooted),
        groups: await part(shape.groups, counts.groups * 2),
      },
    };
  } finally {
    piece.release();
  }
}

async function copy(words: Int32Array): Promise<Int32Array> {
  const out = new Int32Array(words.length);
  for (let at = 0; at < words.length; at += COPY) {
    if (at > 0) await turn();
    out.set(words.subarray(at, at + COPY), at);
  }
  return out;
}
