/** What a tab is to the page, and a clock for tabs that read from the API while they are looked at. */

import { ApiError } from './api.js';
import type { Feed } from './feed.js';

export interface View {
  readonly el: HTMLElement;
  /** The tab was opened, or the rest of the address changed. */
  show(rest: string[]): void;
  /** Another tab was opened. */
  hide(): void;
}

/** Reads at least this often, though nothing seems to have changed: not everything shows in a sample. */
const ANYWAY = 5_000;

/**
 * Runs `read` at most once an `interval`, one at a time, and only while it is started, the page is visible, the stream is
 * live, and the heap has changed since. So a console nobody looks at, or that looks at a heap at rest, costs the server
 * (nearly) nothing.
 */
export class Poller {
  readonly #feed: Feed;
  readonly #read: (signal: AbortSignal) => Promise<void>;
  readonly #interval: number;
  #timer: number | undefined;
  #abort: AbortController | undefined;
  #seen = '';
  #readAt = 0;

  constructor(feed: Feed, read: (signal: AbortSignal) => Promise<void>, interval = 1000) {
    this.#feed = feed;
    this.#read = read;
    this.#interval = interval;
    feed.on('heap', () => {
      this.#abort?.abort();
      this.#seen = '';
    });
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#seen = '';
    this.#timer = setInterval(() => void this.#tick(), this.#interval);
    void this.#tick();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#abort?.abort();
  }

  /** Something is known to have changed: reads as soon as the interval allows. */
  soon(): void {
    this.#seen = '';
  }

  async #tick(): Promise<void> {
    const { state, fingerprint, heap } = this.#feed;
    if (this.#abort !== undefined || heap === null || document.hidden || state.kind !== 'live') return;
    if (fingerprint === this.#seen && Date.now() - this.#readAt < ANYWAY) return;
    this.#seen = fingerprint;
    const abort = new AbortController();
    this.#abort = abort;
    try {
      await this.#read(abort.signal);
    } catch (error) {
      // The state of the connection is shown elsewhere; a refresh that failed is tried again.
      if (!(error instanceof ApiError) && !abort.signal.aborted) throw error;
      this.#seen = '';
    } finally {
      this.#readAt = Date.now();
      this.#abort = undefined;
    }
  }
}
