/**
 * `goheap record`: what happens on a heap of a running server, into a file that `goheap replay` reads.
 *
 * The text goes from the server to the file as it comes; memory does not grow with it. The last line of a recording says how it ended: a file
 * that lacks it broke off, which is told, and can be replayed up to there all the same. An interrupt ends the recording in good order.
 *
 * Exit status: 0 recorded, 1 it could not be (the server, the disk), or broke off, 2 the command line is wrong.
 */

import { once } from 'node:events';
import { createWriteStream, fstatSync, openSync, rmSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createGunzip, createGzip } from 'node:zlib';
import { GO_SIZE_WORDS, parseGoSize } from '../server/gosize.js';

const USAGE = `Usage: goheap record -o FILE [options]

Records what clients allocate and free on a heap of a running goheap server.

  -o, --output FILE   where to; compressed if it ends in .gz; - is standard output
  --url URL           the server (default http://127.0.0.1:8080)
  --heap NAME         the heap (default: default)
  --seconds N         for how long, 0.1 to 3600 (default 10); an interrupt ends it earlier
  --bytes SIZE        at most so much text, 4KiB to 16GiB (default 1GiB)
  --no-live           leaves out what is there when it begins
  --token TOKEN       bearer token (default: the environment's AUTH_TOKEN)
  --help              prints this
`;

/** Bytes of a recording's end that are looked at for remarks. */
const TAIL = 1024;

interface Options {
  readonly output: string;
  readonly url: string;
  readonly heap: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly live: boolean;
  readonly token: string | undefined;
}

/** A message for people. */
class Failure extends Error {}

export async function main(argv: string[]): Promise<number> {
  let options: Options;
  try {
    const parsed = parse(argv);
    if (parsed === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    options = parsed;
  } catch (error) {
    process.stderr.write(`goheap record: ${(error as Error).message.split('\n')[0]}; see goheap record --help\n`);
    return 2;
  }
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    return await record(options, interrupt.signal);
  } catch (error) {
    process.stderr.write(`goheap record: ${explain(error, options)}\n`);
    return 1;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** Passes text on, and keeps what is said about it: how much there was, and its last bytes. */
class Meter extends Transform {
  bytes = 0;
  tail = '';

  override _transform(chunk: Buffer, _encoding: string, done: (error: null, chunk: Buffer) => void): void {
    this.bytes += chunk.length;
    this.tail = (this.tail + chunk.toString('latin1')).slice(-TAIL);
    done(null, chunk);
  }

  get remarks(): string[] {
    return this.tail
      .split('\n')
      .filter((line) => line.startsWith('# '))
      .map((line) => line.slice(2));
  }
}

async function record(options: Options, signal: AbortSignal): Promise<number> {
  const response = await ask(options, signal);
  let opened: ReturnType<typeof open>;
  try {
    // Not before the server has agreed: a request that fails leaves no file.
    opened = open(options.output);
  } catch (error) {
    response.destroy();
    throw error;
  }
  const { file, discard } = opened;
  const meter = new Meter();
  const progress = new Progress(options.seconds, () => meter.bytes);
  const packed = response.headers['content-encoding'] === 'gzip';
  const source = packed ? response.pipe(createGunzip()) : response;
  response.once('error', (error) => source.destroy(error));
  let broke: Error | undefined;
  try {
    const text = Readable.from(
      patient(source, signal, (error) => {
        broke = error;
      }),
      { objectMode: false },
    );
    if (options.output.endsWith('.gz')) await pipeline(text, meter, createGzip(), file);
    else await pipeline(text, meter, file);
  } catch (error) {
    // The disk, not the server: what is there is of no use.
    discard();
    throw error;
  } finally {
    progress.stop();
    response.destroy();
  }
  const { remarks } = meter;
  const end = remarks.find((line) => line.startsWith('end: '));
  const notes = remarks.filter((line) => /^(told|dropped|left out|repaired|end): /.test(line));
  const where = options.output === '-' ? '' : ` in ${options.output}`;
  process.stderr.write(`record: ${mebibytes(meter.bytes)} of text${where}\n`);
  for (const line of notes) process.stderr.write(`record: ${line}\n`);
  if (end !== undefined) return 0;
  const why = broke === undefined ? '' : `: ${broke.message}`;
  process.stderr.write(`record: broke off${why}; what was recorded until then is whole\n`);
  return 1;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** The text up to its end, its break or an interrupt, in whole lines: none of them is an error of the file that it goes to. */
async function* patient(source: Readable, signal: AbortSignal, broke: (error: Error) => void): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      const end = chunk.lastIndexOf(10) + 1;
      if (end === 0) rest = Buffer.concat([rest, chunk]);
      else {
        if (rest.length > 0) yield rest;
        yield chunk.subarray(0, end);
        rest = chunk.subarray(end);
      }
    }
  } catch (error) {
    if (!signal.aborted) broke(error as Error);
  }
  if (signal.aborted) yield Buffer.from('# end: interrupted by its reader\n');
}

