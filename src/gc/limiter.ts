/**
 * The GC CPU limiter: no heap shall spend more than half its CPU on collecting.
 *
 * Near the memory limit cycles follow each other ever faster, and a program could come to do nothing else. The limiter
 * is a leaky bucket of CPU time: the collector's fills it, the mutator's drains it, and it holds one second per P.
 * While it is full, assists and inline scavenging are off: the heap is then let grow past its limit rather than
 * stand still. Time the collector spent beyond the full bucket is counted as overflow.
 *
 * Of a window's CPU time the collector's is all assists, and a quarter while a mark is on (its workers' share, which
 * is not measured); all of it while the world is stopped. The rest is the mutator's, but for idle time, which is
 * nobody's: or a mostly idle program could never be limited, however much of its work was collecting.
 *
 * The state is a region of doubles, so that it can lie in shared memory: nanoseconds, exact up to 2^53. There are no
 * atomics in here: the caller keeps to one thread at a time in every method, `addAssistTime` and `addIdleTime`
 * included. Only `limiting`, `lastEnabledCycle` and `needUpdate`, single loads, may be called at any time by anyone.
 */

export const L_GC_ENABLED = 0; // 1 while a mark is on
export const L_TRANSITIONING = 1; // 1 between startGCTransition and finishGCTransition
export const L_FILL = 2; // the bucket
export const L_CAPACITY = 3;
export const L_OVERFLOW = 4; // never reset
export const L_ASSIST_POOL = 5; // assist time since the last update
export const L_IDLE_POOL = 6; // idle time since the last update
export const L_LAST_UPDATE = 7;
export const L_LIMITING = 8; // 1 while the bucket is full
export const L_LAST_ENABLED_CYCLE = 9; // number of the cycle in which it last became full; 0: never
export const L_PROCS = 10;
export const L_NUM_GC = 11; // input: completed cycles, as of now
export const L_WORDS = 16;

/** The bucket holds so much for each P. */
const CAPACITY_PER_PROC = 1e9;
/** The scheduler need not update more often. */
const UPDATE_PERIOD = 10e6;
/** The mark workers' share. */
const BACKGROUND_UTILIZATION = 0.25;

/** A view of one limiter: `L_WORDS` doubles of `f`, from `at` on, zeros at first; then `resetCapacity`. */
export class CPULimiter {
  constructor(
    readonly f: Float64Array,
    readonly at: number,
  ) {}

  /** Whether assists and inline scavenging are off. */
  limiting(): boolean {
    return this.f[this.at + L_LIMITING] !== 0;
  }

  /** Number of the cycle in which it last began to limit, counted from 1; 0 if never. */
  lastEnabledCycle(): number {
    return this.f[this.at + L_LAST_ENABLED_CYCLE];
  }

  /** The world is being stopped to turn marking on or off. Until `finishGCTransition` nothing else may be called. */
  startGCTransition(enableGC: boolean, nowNs: number): void {
    const { f, at } = this;
    if ((f[at + L_GC_ENABLED] !== 0) === enableGC) throw new Error('limiter: transition to the same state');
    this.update(nowNs);
    f[at + L_GC_ENABLED] = Number(enableGC);
    f[at + L_TRANSITIONING] = 1;
  }

  /** The world is started again: all Ps' time since it was stopped is the collector's. */
  finishGCTransition(nowNs: number): void {
    const { f, at } = this;
    if (f[at + L_TRANSITIONING] === 0) throw new Error('limiter: no transition to finish');
    const elapsed = nowNs - f[at + L_LAST_UPDATE];
    if (elapsed >= 0) this.accumulate(0, elapsed * f[at + L_PROCS]);
    f[at + L_LAST_UPDATE] = nowNs;
    f[at + L_TRANSITIONING] = 0;
  }

  addAssistTime(ns: number): void {
    this.f[this.at + L_ASSIST_POOL] += ns;
  }

  /** Time of idle Ps, and of idle mark workers, which only soak it up. */
  addIdleTime(ns: number): void {
    this.f[this.at + L_IDLE_POOL] += ns;
  }

  /** Whether the last update was longer ago than it should be. */
  needUpdate(nowNs: number): boolean {
    return nowNs - this.f[this.at + L_LAST_UPDATE] > UPDATE_PERIOD;
  }

  /** Takes the time since the last update into account. A `nowNs` before it changes nothing. */
  update(nowNs: number): void {
    const { f, at } = this;
    const elapsed = nowNs - f[at + L_LAST_UPDATE];
    if (elapsed < 0) return;
    f[at + L_LAST_UPDATE] = nowNs;
    const window = elapsed * f[at + L_PROCS];
    let gc = f[at + L_ASSIST_POOL];
    if (f[at + L_GC_ENABLED] !== 0) gc += Math.trunc(window * BACKGROUND_UTILIZATION);
    // The workers' share is of the whole window: idle time is taken out after.
    const mutator = window - f[at + L_IDLE_POOL] - gc;
    f[at + L_ASSIST_POOL] = 0;
    f[at + L_IDLE_POOL] = 0;
    this.accumulate(mutator, gc);
  }

  /** GOMAXPROCS is now `procs`. */
  resetCapacity(nowNs: number, procs: number): void {
    const { f, at } = this;
    this.update(nowNs);
    f[at + L_PROCS] = procs;
    const capacity = procs * CAPACITY_PER_PROC;
    f[at + L_CAPACITY] = capacity;
    if (f[at + L_FILL] > capacity) {
      f[at + L_FILL] = capacity;
      this.enable();
    } else if (f[at + L_FILL] < capacity) {
      f[at + L_LIMITING] = 0;
    }
  }

  private accumulate(mutator: number, gc: number): void {
    const { f, at } = this;
    const change = gc - mutator;
    const headroom = f[at + L_CAPACITY] - f[at + L_FILL];
    if (change > 0 && headroom <= change) {
      f[at + L_OVERFLOW] += change - headroom;
      f[at + L_FILL] = f[at + L_CAPACITY];
      // Full before: it limits already (or fewer Ps made it exactly full, which is not noticed, as in Go).
      if (headroom !== 0) this.enable();
      return;
    }
    f[at + L_FILL] = Math.max(0, f[at + L_FILL] + change);
    if (change !== 0 && headroom === 0) f[at + L_LIMITING] = 0;
  }

  private enable(): void {
    const { f, at } = this;
    f[at + L_LIMITING] = 1;
    f[at + L_LAST_ENABLED_CYCLE] = f[at + L_NUM_GC] + 1;
  }
}
