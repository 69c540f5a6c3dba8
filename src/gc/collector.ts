/**
 * Collector: one P's part in automatic memory management, on whatever thread holds the P.
 *
 * There is no collector thread. A cycle begins on the P whose allocation crossed the trigger, is marked by all Ps in their shares, and
 * ends on whichever P finds nothing left to mark. What remains afterwards, the sweep, is done by allocations in proportion and by
 * Ps with nothing else to do; so is scavenging.
 *
 *      service   before an allocation, when a refill asked for it: begin a cycle that is due, or pay by marking (assist)
 *      share     between two requests, and inside long ones: the workers' 25 %
 *      idle      with nothing else to do: mark, sweep, scavenge
 *      collect   a cycle now, from beginning to end (runtime.GC)
 *
 * The world (sched/world.ts, or none at all on a single thread) is stopped twice a cycle, in `begin` and `end`. All four are
 * called where the P could stop: holding no lock and no span, with every object that it allocated answered.
 */

import {
  GcPhase,
  H_CYCLES,
  H_DEDICATED,
  H_GC_PHASE,
  H_NUM_GC,
  H_RESTART,
  H_SWEEP_DONE,
  H_TRANSITION,
  type Heap,
  type P,
  P_HAND,
  T_DEDICATED_NS,
  T_FRACTIONAL_NS,
  T_IDLE_NS,
  T_SWEEP_NS,
} from '../heap/heap.js';
import { recordPause } from '../heap/memstats.js';
import { sweepOne } from '../heap/sweep.js';
import { assist, giveCredit } from './assist.js';
import { unpausedNow } from './cpustats.js';
import { drain, finishMark, isMarkDone, startMark } from './cycle.js';
import { limitMark, updateLimiter } from './limits.js';
import { anyMarking } from './markqueue.js';
import { C_FRACTIONAL_GOAL, C_MARK_START } from './pacer.js';
import { isDue } from './pacing.js';
import { pausesOf } from './pauses.js';
import { completeSweep, cyclePauses, recordCyclePause } from './record.js';
import { bgScavenge, wakeScavenger } from './scavenger.js';
import { CYCLE_AT, Why, Y_ASKED } from './state.js';

/** How a collector stops the other Ps of its heap. */
export interface World {
  /** Returns with every other P standing still. */
  stop(): void;
  start(): void;
  /** Whether the others would stand still at once. If not, they are asked to come to where they would. Left out: always. */
  ready?(): boolean;
  /** Sleeps at most so many ms, and no longer than a word of the heap has a value. Meanwhile the P stands still. Left out: `poll`. */
  rest?(word: number, value: number, ms: number): void;
  /** Ps that sleep should look for work: a mark has begun. */
  wake(): void;
}

/** No other Ps. */
export const ALONE: World = { stop: () => {}, start: () => {}, wake: () => {} };

export interface CollectorOptions {
  /** GODEBUG=gcstoptheworld: 1 marks with the world stopped, 2 sweeps so as well. */
  readonly stopTheWorld?: number;
  /** ns that an idle P, and a fractional worker at least, mark at a stretch. */
  readonly idleSlice?: number;
  readonly fractionalSlice?: number;
  /** Told after each cycle's mark, with NumGC. */
  readonly onCycle?: (numGC: number) => void;
}

const INFINITE = Number.POSITIVE_INFINITY;
/** ns of a worker's slice: within it the P only stops for the world. */
const DEDICATED_SLICE = 2e6;
const FRACTIONAL_SLICE = 250e3;
const IDLE_SLICE = 500e3;
/** A fractional worker that is this far over its share stops. */
const FRACTIONAL_SLACK = 1.2;
/** Spans that a P with nothing else to do sweeps before it looks for work again. */
const SWEEP_BATCH = 10;
/**
 * ms that a P sleeps when it finds nothing to mark, while others mark: each time twice as long. Several that looked every 0.1 ms would
 * take a processor from those that they wait for.
 */
