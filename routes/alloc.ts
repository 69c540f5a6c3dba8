/**
 * POST …/alloc: one object, or `count` of them.
 *
 * The first handler below is the hottest path of the server: no promise, no batch, one callback, one small answer.
 * What needs more than one step (a count, a store) travels as a batch of a few records: alloc, then `site`, then
 * `store`, then for `root: false` a free by reference, so that the object is never unreachable before it is linked.
 * Such a request is all or nothing: when a part of it fails, what was allocated is freed again.
 */

import type { FastifyPluginCallback, FastifyReply } from 'fastify';
import { SERVED_NAMES } from '../src/heap/heap.js';
import { spanId } from '../src/heap/mspan.js';
import { PAGE_SHIFT } from '../src/heap/sizeclass.js';
import type { Piece } from '../src/sched/host-api.js';
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../src/sched/ops.js';
import * as address from '../src/server/address.js';
import { formatHalves, parseAddress, wordOfHalves } from '../src/server/address.js';
import { allocFlags, largestObject, objectTooLarge, siteId, sizeClassOf, typeOf } from '../src/server/alloc-request.js';
import { diedProblem, forget, freeAll, type Gone, runRecords } from '../src/server/batch/disown.js';
import { Problem } from '../src/server/problem.js';
import { type Host, heapsOf, RUNS, take } from '../src/server/route.js';
import { schedProblem, statusProblem } from '../src/server/sched-errors.js';
import { AllocAnswer, AllocBody } from '../src/server/schemas/alloc.js';
import { HeapParams } from '../src/server/schemas/common.js';

/** More than the longest list of pointers and the deepest site take. */
const MAX_BODY = 2 ** 20;

const alloc: FastifyPluginCallback = (app, _options, done) => {
  const heaps = heapsOf(app);
  const { config } = app;
  app.post<{ Params: HeapParams; Body: AllocBody }>(
    '/alloc',
    {
      bodyLimit: Math.min(config.bodyLimit, MAX_BODY),
      config: {
        ownWords: true,
        problems: [
          ...RUNS,
          'invalid-size',
          'object-too-large',
          'invalid-p',
          'type-table-full',
          'site-table-full',
          'reservation-exhausted',
          'invalid-address',
          'address-outside-heap',
          'never-allocated',
          'interior-address',
          'already-freed',
          'not-pointer-word',
        ],
      },
      schema: {
        summary: 'Allocate an object',
        description:
          'Answers where the object is and which level served it: a tiny block, the mcache of its P, an mcentral, ' +
          'the mheap, or new memory of the operating system. With `count`, as many equal objects.',
        operationId: 'alloc',
        tags: ['allocation'],
        params: HeapParams,
        body: AllocBody(config),
        response: { 201: AllocAnswer },
      },
    },
    (request, reply) => {
      const host = heaps.get(request.params.heap);
      const body = request.body;
      const { size, count, store } = body;
      if (size > largestObject(host)) throw objectTooLarge(size, largestObject(host));
      const type = typeOf(host, size, body.noscan, body.pointers);
      const site = body.site === undefined ? 0 : siteId(host, body.site);
      if (count !== undefined || store !== undefined) {
        many(host, body, type, site, () => request.raw.socket.destroyed).then(
          (answer) => reply.code(201).send(answer),
          (error) => reply.send(error),
        );
        return;
      }
      try {
        host.submitAlloc(size, allocFlags(type, body.root), type, site, body.p ?? -1, (error, g) => {
          if (error !== null) reply.send(schedProblem(error, host.procs));
          else if (request.raw.socket.destroyed && body.root !== false) tellNobody(host, size, g.r[0], g.r[1]);
          else answerOne(host, reply, size, type === 0, g.p, g.r[0], g.r[1]);
        });
      } catch (error) {
        reply.send(schedProblem(error, host.procs));
      }
    },
  );
  done();
};
export default alloc;

function answerOne(host: Host, reply: FastifyReply, size: number, noscan: boolean, p: number, lo: number, hi: number) {
  const status = (hi >>> 16) & 255;
  if (status !== 0) reply.send(statusProblem(status, ''));
  else reply.code(201).send(one(host, size, noscan, p, lo, hi));
}

