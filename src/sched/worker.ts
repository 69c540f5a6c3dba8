/**
 * M: the worker thread that holds a P and runs Gs with it.
 *
 * The loop: take a G (pinned first, then its own queues, then the global one, then half of another P's; now and then in another order), run it, put it on
 * the done ring; wake the main thread once per run of Gs, not once per G; with nothing to do, sleep on the P's wake word. Between
 * two Gs it passes a safepoint.
 *
 * An M that replaces a dead one first repairs the heap with the world stopped (heap/recover.ts), then takes the P over.
 */

import '../threads/loaded.js';
import { parentPort, workerData } from 'node:worker_threads';
import { Collector } from '../gc/collector.js';
import { beginWait, endWait } from '../gc/cpustats.js';
import { repairCollector } from '../gc/repair.js';
import { Heap, type HeapMemory, type P } from '../heap/heap.js';
import { recover } from '../heap/recover.js';
import { lockOwner } from '../memory/lock.js';
import { Executor } from './exec.js';
import { isLong, Op } from './ops.js';
import { settle } from './settle.js';
import {
  F_ARGS,
  F_OP,
  F_RAN,
  F_STATUS,
  FRAMES,
  GStatus,
  K_DOORBELL,
  K_GLOBAL_HEAD,
  K_GLOBAL_TAIL,
  K_MAIN_WAITS,
  K_SHUTDOWN,
  PStatus,
  RUNQ,
  ringLength,
  ringPush,
  ringTake,
  type SchedMemory,
  Shared,
  SP_CURRENT,
  SP_DONE_HEAD,
  SP_DONE_TAIL,
  SP_LOCAL_HEAD,
  SP_LOCAL_TAIL,
  SP_LONG,
  SP_PARKED,
  SP_PINNED_HEAD,
  SP_PINNED_TAIL,
  SP_RAN,
  SP_RUNQ_HEAD,
  SP_RUNQ_TAIL,
  SP_STATUS,
  SP_STOLEN,
  SP_WAKE,
} from './shared.js';
import {
  becomeRunning,
  rest,
  safepoint,
  startTheWorld,
  stopTheWorld,
  stopTheWorldToRecover,
  wouldStop,
} from './world.js';

export interface WorkerData {
  readonly heap: HeapMemory;
  readonly sched: SchedMemory;
  readonly p: number;
  /** This M replaces one that died. */
  readonly recovers: boolean;
  /** `GODEBUG=gcstoptheworld`. */
  readonly stopTheWorld: number;
}

/** What an M tells the main thread by message: it is up; a cycle's mark is done. */
export type WorkerMessage = 'running' | { numGC: number };

/** Gs between two calls of the main thread, at most. */
const RING_EVERY = 64;
/** Batches of more records than this count as long: what is done already is reported first. */
const LONG_BATCH = 256;
/** Gs after which a busy P does a piece of the collector's background work; a power of two. */
const SWEEP_EVERY = 16;
/** Of so many Gs one comes from the queues that usually come last. Go's number. */
const FAIR_EVERY = 61;

class M {
  private readonly h: Heap;
  private readonly p: P;
  private readonly k: Shared;
  private readonly sp: number;
  private readonly gc: Collector;
  private readonly exec: Executor;
  private unreported = 0;
  private ran = 0;
  private tick = 0;

  constructor(data: WorkerData) {
    this.h = Heap.attach(data.heap);
    this.p = this.h.ps[data.p];
    this.k = new Shared(data.sched);
    this.sp = this.k.sp(data.p);
    const { h, p, k } = this;
    const world = {
      stop: () => stopTheWorld(h, k, p),
      start: () => void startTheWorld(k),
      ready: () => wouldStop(h, k, p),
      rest: (word: number, value: number, ms: number) => rest(h, k, p, word, value, ms),
      wake: () => this.wakeOthers(),
    };
    const onCycle = (numGC: number): void => parentPort?.postMessage({ numGC } satisfies WorkerMessage);
    this.gc = new Collector(h, p, world, { stopTheWorld: data.stopTheWorld, onCycle });
    this.exec = new Executor(h, p, k, this.gc);
    this.h.poll = () => safepoint(this.k, this.p);
  }

  recover(): void {
    const { h, p, k } = this;
    const heldWorld = lockOwner(k.m, k.worldLock) === p.id;
    stopTheWorldToRecover(h, k, p);
    recover(h, p, heldWorld);
    repairCollector(h);
    const current = k.m[this.sp + SP_CURRENT] - 1;
    if (current >= 0) settle(h, k, current, p.id);
    // What the dead M had yet to do for the collector; a change of settings, say, may have moved the goal behind us.
    p.attention = true;
    // The dead M may have been asleep.
    endWait(h, p);
    k.m[this.sp + SP_CURRENT] = 0;
    k.m[this.sp + SP_LONG] = 0;
    Atomics.store(k.m, this.sp + SP_STATUS, PStatus.stopped);
    startTheWorld(k);
  }

