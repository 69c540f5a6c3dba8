/**
 * A recording as it leaves the server: a remark, the objects that were there before, the events as they come, a remark how it ended.
 *
 * Text is made when the reader has room, one piece a turn of the event loop, so that neither a large heap nor a reader that is as fast as we
 * are keeps others waiting. It ends after its time, at its bound in bytes, when the heap is deleted and when the server drains; what was told
 * until then is still written, except beyond the bound. A reader that takes nothing for half a minute is cut off.
 *
 * The last line is always `# end: …`: a text without it broke off.
 */

import { Readable } from 'node:stream';
import type { Recorder } from './recorder.js';
import { TextWriter } from './text.js';

/** Milliseconds between two looks for something to write. */
const TICK = 50;
export const STALL_MS = 30_000;
/** Kept free for the remarks at the end. */
const REMARKS = 1024;
const NEWLINE = 10;

export type RecordingEnd = 'time' | 'bytes' | 'heap-deleted' | 'shutting-down';

const WHY: Record<RecordingEnd, string> = {
  time: 'the time is over',
  bytes: 'the bound in bytes is reached',
  'heap-deleted': 'the heap was deleted',
  'shutting-down': 'the server shuts down',
};

export interface RecordingOptions {
  /** What it is of, without line breaks: the first line. */
  readonly title: string;
  /** Of text, at most. */
  readonly bytes: number;
  /** Stops the recorder's being told. */
  readonly detach: () => void;
  /** Whether the heap still exists. */
  readonly isLive: () => boolean;
  readonly stallMs?: number;
}

export class RecordingStream extends Readable {
  /** Bytes of text so far. */
  written = 0;
  /** Why it ended; undefined while it runs, or when the reader went away. */
  ending: RecordingEnd | undefined;
  private readonly recorder: Recorder;
  private readonly options: RecordingOptions;
  private readonly writer = new TextWriter();
  private readonly tick: NodeJS.Timeout;
  private next: NodeJS.Immediate | undefined;
  private stalled: NodeJS.Timeout | undefined;
  /** The reader has room, and there was nothing for it. */
  private idle = false;
  private started = false;
  /** The last line is written. */
  private over = false;
  /** Where the objects from before go on. */
  private run = 0;

  constructor(recorder: Recorder, options: RecordingOptions) {
    super({ highWaterMark: 1 });
    this.recorder = recorder;
    this.options = options;
    this.tick = setInterval(() => this.look(), TICK).unref();
  }

  /** Ends it; what was told so far is still written. */
  finish(why: RecordingEnd): void {
    if (this.ending !== undefined) return;
    this.ending = why;
    this.options.detach();
    this.recorder.close();
    this.look();
  }

  override _read(): void {
    clearTimeout(this.stalled);
    // Others first: a client that reads as fast as we write would keep the loop to itself.
    this.next = setImmediate(() => this.step());
  }

  private look(): void {
    if (this.ending === undefined && !this.options.isLive()) this.finish('heap-deleted');
    if (!this.idle || (this.recorder.queue.length === 0 && this.ending === undefined)) return;
    this.idle = false;
    this.next = setImmediate(() => this.step());
  }

  private step(): void {
    if (this.over) return;
    const { recorder, writer } = this;
    const { rooted, queue } = recorder;
    if (!this.started) {
      this.started = true;
      this.give(Buffer.from(`# ${this.options.title}\n`));
      return;
    }
    if (rooted !== null && this.run < rooted.end) this.run = writer.rooted(rooted, this.run);
    else {
      writer.drain(queue);
      recorder.relieve();
      writer.drain(queue);
    }
    const piece = writer.take();
    if (piece.length > 0) this.within(piece);
    else if (this.ending === undefined) this.idle = true;
    else this.conclude();
  }

  /** Gives a piece, or as many of its lines as the bound allows, and then no more. */
  private within(piece: Buffer): void {
    const most = this.options.bytes - REMARKS - this.written;
    if (piece.length <= most) {
      this.give(piece);
      return;
    }
    this.finish('bytes');
    this.ending = 'bytes';
    this.give(piece.subarray(0, piece.subarray(0, Math.max(0, most)).lastIndexOf(NEWLINE) + 1));
    this.conclude();
  }

  private give(piece: Buffer): void {
    this.written += piece.length;
    if (piece.length === 0) return;
    clearTimeout(this.stalled);
    const ms = this.options.stallMs ?? STALL_MS;
    this.stalled = setTimeout(() => this.destroy(new Error('nobody reads the recording')), ms).unref();
    this.push(piece);
  }

  private conclude(): void {
    const { mallocs, frees, bytes, dropped, gaps, late, zeros, older, repaired } = this.recorder;
    const lines: string[] = [];
    // At the bound in bytes some of what was told was not written.
    if (this.ending !== 'bytes') lines.push(`told: ${mallocs} mallocs of ${bytes} bytes, ${frees} frees`);
    if (dropped > 0 || late > 0) {
      lines.push(`dropped: ${dropped} events in ${gaps} gaps, and ${late} frees came late: the reader was too slow`);
    }
    if (zeros > 0) lines.push(`left out: ${zeros} allocations of 0 bytes`);
    if (older > 0) lines.push(`left out: ${older} frees of objects from before`);
    if (repaired > 0) lines.push(`repaired: ${repaired} frees were never seen, because a thread died`);
    lines.push(`end: ${WHY[this.ending as RecordingEnd]}`);
    this.give(Buffer.from(lines.map((line) => `# ${line}\n`).join('')));
    this.over = true;
    this.push(null);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearInterval(this.tick);
    clearImmediate(this.next);
    clearTimeout(this.stalled);
    this.options.detach();
    this.recorder.queue.clear();
    callback(error);
  }
}
