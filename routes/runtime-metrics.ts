/**
 * `…/runtime/metrics`: Go's runtime/metrics of a heap, for who knows them by these names.
 *
 * Made on the main thread from shared memory, like a scrape. What is told, and why it cannot differ from the
 * Prometheus page, is `src/telemetry/runtime-metrics.ts`.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { Problem } from '../src/server/problem.js';
import { quote } from '../src/server/quote.js';
import { heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { RUNTIME_METRICS, runtimeMetricsJson, unknownMetric, whyNoMetric } from '../src/telemetry/runtime-metrics.js';

const NAMES = RUNTIME_METRICS.map(({ name }) => name);

const Query = Type.Object(
  {
    name: Type.Optional(
      Type.Array(Type.String({ maxLength: 256, examples: ['/gc/heap/live:bytes'] }), {
        minItems: 1,
        maxItems: 256,
        description: 'Only the metric of this name; may be given more than once',
        examples: [['/gc/heap/live:bytes', '/gc/heap/goal:bytes']],
      }),
    ),
  },
  { additionalProperties: false },
);

const Histogram = Type.Object({
  counts: Type.Array(Type.Integer({ minimum: 0 }), { description: 'How many there were in each bucket' }),
  buckets: Type.Array(Type.Union([Type.Number(), Type.Literal('-Inf'), Type.Literal('+Inf')]), {
    description: 'One boundary more than counts: count i is from boundary i, inclusive, to i + 1, exclusive',
  }),
});

const Answer = Type.Object(
  {
    metrics: Type.Array(
      Type.Object({
        name: Type.String({ description: "Go's name: a path, a colon, a unit" }),
        kind: Type.Union([Type.Literal('uint64'), Type.Literal('float64'), Type.Literal('float64-histogram')]),
        description: Type.String({ description: "Go's words" }),
        cumulative: Type.Boolean({ description: 'It never falls' }),
        value: Type.Union([Type.Number(), Histogram], {
          description:
            'A uint64 has all its digits, more than a double can hold: without a limit GOMEMLIMIT is 9223372036854775807',
        }),
      }),
      { description: "In Go's order: by name" },
    ),
  },
  {
    description: 'The metrics, all seen at one moment',
    examples: [
      {
        metrics: [
          {
            name: '/gc/heap/live:bytes',
            kind: 'uint64',
            description: 'Heap memory occupied by live objects that were marked by the previous GC.',
            cumulative: false,
            value: 54959168,
          },
        ],
      },
    ],
  },
);

const runtimeMetrics: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.get(
    '/runtime/metrics',
    {
      // One name in a query is a string to the parser, several are an array.
      preValidation: async (request) => {
        const query = request.query as { name?: unknown };
        if (typeof query.name === 'string') query.name = [query.name];
      },
      schema: {
        operationId: 'getRuntimeMetrics',
        tags: ['telemetry'],
        summary: "A heap's metrics, as Go's runtime/metrics",
        description:
          "Names, kinds, descriptions and histogram boundaries are Go's; the values are those of the Prometheus page, " +
          'histograms in full resolution. What has no meaning here is left out, as it is there; docs/stats.md lists it.',
        params: HeapParams,
        querystring: Query,
        response: { 200: Answer },
      },
    },
    (request, reply) => {
      const heap = heaps.get(request.params.heap);
      const { name: names } = request.query;
      const unknown = names === undefined ? undefined : unknownMetric(names);
      if (unknown !== undefined) {
        const why = whyNoMetric(unknown);
        const detail = `There is no metric ${quote(unknown)}${why === undefined ? '' : ` here: ${why}`}.`;
        throw new Problem('validation-failed', detail, { field: 'name', allowed: NAMES });
      }
      reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
      // Text already: a serializer would round what a double cannot hold.
      reply.send(runtimeMetricsJson(heap, names) as never);
    },
  );
  done();
};
export default runtimeMetrics;
