/**
 * What a workload is made of: rounds of records, one batch a P and round, each wholly determined by the seed and the answers so far.
 *
 * A generator knows no time. It writes the next round when it is asked to; how often that is, is the affair of `workload.ts`, and all
 * batches of a round are answered before the next is written. So the sequence of operations does not depend on how fast
 * anything runs: the same seed, settings and P make the same sequence. A clock, where one is needed, counts rounds.
 */

import type { Batch } from './batch.js';
import { Objects } from './objects.js';
import { Prng } from './prng.js';

/** What a generator is told. */
export interface Plan {
  readonly seed: number;
  /** Ps that it works on: batches of a round. */
  readonly lanes: number;
  /** Bytes that it may hold, over all Ps. */
  readonly bytes: number;
  /** Objects that it may hold, over all Ps. */
  readonly objects: number;
  /** Seconds between two rounds, when nothing is late. */
  readonly period: number;
  /** Of `fragmentation`: one object in so many is kept. */
  readonly k: number;
  /** Of `gcguide`. */
  readonly profile: readonly GuideStage[];
  /** Collections of the heap so far. */
  readonly numGC: () => number;
}

/** A stage of the GC guide's workload: rates in MiB a second, duration in seconds. */
export interface GuideStage {
  readonly duration: number;
  readonly allocRate: number;
  readonly scanRate: number;
  readonly newSurvivalRate: number;
  readonly oldDeathRate: number;
}

export interface Generator {
  /** Every set with objects in it, by the P that shall free them in the end. */
  readonly sets: readonly (readonly Objects[])[];
  /** Writes the next round. */
  round(batches: readonly Batch[]): void;
  /** Whether the round just answered ends with a call of runtime.GC. Asking takes the wish. */
  wantsGC?(): boolean;
}

/** One P's part of a generator that treats all Ps alike and apart. */
export abstract class Lane {
  protected readonly rng: Prng;
  protected readonly plan: Plan;
  /** Its part of what the workload may hold. */
  protected readonly share: number;
  protected readonly most: number;
  readonly sets: Objects[] = [];
  /** Wants a collection before it goes on. It is one for all lanes, so their rounds are empty until all want it. */
  gc = false;

  constructor(plan: Plan, lane: number) {
    this.plan = plan;
    this.rng = new Prng(Math.imul(plan.seed, 0x9e3779b1) + lane);
    this.share = plan.bytes / plan.lanes;
    this.most = Math.floor(plan.objects / plan.lanes);
  }

  abstract round(batch: Batch): void;

  protected newSet(): Objects {
    const set = new Objects();
    this.sets.push(set);
    return set;
  }

  /** Whether one more object of this size may be held. */
  protected fits(set: Objects, size: number, share = this.share): boolean {
    return set.promised + size <= share && set.promisedObjects < this.most;
  }

  /** Allocates while the set has room and else frees at random, until the batch is full: a live heap of constant size. */
  protected churn(batch: Batch, set: Objects, size: () => number, noscan: () => boolean, share = this.share): void {
    while (batch.room > 0) {
      const next = size();
      while (!this.fits(set, next, share) && batch.room > 0) {
        if (set.length === 0) return;
        batch.free(set, this.rng.below(set.length));
      }
      if (batch.room > 0) batch.alloc(next, set, noscan());
    }
  }

  /** Frees from the end of a set until the batch has only `leave` records left, or the set is empty. */
  protected freeAll(batch: Batch, set: Objects, leave = 0): void {
    while (batch.room > leave && set.length > 0) batch.free(set, set.length - 1);
  }
}

/** A generator of equal lanes. */
export class Lanes implements Generator {
  protected readonly lanes: Lane[];

  constructor(plan: Plan, make: new (plan: Plan, lane: number) => Lane) {
    this.lanes = Array.from({ length: plan.lanes }, (_, lane) => new make(plan, lane));
  }

  get sets(): readonly (readonly Objects[])[] {
    return this.lanes.map(({ sets }) => sets);
  }

  round(batches: readonly Batch[]): void {
    for (let i = 0; i < batches.length; i++) this.lanes[i].round(batches[i]);
  }

  /** Once every lane wants it: those that are first wait for the others. */
  wantsGC(): boolean {
    if (!this.lanes.every(({ gc }) => gc)) return false;
    for (const lane of this.lanes) lane.gc = false;
    return true;
  }
}
