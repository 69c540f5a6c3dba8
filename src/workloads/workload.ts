/**
 * A workload at work: it asks its generator for a round, sends it, waits for all answers, and does so again when the next is due.
 *
 *     running ──duration, DELETE, failure──▶ stopping (frees what it holds, unless told to keep it) ──▶ done
 *
 * It lives on the main thread beside the requests, so it is polite: at most 4,096 records a turn (some tenths of a millisecond), no
 * more than one batch a P in flight, and a round that is late is not made up for. It never waits: answers come through callbacks.
 *
 * Its bounds are its own (bytes and objects held, operations a second, duration) and the heap's: where the heap refuses for want of room
 * in fifty rounds on end, the workload stops.
 */

import { Why } from '../gc/state.js';
import { H_NUM_GC, type Heap } from '../heap/heap.js';
import { type Piece, SchedError } from '../sched/host-api.js';
import { Op } from '../sched/ops.js';
import { Batch, MAX_RECORDS, PIECE_BYTES, Tally } from './batch.js';
import { KINDS } from './catalog.js';
import type { Generator, GuideStage } from './generator.js';
import type { KindName } from './texts.js';

/** Most records of one round, over all Ps, and fewest of one batch. */
const ROUND = 4096;
const FEWEST = 16;
/** Milliseconds between two rounds, at least. */
const TURN = 10;
/** Ps that one workload uses at most. */
const MAX_LANES = 64;
/** Objects that it may hold. */
export const MAX_OBJECTS = 500_000;
/** Rounds on end in which the heap was full. */
const PATIENCE = 50;

export interface Parameters {
  readonly workload: KindName;
  readonly seed: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Operations a second. */
  readonly rate: number;
  /** Bytes that it may hold. */
  readonly bytes: number;
  readonly p: number | 'all';
  readonly keep: boolean;
  readonly k: number;
  readonly profile: readonly GuideStage[];
}

/** Why it ended. */
export type Ending = 'duration' | 'stopped' | 'heap-full' | 'heap-deleted' | 'shutdown';

/** The part of a heap that a workload needs. */
export interface Driven {
  readonly heap: Heap;
  readonly procs: number;
  take(length: number): Piece;
  submit(op: number, p: number, a: ArrayLike<number>, done: (error: SchedError | null, g: unknown) => void): void;
}

