/**
 * The event stream: what every recording is reduced to before it is simulated.
 *
 * A recording names objects by the addresses that another allocator gave them. Those mean nothing to a Go heap and come back all
 * the time, so readers turn them into *slots*: a slot is a place that holds at most one live object, and the number of slots is the peak
 * number of live objects. A stream is a sequence of records of two int32 each:
 *
 *      ┌ 4 bits ┬────── 28 bits ──────┐ ┌────── 32 bits ──────┐
 *      │  kind  │       operand       │ │        value        │
 *      └────────┴─────────────────────┘ └─────────────────────┘
 *
 *      alloc, allocScan, allocNoscan    operand: slot, which is empty      value: requested bytes, uint32
 *      realloc                          operand: slot, which is not        value: requested bytes of the new object
 *      free                             operand: slot, which is not        value: 0
 *      thread                           operand: dense index of the thread that does what follows
 *      time                             operand × 2^32 + value: ns that passed since the last time record
 *      high                             the next record's size is operand × 2^32 + its value
 *      skip                             operand: events of the recording that led to nothing (zero sizes, frees of unknown addresses)
 *      collect                          the program collects (runtime.GC) before the next event
 *
 * Only the first five kinds are *events*, and those that `skip` counts; the rest says something about events that follow. Streams are cut into chunks at record
 * boundaries, never between `high` and what it belongs to. Readers check; whoever consumes a stream may rely on it: no free of an empty slot,
 * no alloc into a full one, slots below `slots` of the ingest report.
 */

export const Kind = {
  alloc: 0,
  /** The recording says that the object may hold pointers. */
  allocScan: 1,
  /** The recording says that it holds none. */
  allocNoscan: 2,
  realloc: 3,
  free: 4,
  thread: 5,
  time: 6,
  high: 7,
  skip: 8,
  collect: 9,
} as const;

export const KIND_SHIFT = 28;
export const OPERAND_MASK = (1 << KIND_SHIFT) - 1;
/** Slots that a stream can name. */
export const MAX_SLOTS = 1 << KIND_SHIFT;
/** int32 words of a record. */
export const RECORD_WORDS = 2;
/** Records of a full chunk: 512 KiB. */
export const CHUNK_RECORDS = 1 << 16;

/** How sure a reader is of which object a free means. */
export type Pairing = 'exact' | 'approximate';

/** A line, or a record at an offset, that is no event of its format. */
export interface BadLine {
  /** 1-based; in binary formats the offset in bytes. */
  readonly at: number;
  readonly unit: 'line' | 'byte';
  /** The first 120 characters of it. */
  readonly text: string;
  readonly why: string;
}

/** What a recording contained, what had to be tolerated in it, and what it cannot tell. */
export interface IngestReport {
  /** `mtrace`, `aosp`, `valgrind`, `heaptrack`, `ltrace`, `bpftrace`, `cs-app`, `goalloc`, … */
  format: string;
  /** Version of the format, or '' where it has none. */
  formatVersion: string;
  compression: 'none' | 'gzip' | 'zstd' | 'zip';
  /** Bytes of the file, and of what it decompresses to. */
  bytes: number;
  textBytes: number;
  lines: number;
  /** Mallocs, frees and reallocs, one event each. What was skipped is no event, and counted apart: below, from failedReallocs on. */
  events: number;
  /** Records of events in the stream: one each but for objects of no bytes, and one more for each implicit free. */
  streamed: number;
  mallocs: number;
  frees: number;
  reallocs: number;
  /** Reallocs that answered with another address. */
  movedReallocs: number;
  /** Reallocs that failed: the object stays as it was. */
  failedReallocs: number;
  /** Objects of no bytes: events that put nothing into the stream. */
  zeroSizes: number;
  /** Allocations that returned null: nothing to put anywhere. */
  nilAllocs: number;
  /** Frees of addresses that the recording never allocated, skipped. */
  unknownFrees: number;
  /** Reallocs whose old address was unknown, taken as mallocs. */
  unknownReallocs: number;
  /** Allocations at an address that was still live: its object is freed first. */
  implicitFrees: number;
  /** Addresses that were handed out again after a free. */
  reusedAddresses: number;
  badLines: number;
  /** The first few of them. */
  bad: BadLine[];
  threads: number;
  threadSwitches: number;
  /** Frees by another thread than the one that allocated. */
  crossThreadFrees: number;
  /** First to last recorded time, null where the format has none. */
  durationNs: number | null;
  /** The recording ends in the middle: it counts up to there. */
  truncated: boolean;
  pairing: Pairing;
  /** Peak number of live objects. */
  slots: number;
  totalBytes: number;
  peakLiveBytes: number;
  /** The event, from 0, at which `peakLiveBytes` was reached first. */
  peakLiveAtEvent: number;
  peakLiveObjects: number;
  /** At the end: never freed. */
  liveBytes: number;
  liveObjects: number;
  maxSize: number;
  /** Sentences: what this format cannot tell, and what therefore limits the answer. */
  cannotTell: string[];
}

export function newIngestReport(format: string): IngestReport {
  return {
    format,
    formatVersion: '',
    compression: 'none',
    bytes: 0,
    textBytes: 0,
    lines: 0,
    events: 0,
    streamed: 0,
    mallocs: 0,
    frees: 0,
    reallocs: 0,
    movedReallocs: 0,
    failedReallocs: 0,
    zeroSizes: 0,
    nilAllocs: 0,
    unknownFrees: 0,
    unknownReallocs: 0,
    implicitFrees: 0,
    reusedAddresses: 0,
    badLines: 0,
    bad: [],
    threads: 1,
    threadSwitches: 0,
    crossThreadFrees: 0,
    durationNs: null,
    truncated: false,
    pairing: 'exact',
    slots: 0,
    totalBytes: 0,
    peakLiveBytes: 0,
    peakLiveAtEvent: 0,
    peakLiveObjects: 0,
    liveBytes: 0,
    liveObjects: 0,
    maxSize: 0,
    cannotTell: [],
  };
}

/** A recording that cannot be read at all. The message says where and what would be right. */
export class ReplayInputError extends Error {
  /** Stable, for HTTP problem documents: `replay-…`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'ReplayInputError';
    this.code = code;
  }
}
