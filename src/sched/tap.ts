/**
 * The tap: tells a recorder of all that is allocated and freed on a heap, from a moment on.
 *
 * Single requests, batches of every format, workloads and what the server itself undoes: all of it are Gs, and every G comes back to the main
 * thread, which drains the done rings. That is the one seam through which everything goes. Frame, records and results are still there when a G is
 * drained, so the Ms do nothing for a recording, and a heap that nobody records pays one comparison a G.
 *
 * **The moment.** An M stops the world and notes how far each P is (rooted-op.ts). A G whose place in a done ring lies before the
 * noted tail was done before; of one that a P was in the midst of, so many records were. Everything else counts. The rooted objects of that
 * same moment are what the recording begins with.
 *
 * **Order.** A G's records come in the order in which they ran, the Gs of one P likewise. Gs of different Ps come in any order: an address may
 * be seen allocated by one P before the free that made it free is seen of another. Putting that right is the recorder's (ledger.ts).
 */

import { Rooted, rootedWords } from '../gc/rooted.js';
import { HEAP_BASE, type Heap } from '../heap/heap.js';
import { Status } from '../heap/objects.js';
import { type Fate, isFreed } from './dead.js';
import { type AllocRecorder, type Piece, SchedError } from './host-api.js';
import { BatchOp, Flag, Op, RECORD_BYTES } from './ops.js';
import { R_MARKED, R_P_WORDS, R_PS, R_WHOLE, R_WORDS, rootedHead } from './rooted-op.js';
import { F_ARGS, F_OP, F_RAN, F_RESULTS, type Shared } from './shared.js';

/** Every address of the heap has at least this high half; the zero base lies below. */
const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
const ATTEMPTS = 4;

/** What a tap needs of its host. */
export interface Tapped {
  readonly heap: Heap;
  readonly restarts: number;
  take(length: number): Piece;
  call(op: number, p: number, a: ArrayLike<number>): Promise<{ r: Int32Array }>;
}

export class Tap {
  readonly recorder: AllocRecorder;
  private readonly k: Shared;
  private readonly host: Tapped;
  private readonly live: boolean;
  /** The piece that the M writes, while the moment is still to come; null before and after. */
  private region: Int32Array | null = null;
  private marked = false;
  private begun = false;
  /** By P: tail of its done ring at the moment, later the last place that was seen. */
  private readonly tails: Int32Array;
  /** Gs that the moment found half done, and how many of their records were. */
  private readonly straddling = new Map<number, number>();

  /** `live`: the recorder is to be told what is rooted when it begins. */
  constructor(k: Shared, host: Tapped, recorder: AllocRecorder, live: boolean) {
    this.k = k;
    this.host = host;
    this.recorder = recorder;
    this.live = live;
    this.tails = new Int32Array(k.procs);
  }

