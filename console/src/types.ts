/** The shapes of what the server sends, as far as the console reads it. The schemas are in `src/server/schemas/`. */

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  field?: string;
  allowed?: string | string[];
}

export interface Settings {
  gomaxprocs: number;
  gogc: number | 'off';
  gomemlimit: string;
  arenaSize: string;
  reserve: string;
}

export interface HeapView {
  name: string;
  createdAt: string;
  settings: Settings;
  summary: { heapAlloc: number; heapObjects: number; heapInuse: number; heapSys: number };
}

export const LEVELS = ['tiny', 'mcache', 'mcentral', 'mheap', 'os'] as const;
export type Level = (typeof LEVELS)[number];
export type Served = Record<Level, number>;

// Events of the stream.

export interface Hello {
  heap: string;
  settings: Settings;
  version: string;
  rate: number;
  /** Whether the stream goes on behind the last event that was seen. */
  resumed?: boolean;
}

/** Counters are cumulative; `t` is in ms since 1970, times in seconds, sizes in bytes. */
export interface Sample {
  t: number;
  heapLive: number;
  heapAlloc: number;
  heapInuse: number;
  heapIdle: number;
  heapSys: number;
  heapReleased: number;
  /** Null when GOGC is off and there is no limit; the trigger too. */
  nextGC: number | null;
  trigger: number | null;
  memoryLimit: number | null;
  rss: number;
  objects: number;
  mallocs: number;
  frees: number;
  totalAlloc: number;
  served: Served;
  refills: number;
  grows: number;
  osGrows: number;
  lockWaitSeconds: number;
  lockContended: number;
  phase: string;
  numGC: number;
  sweepDone: boolean;
  cpu: { assist: number; dedicated: number; idle: number; pause: number; scavenge: number; wait: number };
  ps: { status: string; queued: number; ran: number }[];
}

export interface Cycle {
  number: number;
  why: string;
  forced: boolean;
  startedAt: string;
  at: number;
  gomaxprocs: number;
  heap: { start: number; end: number; marked: number; goal: number; trigger: number };
  pauses: {
    sweepTermination: number;
    markTermination: number;
    stoppingSweepTermination: number;
    stoppingMarkTermination: number;
  };
  markSeconds: number;
  cpu: { assist: number; dedicated: number; fractional: number; idle: number; pauses: number; fraction: number };
  mark: {
    scanBytes: number;
    objectsScanned: number;
    rootsMarked: number;
    shaded: number;
    assists: number;
    assistScanBytes: number;
  };
  pacer: { consMark: number; utilization: number; assistWorkPerByte: number; runway: number };
  sweep: { done: boolean; spansSwept: number; spansFreed: number; pagesFreed: number; objectsFreed: number };
  gctrace: string;
  /** In the stream: cycles before it that the stream left out. */
  skipped?: number;
}

// Inspection.

export interface Arena {
  index: number;
  address: string;
  bytes: number;
  state: string;
  pages: { total: number; unmapped: number; inUse: number; cached: number; free: number; released: number };
}

export type PageState = 'unmapped' | 'inUse' | 'cached' | 'free' | 'released';

export interface PageRun {
  page: number;
  pages: number;
  state: PageState;
  span?: number;
}

export interface Span {
  id: number;
  address: string;
  pages: number;
  spanClass: number;
  sizeClass: number;
  noscan: boolean;
  slotSize: number;
  slots: number;
  allocated: number;
  occupancy: number;
  freeindex: number;
  list: string;
  p?: number;
  sweepgen: number;
  sweepState: string;
  needzero: boolean;
  requested?: number;
}

export interface Slot {
  slot: number;
  address: string;
  state: 'free' | 'cached' | 'allocated' | 'dropped' | 'reusable';
  rooted: boolean;
  marked: boolean;
  tiny?: number[];
  tinyRooted?: number[];
}

export interface OneSpan extends Span {
  bytes: number;
  prev: number | null;
  next: number | null;
  slotList: Slot[];
}

export interface ObjectView {
  address: string;
  size: number;
  slotSize: number;
  sizeClass: number;
  spanClass: number;
  noscan: boolean;
  span: number;
  slot: number;
  allocated: boolean;
  rooted: boolean;
  marked: boolean;
  requested?: number;
  tinyOffset?: number;
  site?: string;
  pointers: { word: number; value: string | null }[];
  pointersTruncated: boolean;
}

export interface ObjectPath {
  reachable: boolean;
  length: number;
  path: { address: string; span: number; slot: number; size: number; word: number | null; depth: number }[];
  omitted: number;
}

export interface Retained {
  reachable: boolean;
  rooted: boolean;
  objects: number;
  bytes: number;
  self: number;
}

export interface SizeClass {
  class: number;
  size: number;
  slots: { scan: number; noscan: number };
  spans: { scan: number; noscan: number };
  objects: number;
}

export interface SpanList {
  spans: number;
  first: number | null;
}

export interface Mcentral {
  spanClass: number;
  sizeClass: number;
  noscan: boolean;
  slotSize: number;
  partial: { swept: SpanList; unswept: SpanList };
  full: { swept: SpanList; unswept: SpanList };
  refills: number;
  grows: number;
  lock: { acquisitions: number; contended: number; waitSeconds: number };
}

export interface PView {
  id: number;
  status: string;
  ran: number;
  stolen: number;
  queued: number;
  served: Served;
  mcache: { spanClass: number; slotSize: number; span: number; slots: number; free: number; reusable: number }[];
  reusable: number;
  tiny: { block: string; offset: number } | null;
  pageCache: { base: string; pages: number; released: number };
}

export interface Ps {
  ps: PView[];
  globalQueued: number;
  inFlight: number;
  restarts: number;
}
