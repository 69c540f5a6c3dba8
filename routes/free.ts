/**
 * POST …/free: drops the client's root of one object, or of many.
 *
 * A single wrong address is an error of the request. Among many, the right ones are freed and the wrong ones reported
 * by index: a batch of frees must not depend on its worst member.
 */

import type { FastifyPluginCallback } from 'fastify';
import { BatchOp, Flag, Op, RECORD_BYTES, RESULT_BYTES } from '../src/sched/ops.js';
import * as address from '../src/server/address.js';
import { parseAddress } from '../src/server/address.js';
import { objectBase } from '../src/server/inspect/object.js';
import { Problem } from '../src/server/problem.js';
import { ADDRESSED, call, type Host, heapsOf, take } from '../src/server/route.js';
import { schedProblem, statusCode, statusDetail, statusProblem } from '../src/server/sched-errors.js';
import { FreeAnswer, FreeBody } from '../src/server/schemas/alloc.js';
import { HeapParams } from '../src/server/schemas/common.js';

const ALL_GOOD = { freed: 1, refused: [] as never[] };

const free: FastifyPluginCallback = (app, _options, done) => {
  const heaps = heapsOf(app);
  const { config } = app;
  app.post<{ Params: HeapParams; Body: FreeBody }>(
    '/free',
    {
      bodyLimit: config.bodyLimit,
      config: { ownWords: true, problems: [...ADDRESSED, 'invalid-p'] },
      schema: {
        summary: 'Free objects',
        description:
          "Drops the client's root. With `reuse: sweep` the slot comes back when a sweep finds the object unmarked; with " +
          '`reuse: immediate` the caller vouches that nothing else refers to it, and the slot is handed out again at once.',
        operationId: 'free',
        tags: ['allocation'],
        params: HeapParams,
        body: FreeBody(config),
        response: { 200: FreeAnswer },
      },
    },
    (request, reply) => {
      const host = heaps.get(request.params.heap);
      const { address: single, addresses, reuse, p = -1 } = request.body;
      if ((single === undefined) === (addresses === undefined)) {
        const detail = 'The body must have either "address" or "addresses".';
        throw new Problem('validation-failed', detail, { field: 'address', allowed: 'one of address, addresses' });
      }
      const flags = reuse === 'immediate' ? Flag.immediate : 0;
      if (addresses !== undefined) {
        many(host, addresses, flags, p).then(
          (answer) => reply.send(answer),
          (error) => reply.send(error),
        );
        return;
      }
      parseAddress(single);
      try {
        host.submit(Op.free, p, [address.lo, address.hi, flags], (error, g) => {
          const status = (g.r[1] >>> 16) & 255;
          if (error !== null) reply.send(schedProblem(error, host.procs));
          else if (status === 0) reply.send(ALL_GOOD);
          else reply.send(statusProblem(status, single as string, baseOf(host, single as string, status)));
        });
      } catch (error) {
        reply.send(schedProblem(error, host.procs));
      }
    },
  );
  done();
};
export default free;

function baseOf(host: Host, text: string, status: number) {
  const base = statusCode(status) === 'interior-address' ? objectBase(host.heap, text) : undefined;
  return base === undefined ? { field: 'address' } : { field: 'address', base };
}

async function many(host: Host, addresses: string[], flags: number, p: number): Promise<object> {
  const count = addresses.length;
  const piece = take(host, count * (RECORD_BYTES + RESULT_BYTES));
  try {
    const w = piece.words;
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      parseAddress(addresses[i]);
      w[at] = BatchOp.free | (flags << 8);
      w[at + 1] = 0;
      w[at + 2] = address.lo;
      w[at + 3] = address.hi;
    }
    const { r } = await call(host, Op.batch, p, [piece.offset, count, piece.offset + count * RECORD_BYTES]);
    const refused: object[] = [];
    for (let i = 0, at = count * 4; r[0] > 0 && i < count; i++, at += 2) {
      const status = (w[at + 1] >>> 16) & 255;
      if (status === 0) continue;
      const detail = statusDetail(status, addresses[i]);
      refused.push({ index: i, address: addresses[i], code: statusCode(status), detail });
    }
    return { freed: count - refused.length, refused };
  } finally {
    piece.release();
  }
}
