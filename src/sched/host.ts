/**
 * HeapHost: the main thread's side of one heap. It owns the memory, starts the Ms, queues Gs, and answers when they are done.
 *
 * The main thread never allocates, sweeps, marks, or blocks. Submitting writes a frame and a ring entry; the Ms that got work are
 * woken once per turn of the event loop (setImmediate), however many requests the turn brought. Done Gs come back on rings that
 * are drained when the doorbell rings (Atomics.waitAsync).
 *
 * An M that dies (terminate, out of memory, a bug) is noticed by its exit. Its P is marked dead, a new M is started that repairs the
 * heap and takes the P over; then the Gs that died with it are answered with `m-died`, saying
 * whether their work happened. Where no new M can be started, that is tried again in a while, and
 * meanwhile nothing waits for it (stranded.ts).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { initLimiter } from '../gc/limits.js';
import { configure } from '../gc/pacing.js';
import { gcSettings } from '../gc/settings.js';
import { DEFAULT_PROFILE_RATE, H_PROFILE_RATE, Heap } from '../heap/heap.js';
import { readMemStats } from '../heap/memstats.js';
import { TypeTable } from '../heap/types.js';
import { lockStats } from '../memory/lock.js';
import { releaseWhole } from '../memory/os.js';
import type { EffectiveSettings, HeapSummary, HostedHeap, LiveSettings } from '../server/hosted.js';
import { type Fate, fate, gsInHand, lostGs } from './dead.js';
import { Dispatcher } from './dispatch.js';
import { Exchange } from './exchange.js';
import {
  type AllocRecorder,
  type Done,
  type GView,
  type HeapScheduler,
  type HostStats,
  type Piece,
  SchedError,
} from './host-api.js';
import { Ms } from './ms.js';
import { Change, isLong, Op } from './ops.js';
import {
  F_ARGS,
  F_OP,
  F_PINNED,
  F_PROGRESS,
  F_RAN,
  F_RESULTS,
  F_STATUS,
  FRAMES,
  GStatus,
  K_DOORBELL,
  K_GLOBAL_HEAD,
  K_GLOBAL_TAIL,
  K_MAIN_WAITS,
  K_SHUTDOWN,
  newSchedMemory,
  P_STATUS_NAMES,
  PStatus,
  ringLength,
  Shared,
  SP_CURRENT,
  SP_DONE_HEAD,
  SP_DONE_TAIL,
  SP_RAN,
  SP_STATUS,
  SP_STOLEN,
} from './shared.js';
import { Sites } from './sites.js';
import { backOff, Stranded } from './stranded.js';
import { Sysmon } from './sysmon.js';
import { Tap } from './tap.js';
import { worldStops } from './world.js';

/** Ms that end at a time. */
export const WAVE = 4;
/** A batch of more records than this is not short. */
const SHORT_BATCH = 32;
const percentOf = (gogc: number | 'off'): number => (gogc === 'off' ? -1 : gogc);
const limitOf = (limit: number | 'off'): number => (limit === 'off' ? Number.POSITIVE_INFINITY : limit);

export interface HostOptions {
  /** `GODEBUG=clobberfree=1`. */
  readonly clobberFree?: boolean;
  /** `GODEBUG=gcstoptheworld`: 1 marks with the world stopped, 2 sweeps so as well. */
  readonly stopTheWorld?: number;
  /** `GODEBUG=memprofilerate`: bytes between two samples of the heap profile; 0 none, 1 every object. */
  readonly memProfileRate?: number;
  /** Told after each cycle's mark, with NumGC. */
  readonly onCycle?: (host: HeapHost, numGC: number) => void;
  /** Told when an M died, with the P that it held. */
  readonly onRestart?: (p: number, error: Error | null) => void;
  /** Told when no new M could be started for a P; that is tried again after `ms`. */
  readonly onStranded?: (p: number, error: Error, ms: number) => void;
}

class FrameView implements GView {
  p = 0;
  r: Int32Array = new Int32Array(8);
}

