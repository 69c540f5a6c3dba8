/**
 * `…/debug/…`: what Go programs serve under these paths, for the tools that ask for it.
 *
 * `pprof/heap` and `pprof/allocs` are the same sampled profile with another default view, as in Go: `go tool pprof
 * http://…/debug/pprof/heap` opens it. `vars` is expvar's document with `memstats`.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { memStats } from '../src/gc/memstats.js';
import { Why } from '../src/gc/state.js';
import { Op } from '../src/sched/ops.js';
import { callJson, heapsOf, RUNS } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { encodeProfile, type ProfileKind } from '../src/telemetry/pprof.js';

const Query = Type.Object(
  {
    gc: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1, description: '1: collect first, so that inuse is what is live' }),
    ),
    debug: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 0, description: '0, the only format: gzipped profile.proto' }),
    ),
  },
  { additionalProperties: false },
);

const FILE = {
  200: {
    description: "A profile in pprof's format, gzipped",
    content: { 'application/octet-stream': { schema: Type.Any() } },
  },
};

const TEXT: Record<ProfileKind, { id: string; summary: string }> = {
  heap: { id: 'getHeapProfile', summary: 'A profile of the objects in use, by site' },
  allocs: { id: 'getAllocsProfile', summary: 'A profile of all allocations, by site' },
};

const pprof: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  for (const kind of ['heap', 'allocs'] as const) {
    app.get(
      `/debug/pprof/${kind}`,
      {
        config: { effect: true, problems: RUNS },
        schema: {
          operationId: TEXT[kind].id,
          tags: ['telemetry'],
          summary: TEXT[kind].summary,
          description:
            'alloc_objects, alloc_space, inuse_objects, inuse_space; stacks are the `site` of allocations. One allocation is sampled for ' +
            'every 512 KiB on average, as in Go (GODEBUG=memprofilerate), and scaled up.',
          params: HeapParams,
          querystring: Query,
          response: FILE,
        },
      },
      async (request, reply) => {
        const host = heaps.get(request.params.heap);
        if (request.query.gc === 1) await callJson<never>(host, Op.gc, [Why.forced], 1 << 14);
        const file = await encodeProfile(host.heap, kind, (id) => host.sites.name(id));
        return reply
          .header('content-disposition', `attachment; filename="${host.name}-${kind}.pb.gz"`)
          .header('cache-control', 'no-store')
          .type('application/octet-stream')
          .send(file);
      },
    );
  }
  app.get(
    '/debug/vars',
    {
      schema: {
        operationId: 'getVars',
        tags: ['telemetry'],
        summary: "expvar's document, with memstats",
        params: HeapParams,
        response: {
          200: Type.Object(
            { cmdline: Type.Array(Type.String()), memstats: Type.Any() },
            { description: 'As the package expvar serves it under /debug/vars' },
          ),
        },
      },
    },
    async (request) => {
      const { heap, name } = heaps.get(request.params.heap);
      return { cmdline: ['goheap', 'serve', name], memstats: memStats(heap) };
    },
  );
  done();
};
export default pprof;
