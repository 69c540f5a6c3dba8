/**
 * One client that watches a replay: `hello`, then `progress` and `result`, last `done`, `failed` or `cancelled`.
 *
 * Never more than one event is on its way to it. Meanwhile its results queue up, at most one a cell, and of progress only the newest counts: a
 * slow client costs no memory, and one that takes nothing for long is cut off.
 */

import type { Sink } from '../../telemetry/event-stream.js';
import type { Replay, ReplayEvent } from './replay.js';
import { cellsView, progressView, replayView } from './view.js';

export interface ReplayStreamOptions {
  /** Milliseconds between two `progress`, at least. */
  readonly gap: number;
  /** Milliseconds after which a client that takes nothing is cut off. */
  readonly stall: number;
  /** Milliseconds between two comments on a silent stream. */
  readonly heartbeat: number;
  /** Streams at once. */
  readonly max: number;
}

export const REPLAY_STREAM: Omit<ReplayStreamOptions, 'max'> = { gap: 200, stall: 30_000, heartbeat: 15_000 };
/** Id of the last event: who comes back with it has seen everything. */
export const LAST_ID = 'end';

export class ReplayStream {
  /** Resolves when nothing more is written. */
  readonly done: Promise<void>;
  private readonly replay: Replay;
  private readonly sink: Sink;
  private readonly options: Pick<ReplayStreamOptions, 'gap' | 'stall'>;
  private readonly results: number[] = [];
  private fresh = false;
  private toldAt = 0;
  /** When the write that is on its way began. */
  private sendingSince: number | undefined;
  private open = true;
  private finish: () => void = () => {};
  private timer: NodeJS.Timeout | undefined;
  private readonly watchdog: NodeJS.Timeout;
  private readonly listener = (event: ReplayEvent): void => this.note(event);

  constructor(replay: Replay, sink: Sink, options: Pick<ReplayStreamOptions, 'gap' | 'stall'>) {
    this.replay = replay;
    this.sink = sink;
    this.options = options;
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.watchdog = setInterval(() => this.watch(), options.stall / 4).unref();
    replay.listeners.add(this.listener);
    const timelines = replay.cells.map(({ moments }) => moments);
    this.write('hello', { ...replayView(replay), timelines });
  }

  /** The client left, or the server wants to end. */
  end(): void {
    if (!this.open) return;
    this.open = false;
    clearTimeout(this.timer);
    clearInterval(this.watchdog);
    this.replay.listeners.delete(this.listener);
    this.finish();
  }

  private note(event: ReplayEvent): void {
    if (event.kind === 'result') this.results.push(event.cell);
    this.fresh = true;
    this.pump();
  }

  private pump(): void {
    if (!this.open || this.sendingSince !== undefined) return;
    const { replay } = this;
    const cell = this.results.shift();
    if (cell !== undefined) {
      this.write('result', { cell, headline: replay.cells[cell].headline });
    } else if (replay.ended) {
      this.write(replay.state, replayView(replay), LAST_ID);
    } else if (this.fresh) {
      const wait = this.toldAt + this.options.gap - performance.now();
      if (wait > 0) {
        this.timer ??= setTimeout(() => {
          this.timer = undefined;
          this.pump();
        }, wait);
        return;
      }
      this.fresh = false;
      this.toldAt = performance.now();
      const { state } = replay;
      this.write('progress', { state, progress: progressView(replay), cells: cellsView(replay) });
    }
  }

  private write(event: string, data: unknown, id?: string): void {
    this.sendingSince = performance.now();
    this.sink.send({ event, data: JSON.stringify(data), ...(id === undefined ? undefined : { id }) }).then(
      () => {
        this.sendingSince = undefined;
        if (id === LAST_ID) this.end();
        else this.pump();
      },
      () => this.end(),
    );
  }

  private watch(): void {
    if (this.sendingSince === undefined || performance.now() - this.sendingSince < this.options.stall) return;
    this.sink.destroy();
    this.end();
  }
}
