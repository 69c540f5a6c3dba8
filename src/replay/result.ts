/**
 * The result of one simulation: a plain document. CLI, HTTP, console and the report page all read this and nothing else.
 *
 * Sizes in bytes, times in virtual seconds unless the name says otherwise. The same recording and settings give the same document to the byte, so
 * it holds no wall-clock time and no host.
 */

import type { MemStats } from '../heap/memstats-document.js';
import type { IngestReport } from './events.js';
import type { SimSettings } from './settings.js';

export const RESULT_VERSION = 1;

/** Where HeapSys and the metadata beside it went, at one moment. The parts add up to `total`, exactly. */
export interface Where {
  /** Bytes that the program asked for and still holds. */
  requested: number;
  /** What size classes and pages add to those. */
  rounding: number;
  /** Bytes of live tiny blocks beyond what their live objects asked for. */
  tiny: number;
  /** Ends of spans that hold no slot, and the bitmaps in them. */
  tails: number;
  /** Free slots of spans that no P has cached. */
  freeSlots: number;
  /** Free slots of spans in the Ps' mcaches. */
  mcache: number;
  /** Objects that the program has given up and the collector has not yet found or swept. */
  garbage: number;
  /** Free pages that hold memory. */
  idle: number;
  /** Free pages that hold none: address space only. */
  released: number;
  /** mspan and mcache structs, bitmaps, page maps: Sys beyond HeapSys. */
  metadata: number;
  /** Sys of MemStats. */
  total: number;
}

export const WHERE_PARTS = [
  'requested',
  'rounding',
  'tiny',
  'tails',
  'freeSlots',
  'mcache',
  'garbage',
  'idle',
  'released',
  'metadata',
] as const satisfies readonly (keyof Where)[];

export interface Headline {
  events: number;
  /** Virtual duration. */
  seconds: number;
  cycles: number;
  forcedCycles: number;
  /** HeapInuse. */
  peakInuse: number;
  meanInuse: number;
  /** HeapSys - HeapReleased: heap memory that the operating system has to provide. */
  peakRetained: number;
  meanRetained: number;
  /** HeapSys: address space that was ever mapped. */
  heapSys: number;
  /** HeapReleased at the end, and its peak. */
  released: number;
  peakReleased: number;
  /** Requested bytes held by the program. */
  peakLive: number;
  meanLive: number;
  totalAlloc: number;
  mallocs: number;
  frees: number;
  /** Share of GOMAXPROCS × duration: all of the collector but its idle workers (GCCPUFraction), assists alone, pauses alone. */
  gcCpu: number;
  assistCpu: number;
  pauseCpu: number;
  idleMarkCpu: number;
  scavengeCpu: number;
  /** CPU seconds of the collector, its idle workers not counted. */
  gcCpuSeconds: number;
  pauseTotal: number;
  pauseMax: number;
  /** Share of the time that memory (Sys - HeapReleased) was above GOMEMLIMIT, 0 without one; and the most it was above. */
  overLimit: number;
  overLimitMax: number;
  /** Cycles in which the CPU limiter was on: the limit could not be kept at half of the CPU. */
  limitedCycles: number;
}

/** One column of the timeline: least, mean and greatest value in each interval. */
export interface Series {
  min: number[];
  mean: number[];
  max: number[];
}

/** At most 2,000 intervals of equally many events. All arrays have one entry an interval. */
export interface Timeline {
  /** Events done, and virtual seconds, at the end of each interval. */
  event: number[];
  seconds: number[];
  live: Series;
  heapAlloc: Series;
  inuse: Series;
  retained: Series;
  /** HeapSys. */
  sys: Series;
  goal: Series;
  /** Cycles so far. */
  cycles: number[];
  /** GC CPU of the interval, as a share of GOMAXPROCS × its time. */
  gcCpu: number[];
  /** `Where` at the end of each interval, a column a part, in the order of WHERE_PARTS. */
  where: number[][];
}

