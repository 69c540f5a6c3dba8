/** What every field of MemStats means here: the other half of `docs/stats.md`. The type makes sure none is missing. */

import type { GCMemStats } from '../gc/memstats.js';

export interface FieldDoc {
  readonly unit: string;
  /** What it is, and by which formula. */
  readonly meaning: string;
  /** What to make of it. */
  readonly advice: string;
}

const field = (unit: string, meaning: string, advice: string): FieldDoc => ({ unit, meaning, advice });

export const MEMSTATS_DOC: Readonly<Record<keyof GCMemStats, FieldDoc>> = {
  version: field('number', 'Version of this document', 'Not in Go. It changes when a field changes its meaning.'),
  Alloc: field('bytes', 'HeapAlloc', 'The same, as in Go.'),
  TotalAlloc: field('bytes', 'All slots ever allocated, by class size, and all large objects', 'Only grows.'),
  Sys: field('bytes', 'Sum of the seven XSys', 'What Go would have asked of the operating system.'),
  Lookups: field('-', '0, as in Go since 1.9', 'Nothing.'),
  Mallocs: field('objects', 'Slots allocated, large objects, and TinyAllocs', 'Divide TotalAlloc by it: mean size.'),
  Frees: field('objects', 'Slots freed, large objects freed, and TinyAllocs', 'Moves when a sweep finds the dead.'),
  HeapAlloc: field(
    'bytes',
    'TotalAlloc less all freed',
    'Live objects and garbage that no sweep has found. A floor that rises from cycle to cycle is a leak.',
  ),
  HeapSys: field('bytes', 'HeapInuse + HeapIdle', 'Address space taken from the reservation. Never falls.'),
  HeapIdle: field('bytes', 'Free pages', 'Less HeapReleased it is memory held for nothing.'),
  HeapInuse: field('bytes', 'Pages of spans', 'Less HeapAlloc it is free slots and tails: external fragmentation.'),
  HeapReleased: field('bytes', 'Free pages that hold no memory', 'Never used, or scavenged.'),
  HeapObjects: field('objects', 'Mallocs - Frees', 'Tiny objects cancel out: their blocks count.'),
  StackInuse: field('bytes', '0: there are no goroutine stacks', 'A summand of Go that is truly 0 here.'),
  StackSys: field('bytes', '0, as above', 'The same.'),
  MSpanInuse: field('bytes', 'Span records × 160', 'Those in the span caches of Ps included, as in Go.'),
  MSpanSys: field('bytes', 'The most records ever, in whole fixalloc chunks of 16 KiB', 'Never falls.'),
  MCacheInuse: field('bytes', 'Ps × 2,296', 'Fixed.'),
  MCacheSys: field('bytes', 'The same in whole fixalloc chunks', 'Fixed.'),
  BuckHashSys: field('bytes', '0: profiles are the business of the server', 'A summand of Go that is truly 0 here.'),
  GCSys: field('bytes', 'Arenas × 69,648, the size of heapArena in Go 1.27', 'Steps with every arena.'),
  OtherSys: field('bytes', '0', 'A summand of Go that is truly 0 here.'),
  LastGC: field('ns since 1970', 'End of the last cycle', '0: none yet.'),
  PauseTotalNs: field('ns', 'All pauses of cycles', 'Sum of PauseNs while NumGC < 256.'),
  PauseNs: field('ns', 'The last 256 pauses, a ring', 'The newest is at (NumGC + 255) % 256.'),
  PauseEnd: field('ns since 1970', 'When they ended', 'The same places.'),
  NumGC: field('cycles', 'Cycles that ended', 'Forced ones included.'),
  NumForcedGC: field('cycles', 'Those that a client asked for', 'The rest was automatic.'),
  NextGC: field(
    'bytes',
    'The goal of the next cycle, or of the one under way',
    'Less HeapAlloc it is what may still be allocated. With GOGC=off and no limit: about 9e18, as in Go.',
  ),
  GCCPUFraction: field(
    '0 to 1',
    "Share of the Ps' time since the heap was made that collecting took, idle workers not counted",
    'Over the whole past: for now, take rates of go_cpu_classes_gc_total_cpu_seconds_total.',
  ),
  EnableGC: field('-', 'true, as in Go', 'Nothing; it is true even with GOGC=off.'),
  DebugGC: field('-', 'false, as in Go', 'Nothing.'),
  BySize: field(
    'slots',
    'Size, Mallocs, Frees of classes 0 to 60',
    'As in Go the seven largest classes are missing; goheap_class_allocs_total has all.',
  ),
  TinyAllocs: field('objects', 'Allocations that shared a tiny block', 'Not in Go. In Mallocs and in Frees.'),
  LargeMallocs: field('objects', 'Objects above 32,760 bytes', 'Not in Go, whose BySize leaves them out.'),
  LargeFrees: field('objects', 'Those freed', 'Not in Go.'),
  PeakHeapInuse: field('bytes', 'The most that HeapInuse ever was', 'Not in Go.'),
};
