/**
 * An NDJSON batch: one operation a line in, one result a line out, streamed both ways.
 *
 * Lines are collected into windows of at most 1,000 operations; a window also ends where the bytes at hand end, so
 * that a client that waits for an answer gets it. One window runs at a time: the body is not read faster than the
 * answer is taken. A bad line is its own result; only a line that is too long, or a heap that fails, ends the stream, with a last
 * line `{"error": …}`.
 *
 * `ref` counts lines from the beginning of the stream. The addresses of the last 65,536 operations are remembered.
 */

import type { Readable } from 'node:stream';
import * as address from '../address.js';
import { type Body, chunksOf } from '../bodies.js';
import { Problem, problemItem } from '../problem.js';
import type { Host } from '../route.js';
import { Builder } from './builder.js';
import type { Gone } from './disown.js';
import type { BatchLimits } from './json.js';
import { ResultWriter } from './results.js';
import { runBatch } from './run.js';

const WINDOW = 1000;
const MAX_LINE = 65_536;
const REMEMBERED = 65_536;
const NEWLINE = 10;

/** Bytes that a stream keeps for as long as it lasts: the addresses, and a window. */
export const STREAM_BYTES = REMEMBERED * 8 + WINDOW * 16;

export async function* ndjsonBatch(
  host: Host,
  body: Readable,
  p: number,
  limits: BatchLimits,
  held: Body,
  gone: Gone,
): AsyncGenerator<Buffer> {
  try {
    const stream = new Stream(host, p, limits, gone);
    const line = new Line(held);
    for await (const chunk of chunksOf(body)) {
      let end = chunk.indexOf(NEWLINE);
      if (end < 0) {
        line.keep(chunk);
        continue;
      }
      const bytes = line.with(chunk);
      end += bytes.length - chunk.length;
      let from = 0;
      for (; end >= 0; end = bytes.indexOf(NEWLINE, from)) {
        stream.line(bytes, from, end);
        from = end + 1;
        if (stream.pending === WINDOW) yield await stream.run();
      }
      if (from < bytes.length) line.keep(bytes.subarray(from));
      if (stream.pending > 0) yield await stream.run();
    }
    const rest = line.with();
    if (rest.length > 0) stream.line(rest, 0, rest.length);
    if (stream.pending > 0) yield await stream.run();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    yield Buffer.from(`${JSON.stringify({ error: problemItem(error.code, error.message, error.members) })}\n`);
  } finally {
    held.release();
    // The rest of one that was refused, so that the client comes to read the answer.
    if (!body.readableEnded) body.resume();
  }
}

/** The beginning of a line whose end is yet to come. Put together once, however small its chunks are. */
class Line {
  private readonly held: Body;
  private chunks: Buffer[] = [];
  private length = 0;

  constructor(held: Body) {
    this.held = held;
  }

  keep(chunk: Buffer): void {
    this.length += chunk.length;
    if (this.length > MAX_LINE) throw lineTooLong();
    this.held.add(chunk.length);
    this.chunks.push(chunk);
  }

  /** What was kept, and `chunk`; nothing is kept any more. */
  with(chunk?: Buffer): Buffer {
    if (this.chunks.length === 0) return chunk ?? Buffer.alloc(0);
    if (chunk !== undefined) this.chunks.push(chunk);
    const bytes = Buffer.concat(this.chunks);
    this.held.release();
    this.chunks = [];
    this.length = 0;
    return bytes;
  }
}

function lineTooLong(): Problem {
  return new Problem('invalid-record', `A line is longer than ${MAX_LINE} bytes.`, { limit: MAX_LINE });
}

class Stream {
  private readonly host: Host;
  private readonly p: number;
  private readonly gone: Gone;
  private readonly batch: Builder;
  /** Operations of earlier windows. */
  private base = 0;
  /** Halves of the address that operation i made, at i modulo REMEMBERED; 0 for none. */
  private readonly made = new Int32Array(REMEMBERED * 2);

  constructor(host: Host, p: number, limits: BatchLimits, gone: Gone) {
    this.gone = gone;
    this.host = host;
    this.p = p;
    this.batch = new Builder(host, limits.maxObject, WINDOW);
  }

  get pending(): number {
    return this.batch.ops;
  }

  line(bytes: Buffer, from: number, end: number): void {
    if (end - from > MAX_LINE) throw lineTooLong();
    const text = bytes.toString('utf8', from, end).trim();
    // Blank lines keep a connection busy, or end a file: they are no operation.
    if (text === '') return;
    let op: unknown;
    try {
      op = JSON.parse(text);
    } catch {
      this.batch.add('');
      this.batch.errors?.set(this.batch.ops - 1, problemItem('invalid-json', 'The line is not valid JSON.'));
      return;
    }
    this.batch.add(op, this.base, this.earlier);
  }

  async run(): Promise<Buffer> {
    const { batch, made } = this;
    const out = new ResultWriter(batch.ops);
    await runBatch(this.host, batch, this.p, this.gone, (w, first) => {
      out.results(batch, w, first, NEWLINE, true, this.base);
      for (let i = 0; i < batch.ops; i++) {
        const at = first + (batch.recordOf === null ? i : batch.recordOf[i]) * 2;
        const slot = ((this.base + i) % REMEMBERED) * 2;
        made[slot] = w[at];
        made[slot + 1] = w[at + 1] & 0xffff;
      }
    });
    this.base += batch.ops;
    batch.reset();
    return out.take();
  }

  private readonly earlier = (ref: number): boolean => {
    if (ref < this.base - REMEMBERED || ref >= this.base) return false;
    const slot = (ref % REMEMBERED) * 2;
    address.set(this.made[slot], this.made[slot + 1]);
    return (address.lo | address.hi) !== 0;
  };
}