export class Workload {
  readonly id: string;
  readonly parameters: Parameters;
  readonly startedAt = new Date();
  readonly tally = new Tally();
  endedAt: Date | undefined;
  ending: Ending | undefined;
  rounds = 0;
  /** Rounds that began late, because the one before was not answered. */
  late = 0;
  /** Batches that were not carried out whole, by code: `overloaded`, `m-died`. */
  readonly setbacks: Record<string, number> = {};
  /** Resolves when it is done. */
  readonly done: Promise<void>;
  private readonly host: Driven;
  private readonly generator: Generator;
  private readonly pieces: Piece[] = [];
  private readonly batches: Batch[] = [];
  private readonly freers: Batch[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly deadline: NodeJS.Timeout;
  private outstanding = 0;
  private fullRounds = 0;
  private finish: () => void = () => {};

  /** Throws what `take` throws when there is no exchange memory. */
  constructor(id: string, host: Driven, parameters: Parameters) {
    const { workload, p, rate } = parameters;
    const ps = p === 'all' ? Array.from({ length: Math.min(host.procs, MAX_LANES) }, (_, i) => i) : [p];
    const most = Math.min(MAX_RECORDS, Math.floor(ROUND / ps.length));
    const records = Math.min(most, Math.max(FEWEST, Math.ceil(((rate / ps.length) * TURN) / 1000)));
    const period = Math.max(TURN, (1000 * records * ps.length) / rate);
    this.id = id;
    this.host = host;
    this.parameters = parameters;
    try {
      for (const lane of ps) {
        const piece = host.take(PIECE_BYTES);
        this.pieces.push(piece);
        this.batches.push(new Batch(piece, lane, records));
        this.freers.push(new Batch(piece, lane, most));
      }
    } catch (error) {
      for (const piece of this.pieces) piece.release();
      throw error;
    }
    this.generator = KINDS[workload].make({
      seed: parameters.seed,
      lanes: ps.length,
      bytes: parameters.bytes,
      objects: MAX_OBJECTS,
      period: period / 1000,
      k: parameters.k,
      profile: parameters.profile,
      numGC: () => host.heap.scalar(H_NUM_GC),
    });
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.timer = setInterval(() => this.turn(), period).unref();
    this.deadline = setTimeout(() => this.stop('duration'), parameters.duration).unref();
  }

  get state(): 'running' | 'stopping' | 'done' {
    if (this.endedAt !== undefined) return 'done';
    return this.ending === undefined ? 'running' : 'stopping';
  }

  /** What it holds. */
  get live(): { objects: number; bytes: number } {
    let objects = 0;
    let bytes = 0;
    for (const set of this.generator.sets.flat()) {
      objects += set.length;
      bytes += set.bytes;
    }
    return { objects, bytes };
  }

  /** Ends it; `done` tells when it has freed what it held. */
  stop(why: Ending): void {
    if (this.ending !== undefined) return;
    this.ending = why;
    this.halt();
    if (this.outstanding === 0) this.clear();
  }

  private halt(): void {
    clearInterval(this.timer);
    clearTimeout(this.deadline);
  }

  private turn(): void {
    if (this.outstanding > 0) {
      this.late++;
      return;
    }
    this.rounds++;
    const before = this.tally.exhausted;
    this.generator.round(this.batches);
    this.send(this.batches, () => {
      this.fullRounds = this.tally.exhausted > before ? this.fullRounds + 1 : 0;
      if (this.ending !== undefined) this.clear();
      else if (this.fullRounds >= PATIENCE) this.stop('heap-full');
      else if (this.generator.wantsGC?.() === true) this.collect();
    });
  }

  /** Runs a collection before the next round; its answer takes the place of those of the batch. */
  private collect(): void {
    const { offset, length } = this.pieces[0];
    this.outstanding = 1;
    const settle = (error: SchedError | null): void => {
      this.outstanding = 0;
      if (error === null) this.tally.collections++;
      else this.setback(error);
      if (this.ending !== undefined) this.clear();
    };
    try {
      this.host.submit(Op.gc, -1, [Why.forced, offset, length], settle);
    } catch (error) {
      if (!(error instanceof SchedError)) throw error;
      settle(error);
    }
  }

  /** Frees what is left, a turn at a time. */
  private clear(): void {
    const { ending } = this;
    if (this.parameters.keep || ending === 'heap-deleted' || ending === 'shutdown' || this.live.objects === 0) {
      this.close();
      return;
    }
    this.generator.sets.forEach((sets, lane) => {
      const batch = this.freers[lane];
      for (const set of sets) while (batch.room > 0 && set.length > 0) batch.free(set, set.length - 1);
    });
    const refused = this.setbacksSoFar();
    // A heap that is busy is left alone for a moment.
    this.send(this.freers, () => {
      if (this.setbacksSoFar() > refused) setTimeout(() => this.clear(), TURN).unref();
      else setImmediate(() => this.clear());
    });
  }

  private setbacksSoFar(): number {
    return Object.values(this.setbacks).reduce((sum, n) => sum + n, 0);
  }

  /** Sends one batch to each P; calls `then` when all are answered. */
  private send(batches: readonly Batch[], then: () => void): void {
    // One more than there are batches, so that `then` is not called while some are still being sent.
    this.outstanding = 1;
    const answered = (): void => {
      if (--this.outstanding === 0) then();
    };
    for (const batch of batches) {
      if (batch.length === 0) continue;
      this.outstanding++;
      const settle = (error: SchedError | null): void => {
        if (error === null) batch.settle(batch.length, false, this.tally);
        else {
          batch.settle(error.completed, error.code === 'm-died', this.tally);
          this.setback(error);
        }
        answered();
      };
      try {
        this.host.submit(Op.batch, batch.p, batch.args, settle);
      } catch (error) {
        if (!(error instanceof SchedError)) throw error;
        settle(error);
      }
    }
    answered();
  }

  private setback(error: SchedError): void {
    this.setbacks[error.code] = (this.setbacks[error.code] ?? 0) + 1;
    if (error.code !== 'shutting-down') return;
    this.halt();
    // Also when it was stopping already: there is nothing left to free.
    this.ending = 'heap-deleted';
  }

  private close(): void {
    for (const piece of this.pieces) piece.release();
    this.endedAt = new Date();
    this.finish();
  }
}
