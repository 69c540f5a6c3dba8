/** POST …/scavenge: gives free pages back to the operating system, as debug.FreeOSMemory does. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { Op } from '../src/sched/ops.js';
import { callJson, heapsOf, RUNS } from '../src/server/route.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { ScavengeAnswer, ScavengeBody } from '../src/server/schemas/gc.js';

interface Scavenged {
  release: 'madvise' | 'accounted';
  collected: boolean;
  releasedBytes: number;
  heapIdle: number;
  heapReleasedBefore: number;
  heapReleased: number;
  heapSys: number;
  seconds: number;
}

const scavenge: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  app.post(
    '/scavenge',
    {
      config: { problems: RUNS },
      schema: {
        operationId: 'scavenge',
        tags: ['collection'],
        summary: 'Give free memory back to the operating system',
        description:
          'Collects first unless told not to, then releases free pages, highest addresses first. Pages that a P keeps in its page ' +
          'cache stay. Where the optional package koffi is missing, pages are only counted as released: `release` tells.',
        params: HeapParams,
        body: ScavengeBody,
        response: { 200: { ...ScavengeAnswer, description: 'What it did' } },
      },
    },
    (request) => {
      const { bytes, gc } = request.body;
      const halves = bytes === undefined ? [-1, -1] : [bytes | 0, Math.floor(bytes / 2 ** 32)];
      const first = [...halves, gc === false ? 0 : 1];
      return callJson<Scavenged>(heaps.get(request.params.heap), Op.scavenge, first, 1 << 14);
    },
  );
  done();
};
export default scavenge;
