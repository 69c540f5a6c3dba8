/**
 * Pictures of simulated heaps, for a scrubber: the heap's pages after so many events of a cell.
 *
 * Each is simulated anew from the beginning up to its event, in a thread of its own beside the grids', so that a scrubber need not wait for them. Pictures are
 * kept as text, the latest ones up to a number of bytes; a client that has gone away has its simulation ended.
 */

import { ReplayPool } from '../../replay/pool.js';
import type { SimSettings } from '../../replay/settings.js';
import { Problem, retryLater } from '../problem.js';
import type { Bounds } from './bounds.js';
import { encode } from './parts.js';
import type { Lease } from './traces.js';

/** Bytes of pictures that are kept. */
const KEPT = 32 * 2 ** 20;
/** Pictures that are simulated or wait for it. */
const MAX_WAITING = 16;

export class Maps {
  private readonly bounds: Bounds;
  private pool: ReplayPool | undefined;
  /** In the order of their last use. */
  private readonly kept = new Map<string, string>();
  private bytes = 0;
  private waiting = 0;
  private readonly stopped = new AbortController();

  /** @param bounds of one picture, and of the thread that makes them */
  constructor(bounds: Bounds) {
    this.bounds = bounds;
  }

  /** The picture as JSON. `lease` is asked for only if it has to be simulated. Rejects with a Problem, ReplayInputError, or the signal's reason. */
  async get(
    key: string,
    lease: () => Lease,
    settings: SimSettings,
    event: number,
    signal: AbortSignal,
  ): Promise<string> {
    const id = `${key} ${event}`;
    const known = this.kept.get(id);
    if (known !== undefined) {
      this.kept.delete(id);
      this.kept.set(id, known);
      return known;
    }
    if (this.waiting >= MAX_WAITING)
      throw retryLater('overloaded', `${this.waiting} heap maps are being made already.`);
    const trace = lease();
    this.waiting++;
    const late = new AbortController();
    const { time, memory } = this.bounds;
    const timer = setTimeout(() => {
      late.abort(new Problem('replay-timed-out', `The heap map took more than ${time / 1000} s.`));
    }, time);
    try {
      this.pool ??= new ReplayPool(1, memory);
      const map = await this.pool.mapAt(
        trace.handle,
        settings,
        event,
        AbortSignal.any([signal, late.signal, this.stopped.signal]),
      );
      const text = await encode(map);
      this.keep(id, text);
      return text;
    } finally {
      clearTimeout(timer);
      this.waiting--;
      trace.release();
    }
  }

  /** Ends those that are being made. */
  stop(reason: Problem): void {
    this.stopped.abort(reason);
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }

  private keep(id: string, text: string): void {
    this.bytes += text.length - (this.kept.get(id)?.length ?? 0);
    this.kept.set(id, text);
    for (const [oldest, { length }] of this.kept) {
      if (this.bytes <= KEPT) break;
      this.kept.delete(oldest);
      this.bytes -= length;
    }
  }
}