export class HeapHost implements HeapScheduler, HostedHeap {
  readonly name: string;
  readonly createdAt = new Date();
  readonly heap: Heap;
  readonly procs: number;
  readonly types: TypeTable;
  readonly sites = new Sites();
  /** As it was made; GOGC and the memory limit may have changed since. */
  private readonly fixed: EffectiveSettings;
  /** Changes of settings that were asked for. */
  private changes = 0;
  private readonly k: Shared;
  private readonly exchange: Exchange;
  private readonly dispatcher: Dispatcher;
  private readonly options: HostOptions;
  private readonly ms: Ms;
  private readonly stranded: Stranded;
  /** By frame: what to call when it is done; null for a free frame. */
  private readonly pending: (Done | null)[] = new Array(FRAMES).fill(null);
  private readonly freeFrames: number[] = Array.from({ length: FRAMES }, (_, i) => FRAMES - 1 - i);
  private readonly views: Int32Array[];
  private readonly view = new FrameView();
  restarts = 0;
  private inFlight = 0;
  private closing: Promise<void> | null = null;
  private closed = false;
  private sysmon: Sysmon | undefined;
  private whenEmpty: (() => void) | null = null;
  /** Who is told of every G that is done; null while nobody records. */
  private tap: Tap | null = null;

  private constructor(name: string, settings: EffectiveSettings, options: HostOptions) {
    this.name = name;
    this.fixed = settings;
    this.options = options;
    this.procs = settings.gomaxprocs;
    this.heap = Heap.create({
      reserve: settings.reserve,
      arenaSize: settings.arenaSize,
      procs: settings.gomaxprocs,
      clobberFree: options.clobberFree,
    });
    configure(this.heap, percentOf(settings.gogc), limitOf(settings.gomemlimit));
    initLimiter(this.heap);
    this.heap.m[this.heap.mheap + H_PROFILE_RATE] = options.memProfileRate ?? DEFAULT_PROFILE_RATE;
    this.types = new TypeTable(this.heap);
    this.k = new Shared(newSchedMemory(this.procs));
    this.exchange = new Exchange(this.k.memory.exchange);
    this.dispatcher = new Dispatcher(this.k);
    this.stranded = new Stranded(this.k);
    const data = { heap: this.heap.memory, sched: this.k.memory, stopTheWorld: options.stopTheWorld ?? 0 };
    this.ms = new Ms(name, data, {
      ended: (p, error) => {
        if (!this.closed) this.replace(p, error);
      },
      cycle: (numGC) => options.onCycle?.(this, numGC),
    });
    this.views = Array.from({ length: FRAMES }, (_, g) => {
      const r = this.k.frame(g) + F_RESULTS;
      return this.k.m.subarray(r, r + 8);
    });
  }

