/**
 * Dispatching: which P gets a G, and when its M is woken.
 *
 * The P that the request names; else, for short work, the P of this turn of the event loop while its share is not used up; else an idle P;
 * else the one with the shortest queue that runs nothing long. Ms are woken once per turn (setImmediate), however many
 * requests it brought. By the main thread only: it is the one producer of runq, pinned and the global queue.
 */

import {
  FRAMES,
  K_GLOBAL_HEAD,
  K_GLOBAL_TAIL,
  PStatus,
  RUNQ,
  ringLength,
  ringPush,
  type Shared,
  SP_LOCAL_HEAD,
  SP_LOCAL_TAIL,
  SP_LONG,
  SP_PINNED_HEAD,
  SP_PINNED_TAIL,
  SP_RUNQ_HEAD,
  SP_RUNQ_TAIL,
  SP_STATUS,
  SP_WAKE,
} from './shared.js';

/**
 * Short Gs that one turn gives to one P before it looks for another. Waking an M costs the main thread as much as a hundred short Gs
 * cost an M, so that spreading a turn's work sooner would slow the server down.
 */
const TURN_SHARE = 128;
export class Dispatcher {
  private readonly k: Shared;
  private readonly toWake: number[] = [];
  private flushing = false;
  private turnP = -1;
  private turnCount = 0;

  constructor(k: Shared) {
    this.k = k;
  }

  /** Queues a G: on the P `wanted`, or, if that is -1, where it will run soonest. `short`: it will not take long. */
  enqueue(g: number, wanted: number, short: boolean): void {
    const { k } = this;
    const { m } = k;
    const p = wanted >= 0 ? wanted : this.pick(short);
    const sp = k.sp(p);
    if (wanted >= 0) ringPush(m, k.pinned + p * FRAMES, FRAMES, sp + SP_PINNED_HEAD, sp + SP_PINNED_TAIL, g);
    else if (!ringPush(m, k.runq + p * RUNQ, RUNQ, sp + SP_RUNQ_HEAD, sp + SP_RUNQ_TAIL, g)) {
      ringPush(m, k.global, FRAMES, k.scalars + K_GLOBAL_HEAD, k.scalars + K_GLOBAL_TAIL, g);
    }
    if (!this.toWake.includes(p)) this.toWake.push(p);
    if (!this.flushing) {
      this.flushing = true;
      setImmediate(this.endTurn);
    }
  }

  private readonly endTurn = (): void => {
    this.flushing = false;
    this.turnP = -1;
    for (const p of this.toWake) this.wake(p);
    this.toWake.length = 0;
  };

  /** Tells the M of a P that there is something for it. */
  wake(p: number): void {
    const at = this.k.sp(p) + SP_WAKE;
    Atomics.add(this.k.m, at, 1);
    // A running M looks at its queues again before it sleeps, and its sleep ends at once if the word has changed.
    if (Atomics.load(this.k.m, this.k.sp(p) + SP_STATUS) === PStatus.idle) Atomics.notify(this.k.m, at);
  }

  private pick(short: boolean): number {
    if (short && this.turnP >= 0 && this.turnCount < TURN_SHARE) {
      this.turnCount++;
      return this.turnP;
    }
    const { k } = this;
    let best = 0;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let p = 0; p < this.k.procs; p++) {
      const sp = k.sp(p);
      const status = k.m[sp + SP_STATUS];
      let load = this.queued(sp);
      if (status === PStatus.dead) load += 10_000;
      else if (status !== PStatus.idle) load += k.m[sp + SP_LONG] !== 0 ? 1000 : 1;
      if (load < bestLoad) {
        best = p;
        bestLoad = load;
      }
    }
    if (short) {
      this.turnP = best;
      this.turnCount = 1;
    }
    return best;
  }

  /** Gs that wait for a P. `sp`: its scheduling record. */
  queued(sp: number): number {
    const { m } = this.k;
    return (
      ringLength(m, sp + SP_RUNQ_HEAD, sp + SP_RUNQ_TAIL) +
      ringLength(m, sp + SP_LOCAL_HEAD, sp + SP_LOCAL_TAIL) +
      ringLength(m, sp + SP_PINNED_HEAD, sp + SP_PINNED_TAIL)
    );
  }
}