  /** Runs until the heap shuts down. */
  loop(): void {
    const { h, k, sp } = this;
    const { m } = k;
    becomeRunning(k, this.p);
    for (;;) {
      safepoint(k, this.p);
      const wake = Atomics.load(m, sp + SP_WAKE);
      const g = this.next();
      if (g >= 0) {
        this.run(g);
        this.collectorsShare();
        continue;
      }
      this.report();
      if (Atomics.load(m, k.scalars + K_SHUTDOWN) > this.p.id) break;
      const pause = this.gc.idle();
      if (pause === 0) continue;
      m[sp + SP_PARKED]++;
      Atomics.store(m, sp + SP_STATUS, PStatus.idle);
      Atomics.notify(m, sp + SP_STATUS);
      // Anything queued after `wake` was read has raised the word, and the wait returns at once.
      beginWait(h, this.p);
      Atomics.wait(m, sp + SP_WAKE, wake, pause);
      endWait(h, this.p);
      becomeRunning(k, this.p);
    }
    Atomics.store(m, sp + SP_STATUS, PStatus.idle);
    Atomics.notify(m, sp + SP_STATUS);
  }

  /** What the collector gets of a P that has requests to run. */
  private collectorsShare(): void {
    this.gc.share();
    // A P that never rests would never sweep in the background.
    if ((++this.ran & (SWEEP_EVERY - 1)) === 0) this.gc.between();
  }

  /** Ps that sleep look for work: a mark has begun. */
  private wakeOthers(): void {
    const { k, p } = this;
    for (let other = 0; other < k.procs; other++) {
      if (other === p.id) continue;
      Atomics.add(k.m, k.sp(other) + SP_WAKE, 1);
      Atomics.notify(k.m, k.sp(other) + SP_WAKE);
    }
  }

  private next(): number {
    let g = -1;
    // Now and then from the other end, or a queue that is never empty would starve those behind it.
    if (++this.tick % FAIR_EVERY === 0) {
      g = this.takeGlobal();
      if (g < 0) g = this.takeQueued();
    }
    if (g < 0) g = this.takePinned();
    if (g < 0) g = this.takeQueued();
    if (g < 0) g = this.takeGlobal();
    return g < 0 ? this.steal() : g;
  }

  private takePinned(): number {
    const { k, sp } = this;
    return ringTake(k.m, k.pinned + this.p.id * FRAMES, FRAMES, sp + SP_PINNED_HEAD, sp + SP_PINNED_TAIL);
  }

  private takeQueued(): number {
    const { k, sp } = this;
    const at = this.p.id * RUNQ;
    const g = ringTake(k.m, k.runq + at, RUNQ, sp + SP_RUNQ_HEAD, sp + SP_RUNQ_TAIL);
    return g >= 0 ? g : ringTake(k.m, k.local + at, RUNQ, sp + SP_LOCAL_HEAD, sp + SP_LOCAL_TAIL);
  }

  private takeGlobal(): number {
    const { k } = this;
    return ringTake(k.m, k.global, FRAMES, k.scalars + K_GLOBAL_HEAD, k.scalars + K_GLOBAL_TAIL);
  }

  /** Takes half of the Gs of the first other P that has any; runs one, keeps the rest in the local queue. */
  private steal(): number {
    const { k } = this;
    for (let i = 1; i < k.procs; i++) {
      const victim = (this.p.id + i) % k.procs;
      const v = k.sp(victim);
      let g = this.stealHalf(k.runq + victim * RUNQ, v + SP_RUNQ_HEAD, v + SP_RUNQ_TAIL);
      if (g < 0) g = this.stealHalf(k.local + victim * RUNQ, v + SP_LOCAL_HEAD, v + SP_LOCAL_TAIL);
      if (g >= 0) return g;
    }
    return -1;
  }

  private stealHalf(ring: number, head: number, tail: number): number {
    const { k, sp } = this;
    const { m } = k;
    const n = (ringLength(m, head, tail) + 1) >> 1;
    let first = -1;
    for (let i = 0; i < n; i++) {
      const g = ringTake(m, ring, RUNQ, head, tail);
      if (g < 0) break;
      m[sp + SP_STOLEN]++;
      if (first < 0) first = g;
      else ringPush(m, k.local + this.p.id * RUNQ, RUNQ, sp + SP_LOCAL_HEAD, sp + SP_LOCAL_TAIL, g);
    }
    return first;
  }

  private run(g: number): void {
    const { k, sp } = this;
    const { m } = k;
    const frame = k.frame(g);
    m[frame + F_RAN] = this.p.id;
    m[frame + F_STATUS] = GStatus.running;
    Atomics.store(m, sp + SP_CURRENT, g + 1);
    const op = m[frame + F_OP];
    const long = op === Op.batch ? m[frame + F_ARGS + 1] > LONG_BATCH : isLong(op);
    if (long) {
      this.report();
      Atomics.store(m, sp + SP_LONG, 1);
    }
    this.exec.run(frame);
    if (long) Atomics.store(m, sp + SP_LONG, 0);
    m[frame + F_STATUS] = GStatus.done;
    ringPush(m, k.done + this.p.id * FRAMES, FRAMES, sp + SP_DONE_HEAD, sp + SP_DONE_TAIL, g);
    m[sp + SP_CURRENT] = 0;
    m[sp + SP_RAN]++;
    if (++this.unreported >= RING_EVERY) this.report();
  }

  /** Wakes the main thread if it sleeps and there is something for it. */
  private report(): void {
    if (this.unreported === 0) return;
    this.unreported = 0;
    const { m, scalars } = this.k;
    Atomics.add(m, scalars + K_DOORBELL, 1);
    if (Atomics.exchange(m, scalars + K_MAIN_WAITS, 0) === 1) Atomics.notify(m, scalars + K_DOORBELL);
  }
}

const data = workerData as WorkerData;
const me = new M(data);
if (data.recovers) me.recover();
parentPort?.postMessage('running' satisfies WorkerMessage);
me.loop();
