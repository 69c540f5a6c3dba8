/**
 * `…/recording`: what clients allocate and free, live, as text that `goheap replay` and other tools read.
 *
 * Where the events come from is `src/sched/tap.ts`, what order they are brought into `src/telemetry/recording/recorder.ts`, and how they leave
 * `stream.ts` beside it. This file is the HTTP part: bounds, one recording a heap, compression, and an end when the server drains.
 */

import { createGzip, constants as zlib } from 'node:zlib';
import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import { formatGoSize } from '../src/server/gosize.js';
import { Problem } from '../src/server/problem.js';
import { heapsOf, RUNS } from '../src/server/route.js';
import { schedProblem } from '../src/server/sched-errors.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { VERSION } from '../src/server/version.js';
import { Recorder } from '../src/telemetry/recording/recorder.js';
import { RecordingStream } from '../src/telemetry/recording/stream.js';

export const DEFAULT_SECONDS = 10;
export const MAX_SECONDS = 3600;
export const MIN_BYTES = 4096;
export const DEFAULT_BYTES = 2 ** 30;
export const MAX_BYTES = 2 ** 34;
/** Milliseconds after which compressed bytes go out, whether or not a block is full. */
const FLUSH = 1000;

const Query = Type.Object(
  {
    seconds: Type.Optional(
      Type.Number({
        minimum: 0.1,
        maximum: MAX_SECONDS,
        description: `For how long; ${DEFAULT_SECONDS} where left out`,
        examples: [30],
      }),
    ),
    bytes: Type.Optional(
      Type.Integer({
        minimum: MIN_BYTES,
        maximum: MAX_BYTES,
        description: `At most so much text, before compression; ${DEFAULT_BYTES} where left out`,
        examples: [100_000_000],
      }),
    ),
    live: Type.Optional(
      Type.Boolean({ description: 'Whether what is there when it begins is written first; true where left out' }),
    ),
  },
  { additionalProperties: false },
);

const FILE = {
  200: {
    description: 'Lines `P: malloc ADDRESS SIZE START END`, `P: free ADDRESS START END`, and remarks behind `#`',
    content: { 'text/plain': { schema: { type: 'string' } } },
  },
};

/** Whether a client takes gzip. */
export function takesGzip(header: string | string[] | undefined): boolean {
  return /(?:^|,)\s*(?:x-)?gzip\s*(?:$|,|;\s*q=(?:0?\.0*[1-9]|1))/i.test(String(header ?? ''));
}

const recording: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const heaps = heapsOf(app);
  const open = new Set<RecordingStream>();
  const end = (): void => {
    for (const stream of open) stream.finish('shutting-down');
  };
  app.lifecycle.signal.addEventListener('abort', end, { once: true });
  app.addHook('preClose', async () => end());

  app.get(
    '/recording',
    {
      // The answer to a HEAD would be made to its end, and thrown away.
      exposeHeadRoute: false,
      config: { effect: true, problems: [...RUNS, 'recording-under-way'] },
      schema: {
        operationId: 'getRecording',
        tags: ['telemetry'],
        summary: 'Record what is allocated and freed',
        description:
          "Every allocation and every free from now on, by whatever request or workload, in the text format of AOSP's memory_replay: " +
          'thread (the P), address, size as requested, time in nanoseconds since the beginning. Both kinds of free count. What is there ' +
          'when it begins comes first, with time 0 and the size of its slot. `# scan` behind an allocation: the object may hold ' +
          'pointers. It ends when `seconds` or `bytes` are reached, the client goes away, the heap is deleted or the server shuts ' +
          'down; the last line, `# end: …`, says which. A client that reads too slowly gets less, never half: an allocation is ' +
          'dropped with its free, and a remark at the end counts what was dropped. A heap has one recording at a time.',
        params: HeapParams,
        querystring: Query,
        response: FILE,
      },
    },
    async (request, reply) => {
      const host = heaps.get(request.params.heap);
      const { seconds = DEFAULT_SECONDS, bytes = DEFAULT_BYTES, live = true } = request.query;
      if (host.recorded) {
        throw new Problem(
          'recording-under-way',
          `The heap ${host.name} is being recorded.`,
          {},
          { 'retry-after': '5' },
        );
      }
      const recorder = new Recorder(host.heap.pages);
      try {
        await host.record(recorder, live);
      } catch (error) {
        throw schedProblem(error, host.procs);
      }
      const { gomaxprocs, gogc } = host.settings;
      const at = new Date().toISOString();
      const stream = new RecordingStream(recorder, {
        title: `goheap ${VERSION}: heap ${host.name}, ${at}, GOMAXPROCS ${gomaxprocs}, GOGC ${gogc}`,
        bytes,
        detach: () => host.endRecord(recorder),
        isLive: () => heaps.list().includes(host),
      });
      open.add(stream);
      const timer = setTimeout(() => stream.finish('time'), seconds * 1000);
      stream.once('close', () => {
        clearTimeout(timer);
        open.delete(stream);
        const { mallocs, frees, dropped } = recorder;
        const { ending = 'client', written } = stream;
        app.logger.debug({ heap: host.name, ending, mallocs, frees, dropped, written }, 'recording ended');
      });
      app.logger.debug(
        { heap: host.name, seconds, bytes: formatGoSize(bytes), reqId: request.id },
        'recording started',
      );
      if (app.lifecycle.draining) stream.finish('shutting-down');
      reply
        .type('text/plain; charset=utf-8')
        .header('content-disposition', `attachment; filename="${host.name}.trace"`)
        .header('cache-control', 'no-store')
        .header('vary', 'accept-encoding');
      // The client went away while the recording began: nobody would ever read it.
      if (request.raw.socket.destroyed) stream.destroy();
      if (!takesGzip(request.headers['accept-encoding'])) return reply.send(stream);
      return reply.header('content-encoding', 'gzip').send(compressed(stream));
    },
  );
  done();
};
export default recording;

/** The stream, compressed. It goes out in time also when little happens; each end takes the other with it. */
function compressed(stream: RecordingStream) {
  // The least effort: it is compressed beside the requests, in a thread of the pool.
  const gzip = createGzip({ level: zlib.Z_BEST_SPEED });
  let flushed = 0;
  const flush = setInterval(() => {
    if (stream.written === flushed || gzip.writableLength > 0) return;
    flushed = stream.written;
    gzip.flush(zlib.Z_SYNC_FLUSH);
  }, FLUSH).unref();
  stream.once('error', (error) => gzip.destroy(error));
  gzip.once('close', () => {
    clearInterval(flush);
    stream.destroy();
  });
  return stream.pipe(gzip);
}
