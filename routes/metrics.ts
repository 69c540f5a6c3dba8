/**
 * What Prometheus scrapes: two pages a heap and one of the server.
 *
 * A scrape of a heap reads shared memory on the main thread. It stops no P, takes no lock, empties no mcache, and walks
 * no spans, so it costs the same few hundred microseconds for an empty heap and for a full one (`bench/scrape.ts`).
 * Who asks with `Accept: application/json` gets the same families as data.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import type { TrafficStats } from '../src/telemetry/families-server.js';
import { HttpMetrics } from '../src/telemetry/http.js';
import { type HeapPage, heapJson, heapText, SERVER_TABLE, serverText } from '../src/telemetry/table.js';
import { PROMETHEUS_TEXT, renderJson } from '../src/telemetry/text.js';

const PAGE = {
  200: {
    description: "Prometheus' text format, or JSON for who accepts that",
    content: {
      'text/plain': { schema: Type.String() },
      'application/json': { schema: Type.Array(Type.Any()) },
    },
  },
};

function wantsJson(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('application/json') === true;
}

function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.header('cache-control', 'no-store').header('vary', 'accept').type(PROMETHEUS_TEXT).send(text);
}

function sendJson(reply: FastifyReply, families: unknown): FastifyReply {
  return reply.header('cache-control', 'no-store').header('vary', 'accept').type('application/json').send(families);
}

/** The pages of a heap, under `/v1/heaps/:heap`. */
export const heapMetrics: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  const page = (path: string, which: HeapPage, operationId: string, summary: string, description: string): void => {
    app.get(
      path,
      { schema: { operationId, tags: ['telemetry'], summary, description, params: HeapParams, response: PAGE } },
      (request, reply) => {
        const heap = heaps.get(request.params.heap);
        if (wantsJson(request)) sendJson(reply, heapJson(which, heap));
        else sendText(reply, heapText(which, heap));
      },
    );
  };
  page(
    '/metrics',
    'go',
    'getHeapMetrics',
    "A heap's metrics, as a Go program would show them",
    "Names, types and helps are client_golang's. What has no meaning here is left out; docs/stats.md lists it.",
  );
  page(
    '/metrics/spans',
    'spans',
    'getSpanMetrics',
    "A heap's insides: span classes, locks, arenas, mcaches",
    'Never stops the heap and never walks its spans.',
  );
  done();
};

function httpMetricsOf(app: FastifyInstance): HttpMetrics {
  return app.hasDecorator('httpMetrics') ? app.httpMetrics : new HttpMetrics();
}

function trafficOf(app: FastifyInstance): TrafficStats | undefined {
  if (!app.hasDecorator('connections')) return undefined;
  return { ...app.connections.stats, bodies: app.bodies.bytes, refused: app.bodies.refused };
}

/** The server's own page: `/metrics`. */
export const serverMetrics: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  const http = httpMetricsOf(app);
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getServerMetrics',
        tags: ['telemetry'],
        summary: "The server's own metrics",
        description: 'Requests by route, heaps, replays, and the process. As JSON without the process metrics.',
        response: PAGE,
      },
    },
    async (request, reply) => {
      const replays = app.hasDecorator('replays') ? app.replays.counts : undefined;
      const view = { heaps: heaps.list(), maxHeaps: heaps.maxHeaps, http, replays, traffic: trafficOf(app) };
      return wantsJson(request)
        ? sendJson(reply, renderJson(SERVER_TABLE, view))
        : sendText(reply, await serverText(view));
    },
  );
  done();
};