/** The client has hung up: nobody will ever know the object. (One of size 0 has no root.) */
function tellNobody(host: Host, size: number, lo: number, hi: number): void {
  if (size !== 0 && (hi & 0xff_0000) === 0) void forget(host, [lo, hi & 0xffff]);
}

function one(host: Host, size: number, noscan: boolean, p: number, lo: number, hi: number) {
  const sizeClass = sizeClassOf(size, noscan);
  const { heap } = host;
  const word = wordOfHalves(lo, hi & 0xffff);
  const s = size === 0 ? 0 : heap.m[heap.pageSpan + (word >> (PAGE_SHIFT - 3))];
  return {
    address: formatHalves(lo, hi & 0xffff),
    size,
    sizeClass,
    spanClass: size === 0 ? 0 : sizeClass * 2 + (noscan ? 1 : 0),
    span: s === 0 ? 0 : spanId(heap, s),
    p,
    servedBy: SERVED_NAMES[hi >>> 24],
  };
}

async function many(host: Host, body: AllocBody, type: number, site: number, gone: Gone): Promise<object> {
  const { size, store, root } = body;
  const count = body.count ?? 1;
  if (store !== undefined && count > 1) {
    const detail = 'One word cannot hold several addresses: "store" goes without "count".';
    throw new Problem('validation-failed', detail, { field: 'store', allowed: 'left out with count' });
  }
  const late = root === false && store !== undefined;
  const flags = allocFlags(type, late ? undefined : root);
  const step = 1 + (site === 0 ? 0 : 1) + (store === undefined ? 0 : 1) + (late ? 1 : 0);
  const records = count * step;
  const piece = take(host, records * (RECORD_BYTES + RESULT_BYTES));
  try {
    const w = piece.words;
    for (let i = 0, at = 0; i < count; i++) {
      at = put(w, at, BatchOp.alloc | (flags << 8), type, size | 0, Math.floor(size / 2 ** 32));
      if (site !== 0) at = put(w, at, BatchOp.site, site, 0, 0);
      if (store !== undefined) {
        parseAddress(store.address);
        at = put(w, at, BatchOp.store, store.word, address.lo, address.hi);
      }
      if (late) at = put(w, at, BatchOp.free | (Flag.byRef << 8), 0, i * step, 0);
    }
    const first = records * 4;
    const { p, r } = await runRecords(host, piece, records, body.p ?? -1, gone, (detail, left) =>
      // The objects are gone again. A store that was done keeps its object alive; one at which the M died, perhaps.
      diedProblem(detail, !left.effects ? 'no' : late && left.records === records - 1 ? 'yes' : 'unknown', 1),
    );
    if (r[0] !== 0) throw await undo(host, piece, first, records, step, store?.address ?? '');
    const noscan = type === 0;
    if (body.count === undefined) return one(host, size, noscan, p, w[first], w[first + 1]);
    const sizeClass = sizeClassOf(size, noscan);
    const addresses = new Array<string>(count);
    const served = [0, 0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const at = first + i * step * 2;
      addresses[i] = formatHalves(w[at], w[at + 1] & 0xffff);
      served[w[at + 1] >>> 24]++;
    }
    return {
      addresses,
      size,
      sizeClass,
      spanClass: size === 0 ? 0 : sizeClass * 2 + (noscan ? 1 : 0),
      p,
      served: Object.fromEntries(SERVED_NAMES.map((name, i) => [name, served[i]])),
    };
  } finally {
    piece.release();
  }
}

function put(w: Int32Array, at: number, a: number, b: number, c: number, d: number): number {
  w[at] = a;
  w[at + 1] = b;
  w[at + 2] = c;
  w[at + 3] = d;
  return at + 4;
}

/** Frees what the request had allocated before a part of it failed; the problem of that part. */
async function undo(host: Host, piece: Piece, first: number, records: number, step: number, to: string) {
  const w = piece.words;
  const made: number[] = [];
  let failed = 0;
  for (let i = 0; i < records; i++) {
    const hi = w[first + i * 2 + 1];
    if (failed === 0) failed = (hi >>> 16) & 255;
    if (i % step === 0 && ((hi >>> 16) & 255) === 0) made.push(w[first + i * 2], hi & 0xffff);
  }
  await freeAll(host, piece, made, Flag.immediate);
  return statusProblem(failed, to);
}