const SHORTEST_NAP = 0.1;
const LONGEST_NAP = 1.6;
/** ms between two looks whether the world would stand still at once. */
const NEXT_LOOK = 0.05;
/** ns that a stop is put off at most because somebody would not stand still at once. */
const PATIENCE = 10e6;

export class Collector {
  private readonly h: Heap;
  private readonly p: P;
  private readonly world: World;
  private readonly options: CollectorOptions;
  /** Of the fractional worker: the cycle it worked in, and ns that it took. */
  private cycle = -1;
  private fractional = 0;
  /** The next nap of a P that finds nothing to mark, in ms. */
  private nap = SHORTEST_NAP;

  constructor(h: Heap, p: P, world: World = ALONE, options: CollectorOptions = {}) {
    this.h = h;
    this.p = p;
    this.world = world;
    this.options = options;
  }

  private phase(): number {
    return this.h.m[this.h.mheap + H_GC_PHASE];
  }

  /** When `p.attention` was set. */
  service(): void {
    const { h, p } = this;
    p.attention = false;
    if (this.phase() === GcPhase.mark) {
      // Whoever finds the last of the work ends the mark.
      if (!assist(h, p) || isMarkDone(h)) this.end();
    } else if (h.m[h.mheap + H_RESTART] !== 0) this.begin(h.m[h.mheap + H_RESTART] - 1);
    else if (isDue(h)) this.begin(Why.heap);
  }

  /** The mark workers' share of this P's time. Cheap when no mark is on. */
  share(): void {
    const { h } = this;
    if (this.phase() !== GcPhase.mark) {
      if (h.m[h.mheap + H_RESTART] !== 0) this.begin(h.m[h.mheap + H_RESTART] - 1);
      return;
    }
    const cycle = h.m[h.mheap + H_CYCLES];
    if (this.claimDedicated()) {
      const done = this.work(DEDICATED_SLICE, T_DEDICATED_NS);
      this.returnDedicated(cycle);
      if (!done || isMarkDone(h)) this.end();
      return;
    }
    const goal = h.f[h.pacer + C_FRACTIONAL_GOAL];
    if (goal === 0) return;
    if (this.cycle !== cycle) {
      this.cycle = cycle;
      this.fractional = 0;
    }
    const now = h.now();
    const since = now - h.f[h.pacer + C_MARK_START];
    if (since <= 0 || this.fractional > goal * since) return;
    const began = now;
    const done = this.work(
      Math.max(this.options.fractionalSlice ?? FRACTIONAL_SLICE, FRACTIONAL_SLACK * goal * since - this.fractional),
      T_FRACTIONAL_NS,
    );
    this.fractional += h.now() - began;
    if (!done || isMarkDone(h)) this.end();
  }

  /**
   * For a P without requests. Returns how many milliseconds it may sleep before it asks again: 0 when it did something, Infinity
   * when nothing is left to do.
   */
  idle(): number {
    const { h, p } = this;
    updateLimiter(h);
    if (this.phase() === GcPhase.mark) {
      const cycle = h.m[h.mheap + H_CYCLES];
      const dedicated = this.claimDedicated();
      const worked = this.work(this.options.idleSlice ?? IDLE_SLICE, dedicated ? T_DEDICATED_NS : T_IDLE_NS);
      if (dedicated) this.returnDedicated(cycle);
      if (worked || this.end()) return 0;
      return this.phase() === GcPhase.mark ? this.nextNap() : 0;
    }
    if (h.m[h.mheap + H_RESTART] !== 0) return this.begin(h.m[h.mheap + H_RESTART] - 1) ? 0 : 1;
    if (h.m[h.mheap + H_SWEEP_DONE] === 0) {
      this.sweepSome(SWEEP_BATCH);
      return 0;
    }
    return bgScavenge(h, p) / 1e6;
  }

