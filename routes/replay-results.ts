/** Results of a replay: the whole document, a cell, and the heap's pages at any moment. Large answers are put together from texts on disk. */

import { Readable } from 'node:stream';
import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { Problem } from '../src/server/problem.js';
import { PARTS, partsOf } from '../src/server/replays/parts.js';
import type { Cell, Replay } from '../src/server/replays/replay.js';
import type { ReportKind } from '../src/server/replays/report.js';
import { clientSignal } from '../src/server/replays/upload.js';
import { documentText, resultText } from '../src/server/replays/view.js';
import {
  CellParams,
  CsvQuery,
  IncludeQuery,
  MapQuery,
  MapView,
  ReplayDocumentView,
  ReplayParams,
  ResultView,
} from '../src/server/schemas/replays.js';

const REPORT_PROBLEMS = [
  'replay-not-found',
  'replay-not-done',
  'replay-memory',
  'replay-timed-out',
  'overloaded',
  'replay-disk',
] as const;
const JSON_TYPE = 'application/json; charset=utf-8';

function cellOf(replay: Replay, number: number): Cell {
  const { cells, id } = replay;
  if (number < cells.length) return cells[number];
  const detail = `The replay ${id} has ${cells.length} cells, numbered from 0.`;
  throw new Problem('cell-not-found', detail, { limit: cells.length });
}

const replayResults: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const { replays } = app;
  const find = async (id: string): Promise<Replay> => {
    await replays.ready();
    return replays.get(id);
  };

  app.get(
    '/:id',
    {
      config: { problems: ['replay-not-found', 'replay-disk', 'overloaded'] },
      schema: {
        operationId: 'getReplay',
        tags: ['replays'],
        summary: 'Read a replay',
        description:
          'With the results of the cells that are done, and of their large parts those that `include` names.',
        params: ReplayParams,
        querystring: IncludeQuery,
        response: { 200: Type.Unsafe<unknown>({ ...ReplayDocumentView, description: 'The replay' }) },
      },
    },
    async (request, reply) => {
      const replay = await find(request.params.id);
      const parts = partsOf(request.query.include, []);
      reply.header('cache-control', 'no-store').type(JSON_TYPE);
      const pieces = documentText(replays, replay, parts);
      if (parts.length > 0) return reply.send(Readable.from(pieces, { objectMode: false }));
      const texts: string[] = [];
      for await (const text of pieces) texts.push(text);
      return reply.send(texts.join(''));
    },
  );

  app.get(
    '/:id/results/:cell',
    {
      config: { problems: ['replay-not-found', 'cell-not-found', 'replay-not-done', 'replay-disk', 'overloaded'] },
      schema: {
        operationId: 'getReplayResult',
        tags: ['replays'],
        summary: 'Read the result of one cell',
        description: 'As soon as that cell is done. Whole, unless `include` names parts.',
        params: CellParams,
        querystring: IncludeQuery,
        response: { 200: Type.Unsafe<unknown>({ ...ResultView, description: 'The result' }) },
      },
    },
    async (request, reply) => {
      const replay = await find(request.params.id);
      const cell = cellOf(replay, request.params.cell);
      const parts = partsOf(request.query.include, PARTS);
      if (cell.places === null) {
        throw new Problem('replay-not-done', `The replay is ${replay.state}, and this cell has no result.`, {
          state: replay.state,
        });
      }
      return reply.type(JSON_TYPE).send(await resultText(replays, replay, cell, parts));
    },
  );

  // The bytes are text of the response's type: the type provider knows that as a string.
  const file = async (reply: FastifyReply, id: string, what: ReportKind): Promise<never> => {
    const replay = await find(id);
    const bytes = await replays.report(replay, what, clientSignal(reply.raw));
    // A file to keep, not a page of this server: its script must not run as the server's own.
    const name = replay.name.replace(/[^A-Za-z0-9._-]+/g, '_');
    return reply
      .header('content-disposition', `attachment; filename="${name}.${what.kind}"`)
      .type(what.kind === 'html' ? 'text/html; charset=utf-8' : 'text/csv; charset=utf-8')
      .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as never;
  };

  app.get(
    '/:id/report.html',
    {
      exposeHeadRoute: false,
      config: { effect: true, problems: [...REPORT_PROBLEMS] },
      schema: {
        operationId: 'getReplayReport',
        tags: ['replays'],
        summary: 'Download the report of a replay',
        description: 'One self-contained page, as `goheap replay --html` writes it.',
        params: ReplayParams,
        response: { 200: { description: 'The page', content: { 'text/html': { schema: { type: 'string' } } } } },
      },
    },
    (request, reply) => file(reply, request.params.id, { kind: 'html' }),
  );

  app.get(
    '/:id/report.csv',
    {
      exposeHeadRoute: false,
      config: { effect: true, problems: [...REPORT_PROBLEMS] },
      schema: {
        operationId: 'getReplayTable',
        tags: ['replays'],
        summary: 'Download a table of a replay',
        description: 'As `goheap replay --csv` writes it.',
        params: ReplayParams,
        querystring: CsvQuery,
        response: { 200: { description: 'The table', content: { 'text/csv': { schema: { type: 'string' } } } } },
      },
    },
    (request, reply) => file(reply, request.params.id, { kind: 'csv', table: request.query.table ?? 'grid' }),
  );

  app.get(
    '/:id/map',
    {
      // The answer to a HEAD would be simulated, and thrown away.
      exposeHeadRoute: false,
      config: {
        effect: true,
        problems: [
          'replay-not-found',
          'cell-not-found',
          'replay-not-done',
          'replay-trace-gone',
          'replay-memory',
          'replay-timed-out',
          'replay-failed',
          'overloaded',
          'replay-disk',
        ],
      },
      schema: {
        operationId: 'getReplayMap',
        tags: ['replays'],
        summary: "See the heap's pages at a moment",
        description:
          'The simulated heap of a cell after so many events, also while the replay runs. It is simulated anew up to there, unless it was asked for lately; ends when the client goes away.',
        params: ReplayParams,
        querystring: MapQuery,
        response: { 200: Type.Unsafe<unknown>({ ...MapView, description: 'The pages' }) },
      },
    },
    async (request, reply) => {
      const replay = await find(request.params.id);
      const { cell = 0, event } = request.query;
      cellOf(replay, cell);
      if (replay.ingest !== null && event > replay.events) {
        const allowed = `a whole number from 0 to ${replay.events}`;
        throw new Problem('validation-failed', `"event" must be ${allowed}, not ${event}.`, {
          field: 'event',
          allowed,
        });
      }
      const text = await replays.map(replay, cell, event, clientSignal(reply.raw));
      return reply.type(JSON_TYPE).send(text);
    },
  );
  done();
};
export default replayResults;
