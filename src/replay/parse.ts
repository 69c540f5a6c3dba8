/**
 * Parsing in a thread of its own, while others simulate what is there already.
 *
 * The thread gets a recording's bytes from a file that it opens itself, or, an upload's, in messages: `parse` posts pieces, the worker says how much of
 * them it has taken, and no more than WINDOW bytes are on the way. What comes out goes into a store (store.ts), where readers find it at once.
 *
 * The worker always ends the store, one way or the other: complete with its report, or failed with its error. A worker that dies
 * without doing so has the store failed here, so that no reader waits for ever.
 *
 * Parsing may be bounded in time. Only the thread's own work counts: its clock rests while it waits
 * for bytes, as a client may send them slowly.
 */

import { abortable } from '../threads/abortable.js';
import { BusyClock } from '../threads/busy.js';
import { silent, Thread, type ThreadMemory, threadScript } from '../threads/thread.js';
import { type IngestReport, ReplayInputError } from './events.js';
import type { IngestLimits, IngestProgress } from './ingest.js';
import type { TraceHandle, TraceStore } from './store.js';

/** A recording's bytes: a file's path, or a stream. */
export type ParseSource = { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> };

export interface ParseOptions {
  readonly limits?: Partial<IngestLimits>;
  readonly onProgress?: (progress: ParseProgress) => void;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the thread may work: then `replay-timed-out`. */
  readonly time?: number | undefined;
  readonly memory?: ThreadMemory | undefined;
}

export interface ParseProgress extends IngestProgress {
  /** Bytes of the file, 0 where that is not known. */
  readonly total: number;
}

export interface Parsed {
  report: IngestReport;
  /** SHA-256 of the recording's bytes as they came, hex. */
  hash: string;
}

export interface ParseWorkerData {
  handle: TraceHandle;
  /** null: bytes come in messages. */
  path: string | null;
  limits: Partial<IngestLimits>;
  /** Of a BusyClock, which the worker keeps. */
  clock: SharedArrayBuffer;
}

/** To the worker: bytes, their end, or why there will be no more. */
export type ToParser = Uint8Array | { end: true } | { error: string };
export type FromParser =
  | { kind: 'taken'; bytes: number }
  | { kind: 'progress'; progress: ParseProgress }
  | { kind: 'parsed'; parsed: Parsed }
  | { kind: 'failed'; code: string; message: string };

/** Bytes of an upload that are on the way to the worker at most. */
const WINDOW = 4 * 2 ** 20;

/**
 * Parses a recording into a store. Rejects with ReplayInputError where it is none, with ThreadError
 * where the thread fails, and with the signal's reason when that is given up; readers of the store
 * then get an error too. Nothing of it runs any more then, and nothing reads the stream.
 */
export async function parse(source: ParseSource, store: TraceStore, options: ParseOptions = {}): Promise<Parsed> {
  const { signal, onProgress, limits = {}, time, memory } = options;
  signal?.throwIfAborted();
  const path = 'path' in source ? source.path : null;
  const name = 'goheap replay parser';
  const clock = new BusyClock();
  let onTheWay = 0;
  let wake = () => {};
  let settle: (parsed: Parsed) => void = () => {};
  let refuse: (error: unknown) => void = () => {};
  const answer = new Promise<Parsed>((resolve, reject) => {
    settle = resolve;
    refuse = reject;
  });
  const thread = new Thread<ToParser, FromParser>(threadScript(import.meta.url, 'parse-worker'), {
    name,
    data: { handle: store.handle, path, limits, clock: clock.shared } satisfies ParseWorkerData,
    memory,
    time: time === undefined ? undefined : { clock, limit: time, late: () => tooLong(time) },
    signal,
    onMessage: (message) => {
      if (message.kind === 'progress') onProgress?.(message.progress);
      else if (message.kind === 'parsed') settle(message.parsed);
      else if (message.kind === 'failed') refuse(new ReplayInputError(message.code, message.message));
      else {
        onTheWay -= message.bytes;
        wake();
      }
    },
  });
  void thread.ended.then((error) => refuse(error ?? silent(name)));
  const over = new AbortController();
  const feed = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    try {
      for await (const piece of abortable(stream, over.signal)) {
        onTheWay += piece.length;
        thread.post(piece);
        while (onTheWay >= WINDOW && !over.signal.aborted) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
      thread.post({ end: true });
    } catch (error) {
      // An answer before the end: there is something wrong with the recording, and the rest does
      // not matter.
      if (!over.signal.aborted) thread.post({ error: (error as Error).message });
    }
  };
  const feeding = 'stream' in source ? feed(source.stream) : undefined;
  try {
    return await answer;
  } catch (error) {
    await thread.end();
    store.writer().fail(error);
    throw error;
  } finally {
    over.abort();
    wake();
    await feeding;
    await thread.end();
  }
}

function tooLong(ms: number): ReplayInputError {
  return new ReplayInputError('replay-timed-out', `the recording was parsed for more than ${ms / 1000} s`);
}
