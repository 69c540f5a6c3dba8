/**
 * An event stream between threads: one thread parses, any number of others read it, while it grows and afterwards.
 *
 * Chunks lie one after the other at equal distances, each with two words before it: its records, and the slots that the stream has named up to its
 * end. The first ones, up to a cap, are in a SharedArrayBuffer that grows; the rest goes to a file. The file has no name any more: it is
 * removed as soon as it is open, and all threads of a process share its descriptor, so that nothing is left behind however the process ends.
 *
 *      control   state, chunks published, a count of changes to either, length of the outcome, the outcome as JSON (a report, or an error)
 *      records   chunks 0 … in memory
 *      file      the chunks after those, from `fileBase`
 *
 * Chunks are written before their number is published by an atomic store, and never change afterwards: that is all the synchronisation there is.
 * A store that was saved and opened again has no chunk in memory and the saved file for its file.
 *
 * The owner (`TraceStore`) closes the descriptor; writer and readers must have ended by then.
 */

import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isScarcity } from '../threads/scarcity.js';
import { type IngestReport, RECORD_WORDS, ReplayInputError } from './events.js';
import type { RecordSink } from './records.js';
import { HEAD_WORDS, openSaved, STRIDE, STRIDE_WORDS, saveTrace } from './savedtrace.js';

const STATE = 0;
const CHUNKS = 1;
/** Incremented after every change of the other two: what readers sleep on. */
const CHANGES = 2;
const OUTCOME_LENGTH = 3;
const OUTCOME = 4;
const CONTROL_BYTES = 64 * 1024;

const GROWING = 0;
const COMPLETE = 1;
const FAILED = 2;

/** Bytes of records that stay in memory. */
export const DEFAULT_MEMORY = 64 * 2 ** 20;

/** What threads are given of a store: to be posted. */
export interface TraceHandle {
  readonly control: SharedArrayBuffer;
  readonly records: SharedArrayBuffer;
  /** Chunks that `records` has room for. */
  readonly inMemory: number;
  /** Descriptor of the file, -1: there is none, and why. */
  readonly fd: number;
  readonly fdError: string;
  readonly fileBase: number;
}

export interface StoreOptions {
  /** Bytes of records that are kept in memory, 64 MiB unless given. */
  readonly memory?: number;
  /** Where the file for the rest is made: the system's directory for temporary files. */
  readonly directory?: string;
}

export class TraceStore {
  readonly handle: TraceHandle;
  private closed = false;

  private constructor(handle: TraceHandle) {
    this.handle = handle;
  }

  static create(options: StoreOptions = {}): TraceStore {
    const inMemory = Math.floor((options.memory ?? DEFAULT_MEMORY) / STRIDE);
    const file = unnamedFile(options.directory ?? tmpdir());
    return new TraceStore({
      control: new SharedArrayBuffer(CONTROL_BYTES),
      records: new SharedArrayBuffer(0, { maxByteLength: inMemory * STRIDE }),
      inMemory,
      fd: file.fd,
      fdError: file.error,
      fileBase: 0,
    });
  }

  /** A store that `save` wrote: complete, and read from its file, which may be unlinked meanwhile. Throws ReplayInputError where it is none. */
  static open(path: string): TraceStore {
    const { fd, base, chunks, report } = openSaved(path);
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const words = new Int32Array(control);
    words[CHUNKS] = chunks;
    settle(words, COMPLETE, report);
    return new TraceStore({
      control,
      records: new SharedArrayBuffer(0),
      inMemory: 0,
      fd,
      fdError: '',
      fileBase: base,
    });
  }

  writer(): TraceWriter {
    return new TraceWriter(this.handle);
  }

  reader(): TraceReader {
    return new TraceReader(this.handle);
  }

  /** Writes a complete stream and its report to a file, which appears whole or not at all. */
  save(path: string): Promise<void> {
    return saveTrace(this.reader(), path);
  }

  /** Bytes of the stream, in memory and in its file. */
  get bytes(): number {
    return Atomics.load(new Int32Array(this.handle.control), CHUNKS) * STRIDE;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.handle.fd >= 0) closeSync(this.handle.fd);
  }
}

/** The parser's side. */
export class TraceWriter implements RecordSink {
  private readonly handle: TraceHandle;
  private readonly control: Int32Array;
  private readonly head = new Int32Array(HEAD_WORDS);
  private chunks = 0;

  constructor(handle: TraceHandle) {
    this.handle = handle;
    this.control = new Int32Array(handle.control);
  }

  /** Publishes a chunk. Throws ReplayInputError when there is no room for it. */
  write(words: Int32Array, records: number, slots: number): void {
    const { handle } = this;
    this.head[0] = records;
    this.head[1] = slots;
    const used = words.subarray(0, records * RECORD_WORDS);
    if (this.chunks < handle.inMemory) {
      handle.records.grow((this.chunks + 1) * STRIDE);
      const at = new Int32Array(handle.records, this.chunks * STRIDE, STRIDE_WORDS);
      at.set(this.head);
      at.set(used, HEAD_WORDS);
    } else {
      this.spool(used);
    }
    Atomics.store(this.control, CHUNKS, ++this.chunks);
    changed(this.control);
  }

  /** The stream is whole. */
  complete(report: IngestReport): void {
    settle(this.control, COMPLETE, report);
  }

