/**
 * The connection to a heap's event stream: opens it, and opens it again.
 *
 * After a break it waits half a second (or what the server asked for), then twice as long each time up to eight, with some chance in it so that many
 * pages do not come back at once; it then says in Last-Event-ID what it saw last, and the server sends what was missed.
 * A stream that is silent for `SILENCE` is dead (the server sends a heartbeat long before). A heap that does not exist
 * any more ends the connection: that is for the reader to decide.
 */

import { ApiError, request } from './api.js';
import { EventParser, type SseEvent } from './sse.js';

/** Unless the server says otherwise (`retry:`). */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8_000;
const SILENCE = 40_000;

export type StreamState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** Broken; tries again at `at` (ms since 1970). */
  | { kind: 'waiting'; at: number; why: string }
  /** Given up. */
  | { kind: 'ended'; why: string };

export interface StreamHandlers {
  event(event: SseEvent): void;
  state(state: StreamState): void;
}

export class EventStream {
  readonly #path: string;
  readonly #on: StreamHandlers;
  readonly #abort = new AbortController();
  #lastId: string | undefined;
  #firstWait = FIRST_WAIT;
  #wake: (() => void) | undefined;

  constructor(path: string, on: StreamHandlers) {
    this.#path = path;
    this.#on = on;
  }

  start(): void {
    void this.#run();
  }

  close(): void {
    this.#abort.abort();
    this.#wake?.();
  }

  /** Does not wait any longer. */
  retryNow(): void {
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let wait = this.#firstWait;
    while (!this.#abort.signal.aborted) {
      let why = 'The server closed the stream.';
      this.#on.state({ kind: 'connecting' });
      try {
        await this.#read(() => {
          wait = this.#firstWait;
        });
        wait = this.#firstWait;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        why = (error as Error).message;
        if (error instanceof ApiError) {
          const { status, code } = error.problem;
          if (status === 401 || status === 404 || code === 'heap-deleted') {
            this.#on.state({ kind: 'ended', why });
            return;
          }
          wait = Math.max(wait, Number(error.headers?.get('retry-after') ?? 0) * 1000);
        }
      }
      if (this.#abort.signal.aborted) return;
      const pause = wait * (0.75 + Math.random() / 2);
      this.#on.state({ kind: 'waiting', at: Date.now() + pause, why });
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, pause);
      });
      wait = Math.min(LONGEST_WAIT, wait * 2);
    }
  }

  async #read(connected: () => void): Promise<void> {
    // Of its own: a silent stream is cut without ending the whole.
    const cut = new AbortController();
    const signal = AbortSignal.any([this.#abort.signal, cut.signal]);
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (this.#lastId !== undefined) headers['last-event-id'] = this.#lastId;
    const response = await request(this.#path, { headers, signal });
    if (response.body === null) throw new Error('The stream has no body.');
    connected();
    this.#on.state({ kind: 'live' });
    const parser = new EventParser();
    parser.lastId = this.#lastId;
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    let watch = setTimeout(() => cut.abort(), SILENCE);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watch);
        watch = setTimeout(() => cut.abort(), SILENCE);
        for (const event of parser.push(decoder.decode(value, { stream: true }))) {
          this.#lastId = parser.lastId;
          this.#firstWait = Math.min(LONGEST_WAIT, parser.retry ?? FIRST_WAIT);
          this.#on.event(event);
        }
      }
    } catch (error) {
      if (cut.signal.aborted) throw new Error('The stream fell silent.');
      throw error;
    } finally {
      clearTimeout(watch);
      cut.abort();
    }
  }
}
