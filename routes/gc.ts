/** `…/gc`: POST collects now, GET tells of the last 256 cycles. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { gctraceLine } from '../src/gc/gctrace.js';
import { pacerView } from '../src/gc/pacing.js';
import { type CycleRecord, cycleRecords } from '../src/gc/record.js';
import { Why } from '../src/gc/state.js';
import { H_ABANDONED, H_GC_PHASE, H_HEAP_LIVE, H_NUM_FORCED_GC, H_NUM_GC, H_SWEEP_DONE } from '../src/heap/heap.js';
import { Op } from '../src/sched/ops.js';
import { callJson, heapsOf, RUNS } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { GcAnswer, GcBody, GcHistory, GcQuery } from '../src/server/schemas/gc.js';

const gc: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.post(
    '/gc',
    {
      config: { problems: RUNS },
      schema: {
        operationId: 'collect',
        tags: ['collection'],
        summary: 'Collect garbage',
        description:
          'What runtime.GC() does: waits for a cycle that is under way, runs another, sweeps everything, and answers with ' +
          'the record of that cycle. The world stops twice, briefly; requests on other Ps run meanwhile.',
        params: HeapParams,
        body: GcBody,
        response: { 200: { ...GcAnswer, description: 'What it did' } },
      },
    },
    async (request) => {
      const answer = await callJson<CycleRecord & { seconds: number }>(
        heaps.get(request.params.heap),
        Op.gc,
        [Why.forced],
        1 << 14,
      );
      return { ...answer, gctrace: gctraceLine(answer) };
    },
  );
  app.get(
    '/gc',
    {
      schema: {
        operationId: 'getCollections',
        tags: ['collection'],
        summary: 'Read the history of collections',
        params: HeapParams,
        querystring: GcQuery,
        response: { 200: { ...GcHistory, description: 'The last 256 cycles, and where the pacer stands' } },
      },
    },
    async (request) => {
      const { heap } = heaps.get(request.params.heap);
      const pacer = pacerView(heap);
      return {
        cycles: cycleRecords(heap, request.query.limit).map((cycle) => ({ ...cycle, gctrace: gctraceLine(cycle) })),
        numGC: heap.scalar(H_NUM_GC),
        numForcedGC: heap.scalar(H_NUM_FORCED_GC),
        abandoned: heap.scalar(H_ABANDONED),
        phase: heap.scalar(H_GC_PHASE) === 0 ? ('off' as const) : ('mark' as const),
        nextGC: pacer.heapGoal(),
        trigger: pacer.trigger(),
        heapLive: Math.max(0, heap.scalar(H_HEAP_LIVE)) * 8,
        sweepDone: heap.scalar(H_SWEEP_DONE) !== 0,
      };
    },
  );
  done();
};
export default gc;
