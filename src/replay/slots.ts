/**
 * From the events of a recording to the event stream: addresses become slots, and everything that has to be tolerated is counted.
 *
 * Readers call `malloc`, `free`, `realloc` with what a line says; addresses come as two int32 halves, sizes as doubles. The rules are those of the
 * recorded programs' allocators, not of one format: free(NULL) is nothing, realloc(NULL, n) is a malloc, realloc(p, 0) a free, an
 * allocation that answered NULL puts nothing anywhere, a realloc that answered NULL leaves the object as it was.
 *
 * Go allocates nothing for size 0. Such an object is given a slot, since it is live and will be freed, and no record.
 *
 * Free slots are reused newest first by default. A program that allocates and frees in turn then stays in one slot, and whatever the
 * simulator keeps per slot stays in the cache; oldest first walks through all slots that were ever used. It makes no difference to the
 * result: slots name objects, they do not place them. The loader spreads slots over connections and takes them oldest first.
 *
 * Invariant: a live entry of `addresses` names a slot that is not in `free`, and every slot below `writer.slots` is in exactly one of
 * the two. Owned by one reader.
 */

import { AddressTable, DEAD, FIRST, REUSED, STATE_MASK } from './addresses.js';
import { type IngestReport, Kind, MAX_SLOTS, ReplayInputError } from './events.js';
import { grown } from './grown.js';
import { type RecordSink, RecordWriter } from './records.js';

const MIN_SLOTS = 1 << 12;
/**
 * Thread ids that are told apart: as many as Linux can have (PID_MAX_LIMIT). A table of them has
 * 100 MB.
 */
export const MAX_THREADS = 1 << 22;

/** ns: a hundred days. What lies further apart are not two times of one recording. */
const MAX_DURATION = 100 * 86_400e9;

export interface SlotOptions {
  /** Which free slot is taken first. */
  readonly reuse?: 'newest' | 'oldest';
  readonly maxSlots?: number;
}

export class SlotTable {
  readonly report: IngestReport;
  readonly writer: RecordWriter;
  private readonly addresses = new AddressTable();
  private readonly oldest: boolean;
  private readonly maxSlots: number;
  /** By slot: bytes of its object, and the thread that allocated it. */
  private sizes = new Float64Array(MIN_SLOTS);
  private owners = new Int32Array(MIN_SLOTS);
  /** Free slots, a ring; its length is a power of two. */
  private ring = new Int32Array(MIN_SLOTS);
  private head = 0;
  private count = 0;
  private thread = 0;
  private lastThread = 0;
  /** From ids to dense indices. */
  private readonly ids = new AddressTable();
  private threads = 0;
  private threadId = Number.NaN;
  /** The first recorded time, and ns from it to the last end. */
  private timed = false;
  private startLo = 0;
  private startHi = 0;
  private endTime = 0;

  constructor(report: IngestReport, sink: RecordSink, options: SlotOptions = {}) {
    this.report = report;
    this.writer = new RecordWriter(sink);
    this.oldest = options.reuse === 'oldest';
    this.maxSlots = Math.min(options.maxSlots ?? MAX_SLOTS, MAX_SLOTS);
  }

  /** What follows is done by the thread that the recording calls `id`. */
  setThread(id: number): void {
    if (id === this.threadId) return;
    this.threadId = id;
    const lo = id | 0;
    const hi = Math.floor(id / 0x1_0000_0000) | 0;
    const entry = this.ids.find(lo, hi);
    if (entry >= 0) {
      this.thread = this.ids.state(entry) - FIRST;
      return;
    }
    if (this.threads === MAX_THREADS) {
      throw new ReplayInputError(
        'replay-too-large',
        `the recording names more than ${MAX_THREADS} threads: no system has so many`,
      );
    }
    this.thread = this.threads++;
    this.ids.insert(lo, hi, this.thread + FIRST);
  }

  /** What follows began at this time: ns, of any epoch, as two halves. The stream begins at the first one. */
  setTime(lo: number, hi: number): void {
    if (!this.timed) {
      this.timed = true;
      this.startLo = lo;
      this.startHi = hi;
    }
    this.writer.setTime(this.sinceStart(lo, hi));
  }

