/**
 * A workload on a heap without threads, on a clock that only its own operations move: what the
 * doctor reads of it is the same on every machine, in every run. Time passes while records are
 * carried out, at so many ns each, and in the Ps' sleep until the next round is due.
 */

import { Collector } from '../../../src/gc/collector.js';
import { beginWait, endWait } from '../../../src/gc/cpustats.js';
import { Why } from '../../../src/gc/state.js';
import { check } from '../../../src/heap/check.js';
import { dropRoot } from '../../../src/heap/free.js';
import { addressOf, H_NUM_GC, HEAP_BASE, type Heap } from '../../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../../src/heap/malloc.js';
import { BatchOp, Flag } from '../../../src/sched/ops.js';
import { type Examination, examination } from '../../../src/telemetry/doctor/doctor.js';
import { gather } from '../../../src/telemetry/doctor/facts.js';
import { Batch, MAX_RECORDS, PIECE_BYTES, Tally } from '../../../src/workloads/batch.js';
import { DEFAULT_PROFILE, KINDS, type KindName } from '../../../src/workloads/catalog.js';
import type { Generator } from '../../../src/workloads/generator.js';
import { MIB, newHeap, scraped } from '../support.js';

const PROCS = 2;
const RESULTS = MAX_RECORDS * 4;

export class Simulated {
  readonly h: Heap;
  readonly tally = new Tally();
  private at = 0;
  private readonly perRecord: number;
  private readonly period: number;
  private readonly gcs: Collector[];
  private readonly generator: Generator;
  private readonly words = Array.from({ length: PROCS }, () => new Int32Array(PIECE_BYTES / 4));
  private readonly batches: Batch[];

  /**
   * @param perRecord ns that a record takes
   * @param records of a round, on each P
   * @param period ms between two rounds
   */
  constructor(kind: KindName, perRecord: number, records: number, period = 10) {
    this.h = newHeap(PROCS, 512 * MIB);
    // A look at the clock takes time itself: what measures a pause or a slice never sees none.
    this.h.now = () => {
      this.at += 100;
      return this.at;
    };
    this.perRecord = perRecord;
    this.period = period * 1e6;
    this.gcs = this.h.ps.map((p) => new Collector(this.h, p));
    this.batches = this.words.map((words, p) => new Batch({ words, offset: 0 }, p, records));
    this.generator = KINDS[kind].make({
      seed: 1,
      lanes: PROCS,
      bytes: 8 * MIB,
      objects: 100_000,
      period: period / 1000,
      k: 100,
      profile: DEFAULT_PROFILE,
      numGC: () => this.h.scalar(H_NUM_GC),
    });
  }

  /** What the doctor says of the next so many rounds. */
  async examine(rounds: number): Promise<Examination> {
    return examination(
      await gather(scraped(this.h), async () => {
        for (let i = 0; i < rounds; i++) this.round();
      }),
    );
  }

  collect(): void {
    this.gcs[0].collect(Why.forced);
  }

  check(): string[] {
    return check(this.h);
  }

  private round(): void {
    const due = this.at + this.period;
    this.generator.round(this.batches);
    for (const batch of this.batches) this.carryOut(batch);
    for (const gc of this.gcs) gc.idle();
    for (const p of this.h.ps) beginWait(this.h, p);
    this.at = Math.max(this.at, due);
    for (const p of this.h.ps) endWait(this.h, p);
  }

  private carryOut(batch: Batch): void {
    const w = this.words[batch.p];
    const p = this.h.ps[batch.p];
    const gc = this.gcs[batch.p];
    for (let i = 0; i < batch.length; i++) {
      this.at += this.perRecord;
      const [head, , lo, hi] = w.subarray(i * 4, i * 4 + 4);
      const result = RESULTS + i * 2;
      if ((head & 255) === BatchOp.alloc) {
        if (p.attention) gc.service();
        const noscan = ((head >>> 8) & Flag.noscan) !== 0;
        const word = noscan ? mallocNoscan(this.h, p, lo) : mallocScan(this.h, p, lo);
        const address = addressOf(word, p.sub);
        w[result] = address | 0;
        w[result + 1] = Math.floor(address / 2 ** 32);
      } else if ((head & 255) === BatchOp.free) {
        const byRef = ((head >>> 8) & Flag.byRef) !== 0;
        const [low, high] = byRef ? w.subarray(RESULTS + lo * 2, RESULTS + lo * 2 + 2) : [lo, hi];
        const offset = (high & 0xffff) * 2 ** 32 + (low >>> 0) - HEAP_BASE;
        dropRoot(this.h, p, Math.floor(offset / 8), offset % 8);
        w[result + 1] = 0;
      } else throw new Error(`a record of kind ${head & 255}`);
      if (i % 64 === 63) gc.share();
    }
    gc.between();
    batch.settle(batch.length, false, this.tally);
  }
}
