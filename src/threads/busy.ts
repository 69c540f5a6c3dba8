/**
 * How long a thread has worked, leaving out what it spent waiting for others: a clock that the
 * thread itself stops and starts, and that other threads can read, in the middle of a loop of its
 * as well.
 *
 * One word of shared memory, in nanoseconds, so that a reader never sees half of a change:
 *
 *      v < 0    at rest, having worked for -v - 1
 *      v >= 0   at work since the moment v, as if it had never rested
 *
 * Written by the one thread that works, with Atomics. The moments are those of the system's
 * monotonic clock, which all threads of a process share.
 */

const monotonic = (): bigint => process.hrtime.bigint();

export class BusyClock {
  readonly shared: SharedArrayBuffer;
  private readonly word: BigInt64Array;
  private readonly now: () => bigint;

  /** A clock at rest; or, with `shared`, the clock of another thread. */
  constructor(shared?: SharedArrayBuffer, now: () => bigint = monotonic) {
    this.shared = shared ?? new SharedArrayBuffer(8);
    this.word = new BigInt64Array(this.shared);
    this.now = now;
    if (shared === undefined) this.word[0] = -1n;
  }

  /** Work begins. */
  work(): void {
    const v = Atomics.load(this.word, 0);
    if (v < 0n) Atomics.store(this.word, 0, this.now() - (-v - 1n));
  }

  /** It waits from here on. */
  rest(): void {
    const v = Atomics.load(this.word, 0);
    if (v >= 0n) Atomics.store(this.word, 0, -(this.now() - v) - 1n);
  }

  /** Milliseconds of work so far. */
  get worked(): number {
    const v = Atomics.load(this.word, 0);
    return Number(v < 0n ? -v - 1n : this.now() - v) / 1e6;
  }
}

/** What a test may replace: timers that fire when it says so. */
export interface Timers {
  set(call: () => void, ms: number): unknown;
  clear(timer: unknown): void;
}

const NODE_TIMERS: Timers = {
  set: (call, ms) => setTimeout(call, ms).unref(),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** ms between two looks at a clock that is at rest shortly before its limit. */
const SHORTEST = 20;

/** Calls `late` once the clock has worked for `limit` ms. @returns ends the watch */
export function whenBusyFor(clock: BusyClock, limit: number, late: () => void, timers = NODE_TIMERS): () => void {
  let timer: unknown;
  const look = (): void => {
    const left = limit - clock.worked;
    if (left > 0) timer = timers.set(look, Math.max(left, SHORTEST));
    else late();
  };
  timer = timers.set(look, Math.max(limit, SHORTEST));
  return () => timers.clear(timer);
}