export interface ClassRow {
  /** 1 to 67, 0: large objects. */
  sizeClass: number;
  /** Slot size; 0 for large. */
  size: number;
  noscan: boolean;
  /** Allocations, and the bytes asked for by them. Tiny objects are counted in the 16-byte class: objects, not blocks. */
  requests: number;
  requestedBytes: number;
  /** Bytes of slots handed out beyond what was asked for. */
  rounding: number;
  /** At the peak of HeapInuse: spans of the class, slots in use of all its slots (0 to 1), bytes of those spans. */
  spans: number;
  occupancy: number;
  spanBytes: number;
}

/** "9,110 requests of 25 bytes go to the 32-byte class: …" */
export interface Suggestion {
  size: number;
  requests: number;
  classSize: number;
  /** The size that would just fit the class below. */
  fitsAt: number;
  /** Bytes of all those requests that the smaller class would save, over the run and of what is live at the peak. */
  savesTotal: number;
  savesAtPeak: number;
  text: string;
}

export interface Lifetimes {
  /** Upper bounds of the buckets, in bytes allocated by the whole program between an object's birth and its death; the last is Infinity, written null. */
  bytes: (number | null)[];
  objects: number[];
  objectBytes: number[];
  /** Of those that died: how many collections began while they lived: 0, 1, 2, 3, 4 to 7, 8 to 15, 16 or more. */
  cycles: number[];
  /** Size × lifetime: rows are powers of two of the size (8, 16, … 64 KiB, larger), columns the buckets of `bytes`. Objects. */
  sizes: (number | null)[];
  map: number[][];
  /** Never freed: objects and bytes. */
  neverFreed: { objects: number; bytes: number };
}

/** A collection, in the order they happened. */
export interface CycleRow {
  number: number;
  event: number;
  seconds: number;
  forced: boolean;
  start: number;
  end: number;
  marked: number;
  goal: number;
  trigger: number;
  /** Both pauses. */
  pause: number;
  mark: number;
  assist: number;
}

export interface SimResult {
  version: typeof RESULT_VERSION;
  settings: SimSettings;
  headline: Headline;
  /** When HeapInuse was greatest, and at the end. */
  peak: { event: number; seconds: number; where: Where };
  end: { event: number; seconds: number; where: Where };
  timeline: Timeline;
  classes: ClassRow[];
  suggestions: Suggestion[];
  lifetimes: Lifetimes;
  /** The last 10,000 at most; headline.cycles counts all. */
  cycles: CycleRow[];
  /** Go's own lines for those. */
  gctrace: string[];
  /** At the end; the last two are the collector's part of it. */
  memstats: MemStats & { NextGC: number; GCCPUFraction: number };
  /** Samples at the moments of `forcedGCs` or `readMemStats`, else empty. */
  samples: Sample[];
  /** The heap was full, at this event: the simulation ended there. */
  exhausted: { event: number; size: number } | null;
  /** Sentences that belong to this result. */
  warnings: string[];
}

/** MemStats at a moment, by the names of the golden data. */
export interface Sample {
  event: number;
  heapAlloc: number;
  heapSys: number;
  heapInuse: number;
  heapIdle: number;
  heapReleased: number;
  totalAlloc: number;
  mallocs: number;
  frees: number;
  numGC: number;
  nextGC: number;
}

/** Pages of the heap at one moment, as runs in address order. */
export interface HeapMap {
  event: number;
  seconds: number;
  /** Pages that the heap has grown to. */
  pages: number;
  arenaPages: number;
  /** [state, pages, size class, noscan 0|1, slots, slots in use]: state 0 free, 1 released, 2 a span, or equal spans next to each other. */
  runs: [number, number, number, number, number, number][];
}

/** A whole answer: one recording under several settings. */
export interface ReplayDocument {
  version: typeof RESULT_VERSION;
  /** What was replayed: a name that the user gave, and its hash (SHA-256 of the file, hex). */
  name: string;
  hash: string;
  ingest: IngestReport;
  /** In the order of the grid; the first is the base. */
  results: SimResult[];
  /** True of every replay of such a recording. */
  caveats: string[];
}
