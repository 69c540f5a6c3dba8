/**
 * GET …/events: the heap, live, as server-sent events.
 *
 * This file is the HTTP part: framing, headers and heartbeat by @fastify/sse; when to write what, and to whom not, is
 * `src/telemetry/event-stream.ts`. The handler stays pending as long as its stream is open, so that a drain waits for it; a
 * drain also ends it.
 */

import { fastifySSE } from '@fastify/sse';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Problem } from '../src/server/problem.js';
import { type Host, heapsOf } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { EventData, EventsHeaders, EventsQuery } from '../src/server/schemas/events.js';
import { settingsView } from '../src/server/settings.js';
import { VERSION } from '../src/server/version.js';
import { DEFAULT_RATE, EventHub, STREAM_OPTIONS, type StreamOptions, type Watched } from '../src/telemetry/events.js';

const events: FastifyPluginAsyncTypebox<Partial<StreamOptions>> = async (app, given) => {
  const heaps = heapsOf(app);
  const options: StreamOptions = { ...STREAM_OPTIONS, max: app.config.maxStreams, ...given };
  const hub = new EventHub(options, (host) => (heaps.list() as Watched[]).includes(host));
  app.lifecycle.signal.addEventListener('abort', () => hub.close(), { once: true });
  // An app that closes without a drain waits for its answers as well.
  app.addHook('preClose', async () => hub.close());
  await app.register(fastifySSE, { heartbeatInterval: options.heartbeat, serializer: String });

  app.get(
    '/events',
    {
      // The answer to a HEAD would never end.
      exposeHeadRoute: false,
      sse: 'manual',
      config: { effect: true, problems: ['too-many-streams'] },
      schema: {
        operationId: 'getEvents',
        tags: ['telemetry'],
        summary: 'Watch a heap live',
        description:
          'Server-sent events, for EventSource or `curl -N`: `hello` first, then a `sample` a few times a second, `gc` after ' +
          'each collection, `restart` when a thread was replaced, `gone` when the heap was deleted. The heap is never ' +
          'stopped for it. Every event but `hello` and `gone` has an `id`; a client that comes back with it as Last-Event-ID ' +
          'gets what it missed, as far as the last 600 samples and 256 other events go. A client that reads slowly is ' +
          'left out of samples, one that does not read for half a minute is cut off. A comment every 15 seconds keeps ' +
          'a silent connection open.',
        params: HeapParams,
        querystring: EventsQuery,
        headers: EventsHeaders,
        response: {
          200: {
            description: 'The events, until one side ends them. The `data` of each is JSON on one line',
            content: { 'text/event-stream': { schema: EventData } },
          },
        },
      },
    },
    async (request, reply) => {
      const host: Host = heaps.get(request.params.heap);
      if (hub.full) {
        const detail = `${hub.open} event streams are open, and the server may have ${options.max}.`;
        throw new Problem('too-many-streams', detail, { limit: options.max }, { 'retry-after': '5' });
      }
      const { rate = DEFAULT_RATE } = request.query;
      // A stream ends with its connection: nothing is left over for a drain to wait for.
      reply.header('cache-control', 'no-store').header('connection', 'close');
      const stream = hub.subscribe(host, {
        sink: { send: (message) => reply.sse.send(message), destroy: () => reply.raw.destroy() },
        rate,
        lastEventId: reply.sse.lastEventId,
        hello: (resumed) => ({
          heap: host.name,
          settings: settingsView(host.settings),
          version: VERSION,
          rate,
          resumed,
        }),
      });
      reply.sse.onClose(() => stream.end('closed'));
      await stream.done;
    },
  );
};
export default events;
