/**
 * POST …/batch: many operations in one request, in three formats.
 *
 * JSON is for people and small programs, NDJSON for pipes, the binary format for speed. All three end as the same
 * records on one P, in order. The bodies of the latter two are streams that the handler reads itself.
 */

import { Readable } from 'node:stream';
import type { FastifyPluginCallback, FastifyRequest } from 'fastify';
import { BATCH_TYPE, binaryBatch } from '../src/server/batch/binary.js';
import { type BatchLimits, jsonBatch } from '../src/server/batch/json.js';
import { ndjsonBatch, STREAM_BYTES } from '../src/server/batch/ndjson.js';
import { Problem } from '../src/server/problem.js';
import { brief, quote } from '../src/server/quote.js';
import { heapsOf, RUNS } from '../src/server/route.js';
import { BatchAnswer, BatchBody, P } from '../src/server/schemas/alloc.js';
import { HeapParams } from '../src/server/schemas/common.js';

const BINARY = [BATCH_TYPE, 'application/octet-stream'];
const JSON_TYPE = 'application/json; charset=utf-8';
const bytes = (description: string) => ({ schema: { type: 'string', format: 'binary', description } });
const lines = (description: string) => ({ schema: { type: 'string', description } });

const batch: FastifyPluginCallback = (app, _options, done) => {
  const heaps = heapsOf(app);
  const { config } = app;
  app.addContentTypeParser([...BINARY, 'application/x-ndjson'], (_request, payload, parsed) => parsed(null, payload));
  // Bytes, not a value: most batches are never parsed as JSON (scan.ts).
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, parsed) => parsed(null, bytes));
  const limits: BatchLimits = { maxBatch: config.maxBatch, maxObject: config.maxObject };

  app.post<{ Params: HeapParams; Querystring: { p?: string }; Body: unknown }>(
    '/batch',
    {
      bodyLimit: config.bodyLimit,
      config: { problems: [...RUNS, 'invalid-p', 'invalid-record', 'batch-too-large', 'object-too-large'] },
      schema: {
        summary: 'Run many operations',
        description:
          'A bad operation among good ones is reported by its index and changes nothing; the good ones are carried out. ' +
          'Binary: 16-byte little-endian records in, 8-byte results out; see docs/api.md.',
        operationId: 'batch',
        tags: ['allocation'],
        params: HeapParams,
        querystring: { type: 'object', properties: { p: P }, additionalProperties: false },
        body: {
          content: {
            'application/json': { schema: BatchBody(config) },
            'application/x-ndjson': lines('An operation a line'),
            [BATCH_TYPE]: bytes('16-byte records'),
            'application/octet-stream': bytes('16-byte records'),
          },
        },
        response: {
          200: {
            description: 'The result of every operation, in order',
            content: {
              'application/json': { schema: BatchAnswer },
              'application/x-ndjson': lines('A result a line'),
              [BATCH_TYPE]: bytes('8-byte results'),
            },
          },
        },
      },
      // The schemas are for the document; the operations are checked by hand, the address of the heap by the registry.
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const host = heaps.get(request.params.heap);
      const type = mediaType(request);
      const p = processor(request.query);
      const gone = () => request.raw.socket.destroyed;
      if (type === 'application/json') {
        if (p >= 0) throw notHere();
        return reply.type(JSON_TYPE).send(await jsonBatch(host, request.body as Buffer, limits, gone));
      }
      if (p >= host.procs) throw badP(host.procs);
      const stream = request.body as Readable;
      const held = app.bodies.open(request.ip);
      if (type === 'application/x-ndjson') {
        const kept = app.bodies.open(request.ip);
        kept.add(STREAM_BYTES);
        reply.raw.once('close', () => kept.release());
        const out = Readable.from(ndjsonBatch(host, stream, p, limits, held, gone), { objectMode: false });
        return reply.type('application/x-ndjson').send(out);
      }
      const length = request.headers['content-length'];
      const size = length === undefined ? undefined : Number(length);
      return reply.type(BATCH_TYPE).send(await binaryBatch(host, stream, size, p, limits, held, gone));
    },
  );
  done();
};
export default batch;

function mediaType(request: FastifyRequest): string {
  const header = request.headers['content-type'];
  if (header === undefined) {
    const allowed = ['application/json', 'application/x-ndjson', ...BINARY];
    throw new Problem('unsupported-media-type', 'The body has no Content-Type.', { allowed });
  }
  return header.split(';', 1)[0].trim().toLowerCase();
}

function processor(query: Record<string, unknown>): number {
  for (const key in query) {
    if (key === 'p') continue;
    const detail = `The query has a field ${quote(key)} that is not allowed here.`;
    throw new Problem('unknown-field', detail, { field: brief(key), allowed: ['p'] });
  }
  if (query.p === undefined) return -1;
  if (typeof query.p !== 'string' || !/^[0-9]{1,4}$/.test(query.p)) throw badP();
  return Number(query.p);
}

function badP(procs?: number): Problem {
  const allowed = procs === undefined ? 'the number of a P' : `a whole number from 0 to ${procs - 1}`;
  return new Problem('invalid-p', `"p" must be ${allowed}.`, { field: 'p', allowed });
}

function notHere(): Problem {
  return new Problem('unknown-field', 'In a JSON batch "p" stands in the body.', { field: 'p', allowed: [] });
}
