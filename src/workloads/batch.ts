/**
 * The records that a workload sends to one P in one round, and what becomes of their answers.
 *
 * A batch owns a piece of the exchange for as long as its workload runs; each round writes records into it anew. What an answer
 * means is decided when the record is written: an alloc names the set that its object will join, a free takes its object out of its
 * set at once and puts it back if it was never carried out. So between rounds the sets hold exactly the objects that are rooted.
 *
 * When the M died in the middle, the first `completed` records are done and those behind them are not. The one at the edge may
 * be either: an alloc that was not answered is undone by the recovery, a free is taken as done, because freeing it again could
 * hit an object that somebody else was given meanwhile.
 */

import { Status } from '../heap/objects.js';
import type { Piece } from '../sched/host-api.js';
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../sched/ops.js';
import type { Objects } from './objects.js';

/** Records of a batch at most; the piece has room for as many, and their results. */
export const MAX_RECORDS = 2048;
export const PIECE_BYTES = MAX_RECORDS * (RECORD_BYTES + RESULT_BYTES);

const RESULTS = MAX_RECORDS * 4;

/** What a workload did so far. */
export class Tally {
  allocs = 0;
  frees = 0;
  stores = 0;
  /** Collections that it asked for itself, as a program calls runtime.GC. */
  collections = 0;
  /** Asked for by the allocs that succeeded. */
  bytes = 0;
  /** Records that the heap refused, and of those, allocs for which it had no room. */
  failed = 0;
  exhausted = 0;
}

export class Batch {
  /** Where it runs. */
  readonly p: number;
  private readonly w: Int32Array;
  private readonly offset: number;
  /** How many records a round may have. */
  readonly limit: number;
  private count = 0;
  private readonly sets: (Objects | null)[] = new Array(MAX_RECORDS).fill(null);
  private readonly sizes = new Float64Array(MAX_RECORDS);

  constructor(piece: Pick<Piece, 'words' | 'offset'>, p: number, limit: number) {
    this.w = piece.words;
    this.offset = piece.offset;
    this.p = p;
    this.limit = limit;
  }

  /** How many records still fit. */
  get room(): number {
    return this.limit - this.count;
  }

  get length(): number {
    return this.count;
  }

  /** Op.batch's arguments. */
  get args(): [number, number, number] {
    return [this.offset, this.count, this.offset + RESULTS * 4];
  }

  /** The words of a record, for tests. */
  record(i: number): Int32Array {
    return this.w.slice(i * 4, i * 4 + 4);
  }

  /** An object that will join `into`, or, with null, one that a record of the same batch lets go. Returns the record's index. */
  alloc(size: number, into: Objects | null, noscan = true): number {
    into?.expect(size);
    return this.put(BatchOp.alloc, noscan ? Flag.noscan : 0, 0, size | 0, Math.floor(size / 2 ** 32), into, size);
  }

  /** Drops the root of what an earlier record allocated. */
  drop(record: number): void {
    this.put(BatchOp.free, Flag.byRef, 0, record, 0, null, 0);
  }

  /** An object that is garbage at once. */
  garbage(size: number, noscan = true): void {
    this.drop(this.alloc(size, null, noscan));
  }

  /** Frees an object of a set. */
  free(from: Objects, i: number): void {
    const address = from.address(i);
    const size = from.size(i);
    from.remove(i);
    this.put(BatchOp.free, 0, 0, address | 0, Math.floor(address / 2 ** 32), from, size);
  }

  /** Stores what the record before allocated into pointer word `word` of the object at `address`. */
  store(word: number, address: number): void {
    this.put(BatchOp.store, 0, word, address | 0, Math.floor(address / 2 ** 32), null, 0);
  }

  /** The same, into the object that an earlier record allocated. */
  storeIn(word: number, record: number): void {
    this.put(BatchOp.store, Flag.byRef, word, record, 0, null, 0);
  }

  /** Takes in the answers: `completed` records were carried out; `died`: and one more may have been. Empties the batch. */
  settle(completed: number, died: boolean, tally: Tally): void {
    for (let i = 0; i < this.count; i++) {
      const op = this.w[i * 4] & 255;
      const set = this.sets[i];
      const size = this.sizes[i];
      this.sets[i] = null;
      if (op === BatchOp.alloc) set?.expected(size);
      if (i >= completed) {
        if (op === BatchOp.free && !(died && i === completed)) set?.put(this.addressOf(i), size);
        continue;
      }
      const lo = this.w[RESULTS + i * 2];
      const hi = this.w[RESULTS + i * 2 + 1];
      const status = (hi >>> 16) & 255;
      if (status !== Status.ok) {
        // A free that is refused was done by somebody else: the object is not ours any more.
        tally.failed++;
        if (status === Status.exhausted) tally.exhausted++;
      } else if (op === BatchOp.alloc) {
        tally.allocs++;
        tally.bytes += size;
        set?.put((hi & 0xffff) * 2 ** 32 + (lo >>> 0), size);
      } else if (op === BatchOp.free) tally.frees++;
      else tally.stores++;
    }
    this.count = 0;
  }

  /** The address in a free record. */
  private addressOf(i: number): number {
    return this.w[i * 4 + 3] * 2 ** 32 + (this.w[i * 4 + 2] >>> 0);
  }

  private put(op: number, flags: number, b: number, c: number, d: number, set: Objects | null, size: number): number {
    const i = this.count++;
    const at = i * 4;
    this.w[at] = op | (flags << 8);
    this.w[at + 1] = b;
    this.w[at + 2] = c;
    this.w[at + 3] = d;
    this.sets[i] = set;
    this.sizes[i] = size;
    return i;
  }
}