  /** Resolves when the moment has come. Rejects with a SchedError; the tap is then of no use. */
  async start(): Promise<void> {
    const { host, k } = this;
    const { restarts } = host;
    const head = rootedHead(k.procs);
    let words = head + (this.live ? Math.ceil(rootedWords(host.heap) * 1.25) + 4096 : 0);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const piece = host.take(words * 4);
      try {
        piece.words.fill(0, 0, head);
        this.region = piece.words;
        const { r } = await host.call(Op.rooted, -1, [piece.offset, piece.length, this.live ? 1 : 0]);
        // Where a P's life ended there is no saying what lies before the moment and what behind.
        if (host.restarts !== restarts) {
          throw new SchedError('m-died', 'a thread died while the recording was about to begin');
        }
        if (this.begun || this.begin()) return;
        this.marked = false;
        words = Math.ceil(r[0] * 1.25) + 4096;
      } finally {
        this.region = null;
        piece.release();
      }
    }
    throw new SchedError('overloaded', 'the heap grows faster than its objects can be listed');
  }

  /** A G is done and drained from place `turn` of the done ring of P `p`. Before it is answered. */
  ended(g: number, p: number, turn: number): void {
    if (!this.marked && !this.mark()) return;
    if (((turn - this.tails[p]) | 0) < 0) return;
    // It ran after the world went on: the region is complete, or too small for the objects.
    if (!this.begun && !this.begin()) return;
    this.tails[p] = turn;
    this.tell(g, Number.POSITIVE_INFINITY);
  }

  /** A G is answered whose M died: all of it is done (null), or what its fate says. */
  died(g: number, fate: Fate | null): void {
    if (!this.begun) return;
    if (fate === null || fate.happened === 'yes') {
      this.tell(g, Number.POSITIVE_INFINITY);
      return;
    }
    this.tell(g, fate.completed);
    const { m, exchange32: x } = this.k;
    const frame = this.k.frame(g);
    if (m[frame + F_OP] !== Op.batch) return;
    // The record at the edge: an allocation was undone by the recovery, a free may have happened.
    const results = m[frame + F_ARGS + 2] >> 2;
    const at = (m[frame + F_ARGS] >> 2) + fate.completed * (RECORD_BYTES / 4);
    if ((x[at] & 255) !== BatchOp.free) return;
    const ref = results + x[at + 2] * 2;
    const byRef = ((x[at] >>> 8) & Flag.byRef) !== 0;
    const lo = byRef ? x[ref] : x[at + 2];
    const hi = byRef ? x[ref + 1] & 0xffff : x[at + 3];
    if (this.recorder.holds(lo, hi) && isFreed(this.host.heap, lo, hi)) this.recorder.free(lo, hi);
  }

  private mark(): boolean {
    const { region } = this;
    if (region === null || Atomics.load(region, R_MARKED) === 0) return false;
    this.straddling.clear();
    for (let p = 0; p < this.k.procs; p++) {
      const at = R_PS + p * R_P_WORDS;
      this.tails[p] = region[at];
      if (region[at + 1] !== 0) this.straddling.set(region[at + 1] - 1, region[at + 2]);
    }
    this.marked = true;
    return true;
  }

  private begin(): boolean {
    const { region } = this;
    if (region === null || Atomics.load(region, R_WHOLE) === 0) return false;
    if (!this.marked) this.mark();
    const spans = region.slice(rootedHead(this.k.procs), region[R_WORDS]);
    this.recorder.begin(this.live ? new Rooted(spans, this.host.heap.pages) : null);
    this.begun = true;
    return true;
  }

  /** Tells what a G did, of a batch the first `completed` records. */
  private tell(g: number, completed: number): void {
    const { m } = this.k;
    const frame = this.k.frame(g);
    const a = frame + F_ARGS;
    const r = frame + F_RESULTS;
    let done = 0;
    let straddles = false;
    if (this.straddling.size > 0) {
      straddles = this.straddling.has(g);
      done = this.straddling.get(g) ?? 0;
      this.straddling.delete(g);
    }
    const op = m[frame + F_OP];
    if (op === Op.batch) {
      this.recorder.on(m[frame + F_RAN]);
      this.batch(m[a] >> 2, m[a + 2] >> 2, done, Math.min(m[a + 1], completed), straddles);
    } else if (done > 0 || completed < 1) {
      return;
    } else if (op === Op.alloc) {
      if (!isOk(m[r + 1])) return;
      this.recorder.on(m[frame + F_RAN]);
      this.alloc(m[a], m[a + 1], m[a + 2], m[r], m[r + 1]);
    } else if (op === Op.free && isOk(m[r + 1])) {
      this.recorder.on(m[frame + F_RAN]);
      this.free(m[a], m[a + 1], straddles);
    }
  }

  private batch(records: number, results: number, from: number, to: number, straddles: boolean): void {
    const x = this.k.exchange32;
    if (straddles) this.unrooted(records, results, from);
    for (let i = from; i < to; i++) {
      const hi = x[results + i * 2 + 1];
      if (!isOk(hi)) continue;
      const at = records + i * (RECORD_BYTES / 4);
      const op = x[at] & 255;
      if (op === BatchOp.alloc) {
        this.alloc(x[at + 2], x[at + 3], (x[at] >>> 8) & 255, x[results + i * 2], hi);
      } else if (op === BatchOp.free) {
        const byRef = ((x[at] >>> 8) & Flag.byRef) !== 0;
        const ref = results + x[at + 2] * 2;
        if (byRef) this.free(x[ref], x[ref + 1] & 0xffff, straddles && i === from);
        else this.free(x[at + 2], x[at + 3], straddles && i === from);
      }
    }
  }

  /** The moment may lie between an allocation without a root and the end of the root that it had until it was linked. */
  private unrooted(records: number, results: number, from: number): void {
    const x = this.k.exchange32;
    let i = from - 1;
    for (; i >= 0; i--) {
      const op = x[records + i * (RECORD_BYTES / 4)] & 255;
      if (op !== BatchOp.store && op !== BatchOp.site) break;
    }
    if (i < 0) return;
    const head = x[records + i * (RECORD_BYTES / 4)];
    if ((head & 255) !== BatchOp.alloc || ((head >>> 8) & Flag.unrooted) === 0) return;
    const hi = x[results + i * 2 + 1];
    if (isOk(hi)) this.free(x[results + i * 2], hi & 0xffff, true);
  }

  private alloc(sizeLo: number, sizeHi: number, flags: number, lo: number, result: number): void {
    const hi = result & 0xffff;
    const { recorder } = this;
    recorder.malloc(lo, hi, (sizeHi >>> 0) * 2 ** 32 + (sizeLo >>> 0), (flags & Flag.noscan) === 0);
    if ((flags & Flag.unrooted) !== 0 && hi >= BASE_HI) recorder.free(lo, hi);
  }

  /** `doubtful`: the root may have been dropped before the moment, though the record is counted as not yet done. */
  private free(lo: number, hi: number, doubtful: boolean): void {
    if (hi < BASE_HI || (doubtful && this.live && !this.recorder.holds(lo, hi))) return;
    this.recorder.free(lo, hi);
  }
}

const isOk = (hi: number): boolean => ((hi >>> 16) & 255) === Status.ok;
