/**
 * `/v1/heaps`: heaps as resources. Any of them can be deleted, the one named `default` too, which the server only
 * creates at start.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import type { HostedHeap } from '../src/server/hosted.js';
import { RUNS } from '../src/server/route.js';
import { schedProblem } from '../src/server/sched-errors.js';
import { HeapParams, shared } from '../src/server/schemas/common.js';
import { HeapList, type HeapView } from '../src/server/schemas/heap.js';
import { SettingsInput, SettingsPatch } from '../src/server/schemas/settings.js';
import { resolvePatch, resolveSettings, settingsView } from '../src/server/settings.js';

function view(heap: HostedHeap): HeapView {
  return {
    name: heap.name,
    createdAt: heap.createdAt.toISOString(),
    settings: settingsView(heap.settings),
    summary: heap.summary(),
  };
}

const heapAnswer = (description: string) => ({ ...Type.Ref('Heap'), description });

const heaps: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const registry = app.heaps;

  app.get(
    '',
    {
      schema: {
        operationId: 'listHeaps',
        tags: ['heaps'],
        summary: 'List the heaps',
        response: { 200: { ...HeapList, description: 'The heaps, by name' } },
      },
    },
    (_request, reply) => {
      reply.send({ heaps: registry.list().map(view), limit: registry.maxHeaps });
    },
  );

  app.put(
    '/:heap',
    {
      config: {
        problems: ['invalid-setting', 'heap-exists', 'too-many-heaps', 'heap-start-failed', 'no-memory-for-threads'],
      },
      schema: {
        operationId: 'putHeap',
        tags: ['heaps'],
        summary: 'Create a heap',
        description:
          "Settings that are left out have the server's defaults, and the body may be left out whole. The same " +
          'settings again answer 200 and change nothing; other settings for a heap that exists are a conflict.',
        params: HeapParams,
        body: shared(SettingsInput),
        response: { 200: heapAnswer('It existed already, with the same settings'), 201: heapAnswer('It was created') },
      },
    },
    async (request, reply) => {
      const settings = resolveSettings(request.body, app.config);
      const { heap, created } = await registry.put(request.params.heap, settings);
      if (created) {
        app.logger.debug({ heap: heap.name, settings: settingsView(settings), reqId: request.id }, 'heap created');
        reply.code(201).header('location', `/v1/heaps/${heap.name}`);
      }
      return view(heap);
    },
  );

  app.get(
    '/:heap',
    {
      schema: {
        operationId: 'getHeap',
        tags: ['heaps'],
        summary: 'Read a heap: its settings and a summary',
        params: HeapParams,
        response: { 200: heapAnswer('The heap') },
      },
    },
    (request, reply) => {
      reply.send(view(registry.get(request.params.heap)));
    },
  );

  app.patch(
    '/:heap',
    {
      config: { problems: ['invalid-setting', 'setting-not-live', ...RUNS] },
      schema: {
        operationId: 'patchHeap',
        tags: ['heaps'],
        summary: 'Change GOGC or GOMEMLIMIT of a live heap',
        description: 'As debug.SetGCPercent and debug.SetMemoryLimit do: goals and trigger follow at once.',
        params: HeapParams,
        body: shared(SettingsPatch),
        response: { 200: heapAnswer('The heap with its new settings') },
      },
    },
    async (request) => {
      const heap = registry.get(request.params.heap);
      await heap.update(resolvePatch(request.body)).catch((error) => {
        throw schedProblem(error, heap.settings.gomaxprocs);
      });
      app.logger.debug({ heap: heap.name, settings: settingsView(heap.settings), reqId: request.id }, 'heap changed');
      return view(heap);
    },
  );

  app.delete(
    '/:heap',
    {
      schema: {
        operationId: 'deleteHeap',
        tags: ['heaps'],
        summary: 'Delete a heap, its threads and its memory',
        description: 'Answers when the threads have ended and the memory is released.',
        params: HeapParams,
        response: { 204: Type.Unsafe<undefined>({ type: 'null', description: 'It is gone' }) },
      },
    },
    async (request, reply) => {
      await registry.delete(request.params.heap);
      app.logger.debug({ heap: request.params.heap, reqId: request.id }, 'heap deleted');
      return reply.code(204).send(undefined);
    },
  );
  done();
};

export default heaps;
