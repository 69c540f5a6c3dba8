/**
 * Settings of a simulation: what Go's environment would say (GOGC, GOMEMLIMIT, GOMAXPROCS), and how to read the recording.
 *
 * Plain data: it is posted to worker threads, hashed for the cache of results, and shown in reports. `gogc` -1 and `memoryLimit` null mean off, so
 * that it survives JSON.
 */

/** Virtual nanoseconds. Where they come from: costs.ts. */
export interface CostModel {
  /** What the program itself does between two events, its calls of the allocator apart. */
  readonly perEvent: number;
  /** A small allocation, and each byte of it (zeroing). */
  readonly perAlloc: number;
  readonly perAllocByte: number;
  /** A page that the operating system has to map: new, or released before. */
  readonly perFault: number;
  /** Marking: a byte looked at for pointers, an object marked, a span visited for its roots. */
  readonly perScanByte: number;
  readonly perMark: number;
  readonly perRootSpan: number;
  /** Sweeping a span. */
  readonly perSweep: number;
  /** Releasing a page. */
  readonly perRelease: number;
  /** The fixed part of each of a cycle's two pauses. */
  readonly perPause: number;
  /** What a concurrent mark takes besides: waking workers, barriers on all Ps. */
  readonly perCycle: number;
}

/** Where virtual time comes from. */
export type TimeBase =
  /** The cost model alone: the program does nothing but allocate and free. */
  | { readonly kind: 'costs' }
  /** Times that the recording has; costs are added where the collector takes the processor away. */
  | { readonly kind: 'recorded' }
  /** So many ns of the program's own work between two events. */
  | { readonly kind: 'nsPerEvent'; readonly ns: number }
  /** The program allocates so many bytes a second. */
  | { readonly kind: 'bytesPerSecond'; readonly bytes: number };

export interface SimSettings {
  /** GOGC in per cent, -1: off. */
  readonly gogc: number;
  /** GOMEMLIMIT in bytes, null: off. */
  readonly memoryLimit: number | null;
  readonly gomaxprocs: number;
  /** Bytes: 64 MiB or 4 MiB. */
  readonly arenaSize: number;
  /** Marking with the world stopped (exact, GODEBUG=gcstoptheworld=1), or beside the program, by the cost model. */
  readonly clock: 'stw' | 'concurrent';
  /** What the program's frees mean: the object becomes garbage (Go), or its slot is free at once (malloc). */
  readonly frees: 'garbage' | 'immediate';
  /** Which objects have pointers: those that the recording says (else none), none, all, or a percentage of them, chosen by seed. */
  readonly scan: 'recorded' | 'none' | 'all' | number;
  /** A realloc makes a new object always, or keeps the old one where the new size fits its slot. */
  readonly realloc: 'new' | 'fit';
  /**
   * How the program holds its objects: in a table with a pointer for each slot of the recording, which the collector has to scan. `exact`: one object
   * for all slots, as the real Go program of the golden data had (the recording has to be read to its end first); `segments`: 64 KiB at a time
   * as slots are needed; `none`: it holds them at no cost.
   */
  readonly rootsTable: 'exact' | 'segments' | 'none';
  /** Live bytes without pointers that the program has besides: its own start. */
  readonly baseline: number;
  /** What a Go program has besides its heap: bytes of globals and stacks that every cycle scans and GOGC counts; bytes that the runtime itself maps. */
  readonly runtimeScan: number;
  readonly runtimeSys: number;
  readonly timeBase: TimeBase;
  /** Events [from, to) of the recording, to null: its end. What is live at `from` is allocated first. */
  readonly from: number;
  readonly to: number | null;
  /** How often the recording is played, one after the other; what it never freed stays. */
  readonly loops: number;
  /** Which P a recorded thread runs on: all on P 0, or thread modulo GOMAXPROCS. */
  readonly threads: 'one' | 'modulo';
  /** runtime.GC() (and with it a flush) at each of so many evenly spaced moments, 0: never. */
  readonly forcedGCs: number;
  /** ReadMemStats, which flushes the mcaches, at each of so many evenly spaced moments, 0: never. */
  readonly readMemStats: number;
  /** Bytes of address space that the simulated heap may grow to. */
  readonly reserve: number;
  /** ns of virtual time by which the moments come earlier at which the program's P is taken from it, every 10 ms: where Go's own runs differ. */
  readonly phase: number;
  readonly seed: number;
  readonly costs: CostModel;
}
