/**
 * The recorder: from what the tap tells to a sequence in which every free follows its malloc, whatever the reader's pace.
 *
 * **Order.** Gs of different Ps come in any order. For one address the truth is simple: malloc and free alternate. So a malloc of an
 * address that is live waits for the free that must be on its way, and a free of one that is not (its client saw the address by looking at the heap) waits
 * for its malloc. What waits is what lies between two Gs that are in flight together: hardly ever anything. When an M dies, what is waited for
 * may never come; at the end such pairs are completed, and counted.
 *
 * **Pace.** Nobody waits for the reader. When the queue is full a *gap* begins: events are no longer queued, only the ledger goes on. When half
 * of the queue is free again, the frees that fell into the gap, of objects whose malloc the reader has, are queued at last, and the gap ends.
 * Objects of which the gap has swallowed the malloc are never mentioned. So a recording with gaps lacks objects, but what it has is paired.
 *
 * Times are when the main thread learned of it, so that all operations of one batch have the same.
 */

import type { Rooted } from '../../gc/rooted.js';
import { HEAP_BASE } from '../../heap/heap.js';
import type { AllocRecorder } from '../../sched/host-api.js';
import { EventQueue, Kind } from './event-queue.js';
import { Ledger, LIVE, OPEN } from './ledger.js';

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
/** 16 MiB: more than the largest batch that fits GOHEAP_BODY_LIMIT as it is set by default. */
export const CAPACITY = 1 << 20;
/** A malloc and its context. */
const NEEDED = 2;

interface Held {
  p: number;
  size: number;
  scan: boolean;
}

export class Recorder implements AllocRecorder {
  readonly queue: EventQueue;
  /** What was rooted when it began; null if it did not ask, or has not begun. */
  rooted: Rooted | null = null;
  /** Queued. */
  mallocs = 0;
  frees = 0;
  bytes = 0;
  /** Mallocs and frees that gaps swallowed, and gaps. */
  dropped = 0;
  gaps = 0;
  /** Frees that were queued later than they happened, at the end of a gap. */
  late = 0;
  /** Allocations of 0 bytes, which have no place. */
  zeros = 0;
  /** Frees of objects that were there before, in a recording that does not know them. */
  older = 0;
  /** Objects whose free was never seen, because a thread died, and whose address was handed out again. */
  repaired = 0;
  private readonly pages: number;
  private readonly now: () => number;
  private ledger: Ledger;
  private knowsOlder = false;
  private gap = false;
  private p = 0;
  private us = 0;
  private contextP = -1;
  private contextUs = -1;
  private began = 0;
  private readonly held = new Map<number, Held[]>();
  private readonly early = new Map<number, number>();

  /** `pages`: of the heap. `now`: a clock in milliseconds. */
  constructor(pages: number, capacity = CAPACITY, now: () => number = () => performance.now()) {
    this.pages = pages;
    this.now = now;
    this.queue = new EventQueue(capacity);
    this.ledger = new Ledger(0, null);
  }

  begin(rooted: Rooted | null): void {
    this.rooted = rooted;
    this.knowsOlder = rooted !== null;
    this.ledger = new Ledger(this.pages, rooted);
    this.began = this.now();
  }

  /** Bytes of the ledger. */
  get ledgerBytes(): number {
    return this.ledger.bytes;
  }

  /** What waits for another event. */
  get waiting(): number {
    return this.held.size + this.early.size;
  }

  on(p: number): void {
    this.p = p;
    this.us = Math.floor((this.now() - this.began) * 1000);
  }

  holds(lo: number, hi: number): boolean {
    return hi >= BASE_HI && (this.ledger.find(lo, hi) & LIVE) !== 0;
  }

  malloc(lo: number, hi: number, size: number, scan: boolean): void {
    if (hi < BASE_HI) {
      this.zeros++;
      return;
    }
    const state = this.ledger.find(lo, hi);
    if ((state & LIVE) !== 0) {
      const key = hi * 2 ** 32 + (lo >>> 0);
      const held = this.held.get(key);
      const one = { p: this.p, size, scan };
      if (held === undefined) this.held.set(key, [one]);
      else held.push(one);
      return;
    }
    if (this.roomy()) {
      this.queue.push(lo, hi | ((scan ? Kind.mallocScan : Kind.malloc) << 16), size | 0, Math.floor(size / 2 ** 32));
      this.mallocs++;
      this.bytes += size;
      this.ledger.put(LIVE | OPEN);
    } else if ((state & OPEN) !== 0) {
      // Its free is owed and the place is taken again: to the reader the old object lives on.
      this.dropped += 2;
      this.ledger.put(LIVE | OPEN);
    } else {
      this.dropped++;
      this.ledger.put(LIVE);
    }
    if (this.early.size > 0) this.freeEarly(lo, hi);
  }

  free(lo: number, hi: number): void {
    const state = this.ledger.find(lo, hi);
    if ((state & LIVE) === 0) {
      if (!this.knowsOlder) this.older++;
      else {
        const key = hi * 2 ** 32 + (lo >>> 0);
        this.early.set(key, (this.early.get(key) ?? 0) + 1);
      }
      return;
    }
    if (state === LIVE) {
      this.dropped++;
      this.ledger.put(0);
    } else if (this.roomy()) {
      this.queue.push(lo, hi | (Kind.free << 16), 0, 0);
      this.frees++;
      this.ledger.put(0);
    } else this.ledger.put(OPEN);
    if (this.held.size > 0) this.mallocHeld(lo, hi);
  }

  /** Ends a gap, if the reader has made room. True when nothing is owed. */
  relieve(): boolean {
    if (!this.gap) return true;
    const { queue } = this;
    const enough = queue.capacity >> 1;
    if (queue.room < enough) return false;
    this.on(0);
    const settled = this.ledger.settle((lo, hi) => {
      if (queue.room < enough / 2) return false;
      this.context();
      queue.push(lo, hi | (Kind.free << 16), 0, 0);
      this.frees++;
      this.late++;
      return true;
    });
    if (settled) this.gap = false;
    return settled;
  }

  /** Nothing more will be told: what still waits for an event that never came is brought into order. */
  close(): void {
    this.early.clear();
    for (const [key, waiting] of [...this.held]) {
      // Each free lets one go.
      for (let n = waiting.length; n > 0; n--) {
        this.repaired++;
        this.free(key | 0, Math.floor(key / 2 ** 32));
      }
    }
  }

  private roomy(): boolean {
    if (this.gap) return false;
    if (this.queue.room < NEEDED) {
      this.gap = true;
      this.gaps++;
      return false;
    }
    this.context();
    return true;
  }

  private context(): void {
    if (this.p === this.contextP && this.us === this.contextUs) return;
    this.contextP = this.p;
    this.contextUs = this.us;
    this.queue.push(this.p, Kind.context << 16, this.us | 0, Math.floor(this.us / 2 ** 32));
  }

  private freeEarly(lo: number, hi: number): void {
    const key = hi * 2 ** 32 + (lo >>> 0);
    const n = this.early.get(key);
    if (n === undefined) return;
    if (n === 1) this.early.delete(key);
    else this.early.set(key, n - 1);
    this.free(lo, hi);
  }

  private mallocHeld(lo: number, hi: number): void {
    const key = hi * 2 ** 32 + (lo >>> 0);
    const waiting = this.held.get(key);
    const one = waiting?.shift();
    if (waiting === undefined || one === undefined) return;
    if (waiting.length === 0) this.held.delete(key);
    const { p } = this;
    this.p = one.p;
    this.malloc(lo, hi, one.size, one.scan);
    this.p = p;
  }
}