  /** An event ended at this time. */
  setEndTime(lo: number, hi: number): void {
    this.endTime = Math.max(this.endTime, this.sinceStart(lo, hi));
  }

  /** Times that cannot be one recording's are none. */
  private sinceStart(lo: number, hi: number): number {
    const ns = ((hi >>> 0) - (this.startHi >>> 0)) * 0x1_0000_0000 + (lo >>> 0) - (this.startLo >>> 0);
    return ns < MAX_DURATION ? ns : 0;
  }

  /** An allocation that answered with an address (0: NULL). `kind`: alloc, allocScan or allocNoscan. */
  malloc(kind: number, lo: number, hi: number, size: number): void {
    if (lo === 0 && hi === 0) {
      this.report.nilAllocs++;
      return;
    }
    this.report.mallocs++;
    this.onThread();
    this.put(kind, lo, hi, size);
  }

  free(lo: number, hi: number): void {
    if (lo === 0 && hi === 0) return;
    const entry = this.addresses.find(lo, hi);
    const state = entry < 0 ? DEAD : this.addresses.state(entry);
    if ((state & STATE_MASK) === DEAD) {
      this.report.unknownFrees++;
      return;
    }
    this.report.frees++;
    this.onThread();
    this.addresses.setState(entry, (state & REUSED) | DEAD);
    this.release((state & STATE_MASK) - FIRST);
  }

  /** realloc(old, size) answered with an address. */
  realloc(oldLo: number, oldHi: number, lo: number, hi: number, size: number): void {
    if (oldLo === 0 && oldHi === 0) {
      this.malloc(Kind.alloc, lo, hi, size);
      return;
    }
    const none = lo === 0 && hi === 0;
    if (none && size === 0) {
      this.free(oldLo, oldHi);
      return;
    }
    const r = this.report;
    if (none) {
      r.failedReallocs++;
      return;
    }
    r.reallocs++;
    this.onThread();
    const entry = this.addresses.find(oldLo, oldHi);
    const state = entry < 0 ? DEAD : this.addresses.state(entry);
    if ((state & STATE_MASK) === DEAD) {
      r.unknownReallocs++;
      this.put(Kind.alloc, lo, hi, size);
      return;
    }
    const slot = (state & STATE_MASK) - FIRST;
    if (oldLo !== lo || oldHi !== hi) {
      r.movedReallocs++;
      this.addresses.setState(entry, (state & REUSED) | DEAD);
      const other = this.addresses.find(lo, hi);
      if (other < 0) this.addresses.insert(lo, hi, slot + FIRST);
      else {
        this.handOut(other);
        this.addresses.setState(other, (this.addresses.state(other) & REUSED) | (slot + FIRST));
      }
    }
    this.resize(slot, size);
  }

  /** A realloc whose old address the recording does not say. */
  unknownRealloc(lo: number, hi: number, size: number): void {
    if (lo === 0 && hi === 0) {
      this.report.failedReallocs++;
      return;
    }
    this.report.reallocs++;
    this.report.unknownReallocs++;
    this.onThread();
    this.put(Kind.alloc, lo, hi, size);
  }

  get events(): number {
    const r = this.report;
    return r.mallocs + r.frees + r.reallocs;
  }

  /** The recording ends. */
  end(): void {
    const r = this.report;
    this.writer.setTime(this.endTime);
    this.writer.end();
    r.durationNs = this.timed ? this.writer.time : null;
    r.events = this.events;
    r.threads = Math.max(1, this.threads);
    r.slots = this.writer.slots;
  }

  // For formats that name objects otherwise than by addresses: they count mallocs and frees themselves.

  /** Puts an object into a free slot, and answers with the slot. */
  add(kind: number, size: number): number {
    const slot = this.count > 0 ? this.takeFree() : this.newSlot();
    this.owners[slot] = this.thread;
    const r = this.report;
    if (++r.liveObjects > r.peakLiveObjects) r.peakLiveObjects = r.liveObjects;
    this.fill(kind, slot, size);
    if (size === 0) this.writer.skip();
    return slot;
  }

