/** `…/workloads`: built-in loads for a heap, to see what it does under them. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { Problem } from '../src/server/problem.js';
import { quote } from '../src/server/quote.js';
import { type Host, heapsOf } from '../src/server/route.js';
import { schedProblem } from '../src/server/sched-errors.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { WorkloadAnswer, WorkloadBody, WorkloadList, WorkloadParams } from '../src/server/schemas/workloads.js';
import { workloadParameters, workloadView } from '../src/server/workload-request.js';
import { Workloads } from '../src/workloads/registry.js';
import type { Workload } from '../src/workloads/workload.js';

const workloads: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  const all = new Workloads<Host>(app.config.maxWorkloads);
  app.lifecycle.signal.addEventListener('abort', () => all.stopAll('shutdown'), { once: true });
  app.addHook('onClose', async () => all.stopAll('shutdown'));

  const find = (heap: string, id: string): Workload => {
    const workload = all.get(heaps.get(heap), id);
    if (workload !== undefined) return workload;
    throw new Problem('workload-not-found', `The heap ${quote(heap)} has no workload ${quote(id)}.`);
  };

  app.post(
    '/workloads',
    {
      config: {
        problems: ['invalid-p', 'too-many-workloads', 'workload-needs-limit', 'overloaded'],
      },
      schema: {
        operationId: 'startWorkload',
        tags: ['allocation'],
        summary: 'Start a workload',
        description:
          'A load that the server makes itself, to see what the heap does under it. Bounded in time, in operations a second and in ' +
          'the bytes it holds; its sequence depends on the seed alone. When it ends it frees what it holds.',
        params: HeapParams,
        body: WorkloadBody,
        response: { 201: { ...WorkloadAnswer, description: 'It runs' } },
      },
    },
    (request, reply) => {
      const host = heaps.get(request.params.heap);
      const parameters = workloadParameters(request.body, host.settings);
      if (all.full) {
        const detail = `${all.running} workloads run, and the server may run ${all.max}.`;
        throw new Problem('too-many-workloads', detail, { limit: all.max });
      }
      let workload: Workload;
      try {
        workload = all.start(host, parameters, ({ id, ending, tally }) => {
          app.logger.debug({ heap: host.name, workload: id, ending, allocs: tally.allocs }, 'workload ended');
        });
      } catch (error) {
        throw schedProblem(error, host.procs);
      }
      const { workload: name, seed } = parameters;
      app.logger.debug({ heap: host.name, workload: workload.id, name, seed, reqId: request.id }, 'workload started');
      reply.code(201).header('location', `/v1/heaps/${host.name}/workloads/${workload.id}`);
      reply.send(workloadView(workload));
    },
  );

  app.get(
    '/workloads',
    {
      schema: {
        operationId: 'listWorkloads',
        tags: ['allocation'],
        summary: 'List the workloads of a heap',
        description: 'Those that run, and the last sixteen that ended.',
        params: HeapParams,
        response: { 200: { ...WorkloadList, description: 'The workloads' } },
      },
    },
    (request, reply) => {
      const list = all.list(heaps.get(request.params.heap));
      reply.send({ workloads: list.map(workloadView), running: all.running, limit: all.max });
    },
  );

  app.get(
    '/workloads/:workload',
    {
      config: { problems: ['workload-not-found'] },
      schema: {
        operationId: 'getWorkload',
        tags: ['allocation'],
        summary: 'Read how far a workload is',
        params: WorkloadParams,
        response: { 200: { ...WorkloadAnswer, description: 'The workload' } },
      },
    },
    (request, reply) => {
      reply.send(workloadView(find(request.params.heap, request.params.workload)));
    },
  );

  app.delete(
    '/workloads/:workload',
    {
      config: { problems: ['workload-not-found'] },
      schema: {
        operationId: 'stopWorkload',
        tags: ['allocation'],
        summary: 'Stop a workload',
        description:
          'Answers when it has freed what it held. Their slots come back with the next collection, or `sweep`. One that has ended ' +
          'already is answered as it is.',
        params: WorkloadParams,
        response: { 200: { ...WorkloadAnswer, description: 'It has ended' } },
      },
    },
    async (request) => {
      const workload = find(request.params.heap, request.params.workload);
      workload.stop('stopped');
      await workload.done;
      return workloadView(workload);
    },
  );
  done();
};
export default workloads;
