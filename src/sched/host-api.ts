/**
 * What the rest of the server may ask of a hosted heap: the main-thread side of the scheduler.
 *
 * Nothing here blocks. An operation is submitted as a G; `done` is called on the main thread when an M has run it, or when the M
 * that ran it died. The main thread itself never allocates, sweeps or marks: `heap` is a view for looking only.
 */

import type { Rooted } from '../gc/rooted.js';
import type { Heap } from '../heap/heap.js';
import type { TypeTable } from '../heap/types.js';
import type { LockStats } from '../memory/lock.js';

/** Thrown by `submit` and handed to `done`. `code` is an error code of the server's registry. */
export class SchedError extends Error {
  readonly code: 'overloaded' | 'shutting-down' | 'm-died' | 'invalid-p';
  /** m-died only: whether the work happened. For a batch: `partly`, and how many records are done. */
  readonly happened: 'no' | 'yes' | 'partly' | 'unknown';
  readonly completed: number;

  constructor(code: SchedError['code'], message: string, happened: SchedError['happened'] = 'no', completed = 0) {
    super(message);
    this.name = 'SchedError';
    this.code = code;
    this.happened = happened;
    this.completed = completed;
  }
}

/** The results of a G, valid only inside `done`. */
export interface GView {
  /** P that ran it. */
  readonly p: number;
  /** Result words R0 to R7 (ops.ts). */
  readonly r: Int32Array;
}

/** `error` is null when the G ran to its end. */
export type Done = (error: SchedError | null, g: GView) => void;

/** A piece of the exchange: shared memory for payloads. Release it once, when the G is done and its bytes were used. */
export interface Piece {
  /** Byte offset in the exchange: what goes into a frame. */
  readonly offset: number;
  readonly length: number;
  /** The bytes themselves; no copy. */
  readonly bytes: Buffer;
  /** The bytes as int32 (offset and length are multiples of 64). */
  readonly words: Int32Array;
  release(): void;
}

/** Sites that clients named, by number. Bounded; `intern` answers 0 (no site) when full. */
export interface SiteTable {
  intern(site: string): number;
  name(id: number): string | undefined;
}

export interface HostStats {
  /** Gs that were submitted and are not done. */
  inFlight: number;
  /** Gs run, by P. */
  ran: number[];
  /** Gs stolen, by thief. */
  stolen: number[];
  /** Queued Gs, by P, and in the global queue. */
  queued: number[];
  globalQueued: number;
  /** Ms replaced since the heap was created. */
  restarts: number;
  /** Times the world was stopped, and for how many seconds in all. */
  stops: number;
  stoppedSeconds: number;
  /** The history of the lock under which the world is stopped. */
  worldLock: LockStats;
  /** Per P: `running`, `idle`, `stopped`, `dead`, and its M's number. */
  ps: { status: string; m: number }[];
}

/**
 * Told of all that is allocated and freed on a heap, on the main thread, before the client is answered (tap.ts). Addresses come as halves. It must
 * be quick, and never throw.
 */
export interface AllocRecorder {
  /** The moment from which it counts, and what is rooted then; null if the recorder did not ask. Before everything else, once. */
  begin(rooted: Rooted | null): void;
  /** What follows ran on P `p`. */
  on(p: number): void;
  /** `size`: as requested. Of size 0 the address lies below the heap. */
  malloc(lo: number, hi: number, size: number, scan: boolean): void;
  /** A root was dropped, or the slot freed for immediate reuse. */
  free(lo: number, hi: number): void;
  /** Whether an object is live, as far as the recorder was told. */
  holds(lo: number, hi: number): boolean;
}

export interface HeapScheduler {
  readonly name: string;
  /** This thread's view of the heap, for inspection: read only. */
  readonly heap: Heap;
  readonly procs: number;
  readonly types: TypeTable;
  readonly sites: SiteTable;
  /**
   * Runs an operation on P `p` (-1: any). `a` are arguments A0…A7. Throws SchedError `invalid-p`, `overloaded`, or `shutting-down`
   * at once; later failures come through `done`.
   */
  submit(op: number, p: number, a: ArrayLike<number>, done: Done): void;
  /** The fast way for one allocation: no argument array. `size` up to 2^53. */
  submitAlloc(size: number, flags: number, type: number, site: number, p: number, done: Done): void;
  /** A piece of at least `length` bytes. Throws SchedError `overloaded` when the exchange is used up. */
  take(length: number): Piece;
  /** `submit` as a promise of a copy of the result words. */
  call(op: number, p: number, a: ArrayLike<number>): Promise<{ p: number; r: Int32Array }>;
  /**
   * Tells `recorder` of everything from a moment on; resolves when it has come. `live`: with what is rooted then. One recorder a heap: see
   * `recorded`. Rejects with SchedError.
   */
  record(recorder: AllocRecorder, live: boolean): Promise<void>;
  /** Tells this recorder no more. */
  endRecord(recorder: AllocRecorder): void;
  /** Whether the heap has a recorder. */
  readonly recorded: boolean;
  stats(): HostStats;
  /** Ends the worker of a P at once, as a crash would. For tests and fault drills. */
  terminateM(p: number): Promise<void>;
}