  /** Frees the object of a slot that is not free. */
  release(slot: number): void {
    const r = this.report;
    const size = this.sizes[slot];
    r.liveBytes -= size;
    r.liveObjects--;
    if (this.owners[slot] !== this.thread) r.crossThreadFrees++;
    if (this.count === this.ring.length) this.growRing();
    this.ring[(this.head + this.count++) & (this.ring.length - 1)] = slot;
    if (size === 0) {
      this.writer.skip();
      return;
    }
    r.streamed++;
    this.writer.event(Kind.free, slot, 0);
  }

  /** Puts a new object into a slot that is not free, in place of the one that is there. */
  resize(slot: number, size: number): void {
    const r = this.report;
    const old = this.sizes[slot];
    this.owners[slot] = this.thread;
    if (size === 0) {
      if (old === 0) this.writer.skip();
      else {
        r.streamed++;
        this.writer.event(Kind.free, slot, 0);
      }
    }
    this.fill(old === 0 ? Kind.alloc : Kind.realloc, slot, size);
    // Both exist while the bytes are copied, and the peak counts them both.
    r.liveBytes -= old;
  }

  /** Says the thread of the event that is being read. */
  onThread(): void {
    if (this.thread === this.lastThread) return;
    this.lastThread = this.thread;
    this.report.threadSwitches++;
    this.writer.setThread(this.thread);
  }

  private put(kind: number, lo: number, hi: number, size: number): void {
    const entry = this.addresses.find(lo, hi);
    if (entry >= 0) this.handOut(entry);
    const slot = this.add(kind, size);
    if (entry < 0) this.addresses.insert(lo, hi, slot + FIRST);
    else this.addresses.setState(entry, (this.addresses.state(entry) & REUSED) | (slot + FIRST));
  }

  /** A known address is handed out again: if the recording has an object there still, that one is gone. */
  private handOut(entry: number): void {
    const state = this.addresses.state(entry);
    if ((state & STATE_MASK) !== DEAD) {
      this.report.implicitFrees++;
      this.release((state & STATE_MASK) - FIRST);
    } else if ((state & REUSED) === 0) {
      this.report.reusedAddresses++;
      this.addresses.setState(entry, DEAD | REUSED);
    }
  }

  /** Accounts for a new object of a slot, and writes its record. The slot's last object is the caller's to take off the account. */
  private fill(kind: number, slot: number, size: number): void {
    const r = this.report;
    this.sizes[slot] = size;
    r.totalBytes += size;
    r.liveBytes += size;
    if (r.liveBytes > r.peakLiveBytes) {
      r.peakLiveBytes = r.liveBytes;
      r.peakLiveAtEvent = this.events - 1;
    }
    if (size === 0) {
      r.zeroSizes++;
      return;
    }
    if (size > r.maxSize) r.maxSize = size;
    r.streamed++;
    this.writer.event(kind, slot, size);
  }

  private takeFree(): number {
    this.count--;
    if (!this.oldest) return this.ring[(this.head + this.count) & (this.ring.length - 1)];
    const slot = this.ring[this.head];
    this.head = (this.head + 1) & (this.ring.length - 1);
    return slot;
  }

  private newSlot(): number {
    const slot = this.writer.slots;
    if (slot === this.maxSlots) {
      throw new ReplayInputError(
        'replay-too-many-objects',
        `more than ${this.maxSlots} objects live at once: record a shorter run, or a smaller one`,
      );
    }
    if (slot === this.sizes.length) {
      this.sizes = grown(this.sizes, slot * 2);
      this.owners = grown(this.owners, slot * 2);
    }
    this.writer.slots = slot + 1;
    return slot;
  }

  private growRing(): void {
    const old = this.ring;
    const ring = grown(old, old.length * 2);
    for (let i = 0; i < this.count; i++) ring[i] = old[(this.head + i) & (old.length - 1)];
    this.ring = ring;
    this.head = 0;
  }
}
