/** MemStats as a document: its shape alone, so that a page in a browser can name it without the heap behind it. What each field means: runtime.MemStats. */

export interface BySize {
  Size: number;
  Mallocs: number;
  Frees: number;
}

export interface MemStats {
  version: number;
  Alloc: number;
  TotalAlloc: number;
  Sys: number;
  Lookups: number;
  Mallocs: number;
  Frees: number;
  HeapAlloc: number;
  HeapSys: number;
  HeapIdle: number;
  HeapInuse: number;
  HeapReleased: number;
  HeapObjects: number;
  StackInuse: number;
  StackSys: number;
  MSpanInuse: number;
  MSpanSys: number;
  MCacheInuse: number;
  MCacheSys: number;
  BuckHashSys: number;
  GCSys: number;
  OtherSys: number;
  LastGC: number;
  PauseTotalNs: number;
  PauseNs: number[];
  PauseEnd: number[];
  NumGC: number;
  NumForcedGC: number;
  EnableGC: boolean;
  DebugGC: boolean;
  BySize: BySize[];
  /** Not in Go: allocations that shared a tiny block (they are in Mallocs and in Frees). */
  TinyAllocs: number;
  /** Not in Go: large objects, which BySize leaves out. */
  LargeMallocs: number;
  LargeFrees: number;
  /** Not in Go: the most that HeapInuse ever was. */
  PeakHeapInuse: number;
}