  /** A piece of background work for a P that is never idle. */
  between(): void {
    const { h, p } = this;
    updateLimiter(h);
    if (this.phase() !== GcPhase.off) return;
    if (h.m[h.mheap + H_SWEEP_DONE] === 0) this.sweepSome(SWEEP_BATCH);
    else bgScavenge(h, p);
  }

  /** Sweeps a few spans. */
  sweepSome(spans: number): void {
    const { h, p } = this;
    const began = h.now();
    let left = spans;
    while (left > 0 && sweepOne(h, p) >= 0) left--;
    h.f[p.stats + T_SWEEP_NS] += h.now() - began;
    if (left > 0 && this.sweepersDone()) this.swept();
  }

  /** A cycle now: waits for one that is under way, runs another, sweeps everything. Returns its NumGC. */
  collect(why: number): number {
    const { h, p } = this;
    const { m } = h;
    this.finishCurrent();
    const before = m[h.mheap + H_NUM_GC];
    while (m[h.mheap + H_NUM_GC] === before) {
      this.begin(why);
      this.finishCurrent();
      // Another P may be about to begin one, and waits for us to stand still.
      h.poll();
    }
    const numGC = m[h.mheap + H_NUM_GC];
    this.sweepEverything();
    p.attention = false;
    return numGC;
  }

  /** Marks to the end, if a mark is on. */
  private finishCurrent(): void {
    while (this.phase() === GcPhase.mark) {
      if (this.work(IDLE_SLICE, T_IDLE_NS) || this.end()) continue;
      this.rest(H_GC_PHASE, GcPhase.mark, this.nextNap());
    }
  }

  /** Sweeps what is unswept, and waits for what others are sweeping. */
  sweepEverything(): number {
    const { h, p } = this;
    let pages = 0;
    for (let n = sweepOne(h, p); n >= 0; n = sweepOne(h, p)) {
      pages += n;
      h.poll();
    }
    while (!this.sweepersDone()) this.rest(H_SWEEP_DONE, 1, NEXT_LOOK);
    this.swept();
    return pages;
  }

  /** Whether no other P is in the middle of a sweep: its span's pages are freed and counted after it is published as swept. */
  private sweepersDone(): boolean {
    const { h, p } = this;
    for (const other of h.ps) if (other !== p && Atomics.load(h.m, other.at + P_HAND) !== 0) return false;
    return true;
  }

  private swept(): void {
    completeSweep(this.h);
    wakeScavenger(this.h);
  }

  /** Marks for some time as a worker of a class. False when there was nothing to mark. */
  private work(ns: number, counter: number): boolean {
    const { h, p } = this;
    // The pauses that fall into it are counted as pauses.
    const began = unpausedNow(h);
    const done = drain(h, p, INFINITE, h.now() + ns, true);
    h.f[p.stats + counter] += unpausedNow(h) - began;
    giveCredit(h, done);
    if (done > 0) {
      this.nap = SHORTEST_NAP;
      h.f[h.pacer + CYCLE_AT + Y_ASKED] = 0;
    }
    return done > 0 || !isMarkDone(h);
  }

  private rest(scalar: number, value: number, ms: number): void {
    const { h, world } = this;
    if (world.rest === undefined) h.poll();
    else world.rest(h.mheap + scalar, value, ms);
  }

  private nextNap(): number {
    const ms = this.nap;
    this.nap = Math.min(ms * 2, LONGEST_NAP);
    return ms;
  }

  private claimDedicated(): boolean {
    const { m, mheap } = this.h;
    const wanted = Atomics.load(m, mheap + H_DEDICATED);
    return wanted > 0 && Atomics.compareExchange(m, mheap + H_DEDICATED, wanted, wanted - 1) === wanted;
  }

  /** Gives the claim back, unless its cycle ended meanwhile: the next one has counted anew how many it wants. */
  private returnDedicated(cycle: number): void {
    const { m, mheap } = this.h;
    if (m[mheap + H_CYCLES] === cycle) Atomics.add(m, mheap + H_DEDICATED, 1);
  }

