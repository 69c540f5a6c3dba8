/**
 * From the bytes of a recording to the event stream and the report of what was in it.
 *
 *     bytes → decompress → recognise by the first 64 KiB → lines → reader → slots → records → sink
 *
 * All of it is streamed: what is held is a few buffers and the table of live addresses, whatever the size of the file. Only the reading of bytes is
 * asynchronous; a sink that wants to slow the parser down blocks in `write`, or throws to end it.
 */

import { decompress } from './decompress.js';
import { type IngestReport, newIngestReport, ReplayInputError } from './events.js';
import { HEAD_BYTES, recognise } from './readers/formats.js';
import { LineSplitter } from './readers/reader.js';
import type { RecordSink } from './records.js';
import { SlotTable } from './slots.js';

export interface IngestLimits {
  /** Bytes of the file, and of what it decompresses to. */
  readonly bytes: number;
  readonly textBytes: number;
  /** Bytes of text per byte of the file, asked for once there are more than 256 MiB of text. */
  readonly ratio: number;
  readonly events: number;
  /** Objects live at once. */
  readonly slots: number;
}

export const DEFAULT_LIMITS: IngestLimits = {
  bytes: 64 * 2 ** 30,
  textBytes: 256 * 2 ** 30,
  ratio: 500,
  events: 2 ** 40,
  slots: 2 ** 28,
};

export interface IngestOptions {
  readonly limits?: Partial<IngestLimits>;
  /** Which free slot is taken first (slots.ts). */
  readonly reuse?: 'newest' | 'oldest';
  /** Called after every piece of the text, with what was read so far. */
  readonly onProgress?: (progress: IngestProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface IngestProgress {
  /** Bytes of the file that were read. */
  readonly bytes: number;
  readonly textBytes: number;
  readonly events: number;
}

/** Reads a recording to its end. Rejects with ReplayInputError where it is none. */
export async function ingest(
  input: AsyncIterable<Uint8Array>,
  sink: RecordSink,
  options: IngestOptions = {},
): Promise<IngestReport> {
  const parser = new Parser(sink, options);
  const unpacked = decompress(input, { ...DEFAULT_LIMITS, ...options.limits }, parser.report);
  for await (const text of unpacked) {
    parser.push(text);
    options.signal?.throwIfAborted();
    options.onProgress?.({ bytes: parser.report.bytes, textBytes: parser.report.textBytes, events: parser.events });
  }
  return parser.end();
}

/** The part without input and output: text in pieces of any size in, records out. */
export class Parser {
  readonly report = newIngestReport('');
  private readonly table: SlotTable;
  private readonly limits: IngestLimits;
  private splitter: LineSplitter | undefined;
  /** The beginning of the text, until there is enough of it to tell the format. */
  private readonly head = new Uint8Array(HEAD_BYTES);
  private headLength = 0;

  constructor(sink: RecordSink, options: IngestOptions = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.table = new SlotTable(this.report, sink, { reuse: options.reuse, maxSlots: this.limits.slots });
  }

  get events(): number {
    return this.table.events;
  }

  push(text: Uint8Array): void {
    this.report.textBytes += text.length;
    let rest = text;
    if (this.splitter === undefined) {
      const taken = Math.min(text.length, HEAD_BYTES - this.headLength);
      this.head.set(text.subarray(0, taken), this.headLength);
      this.headLength += taken;
      if (this.headLength < HEAD_BYTES) return;
      this.begin();
      rest = text.subarray(taken);
    }
    this.splitter?.push(rest);
    this.checkEvents();
  }

  /** The text has ended. */
  end(): IngestReport {
    const r = this.report;
    if (r.textBytes === 0) {
      throw new ReplayInputError('replay-empty', 'the recording is empty: record a run of the program first');
    }
    if (this.splitter === undefined) this.begin();
    this.splitter?.end();
    this.checkEvents();
    this.table.end();
    if (r.events === 0) {
      throw new ReplayInputError(
        'replay-empty',
        `the recording (${r.format}, ${r.lines} lines) has no allocations that can be replayed`,
      );
    }
    return r;
  }

  private checkEvents(): void {
    if (this.events <= this.limits.events) return;
    throw new ReplayInputError('replay-too-many-events', `the recording has more than ${this.limits.events} events`);
  }

  private begin(): void {
    const head = this.head.subarray(0, this.headLength);
    const format = recognise(head);
    this.report.format = format.name;
    this.splitter = new LineSplitter(format.create(this.table), this.report);
    this.splitter.push(head);
  }
}
