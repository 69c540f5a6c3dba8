/**
 * `goheap load`: options in, report out. Exit codes: 0 all went well, 1 something failed in the run (an operation, the
 * check, the server), 2 the command line or the trace cannot be used.
 */
import { parseArgs } from 'node:util';
import { ReplayInputError } from '../replay/events.js';
import { HttpError } from './client.js';
import { Progress } from './progress.js';
import { renderReport } from './report.js';
import { type RunOptions, run } from './run.js';

const USAGE = `Usage: goheap load --trace FILE [options]

Drives a running goheap server with the recorded allocations of a real program.

  --trace FILE          recording of a program: mtrace, AOSP memory_replay, valgrind, heaptrack, ltrace, …,
                        plain or packed by gzip, zstd or zip; - reads standard input
  --url URL             the server (default http://127.0.0.1:8080)
  --heap NAME           an existing heap to drive (default: makes one and deletes it afterwards)
  --keep                leaves the heap, with the objects that the program never freed
  --connections N       connections at once, each pinned to one P (default 4; 1 keeps the recorded order exactly)
  --batch N             operations per request (default 1000)
  --format json|binary  how batches travel (default json)
  --reuse sweep|immediate   what free means: Go's (the slot comes back with a sweep), or at once (default sweep)
  --scan                objects may hold pointers (default: noscan)
  --loops N             plays the trace N times (default 1)
  --token TOKEN         bearer token (default: the environment's AUTH_TOKEN)
  --json                prints the report as JSON
  --help                prints this
`;

class UsageError extends Error {}

export async function main(argv: string[]): Promise<number> {
  let options: RunOptions;
  let json: boolean;
  try {
    const parsed = parse(argv);
    if (parsed === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    ({ options, json } = parsed);
  } catch (error) {
    process.stderr.write(`goheap load: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }

  // The first interrupt ends the run in good order, with a report and without a heap left behind; the second at once.
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  let progress: Progress | undefined;
  try {
    const report = await run({
      ...options,
      signal: interrupt.signal,
      onStart: (state) => {
        progress = new Progress(process.stderr, state);
      },
    });
    progress?.stop();
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
    return report.ok ? 0 : 1;
  } catch (error) {
    progress?.stop();
    process.stderr.write(`goheap load: ${explain(error, options)}\n`);
    return error instanceof ReplayInputError ? 2 : 1;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function parse(argv: string[]): 'help' | { options: RunOptions; json: boolean } {
  const { values } = parseArgs({
    args: argv,
    allowPositionals: false,
    options: {
      trace: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      heap: { type: 'string' },
      keep: { type: 'boolean', default: false },
      connections: { type: 'string', default: '4' },
      batch: { type: 'string', default: '1000' },
      format: { type: 'string', default: 'json' },
      reuse: { type: 'string', default: 'sweep' },
      scan: { type: 'boolean', default: false },
      loops: { type: 'string', default: '1' },
      token: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  if (!values.trace) throw new UsageError('--trace FILE is missing');
  let url: URL;
  try {
    url = new URL(values.url);
  } catch {
    throw new UsageError(`--url ${values.url}: not a URL`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new UsageError(`--url ${values.url}: not http(s)`);
  const loops = integer('--loops', values.loops, 1_000_000);
  if (values.trace === '-' && loops > 1) throw new UsageError('--loops: standard input can be read once only');
  return {
    json: values.json,
    options: {
      trace: values.trace,
      url: values.url,
      token: values.token ?? process.env.AUTH_TOKEN,
      heap: values.heap,
      keep: values.keep,
      connections: integer('--connections', values.connections, 256),
      batch: integer('--batch', values.batch, 1_000_000),
      format: oneOf('--format', values.format, ['json', 'binary']),
      reuse: oneOf('--reuse', values.reuse, ['sweep', 'immediate']),
      scan: values.scan,
      loops,
    },
  };
}

function integer(name: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= max)) throw new UsageError(`${name} ${text}: must be a whole number from 1 to ${max}`);
  return value;
}

function oneOf<T extends string>(name: string, text: string, allowed: T[]): T {
  if (!allowed.includes(text as T)) throw new UsageError(`${name} ${text}: must be ${allowed.join(' or ')}`);
  return text as T;
}

function explain(error: unknown, options: RunOptions): string {
  if (error instanceof HttpError) {
    if (error.status === 401 || error.status === 403) return `${error.message} (give --token or AUTH_TOKEN)`;
    if (error.status === 404 && options.heap) return `${error.message} (is there a heap named ${options.heap}?)`;
    return error.message;
  }
  if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return `no server answers at ${options.url}`;
  return error instanceof Error ? error.message : String(error);
}
