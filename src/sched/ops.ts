/**
 * The words in which the main thread and the Ms talk: operations, batch records, results.
 *
 * A request becomes a G: a frame in shared memory (frame.ts) with an operation and a few int32 arguments. Anything longer travels in the
 * exchange, a block of shared memory that the main thread hands out in pieces: batches, object bytes, JSON answers.
 *
 * A batch is an array of 16-byte records, little endian, four int32 each; it is also the binary format of POST …/batch:
 *
 *      word 0   operation in bits 0-7, flags in bits 8-15
 *      word 1   alloc: type (0: all words are pointers; ignored when noscan) · site, store: see below
 *      word 2   alloc: size, low half · free: address, low half, or the index of an earlier record with BY_REF
 *      word 3   high half
 *
 *      alloc  flags NOSCAN, UNROOTED      free  flags IMMEDIATE, BY_REF
 *      store  puts the address that the record before it allocated into pointer word `word 1` of the object at the address (or, BY_REF, of the record)
 *      site   attaches site `word 1` to the object that the record before it allocated
 *
 * Each record has an 8-byte result: bits 0-47 the address (0 for none), bits 48-55 a Status (objects.ts), bits 56-63 the
 * level that served it (heap.ts, `Served`). As two int32: low half; high 16 bits of the address | status << 16 | served << 24.
 */

export const Op = {
  none: 0,
  /** One allocation. A0 size low, A1 size high, A2 flags, A3 type, A4 site. R0, R1: its result, as in a batch. */
  alloc: 1,
  /** One free. A0, A1 address; A2 flags. R0, R1: its result. */
  free: 2,
  /** A batch. A0 offset of the records in the exchange (bytes), A1 how many, A2 offset of the results, A3 0 or MUST. R0 failed. */
  batch: 3,
  /** Reclaims what was freed. A0: 0 mark if needed, 1 never, 2 always. Answers JSON at A1 (length A2); R0 its length. */
  sweep: 4,
  /** check(): JSON of every difference found, into the exchange at A1 (length A2); R0 its length, R1 differences. */
  check: 5,
  /** Flushes every mcache with the world stopped, as Go's ReadMemStats does, and answers MemStats as JSON at A1 (A2); R0 length. */
  flush: 6,
  /** Copies bytes out of an object. A0, A1 address; A2 exchange offset; A3, A4 first byte; A5 length. R0 status, R1 copied, R2, R3 size of the object. */
  read: 7,
  /** Copies bytes into an object. Arguments as `read`. R0 status, R1 copied. */
  write: 8,
  /** Sets a pointer word. A0, A1 address; A2 word; A3, A4 target (0: null). R0 status. */
  setPointer: 9,
  /** A collection from beginning to end. A0 why (state.ts). Answers its record as JSON at A1 (A2); R0 length. */
  gc: 10,
  /**
   * Changes settings, all at once. A0 which: 1 GOGC, 2 the memory limit, 3 both; A1 GOGC (-1: off); A2, A3 memory limit in bytes, low and high
   * half (-1, -1: off); A4 the request's number, by which it can be told whether it happened.
   */
  settings: 11,
  /** What reaches an object, or what it reaches. A0, A1 address; A2 kind; A3 depth; A4 limit; JSON at A5 (A6); R0 length, or minus a Status. */
  reach: 12,
  /** Gives free pages back to the OS. A0, A1 bytes at most (-1, -1: all); A2 1: collect first. Answers JSON at A3 (A4); R0 length. */
  scavenge: 13,
  /** The objects that the roots reach, and their pointers (gc/snapshot.ts). A0 objects at most; A1 exchange offset. R0 to R5 its counts. */
  snapshot: 14,
  /** Marks the moment from which a recording counts (rooted-op.ts). A0 exchange offset; A1 length; A2 1: with the rooted objects. R0: words. */
  rooted: 15,
} as const;

/** Operations on a heap as a whole, which may take long. */
export const isLong = (op: number): boolean => (op >= Op.sweep && op <= Op.flush) || op >= Op.gc;

/** What `settings` changes. */
export const Change = { gcPercent: 1, memoryLimit: 2 } as const;

/** Of a batch of frees that is sent again until all is done: one that was under way when its M died counts as done if the root is gone. */
export const MUST = 1;

export const Flag = { noscan: 1, unrooted: 2, immediate: 1, byRef: 2 } as const;

export const BatchOp = { alloc: 1, free: 2, store: 3, site: 4 } as const;

export const RECORD_BYTES = 16;
export const RESULT_BYTES = 8;
