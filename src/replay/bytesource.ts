/**
 * The bytes of a recording's file as they come: counted, held to their limits, with a look ahead for headers.
 */

import { type IngestReport, ReplayInputError } from './events.js';
import type { IngestLimits } from './ingest.js';

/** Text below which its ratio to the packed bytes does not matter: a program may repeat itself for a while. */
const RATIO_FROM = 256 * 2 ** 20;

/** Bytes that are handed on at least, where there are as many. */
const PIECE = 4096;

export function damaged(report: IngestReport, why: string): ReplayInputError {
  return new ReplayInputError(
    'replay-damaged',
    `damaged ${report.compression} data within the first ${report.bytes} bytes (${why}): copy or record the file again`,
  );
}

/** The bytes of the file, counted, with a look ahead. */
export class ByteSource implements AsyncIterable<Uint8Array> {
  private readonly input: AsyncIterator<Uint8Array>;
  private readonly limits: IngestLimits;
  private readonly report: IngestReport;
  private rest: Uint8Array = new Uint8Array(0);
  private done = false;
  private text = 0;

  constructor(input: AsyncIterable<Uint8Array>, limits: IngestLimits, report: IngestReport) {
    this.input = input[Symbol.asyncIterator]();
    this.limits = limits;
    this.report = report;
  }

  /** The next `n` bytes, which stay where they are; fewer at the end of the file. */
  async peek(n: number): Promise<Uint8Array> {
    if (this.rest.length < n) {
      // Put together once: whoever sends a byte at a time shall not have each copied as often.
      const pieces = [this.rest];
      let have = this.rest.length;
      for (let piece = await this.more(); piece !== undefined; piece = have < n ? await this.more() : undefined) {
        pieces.push(piece);
        have += piece.length;
      }
      this.rest = pieces.length === 1 ? this.rest : Buffer.concat(pieces, have);
    }
    return this.rest.subarray(0, n);
  }

  /** The next `n` bytes; fewer at the end of the file. */
  async take(n: number): Promise<Uint8Array> {
    const taken = await this.peek(n);
    this.rest = this.rest.subarray(taken.length);
    return taken;
  }

  /** Bytes that were taken and are not wanted: they come again. */
  putBack(bytes: Uint8Array): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([bytes, this.rest]);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    // Whoever sends a byte at a time shall not have each unpacked by itself: every piece costs a
    // trip to another thread.
    while ((await this.peek(PIECE)).length > 0) {
      const chunk = this.rest;
      this.rest = new Uint8Array(0);
      yield chunk;
    }
  }

  /** Counts text that came out. */
  out(length: number): void {
    this.text += length;
    const over = this.over(0);
    if (over !== undefined) throw over;
  }

  /** What is wrong with `more` bytes of text beside those that `out` counted. */
  over(more: number): ReplayInputError | undefined {
    const text = this.text + more;
    if (text > this.limits.textBytes) {
      return new ReplayInputError(
        'replay-too-large',
        `the recording unpacks to more than ${this.limits.textBytes} bytes`,
      );
    }
    if (text > RATIO_FROM && text > this.report.bytes * this.limits.ratio) {
      const ratio = `${this.limits.ratio} times its size`;
      return new ReplayInputError('replay-bomb', `the recording unpacks to more than ${ratio}: that is no recording`);
    }
    return undefined;
  }

  async close(): Promise<void> {
    await this.input.return?.();
  }

  /** The next piece of the file. */
  private async more(): Promise<Uint8Array | undefined> {
    if (this.done) return undefined;
    const next = await this.input.next();
    if (next.done) {
      this.done = true;
      return undefined;
    }
    this.report.bytes += next.value.length;
    if (this.report.bytes > this.limits.bytes) {
      throw new ReplayInputError('replay-too-large', `the recording has more than ${this.limits.bytes} bytes`);
    }
    return next.value;
  }
}
