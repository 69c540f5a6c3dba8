/**
 * `GET /v1/sd`: Prometheus HTTP service discovery. https://prometheus.io/docs/prometheus/latest/http_sd/
 *
 * Each heap stands for one Go process, so each is a scrape target of its own, with the label `heap`; the server's own
 * metrics are one more. Prometheus reaches the targets at the address at which it reached this path (Host header),
 * which is right through port mappings and container networks where the configured address would not be.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';

const Groups = Type.Array(
  Type.Object({
    targets: Type.Array(Type.String({ examples: ['localhost:8080'] })),
    labels: Type.Record(Type.String(), Type.String()),
  }),
);

interface Group {
  targets: string[];
  labels: Record<string, string>;
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$/;

const sd: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get(
    '',
    {
      schema: {
        operationId: 'serviceDiscovery',
        tags: ['telemetry'],
        summary: 'Prometheus HTTP service discovery',
        description: 'One target group for each metrics path: two a heap, and the server itself.',
        response: { 200: { ...Groups, description: 'Target groups' } },
      },
    },
    (request, reply) => {
      const { host, port } = app.config;
      const target = HOST.test(request.host ?? '')
        ? request.host
        : `${host.includes(':') ? `[${host}]` : host}:${port}`;
      const group = (path: string, labels: Record<string, string>): Group => ({
        targets: [target],
        labels: { __metrics_path__: path, ...labels },
      });
      const groups = [group('/metrics', { goheap_kind: 'server' })];
      for (const { name } of app.heaps.list()) {
        groups.push(group(`/v1/heaps/${name}/metrics`, { heap: name, goheap_kind: 'heap' }));
        groups.push(group(`/v1/heaps/${name}/metrics/spans`, { heap: name, goheap_kind: 'spans' }));
      }
      reply.header('cache-control', 'no-store').send(groups);
    },
  );
  done();
};

export default sd;