/** The answer, once it has begun. Rejects with what is wrong with it. */
async function ask(options: Options, signal: AbortSignal): Promise<http.IncomingMessage> {
  const { url, heap, seconds, bytes, live, token } = options;
  const base = new URL(url.endsWith('/') ? url : `${url}/`);
  const query = `seconds=${seconds}&bytes=${bytes}&live=${live}`;
  const target = new URL(`v1/heaps/${encodeURIComponent(heap)}/recording?${query}`, base);
  const headers: Record<string, string> = { 'accept-encoding': 'gzip' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const client = target.protocol === 'https:' ? https : http;
  const request = client.get(target, { headers, signal });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  // From here on an interrupt ends the text; it is no error.
  request.on('error', () => {});
  if (response.statusCode === 200) return response;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  throw new Failure(problem(response.statusCode ?? 0, Buffer.concat(chunks).toString()));
}

function problem(status: number, text: string): string {
  try {
    const { code, detail } = JSON.parse(text) as { code?: unknown; detail?: unknown };
    if (typeof code === 'string') return `the server answers ${status} ${code}: ${detail}`;
  } catch {
    // No problem document.
  }
  return `the server answers ${status}; is it goheap?`;
}

/** Where the text goes, and how to leave nothing behind. */
function open(output: string): { file: Writable; discard: () => void } {
  if (output === '-') return { file: process.stdout, discard: () => {} };
  const fd = openSync(output, 'w');
  const regular = fstatSync(fd).isFile();
  const discard = (): void => {
    // A device or a pipe is not ours to remove.
    if (regular) rmSync(output, { force: true });
  };
  return { file: createWriteStream(output, { fd }), discard };
}

/** A line a moment on standard error: on a terminal always the same one. */
class Progress {
  private readonly timer: NodeJS.Timeout;
  private readonly began = performance.now();
  private readonly tty = process.stderr.isTTY;

  constructor(seconds: number, bytes: () => number) {
    const draw = (): void => {
      const passed = (performance.now() - this.began) / 1000;
      const line = `record: ${Math.min(passed, seconds).toFixed(0)} of ${seconds} s, ${mebibytes(bytes())}`;
      process.stderr.write(this.tty ? `\r${line}\x1b[K` : `${line}\n`);
    };
    this.timer = setInterval(draw, this.tty ? 200 : 2000);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    if (this.tty) process.stderr.write('\r\x1b[K');
  }
}

function explain(error: unknown, { url, output }: Options): string {
  const { code, message, syscall, name } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return 'interrupted before it began';
  if (code === 'ECONNREFUSED') return `no server answers at ${url}`;
  if (syscall === 'open' || syscall === 'write') return `cannot write ${output}: ${code}`;
  return message;
}

function parse(argv: string[]): 'help' | Options {
  const { values } = parseArgs({
    args: argv,
    allowPositionals: false,
    options: {
      output: { type: 'string', short: 'o' },
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      heap: { type: 'string', default: 'default' },
      seconds: { type: 'string', default: '10' },
      bytes: { type: 'string', default: '1GiB' },
      'no-live': { type: 'boolean', default: false },
      token: { type: 'string', default: process.env.AUTH_TOKEN || undefined },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return 'help';
  if (!values.output) throw new Error('-o FILE is missing');
  if (!URL.canParse(values.url) || !/^https?:$/.test(new URL(values.url).protocol)) {
    throw new Error(`--url ${JSON.stringify(values.url)} is no http(s) URL`);
  }
  const seconds = /^\d+(\.\d+)?$/.test(values.seconds) ? Number(values.seconds) : Number.NaN;
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new Error(`--seconds must be a number from 0.1 to 3600`);
  const bytes = parseGoSize(values.bytes);
  if (bytes === undefined || bytes < 4096 || bytes > 2 ** 34) {
    throw new Error(`--bytes must be ${GO_SIZE_WORDS}, from 4KiB to 16GiB`);
  }
  const { output, url, heap, token } = values;
  return { output, url, heap, seconds, bytes, live: !values['no-live'], token };
}