  /** The stream will not become whole: readers throw this. */
  fail(error: unknown): void {
    const { code, message } = inputError(error);
    settle(this.control, FAILED, { code, message: message.slice(0, 2000) });
  }

  private spool(words: Int32Array): void {
    const { fd, fdError, inMemory } = this.handle;
    if (fd < 0) throw new ReplayInputError('replay-spool', `the recording does not fit into memory, and ${fdError}`);
    const base = (this.chunks - inMemory) * STRIDE;
    try {
      writeWhole(fd, this.head, base);
      writeWhole(fd, words, base + HEAD_WORDS * 4);
    } catch (error) {
      ftruncateSync(fd, 0);
      const why = (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'the disk is full' : (error as Error).message;
      throw new ReplayInputError(
        'replay-spool',
        `the recording does not fit into memory, and its temporary file cannot be written: ${why}`,
      );
    }
  }
}

export interface Chunk {
  /** Its records, two words each; valid until the next call of `next`. */
  readonly words: Int32Array;
  readonly records: number;
  /** All slots that the stream named up to here are below this. */
  readonly slots: number;
}

/** A reader's side: as many as there are, each at its own place. */
export class TraceReader {
  private readonly handle: TraceHandle;
  private readonly control: Int32Array;
  /** Where chunks of the file are read to. */
  private buffer: Int32Array | undefined;
  /** The chunk that `next` answers with. */
  chunk = 0;

  constructor(handle: TraceHandle) {
    this.handle = handle;
    this.control = new Int32Array(handle.control);
  }

  /** Chunks that there are by now. */
  get chunks(): number {
    return Atomics.load(this.control, CHUNKS);
  }

  /**
   * The next chunk, or null at the stream's end. Blocks the thread until there is either.
   * Throws ReplayInputError when the parser failed.
   */
  next(): Chunk | null {
    for (;;) {
      const changes = Atomics.load(this.control, CHANGES);
      // The state first: once it says that the stream has ended, the number of chunks is final.
      const state = Atomics.load(this.control, STATE);
      if (this.chunk < this.chunks) break;
      if (state === FAILED) this.throwFailure();
      if (state === COMPLETE) return null;
      Atomics.wait(this.control, CHANGES, changes);
    }
    return this.read(this.chunk++);
  }

  /** From the beginning again, or from any chunk that there is. */
  seek(chunk = 0): void {
    this.chunk = chunk;
  }

  /** The report of a stream that is complete. Throws the parser's ReplayInputError where that failed. */
  report(): IngestReport {
    const state = Atomics.load(this.control, STATE);
    if (state === FAILED) this.throwFailure();
    if (state === GROWING) throw new Error('the recording is still being read');
    return JSON.parse(this.outcome()) as IngestReport;
  }

  private read(index: number): Chunk {
    const { records, inMemory, fd, fileBase } = this.handle;
    let words: Int32Array;
    if (index < inMemory) {
      words = new Int32Array(records, index * STRIDE, STRIDE_WORDS);
    } else {
      words = this.buffer ??= new Int32Array(STRIDE_WORDS);
      const bytes = new Uint8Array(words.buffer);
      const from = fileBase + (index - inMemory) * STRIDE;
      let done = 0;
      // The last chunk of all may be short.
      for (let n = 1; n > 0 && done < STRIDE; done += n) n = readSync(fd, bytes, done, STRIDE - done, from + done);
    }
    return { words: words.subarray(HEAD_WORDS), records: words[0], slots: words[1] };
  }

  private throwFailure(): never {
    const { code, message } = JSON.parse(this.outcome()) as { code: string; message: string };
    throw new ReplayInputError(code, message);
  }

  private outcome(): string {
    const bytes = new Uint8Array(this.handle.control, OUTCOME * 4, this.control[OUTCOME_LENGTH]);
    return Buffer.from(bytes).toString('utf8');
  }
}

function changed(control: Int32Array): void {
  Atomics.add(control, CHANGES, 1);
  Atomics.notify(control, CHANGES);
}

/** Ends a stream. */
function settle(control: Int32Array, state: number, outcome: unknown): void {
  const bytes = Buffer.from(JSON.stringify(outcome));
  new Uint8Array(control.buffer, OUTCOME * 4).set(bytes);
  control[OUTCOME_LENGTH] = bytes.length;
  Atomics.store(control, STATE, state);
  changed(control);
}

/** What a user is told of an error of any kind. */
export function inputError(error: unknown): ReplayInputError {
  if (error instanceof ReplayInputError) return error;
  if (isScarcity(error)) return new ReplayInputError('replay-scarcity', (error as Error).message);
  return new ReplayInputError('replay-failed', error instanceof Error ? error.message : String(error));
}

/** A file that has a descriptor and no name. */
function unnamedFile(directory: string): { fd: number; error: string } {
  let folder: string | undefined;
  let file: string | undefined;
  let fd = -1;
  try {
    folder = mkdtempSync(join(directory, 'goheap-replay-'));
    file = join(folder, 'records');
    fd = openSync(file, 'w+', 0o600);
    return { fd, error: '' };
  } catch (error) {
    // Most recordings need none: that is for whoever writes to it to say.
    return { fd: -1, error: `no temporary file can be made: ${(error as Error).message}` };
  } finally {
    // By two calls that take no descriptor: the file may have had the last one.
    if (fd >= 0) unlinkSync(file as string);
    if (folder !== undefined) rmdirSync(folder);
  }
}

function writeWhole(fd: number, words: Int32Array, position: number): void {
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