  /** Begins a cycle unless one is under way, or what made it due has passed. Returns whether it did. */
  begin(why: number): boolean {
    const { h, p, world } = this;
    const { m } = h;
    // Several Ps may cross the trigger at once: one of them begins.
    if (Atomics.compareExchange(m, h.mheap + H_TRANSITION, 0, 1) !== 0) return false;
    // What the last cycle left to sweep, while the others still run.
    while (sweepOne(h, p) >= 0) h.poll();
    // Nor do they stand still while one of them waits for a processor: until it has one, they go on.
    const asked = h.now();
    while (world.ready?.() === false && h.now() - asked < PATIENCE) this.rest(H_TRANSITION, 1, NEXT_LOOK);
    const stopping = h.now();
    world.stop();
    m[h.mheap + H_TRANSITION] = 0;
    if (this.phase() !== GcPhase.off || (why === Why.heap && m[h.mheap + H_RESTART] === 0 && !isDue(h))) {
      world.start();
      return false;
    }
    const stopped = h.now();
    limitMark(h, true, stopping);
    startMark(h, p, why);
    h.f[h.pacer + CYCLE_AT + Y_ASKED] = 0;
    if ((this.options.stopTheWorld ?? 0) > 0) {
      this.markStopped();
      limitMark(h, false, h.now());
    }
    const all = this.phase() === GcPhase.off;
    this.resume(stopping, stopped, true);
    if (all) this.ended();
    else world.wake();
    return true;
  }

  /** The whole mark, with the world stopped. */
  private markStopped(): void {
    const { h, p } = this;
    while (!isMarkDone(h)) drain(h, p, INFINITE, INFINITE, false);
    finishMark(h);
    if ((this.options.stopTheWorld ?? 0) > 1) while (sweepOne(h, p) >= 0);
  }

  /** Ends the mark if nothing is left to mark. Returns whether it did. */
  end(): boolean {
    const { h, world } = this;
    const { m } = h;
    if (this.phase() !== GcPhase.mark || !isMarkDone(h) || anyMarking(h)) return false;
    if (!this.mayStop() || Atomics.compareExchange(m, h.mheap + H_TRANSITION, 0, 1) !== 0) return false;
    const stopping = h.now();
    world.stop();
    const stopped = h.now();
    // A barrier may have found something since; only now nobody can.
    const done = this.phase() === GcPhase.mark && isMarkDone(h);
    if (done) {
      limitMark(h, false, stopping);
      finishMark(h);
    }
    m[h.mheap + H_TRANSITION] = 0;
    if (!done) {
      world.start();
      return false;
    }
    this.resume(stopping, stopped, false);
    Atomics.notify(m, h.mheap + H_GC_PHASE);
    this.ended();
    return true;
  }

  /** Whether to stop the world for the end of the mark: the others are where they would stand still at once, or it has been put off for long. */
  private mayStop(): boolean {
    const { h, world } = this;
    if (world.ready?.() !== false) return true;
    const asked = h.pacer + CYCLE_AT + Y_ASKED;
    if (h.f[asked] === 0) h.f[asked] = h.now();
    return h.now() - h.f[asked] > PATIENCE;
  }

  private resume(stopping: number, stopped: number, first: boolean): void {
    const { h, world } = this;
    // The row is written while the world stands still: afterwards another cycle may begin.
    const ns = h.now() - stopping;
    recordCyclePause(h, first, ns, stopped - stopping);
    pausesOf(h, ns, stopped - stopping);
    if (this.phase() === GcPhase.off) recordPause(h, Math.round(cyclePauses(h)), h.unix() * 1e6);
    world.start();
  }

  private ended(): void {
    this.options.onCycle?.(this.h.m[this.h.mheap + H_NUM_GC]);
  }
}
