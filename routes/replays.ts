/**
 * `/v1/replays`: what Go's heap would cost a recorded program, under a grid of settings.
 *
 * This file is the HTTP part of beginning one, listing, watching and ending; what its results are asked by is `replay-results.ts`. Who may begin, whose turn it is
 * and what is kept: `src/server/replays/registry.ts`. An upload is streamed to the parser's thread and answered when it has been read to its end, so that what is wrong
 * with it is the answer itself.
 */

import { stat } from 'node:fs/promises';
import { fastifySSE } from '@fastify/sse';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../src/server/problem.js';
import { quote } from '../src/server/quote.js';
import { EXAMPLES, exampleOf, examplePath } from '../src/server/replays/examples.js';
import { gridOf, profileOptions } from '../src/server/replays/grid.js';
import { RECORDING_PROBLEMS } from '../src/server/replays/problems.js';
import { allowedUrl } from '../src/server/replays/recording.js';
import type { Submission } from '../src/server/replays/registry.js';
import { LAST_ID, REPLAY_STREAM, ReplayStream, type ReplayStreamOptions } from '../src/server/replays/stream.js';
import { clientSignal, uploadOf } from '../src/server/replays/upload.js';
import { listedView, replayView } from '../src/server/replays/view.js';
import { EventsHeaders } from '../src/server/schemas/events.js';
import {
  ExampleList,
  ReplayBody,
  ReplayEventData,
  ReplayList,
  ReplayParams,
  ReplayQuery,
  ReplayView,
} from '../src/server/schemas/replays.js';

const UPLOAD = 'application/octet-stream';
const JSON_TYPE = 'application/json; charset=utf-8';
/** What an upload is called that was given no name. */
const NAMELESS = 'recording';

type Start = FastifyRequest<{ Querystring: ReplayQuery; Body: unknown }>;
type One = { Params: { id: string } };

