/** A heap for generators that answers at once: hands out addresses in order, and writes down what it was asked. */

import { BatchOp, Flag } from '../../src/sched/ops.js';
import { Batch, MAX_RECORDS, PIECE_BYTES, Tally } from '../../src/workloads/batch.js';
import { DEFAULT_PROFILE, KINDS, type KindName } from '../../src/workloads/catalog.js';
import type { Generator, Plan } from '../../src/workloads/generator.js';

const MiB = 2 ** 20;

export const PLAN: Plan = {
  seed: 1,
  lanes: 2,
  bytes: 4 * MiB,
  objects: 100_000,
  period: 0.01,
  k: 10,
  profile: DEFAULT_PROFILE,
  numGC: () => 0,
};

interface Live {
  size: number;
  lane: number;
}

export class FakeHeap {
  readonly generator: Generator;
  readonly batches: Batch[];
  readonly tally = new Tally();
  /** Rooted objects by address. */
  readonly live = new Map<number, Live>();
  liveBytes = 0;
  peakBytes = 0;
  /** What was rooted when a collection was called for, each time. */
  readonly collections: number[] = [];
  /** Frees on another lane than the alloc's. */
  remote = 0;
  /** A digest of every record with the number of the object in place of its address. */
  digest = 0;
  /** Records that this one and all later ones are refused from. */
  exhausted = false;
  private readonly words: Int32Array[] = [];
  private next = 0xc000000000;
  private readonly numbers = new Map<number, number>();

  constructor(kind: KindName, plan: Partial<Plan> = {}, limit = 200) {
    const whole = { ...PLAN, ...plan };
    this.generator = KINDS[kind].make(whole);
    this.batches = Array.from({ length: whole.lanes }, (_, p) => {
      const words = new Int32Array(PIECE_BYTES / 4);
      this.words.push(words);
      return new Batch({ words, offset: 0 }, p, limit);
    });
  }

  /** Runs rounds; what was sent in each. */
  run(rounds: number): number[] {
    return Array.from({ length: rounds }, () => {
      this.generator.round(this.batches);
      const sent = this.batches.reduce((sum, batch) => sum + this.answer(batch), 0);
      if (this.generator.wantsGC?.() === true) this.collections.push(this.liveBytes);
      return sent;
    });
  }

  /** Frees all that the generator holds. */
  clear(): void {
    this.generator.sets.forEach((sets, lane) => {
      for (const set of sets) {
        while (set.length > 0) {
          const batch = this.batches[lane];
          while (batch.room > 0 && set.length > 0) batch.free(set, 0);
          this.answer(batch);
        }
      }
    });
  }

  private answer(batch: Batch): number {
    const w = this.words[batch.p];
    const n = batch.length;
    for (let i = 0; i < n; i++) {
      const word0 = w[i * 4];
      const b = w[i * 4 + 1];
      const c = w[i * 4 + 2];
      const d = w[i * 4 + 3];
      const op = word0 & 255;
      const byRef = ((word0 >>> 8) & Flag.byRef) !== 0 && op !== BatchOp.alloc;
      const result = MAX_RECORDS * 4 + i * 2;
      const ref = MAX_RECORDS * 4 + c * 2;
      const address = byRef ? (w[ref + 1] & 0xffff) * 2 ** 32 + (w[ref] >>> 0) : d * 2 ** 32 + (c >>> 0);
      let status = 0;
      let made = 0;
      if (op === BatchOp.alloc) {
        if (this.exhausted) status = 5;
        else {
          made = this.next;
          this.next += 8;
          this.numbers.set(made, this.numbers.size);
          this.live.set(made, { size: c, lane: batch.p });
          this.liveBytes += c;
          this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
          if (c < 1) throw new Error('an object without bytes');
        }
      } else if (op === BatchOp.free) {
        const object = this.live.get(address);
        if (object === undefined) status = 4;
        else {
          if (object.lane !== batch.p) this.remote++;
          this.liveBytes -= object.size;
          this.live.delete(address);
        }
      }
      const what = op === BatchOp.alloc ? c : (this.numbers.get(address) ?? 0);
      let { digest } = this;
      digest = (Math.imul(digest, 31) + batch.p) | 0;
      digest = (Math.imul(digest, 31) + word0) | 0;
      digest = (Math.imul(digest, 31) + b) | 0;
      this.digest = (Math.imul(digest, 31) + what) | 0;
      w[result] = made | 0;
      w[result + 1] = Math.floor(made / 2 ** 32) | (status << 16);
    }
    batch.settle(n, false, this.tally);
    return n;
  }
}
