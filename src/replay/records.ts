/**
 * Writing the event stream (events.ts) into chunks.
 *
 * The writer owns one chunk's worth of words and hands it to the sink whenever it is full; the sink copies what it wants to keep. Thread
 * and time are said only where an event follows: a reader tells them line by line, and a record is written when one that depends on it is.
 * A stream begins on thread 0 at time 0.
 *
 * Invariant: a `high` record and its successor are in the same chunk.
 */

import { CHUNK_RECORDS, KIND_SHIFT, Kind, OPERAND_MASK, RECORD_WORDS } from './events.js';

/** Takes the chunks of a stream, in order. */
export interface RecordSink {
  /**
   * @param words the chunk's records; reused by the writer after the call
   * @param records how many
   * @param slots slots that the stream has named so far, this chunk included
   */
  write(words: Int32Array, records: number, slots: number): void;
}

const LAST_WORD = CHUNK_RECORDS * RECORD_WORDS;

export class RecordWriter {
  private readonly words = new Int32Array(LAST_WORD);
  private at = 0;
  private readonly sink: RecordSink;
  /** Slots named so far: whoever hands out slots raises it before the event that names the new one. */
  slots = 0;
  private thread = 0;
  /** ns since the first recorded time; what of it was written. */
  private now = 0;
  private written = 0;
  /** Events without a record since the last one that has one. */
  private skipped = 0;

  constructor(sink: RecordSink) {
    this.sink = sink;
  }

  /** What follows is done by this thread, a dense index. */
  setThread(thread: number): void {
    if (thread === this.thread) return;
    this.thread = thread;
    this.put((Kind.thread << KIND_SHIFT) | thread, 0);
  }

  /** What follows happens at this time. Recorded times of several threads may step back; the stream's does not. */
  setTime(ns: number): void {
    if (ns > this.now) this.now = ns;
  }

  /** ns from the first recorded time to the last. */
  get time(): number {
    return this.now;
  }

  /** @param size bytes, an integer below 2^53 */
  event(kind: number, slot: number, size: number): void {
    if (this.skipped !== 0) this.writeSkipped();
    if (this.now !== this.written) this.writeTime();
    if (size >= 0x1_0000_0000) {
      if (this.at + 2 * RECORD_WORDS > LAST_WORD) this.flush();
      this.put((Kind.high << KIND_SHIFT) | (size / 0x1_0000_0000), 0);
    }
    this.put((kind << KIND_SHIFT) | slot, size | 0);
  }

  /** An event that leads to nothing, but counts. */
  skip(): void {
    if (++this.skipped === OPERAND_MASK) this.writeSkipped();
  }

  private writeSkipped(): void {
    this.put((Kind.skip << KIND_SHIFT) | this.skipped, 0);
    this.skipped = 0;
  }

  /** The program collects. */
  collect(): void {
    if (this.now !== this.written) this.writeTime();
    this.put(Kind.collect << KIND_SHIFT, 0);
  }

  /** The stream ends: time goes on to the last one that was recorded. */
  end(): void {
    if (this.skipped !== 0) this.writeSkipped();
    if (this.now !== this.written) this.writeTime();
    this.flush();
  }

  private writeTime(): void {
    const passed = this.now - this.written;
    this.written = this.now;
    this.put((Kind.time << KIND_SHIFT) | (passed / 0x1_0000_0000), passed | 0);
  }

  private put(head: number, value: number): void {
    if (this.at === LAST_WORD) this.flush();
    const at = this.at;
    this.words[at] = head;
    this.words[at + 1] = value;
    this.at = at + RECORD_WORDS;
  }

  private flush(): void {
    if (this.at === 0) return;
    this.sink.write(this.words, this.at / RECORD_WORDS, this.slots);
    this.at = 0;
  }
}
