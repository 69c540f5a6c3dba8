/**
 * One client of a heap's events: a place in the ring, and never more than one event on its way.
 *
 * A client is fast or slow by how soon a write of its is taken. While one is not, nothing further is written for it: what
 * happens meanwhile stays in the ring, which everybody shares. When it reads again, it gets the collections and restarts that it
 * missed and the newest sample; the samples between are dropped, because counters are cumulative and a late moment is of no use.
 * So a slow client costs no memory. One that takes nothing at all for long is cut off.
 *
 * Resuming is the same walk with another start: behind the last event that the client says it saw. Up to what was newest when it
 * came back, every sample is sent (at the client's rate), as far as the ring remembers.
 */

import type { EventRing, HeapEvent } from './event-ring.js';

/** Where events go: one open HTTP answer. */
export interface Sink {
  /** Resolves when the client has room for more; never, if it goes away first. */
  send(message: { id?: string; event: string; data: string; retry?: number }): Promise<void>;
  /** Cuts the connection without a farewell. */
  destroy(): void;
}

/** Why a stream ended: the client left; it did not read; the heap was deleted; the server drains. */
export type StreamEnd = 'closed' | 'stalled' | 'gone' | 'draining';

export interface StreamStart {
  readonly ring: EventRing;
  readonly sink: Sink;
  /** What event ids begin with. */
  readonly epoch: string;
  /** Milliseconds between two samples that the client wants. */
  readonly gap: number;
  /** Number of the last event that the client saw; undefined for one that begins now. */
  readonly after: number | undefined;
}

export class EventStream {
  /** Milliseconds between two samples. */
  readonly gap: number;
  /** Resolves when nothing more is written. */
  readonly done: Promise<StreamEnd>;
  private readonly ring: EventRing;
  private readonly sink: Sink;
  private readonly epoch: string;
  private readonly replayUntil: number;
  private cursor: number;
  /** When the next sample is due, by the samples' own clock. */
  private due = 0;
  /** When the write that is on its way began; 0 if none is. */
  private sendingSince = 0;
  private ended: StreamEnd | undefined;
  private finish: (why: StreamEnd) => void = () => {};

  constructor({ ring, sink, epoch, gap, after }: StreamStart) {
    this.ring = ring;
    this.sink = sink;
    this.epoch = epoch;
    this.gap = gap;
    this.cursor = after ?? ring.newest;
    this.replayUntil = ring.newest;
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  get open(): boolean {
    return this.ended === undefined;
  }

  /** Milliseconds for which the client has not taken what was written to it. */
  blockedFor(now: number): number {
    return this.sendingSince === 0 ? 0 : now - this.sendingSince;
  }

  hello(data: string, retry: number): void {
    this.write({ event: 'hello', data, retry });
  }

  /** Writes what there is for the client, one event after the other. */
  pump(): void {
    if (!this.open || this.sendingSince !== 0) return;
    const event = this.next();
    if (event === undefined) return;
    this.cursor = event.seq;
    if (event.type === 'sample') {
      // Counted from when it was due, so that the client's rate is right on average whatever the sampler's is.
      this.due = (Math.abs(event.t - this.due) > this.gap ? event.t : this.due) + this.gap;
    }
    this.write({ id: `${this.epoch}-${event.seq}`, event: event.type, data: event.data });
  }

  /** Ends the stream; `farewell` is the data of a last event of that name. */
  end(why: StreamEnd, farewell?: string): void {
    if (!this.open) return;
    this.ended = why;
    // Not waited for: whatever still fits into the connection's buffer goes out before it closes.
    if (farewell !== undefined) void this.sink.send({ event: why, data: farewell }).catch(() => {});
    if (why === 'stalled') this.sink.destroy();
    this.finish(why);
  }

  /** No promise outlives its event: a client that goes away in the middle of a write leaves nothing behind. */
  private write(message: Parameters<Sink['send']>[0]): void {
    this.sendingSince = performance.now();
    this.sink.send(message).then(
      () => {
        this.sendingSince = 0;
        this.pump();
      },
      () => this.end('closed'),
    );
  }

  private next(): HeapEvent | undefined {
    const other = this.ring.otherAfter(this.cursor);
    const sample = this.nextSample();
    if (other === undefined || sample === undefined) return other ?? sample;
    return other.seq < sample.seq ? other : sample;
  }

  private nextSample(): HeapEvent | undefined {
    const missed = this.ring.sampleAfter(this.cursor, (event) => this.isDue(event));
    if (missed !== undefined && missed.seq <= this.replayUntil) return missed;
    const newest = this.ring.newestSample();
    return newest !== undefined && newest.seq > this.cursor && this.isDue(newest) ? newest : undefined;
  }

  /** A timer is never exact: a sample that comes a little early is due. A clock that was set back makes none wait. */
  private isDue({ t }: HeapEvent): boolean {
    const early = this.due - t;
    return early <= this.gap / 4 || early > 2 * this.gap;
  }
}
