/**
 * From addresses to slots.
 *
 * A recording names objects by the addresses that another allocator gave them. Those addresses mean nothing to a Go
 * heap, and they come back: glibc hands out the same address many times. So every recording is reduced to one stream
 * of (slot, size) records, where a slot is a place that holds at most one live object:
 *
 *     size >= 0   a new object of that size is put into the slot (the one that was there, if any, is replaced: a realloc)
 *     FREE (-1)   the object in the slot is freed
 *
 * The number of slots is the peak number of live objects. Free slots are reused oldest first: whoever spreads the slots
 * over several connections then finds the work spread evenly, which reusing the newest first would pile onto one slot.
 *
 * Invariant: `live` holds an address exactly when some slot holds an object of that address, and slots in `free` are in
 * no entry of `live`. Single-threaded; owned by one reader.
 */

/** The size that marks a record as a free. */
export const FREE = -1;

/** Records in parallel arrays. The arrays belong to the reader and are overwritten by its next block. */
export interface RecordBlock {
  readonly slots: Int32Array;
  readonly sizes: Float64Array;
  readonly length: number;
}

/** What the recording contained, and what had to be tolerated in it. */
export interface IngestReport {
  format: string;
  lines: number;
  /** Mallocs, frees and reallocs (one event each), whether or not they led to a record. */
  events: number;
  mallocs: number;
  frees: number;
  reallocs: number;
  /** Reallocs that failed (`!`): the object stays as it was. */
  failedReallocs: number;
  zeroSizes: number;
  /** Allocations that returned null: nothing to put anywhere. */
  nilAllocs: number;
  /** Frees of addresses that the recording never allocated, skipped. */
  unknownFrees: number;
  /** Reallocs whose old address was unknown, taken as mallocs. */
  unknownReallocs: number;
  /** Allocations at an address that was still live (two threads raced in the log): its object is freed first. */
  implicitFrees: number;
  /** Lines that are no event, the overlong ones among them. */
  badLines: number;
  overlongLines: number;
  /** The recording began and ended as a whole one does; `ended` is false for one that was cut off. */
  started: boolean;
  ended: boolean;
  /** Peak number of live objects. */
  slots: number;
  totalBytes: number;
  peakLiveBytes: number;
  liveBytes: number;
  liveObjects: number;
}

export function newIngestReport(format: string): IngestReport {
  return {
    format,
    lines: 0,
    events: 0,
    mallocs: 0,
    frees: 0,
    reallocs: 0,
    failedReallocs: 0,
    zeroSizes: 0,
    nilAllocs: 0,
    unknownFrees: 0,
    unknownReallocs: 0,
    implicitFrees: 0,
    badLines: 0,
    overlongLines: 0,
    started: false,
    ended: false,
    slots: 0,
    totalBytes: 0,
    peakLiveBytes: 0,
    liveBytes: 0,
    liveObjects: 0,
  };
}

export class SlotTable {
  readonly report: IngestReport;
  private readonly live = new Map<number, number>();
  private sizeOf = new Float64Array(1024);
  /** Free slots, a ring; its length is a power of two. */
  private free = new Int32Array(1024);
  private freeHead = 0;
  private freeCount = 0;
  /** The block being filled. */
  private slots = new Int32Array(8192);
  private sizes = new Float64Array(8192);
  private count = 0;

  constructor(report: IngestReport) {
    this.report = report;
  }

  malloc(address: number, size: number): void {
    const r = this.report;
    r.events++;
    r.mallocs++;
    if (address === 0) {
      r.nilAllocs++;
      return;
    }
    this.put(address, size);
  }

  freeAddress(address: number): void {
    const r = this.report;
    r.events++;
    r.frees++;
    const slot = this.live.get(address);
    if (slot === undefined) {
      r.unknownFrees++;
      return;
    }
    this.live.delete(address);
    this.release(slot);
  }

  realloc(old: number, address: number, size: number): void {
    const r = this.report;
    r.events++;
    r.reallocs++;
    const slot = this.live.get(old);
    if (slot === undefined) {
      r.unknownReallocs++;
      this.put(address, size);
      return;
    }
    if (address !== old) {
      this.live.delete(old);
      this.evict(address);
      this.live.set(address, slot);
    }
    const oldSize = this.sizeOf[slot];
    this.fill(slot, size);
    // Both exist while the bytes are copied, and the peak counts them both.
    r.liveBytes -= oldSize;
    r.liveObjects--;
  }

  reallocFailed(): void {
    this.report.events++;
    this.report.failedReallocs++;
  }

  /** Hands over what was recorded since the last call; valid until the table is used again. */
  take(): RecordBlock {
    const block = { slots: this.slots, sizes: this.sizes, length: this.count };
    this.count = 0;
    return block;
  }

  private put(address: number, size: number): void {
    this.evict(address);
    const slot = this.freeCount > 0 ? this.oldestFree() : this.newSlot();
    this.live.set(address, slot);
    this.fill(slot, size);
  }

  private fill(slot: number, size: number): void {
    const r = this.report;
    this.sizeOf[slot] = size;
    if (size === 0) r.zeroSizes++;
    r.totalBytes += size;
    r.liveObjects++;
    r.liveBytes += size;
    if (r.liveBytes > r.peakLiveBytes) r.peakLiveBytes = r.liveBytes;
    this.emit(slot, size);
  }

  /** Frees the object at an address about to be reused, if the recording still has one there. */
  private evict(address: number): void {
    const slot = this.live.get(address);
    if (slot === undefined) return;
    this.report.implicitFrees++;
    this.live.delete(address);
    this.release(slot);
  }

  private release(slot: number): void {
    const r = this.report;
    r.liveBytes -= this.sizeOf[slot];
    r.liveObjects--;
    if (this.freeCount === this.free.length) this.growFree();
    this.free[(this.freeHead + this.freeCount++) & (this.free.length - 1)] = slot;
    this.emit(slot, FREE);
  }

  private oldestFree(): number {
    const slot = this.free[this.freeHead];
    this.freeHead = (this.freeHead + 1) & (this.free.length - 1);
    this.freeCount--;
    return slot;
  }

  private newSlot(): number {
    const slot = this.report.slots++;
    if (slot === this.sizeOf.length) {
      const grown = new Float64Array(slot * 2);
      grown.set(this.sizeOf);
      this.sizeOf = grown;
    }
    return slot;
  }

  private growFree(): void {
    const old = this.free;
    const grown = new Int32Array(old.length * 2);
    for (let i = 0; i < this.freeCount; i++) grown[i] = old[(this.freeHead + i) & (old.length - 1)];
    this.free = grown;
    this.freeHead = 0;
  }

  private emit(slot: number, size: number): void {
    if (this.count === this.slots.length) {
      const slots = new Int32Array(this.count * 2);
      slots.set(this.slots);
      this.slots = slots;
      const sizes = new Float64Array(this.count * 2);
      sizes.set(this.sizes);
      this.sizes = sizes;
    }
    this.slots[this.count] = slot;
    this.sizes[this.count++] = size;
  }
}