const replays: FastifyPluginAsync<Partial<ReplayStreamOptions>> = async (app, given) => {
  const { config, replays: all } = app;
  const options: ReplayStreamOptions = { ...REPLAY_STREAM, max: config.maxStreams, ...given };
  const streams = new Set<ReplayStream>();
  const endStreams = (): void => {
    for (const stream of streams) stream.end();
  };
  app.lifecycle.signal.addEventListener('abort', endStreams, { once: true });
  app.addHook('preClose', async () => endStreams());
  app.addContentTypeParser(UPLOAD, (_request, payload, parsed) => parsed(null, payload));
  await app.register(fastifySSE, { heartbeatInterval: options.heartbeat, serializer: String });

  const begin = async (
    request: Start,
    reply: FastifyReply,
    what: Pick<Submission, 'source' | 'total' | 'from'>,
    name: string,
  ): Promise<FastifyReply> => {
    const { query } = request;
    const limits = { cells: config.replayCells, procs: config.maxProcs };
    const grid: Submission['grid'] = (suggested) => gridOf(query, limits, suggested);
    // Before anything of the recording is read.
    grid();
    const submission: Submission = { ...what, name: query.name ?? name, grid, profile: profileOptions(query) };
    const { replay, cached } = await all.submit(submission, clientSignal(reply.raw));
    const { id, source, cells } = replay;
    app.logger.debug({ replay: id, source, cells: cells.length, cached, reqId: request.id }, 'replay asked for');
    return reply
      .code(cached ? 200 : 202)
      .header('location', `/v1/replays/${id}`)
      .type(JSON_TYPE)
      .send(JSON.stringify(replayView(replay, cached)));
  };

  app.post<{ Querystring: ReplayQuery; Body: unknown }>(
    '',
    {
      config: {
        problems: [
          ...RECORDING_PROBLEMS,
          'invalid-setting',
          'grid-too-large',
          'fetch-not-allowed',
          'replay-fetch-failed',
          'example-not-found',
          'replay-not-found',
          'replay-not-done',
          'replay-trace-gone',
          'replay-cancelled',
          'too-many-replays',
          'replay-disk',
        ],
      },
      schema: {
        operationId: 'startReplay',
        tags: ['replays'],
        summary: 'Replay a recording',
        description:
          "Simulates Go's heap under every combination of the settings. The recording is the body, in any format that `goheap replay` reads, plain or packed; or " +
          'JSON names one that the server has. Answered when the recording has been read to its end; the simulations run then, or wait their turn.',
        querystring: ReplayQuery,
        body: {
          content: {
            [UPLOAD]: { schema: { description: 'A recording' } },
            'application/json': { schema: ReplayBody },
          },
        },
        response: {
          200: { ...ReplayView, description: 'An earlier replay of the same recording with the same settings' },
          202: { ...ReplayView, description: 'It was read, and runs or waits' },
        },
      },
    },
    async (request, reply) => {
      const type = request.headers['content-type']?.split(';', 1)[0].trim().toLowerCase();
      if (type === undefined) {
        const allowed = [UPLOAD, 'application/json'];
        throw new Problem('unsupported-media-type', 'The body has no Content-Type.', { allowed });
      }
      if (type !== UPLOAD) {
        const { example, replay: id, url: address } = request.body as ReplayBody;
        if (address !== undefined) {
          const url = allowedUrl(address, config.replayFetch);
          return begin(
            request,
            reply,
            { source: 'url', total: 0, from: { url } },
            `${url.host}${url.pathname}`.slice(0, 100),
          );
        }
        if (id !== undefined) {
          await all.ready();
          const from = all.get(id);
          return begin(request, reply, { source: 'replay', total: 0, from: { replay: from } }, from.name);
        }
        const known = exampleOf(example as string);
        if (known === undefined) {
          const detail = `There is no example ${quote(example)}.`;
          throw new Problem('example-not-found', detail, { allowed: EXAMPLES.map(({ name }) => name) });
        }
        const path = examplePath(known);
        const { size } = await stat(path);
        return begin(request, reply, { source: 'example', total: size, from: { path } }, known.name);
      }
      const upload = uploadOf(request.raw);
      try {
        const total = Number(request.headers['content-length'] ?? 0);
        const limit = config.replayUpload;
        if (total > limit) throw new Problem('replay-too-large', `The recording has ${total} bytes.`, { limit });
        return await begin(request, reply, { source: 'upload', total, from: upload }, NAMELESS);
      } catch (error) {
        upload.discard();
        throw error;
      }
    },
  );

  app.get(
    '',
    {
      config: { problems: ['replay-disk', 'overloaded'] },
      schema: {
        operationId: 'listReplays',
        tags: ['replays'],
        summary: 'List the replays',
        description: 'Those that go on, and those that are kept.',
        response: { 200: { ...ReplayList, description: 'The replays, and what is accepted' } },
      },
    },
    async (_request, reply) => {
      await all.ready();
      const { running, waiting, bytes } = all.counts;
      const { replaysRunning, replaysWaiting, replaysKept, replayDisk, replayUpload, replayCells, maxProcs } = config;
      const limits = {
        running: replaysRunning,
        waiting: replaysWaiting,
        kept: replaysKept,
        disk: replayDisk,
        upload: replayUpload,
        cells: replayCells,
        procs: maxProcs,
      };
      const list = { replays: all.list().map(listedView), running, waiting, bytes, limits };
      return reply.header('cache-control', 'no-store').type(JSON_TYPE).send(JSON.stringify(list));
    },
  );

  app.get(
    '/examples',
    {
      schema: {
        operationId: 'listExamples',
        tags: ['replays'],
        summary: 'List the recordings that come with goheap',
        response: { 200: { ...ExampleList, description: 'The recordings' } },
      },
    },
    async () => {
      const examples = EXAMPLES.map(async (example) => {
        const { name, title, about, format, events } = example;
        return { name, title, about, format, events, bytes: (await stat(examplePath(example))).size };
      });
      return { examples: await Promise.all(examples) };
    },
  );

  app.delete<One>(
    '/:id',
    {
      config: { problems: ['replay-not-found', 'replay-disk', 'overloaded'] },
      schema: {
        operationId: 'deleteReplay',
        tags: ['replays'],
        summary: 'Cancel a replay, or remove one that has ended',
        description: 'What of it was done is lost when it is cancelled.',
        params: ReplayParams,
        response: {
          200: { ...ReplayView, description: 'It was cancelled' },
          204: { type: 'null', description: 'It had ended, and was removed' },
        },
      },
    },
    async (request, reply) => {
      await all.ready();
      const replay = all.get(request.params.id);
      if (!replay.ended) {
        await all.cancel(replay);
        return reply.type(JSON_TYPE).send(JSON.stringify(replayView(replay)));
      }
      await all.remove(replay);
      return reply.code(204).send();
    },
  );

  app.get<One>(
    '/:id/events',
    {
      // The answer to a HEAD would never end.
      exposeHeadRoute: false,
      sse: 'manual',
      config: { effect: true, problems: ['replay-not-found', 'too-many-streams', 'replay-disk', 'overloaded'] },
      schema: {
        operationId: 'getReplayEvents',
        tags: ['replays'],
        summary: 'Watch a replay',
        description:
          'Server-sent events, for EventSource or `curl -N`: `hello` with what was seen so far, `progress` up to five times a second, `result` for each cell ' +
          'that is done, last `done`, `failed` or `cancelled`. That one has the id `end`: a client that comes back with it gets 204.',
        params: ReplayParams,
        headers: EventsHeaders,
        response: {
          200: {
            description: 'The events. The `data` of each is JSON on one line',
            content: { 'text/event-stream': { schema: ReplayEventData } },
          },
          204: { type: 'null', description: 'The client has seen the last event' },
        },
      },
    },
    async (request, reply) => {
      await all.ready();
      const replay = all.get(request.params.id);
      if (reply.sse.lastEventId === LAST_ID && replay.ended) return reply.code(204).send();
      if (streams.size >= options.max) {
        const detail = `${streams.size} streams of replays are open, and the server may have ${options.max}.`;
        throw new Problem('too-many-streams', detail, { limit: options.max }, { 'retry-after': '5' });
      }
      reply.header('cache-control', 'no-store').header('connection', 'close');
      const sink = {
        send: (message: Parameters<typeof reply.sse.send>[0]) => reply.sse.send(message),
        destroy: () => reply.raw.destroy(),
      };
      const stream = new ReplayStream(replay, sink as ConstructorParameters<typeof ReplayStream>[1], options);
      streams.add(stream);
      reply.sse.onClose(() => stream.end());
      await stream.done;
      streams.delete(stream);
    },
  );
};
export default replays;
