/**
 * Go's sysmon, as far as a heap needs one: it has a heap collected that was not for two minutes.
 *
 * On the main thread, by a timer that keeps nothing alive. The cycle itself runs on whichever M is free.
 */

import { CYCLE_AT, Why, Y_LAST_GC_NS } from '../gc/state.js';
import { H_GC_PERCENT } from '../heap/heap.js';
import type { HeapScheduler, Piece } from './host-api.js';
import { Op } from './ops.js';

const LOOK_MS = 10_000;
const FORCE_GC_NS = 120e9;
/** Room for the record of the cycle, which nobody reads. */
const ANSWER_BYTES = 1 << 14;

export class Sysmon {
  private readonly host: HeapScheduler;
  private readonly timer: NodeJS.Timeout;
  private running = false;

  constructor(host: HeapScheduler) {
    this.host = host;
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Begins a cycle if one is overdue. As in Go, not with GOGC=off, and not before the heap's first cycle. */
  look(): void {
    const { heap } = this.host;
    const last = heap.f[heap.pacer + CYCLE_AT + Y_LAST_GC_NS];
    if (this.running || heap.scalar(H_GC_PERCENT) < 0 || last === 0 || heap.now() - last < FORCE_GC_NS) return;
    let piece: Piece | undefined;
    try {
      const answer = this.host.take(ANSWER_BYTES);
      piece = answer;
      this.running = true;
      this.host.submit(Op.gc, -1, [Why.periodic, answer.offset, answer.length], () => {
        this.running = false;
        answer.release();
      });
    } catch {
      // Shutting down, or too busy for it now: next time.
      this.running = false;
      piece?.release();
    }
  }
}