  /** Makes a heap and its Ms; resolves when every M runs. */
  static async create(name: string, settings: EffectiveSettings, options: HostOptions = {}): Promise<HeapHost> {
    const host = new HeapHost(name, settings, options);
    try {
      const up: Promise<void>[] = [];
      for (let p = 0; p < host.procs; p++) {
        up.push(host.ms.start(p, false));
        // Reported below, with the others.
        up[p].catch(() => undefined);
        // Starting a thread takes this one some milliseconds: one a turn, so that requests are answered in between.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(up);
    } catch (error) {
      await host.close();
      throw error;
    }
    host.listen();
    host.sysmon = new Sysmon(host);
    return host;
  }

  /** What can change is read from the heap, always: what a client is shown is what the collector goes by. */
  get settings(): EffectiveSettings {
    const { gcPercent, memoryLimit } = gcSettings(this.heap);
    return {
      ...this.fixed,
      gogc: gcPercent < 0 ? 'off' : gcPercent,
      gomemlimit: memoryLimit === Number.POSITIVE_INFINITY ? 'off' : memoryLimit,
    };
  }

  /** Only what is to change travels: two clients that change one setting each do not undo each other's. */
  async update(settings: LiveSettings): Promise<void> {
    const { gogc, gomemlimit } = settings;
    const which = (gogc === undefined ? 0 : Change.gcPercent) | (gomemlimit === undefined ? 0 : Change.memoryLimit);
    const limit = limitOf(gomemlimit ?? 'off');
    const halves = limit === Number.POSITIVE_INFINITY ? [-1, -1] : [limit | 0, Math.floor(limit / 2 ** 32)];
    this.changes = (this.changes + 1) | 0;
    await this.call(Op.settings, -1, [which, percentOf(gogc ?? 'off'), ...halves, this.changes]);
  }

  summary(): HeapSummary {
    const s = readMemStats(this.heap);
    return {
      heapAlloc: s.HeapAlloc,
      heapObjects: s.HeapObjects,
      heapInuse: s.HeapInuse,
      heapIdle: s.HeapIdle,
      heapReleased: s.HeapReleased,
      heapSys: s.HeapSys,
    };
  }

  take(length: number): Piece {
    return this.exchange.take(length);
  }

  submit(op: number, p: number, a: ArrayLike<number>, done: Done): void {
    const g = this.frameFor(p, done);
    const { m } = this.k;
    const at = this.k.frame(g);
    m[at + F_OP] = op;
    for (let i = 0; i < 8; i++) m[at + F_ARGS + i] = a[i] ?? 0;
    this.dispatcher.enqueue(g, p, op === Op.batch ? a[1] <= SHORT_BATCH : !isLong(op));
  }

  submitAlloc(size: number, flags: number, type: number, site: number, p: number, done: Done): void {
    const g = this.frameFor(p, done);
    const { m } = this.k;
    const at = this.k.frame(g);
    m[at + F_OP] = Op.alloc;
    m[at + F_ARGS] = size | 0;
    m[at + F_ARGS + 1] = Math.floor(size / 2 ** 32);
    m[at + F_ARGS + 2] = flags;
    m[at + F_ARGS + 3] = type;
    m[at + F_ARGS + 4] = site;
    this.dispatcher.enqueue(g, p, true);
  }

  call(op: number, p: number, a: ArrayLike<number>): Promise<{ p: number; r: Int32Array }> {
    return new Promise((resolve, reject) => {
      this.submit(op, p, a, (error, g) => {
        if (error === null) resolve({ p: g.p, r: Int32Array.from(g.r) });
        else reject(error);
      });
    });
  }

  get recorded(): boolean {
    return this.tap !== null;
  }

  async record(recorder: AllocRecorder, live: boolean): Promise<void> {
    if (this.tap !== null) throw new Error(`heap ${this.name} is being recorded`);
    this.tap = new Tap(this.k, this, recorder, live);
    try {
      await this.tap.start();
    } catch (error) {
      this.endRecord(recorder);
      throw error;
    }
  }

  endRecord(recorder: AllocRecorder): void {
    if (this.tap?.recorder === recorder) this.tap = null;
  }

  stats(): HostStats {
    const { k, procs } = this;
    const each = <T>(f: (sp: number, p: number) => T): T[] => Array.from({ length: procs }, (_, p) => f(k.sp(p), p));
    const stops = worldStops(k);
    return {
      inFlight: this.inFlight,
      ran: each((sp) => k.m[sp + SP_RAN] >>> 0),
      stolen: each((sp) => k.m[sp + SP_STOLEN] >>> 0),
      queued: each((sp) => this.dispatcher.queued(sp)),
      globalQueued: ringLength(k.m, k.scalars + K_GLOBAL_HEAD, k.scalars + K_GLOBAL_TAIL),
      restarts: this.restarts,
      stops: stops.stops,
      stoppedSeconds: stops.seconds,
      worldLock: lockStats(k.m, k.worldLock),
      ps: each((sp, p) => ({ status: P_STATUS_NAMES[k.m[sp + SP_STATUS]], m: this.ms.threadId(p) })),
    };
  }

  terminateM(p: number): Promise<void> {
    return this.ms.terminate(p);
  }

  /** Finishes what is in flight, ends the Ms, gives the memory back. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    // Neither a wait for the doorbell nor an M on its way out is certain to keep the event loop alive; this is.
    const alive = setInterval(() => {}, 1000);
    try {
      await this.endMs();
    } finally {
      clearInterval(alive);
    }
  }

  private async endMs(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.whenEmpty = resolve));
    this.closed = true;
    this.sysmon?.stop();
    const { m, scalars } = this.k;
    // Others may sleep on a lock that a dead M held, and nobody will break it any more.
    if (this.stranded.count > 0) for (let p = 0; p < this.procs; p++) void this.ms.terminate(p);
    // The main thread joins each thread that ends. All at once would keep it from everything else for too long.
    for (let from = 0; from < this.procs; from += WAVE) {
      const to = Math.min(from + WAVE, this.procs);
      const exits = this.ms.ended(from, to);
      Atomics.store(m, scalars + K_SHUTDOWN, to);
      for (let p = from; p < to; p++) this.dispatcher.wake(p);
      await exits;
    }
    // Ring the main thread's own doorbell, so that its last wait ends.
    Atomics.add(m, scalars + K_DOORBELL, 1);
    Atomics.notify(m, scalars + K_DOORBELL);
    for (const buffer of [this.heap.memory.reservation, this.heap.memory.metadata, this.k.memory.exchange]) {
      await releaseWhole(buffer);
    }
  }

  private frameFor(p: number, done: Done): number {
    if (this.closing !== null) throw new SchedError('shutting-down', `heap ${this.name} is being removed`);
    if (p >= this.procs || p < -1) throw new SchedError('invalid-p', `p must be 0 to ${this.procs - 1}`);
    if (this.stranded.count !== 0 && this.stranded.refuses(p)) throw noThread();
    const g = this.freeFrames.pop();
    if (g === undefined) throw new SchedError('overloaded', `${FRAMES} operations are in flight on heap ${this.name}`);
    this.pending[g] = done;
    this.inFlight++;
    const { m } = this.k;
    const at = this.k.frame(g);
    m[at + F_PROGRESS] = 0;
    m[at + F_PINNED] = p;
    m[at + F_RAN] = -1;
    m[at + F_STATUS] = GStatus.queued;
    return g;
  }

  // Done Gs.

  /** Sleeps on the doorbell; rings of Ms between two drains cost one wake. */
  private readonly listen = (): void => {
    const { m, scalars } = this.k;
    for (;;) {
      const bell = Atomics.load(m, scalars + K_DOORBELL);
      this.drain();
      if (this.closed) return;
      Atomics.store(m, scalars + K_MAIN_WAITS, 1);
      const wait = Atomics.waitAsync(m, scalars + K_DOORBELL, bell);
      if (!wait.async) continue;
      void wait.value.then(this.listen);
      return;
    }
  };

  private drain(): void {
    const { k } = this;
    const { m } = k;
    for (let p = 0; p < this.procs; p++) {
      const sp = k.sp(p);
      const tail = Atomics.load(m, sp + SP_DONE_TAIL);
      let head = m[sp + SP_DONE_HEAD];
      while (head !== tail) {
        const g = m[k.done + p * FRAMES + (head & (FRAMES - 1))];
        if (this.tap !== null && this.pending[g] !== null) this.tap.ended(g, p, head);
        head = (head + 1) | 0;
        Atomics.store(m, sp + SP_DONE_HEAD, head);
        this.finish(g, null);
      }
    }
  }

  private finish(g: number, error: SchedError | null): void {
    const done = this.pending[g];
    // Answered already: its M died between putting it on the ring and forgetting it.
    if (done === null) return;
    this.pending[g] = null;
    this.view.p = this.k.m[this.k.frame(g) + F_RAN];
    this.view.r = this.views[g];
    try {
      done(error, this.view);
    } finally {
      this.k.m[this.k.frame(g) + F_STATUS] = GStatus.free;
      this.freeFrames.push(g);
      this.inFlight--;
      if (this.inFlight === 0 && this.whenEmpty !== null) this.whenEmpty();
    }
  }

  // Ms.

  /** Has a new M repair the heap and take the P over, then answers what died with the old one. */
  private replace(p: number, error: Error | null): void {
    const { m } = this.k;
    this.restarts++;
    this.bury(p);
    const current = m[this.k.sp(p) + SP_CURRENT] - 1;
    this.options.onRestart?.(p, error);
    // Null: answered already. The frame may serve another request by the time the new M runs.
    void this.succeed(p, current, current < 0 ? null : this.pending[current]);
  }

  /** Marks the P dead. */
  private bury(p: number): void {
    const { m } = this.k;
    Atomics.store(m, this.k.sp(p) + SP_STATUS, PStatus.dead);
    Atomics.notify(m, this.k.sp(p) + SP_STATUS);
    // It may have died between saying that it rings the doorbell and ringing it.
    Atomics.notify(m, this.k.scalars + K_DOORBELL);
    this.drain();
  }

  /**
   * Starts Ms for a dead P until one comes up. Never rejects. `dying`: whom to tell of the G that
   * died with the old one.
   */
  private async succeed(p: number, current: number, dying: Done | null): Promise<void> {
    const answered = (): boolean => dying === null || this.pending[current] !== dying;
    for (let tries = 1; ; tries++) {
      try {
        await this.ms.start(p, true);
        break;
      } catch (error) {
        if (this.closed) return;
        // It may have died half way through the repair.
        this.bury(p);
        this.strand(p);
        if (tries === 1) {
          if (!answered()) this.answerUnrepaired(current);
          this.findLost();
        }
        const ms = backOff(tries);
        this.options.onStranded?.(p, error as Error, ms);
        await sleep(ms, undefined, { ref: false });
        if (this.closed) return;
      }
    }
    this.stranded.delete(p);
    if (!answered()) this.answerDead(current);
    this.findLost();
  }

  /** The P has no M for a while: nothing waits for one. */
  private strand(p: number): void {
    this.stranded.add(p);
    for (const g of this.stranded.takeQueued()) this.finish(g, noThread());
    // For what is queued there and may be stolen.
    for (let other = 0; other < this.procs; other++) if (other !== p) this.dispatcher.wake(other);
  }

  /**
   * As answerDead, before the heap is repaired: what was not certainly done may have happened or
   * not.
   */
  private answerUnrepaired(g: number): void {
    const { k } = this;
    const at = k.frame(g);
    const completed = k.m[at + F_PROGRESS];
    if (k.m[at + F_STATUS] === GStatus.done || (completed > 0 && k.m[at + F_OP] !== Op.batch)) this.answerDead(g);
    else this.answerDied(g, { happened: 'unknown', completed });
  }

  private answerDead(g: number): void {
    const { k } = this;
    if (k.m[k.frame(g) + F_STATUS] === GStatus.done) {
      this.tap?.died(g, null);
      this.finish(g, null);
      return;
    }
    this.answerDied(g, fate(this.heap, k, g));
  }

  private answerDied(g: number, what: Fate): void {
    const { happened, completed } = what;
    this.tap?.died(g, what);
    const text = `the thread of P${this.k.m[this.k.frame(g) + F_RAN]} died while it ran this operation`;
    this.finish(g, new SchedError('m-died', text, happened, completed));
  }

  /**
   * Gs that a dying M had taken off a queue and not begun: in flight and in no queue. One that is on its way from one queue to another, or to being
   * run, is in none either; so we look when no living M can have one in hand, and believe what we see twice on end.
   */
  private findLost(seen: ReadonlyMap<number, Done> = new Map()): void {
    const missing = this.missing();
    if (missing?.length === 0) return;
    const suspects = new Map<number, Done>();
    for (const g of missing ?? []) {
      const done = this.pending[g] as Done;
      if (seen.get(g) !== done) suspects.set(g, done);
      else if (this.k.m[this.k.frame(g) + F_STATUS] !== GStatus.queued) this.answerDead(g);
      else this.finish(g, new SchedError('m-died', 'the thread that had taken this operation died before it began'));
    }
    if (missing !== null && suspects.size === 0) return;
    setTimeout(() => this.findLost(missing === null ? seen : suspects), 5).unref();
  }

  /** Null: this was no moment to tell. */
  private missing(): number[] | null {
    const stolen = gsInHand(this.k);
    if (stolen === null) return null;
    const missing = lostGs(this.k, (g) => this.pending[g] !== null);
    return missing.length > 0 && gsInHand(this.k) !== stolen ? null : missing;
  }
}

function noThread(): SchedError {
  return new SchedError('overloaded', 'a thread of this heap died, and the system has none to take its place yet');
}
