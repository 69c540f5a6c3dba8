/**
 * One replay, as its event stream tells it: `hello` with everything so far, `progress`, `result`, and the last event.
 *
 * The stream reconnects by itself and then begins with another `hello`, so nothing has to be remembered across a break. After the last event there is
 * nothing more to hear, and the connection is closed.
 */

import type { Headline } from '../../../src/replay/result.js';
import { EventStream, type StreamState } from '../stream.js';
import { type CellSeen, ended, type Progress, type ReplayView, type Seen, type State } from './types.js';

/** Moments of a cell that are kept; then every other one goes. */
const MOST = 1_000;
const COLUMNS = ['event', 'seconds', 'cycles', 'inuse', 'live'] as const;

export interface WatchEvents {
  /** Anything is known anew. */
  changed(): void;
  /** A cell has its result. */
  result(cell: number): void;
  /** It will not change any more. */
  ended(): void;
  connection(state: StreamState): void;
}

export class Watch {
  view: ReplayView | undefined;
  /** Of each cell, what was seen so far. */
  seen: Seen[] = [];
  readonly #stream: EventStream;
  readonly #on: WatchEvents;

  constructor(id: string, on: WatchEvents) {
    this.#on = on;
    this.#stream = new EventStream(`v1/replays/${id}/events`, {
      event: ({ event, data }) => this.#hear(event, JSON.parse(data)),
      state: (state) => on.connection(state),
    });
  }

  start(): void {
    this.#stream.start();
  }

  close(): void {
    this.#stream.close();
  }

  #hear(event: string, data: unknown): void {
    if (event === 'hello') {
      const { timelines, ...view } = data as ReplayView & { timelines: Seen[] };
      this.view = view;
      this.seen = timelines;
    } else if (event === 'progress') this.#progress(data as { state: State; progress: Progress; cells: CellSeen[] });
    else if (event === 'result') {
      const { cell, headline } = data as { cell: number; headline: Headline };
      const one = this.view?.cells[cell];
      if (one === undefined) return;
      Object.assign(one, { headline, state: 'done' });
      this.#on.result(cell);
    } else if (event === 'done' || event === 'failed' || event === 'cancelled') this.view = data as ReplayView;
    else return;
    this.#on.changed();
    // A hello of one that has ended is followed by its last event: that one closes.
    if (event !== 'hello' && this.view !== undefined && ended(this.view.state)) {
      this.close();
      this.#on.ended();
    }
  }

  #progress({ state, progress, cells }: { state: State; progress: Progress; cells: CellSeen[] }): void {
    const { view } = this;
    if (view === undefined) return;
    // The last event says so.
    if (!ended(state)) view.state = state;
    view.progress = progress;
    for (const now of cells) {
      Object.assign(view.cells[now.cell], now);
      const seen = this.seen[now.cell];
      if (now.events === 0 || now.events <= (seen.event.at(-1) ?? 0)) continue;
      const values = { event: now.events, seconds: now.seconds, cycles: now.cycles, inuse: now.inuse, live: now.live };
      for (const column of COLUMNS) seen[column].push(values[column]);
      if (seen.event.length > MOST)
        for (const column of COLUMNS) seen[column] = seen[column].filter((_, i) => i % 2 === 1);
    }
  }
}
