/**
 * The stretch of time that all plots show: the last 1, 5 or 10 minutes, moving on, or standing still while paused.
 *
 * A pause keeps its own copy of what there was, because the feed forgets what is older than ten minutes.
 */

import type { Feed } from '../feed.js';
import type { Cycle, Sample } from '../types.js';

export const MINUTES = [1, 5, 10] as const;

export class Window {
  minutes: (typeof MINUTES)[number] = 1;
  readonly #feed: Feed;
  #paused: { samples: Sample[]; cycles: Cycle[]; end: number } | undefined;

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  get paused(): boolean {
    return this.#paused !== undefined;
  }

  set paused(paused: boolean) {
    const { samples, cycles } = this.#feed;
    this.#paused = paused ? { samples: [...samples], cycles: [...cycles], end: this.end } : undefined;
  }

  /** In ms since 1970, by the clock of the server. */
  get end(): number {
    return this.#paused?.end ?? this.#feed.last?.t ?? Date.now();
  }

  get start(): number {
    return this.end - this.minutes * 60_000;
  }

  /** In seconds, for uPlot. */
  get range(): [number, number] {
    return [this.start / 1000, this.end / 1000];
  }

  /** With one sample before the beginning, so that lines do not begin in the middle of nowhere. */
  get samples(): Sample[] {
    const { samples } = this.#paused ?? this.#feed;
    const { start } = this;
    const from = samples.findIndex(({ t }) => t >= start);
    return from <= 0 ? samples : samples.slice(from - 1);
  }

  get cycles(): Cycle[] {
    const { cycles } = this.#paused ?? this.#feed;
    const { start, end } = this;
    return cycles.filter(({ startedAt }) => {
      const t = Date.parse(startedAt);
      return t >= start && t <= end;
    });
  }
}
