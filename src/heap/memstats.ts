/**
 * MemStats: Go's numbers, by Go's formulas, from the counters in shared memory.
 *
 * Go's ReadMemStats stops the world and empties every mcache, which changes where the next object goes. `readMemStats` does neither: what the
 * mcaches hold is counted where it lies. Read from another thread while Ps run, it is a moment's view, whose numbers may be
 * a few objects apart; at rest it is exact and every identity of `checkIdentities` holds. `flushedMemStats` is Go's way, for the golden data.
 *
 * Struct sizes (mspan 160, mcache 2296, heapArena 69,648 bytes) are Go 1.27's, so that metadata costs what it would cost there. What has
 * no meaning here (stacks, profiling buckets) is 0.
 */

import { HEAP_ARENA_BYTES } from './arena.js';
import {
  G_LAST_GC,
  G_PAUSE_END,
  G_PAUSE_NS,
  G_PAUSE_TOTAL,
  G_RUNTIME_SYS,
  H_ARENAS,
  H_NPROCS,
  H_NUM_FORCED_GC,
  H_NUM_GC,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_PEAK_INUSE,
  H_PEAK_STRUCTS,
  H_SPAN_STRUCTS,
  type Heap,
  type P,
  P_ALLOC,
  P_TINY_ALLOCS,
  PAUSES,
  T_LARGE_ALLOC,
  T_LARGE_ALLOC_COUNT,
  T_LARGE_FREE,
  T_LARGE_FREE_COUNT,
  T_SMALL_ALLOC,
  T_SMALL_FREE,
  T_TINY_ALLOCS,
} from './heap.js';
import { releaseAll } from './mcache.js';
import type { BySize, MemStats } from './memstats-document.js';
import { S_ALLOC_COUNT, S_COUNT_BEFORE } from './mspan.js';
import { CLASS_TO_SIZE, NUM_SIZE_CLASSES, NUM_SPAN_CLASSES, PAGE_SIZE } from './sizeclass.js';

/** Version of the document's shape. */
export const MEMSTATS_VERSION = 1;
/** Go's BySize has 61 entries: classes 0 to 60. */
const BY_SIZE_CLASSES = 61;
const MSPAN_BYTES = 160;
const MCACHE_BYTES = 2296;
/** fixalloc takes 16 KiB at a time, rounded down to whole structs. */
const FIXALLOC_CHUNK = 16 << 10;

export type { BySize, MemStats };

/** Sums a counter over the Ps. */
export function sumStat(h: Heap, which: number): number {
  let n = 0;
  for (const p of h.ps) n += h.f[p.stats + which];
  return n;
}

/** Slots allocated, by size class, counting what the mcaches handed out since they took their spans. */
export function slotsAllocated(h: Heap): Float64Array {
  const { m, f } = h;
  const out = new Float64Array(NUM_SIZE_CLASSES);
  for (const p of h.ps) {
    for (let c = 1; c < NUM_SIZE_CLASSES; c++) out[c] += f[p.stats + T_SMALL_ALLOC + c];
    for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) {
      const s = m[p.at + P_ALLOC + spc];
      if (s !== h.spans) out[spc >> 1] += m[s + S_ALLOC_COUNT] - m[s + S_COUNT_BEFORE];
    }
  }
  return out;
}

/** Slots freed, by size class. */
export function slotsFreed(h: Heap): Float64Array {
  const out = new Float64Array(NUM_SIZE_CLASSES);
  for (const p of h.ps) for (let c = 1; c < NUM_SIZE_CLASSES; c++) out[c] += h.f[p.stats + T_SMALL_FREE + c];
  return out;
}

function fixallocSys(structs: number, size: number): number {
  const perChunk = Math.floor(FIXALLOC_CHUNK / size);
  return Math.ceil(structs / perChunk) * perChunk * size;
}

/** Metadata bytes obtained from the OS, as Go would have: span structs, mcaches, heapArenas. */
export function metadataSys(h: Heap): { mspan: number; mcache: number; gc: number } {
  return {
    mspan: fixallocSys(Math.max(h.scalar(H_SPAN_STRUCTS), h.scalar(H_PEAK_STRUCTS)), MSPAN_BYTES),
    mcache: fixallocSys(h.scalar(H_NPROCS), MCACHE_BYTES),
    gc: h.scalar(H_ARENAS) * HEAP_ARENA_BYTES + h.f[h.gcStats + G_RUNTIME_SYS],
  };
}

/** Memory that is mapped and not released: Sys - HeapReleased. */
export function mappedReady(h: Heap): number {
  const sys = metadataSys(h);
  return (h.scalar(H_PAGES_INUSE) + h.scalar(H_PAGES_FREE)) * PAGE_SIZE + sys.mspan + sys.mcache + sys.gc;
}

export function readMemStats(h: Heap): MemStats {
  const allocs = slotsAllocated(h);
  const frees = slotsFreed(h);
  const largeMallocs = sumStat(h, T_LARGE_ALLOC_COUNT);
  const largeFrees = sumStat(h, T_LARGE_FREE_COUNT);
  let tiny = sumStat(h, T_TINY_ALLOCS);
  for (const p of h.ps) tiny += h.m[p.at + P_TINY_ALLOCS];
  let totalAlloc = sumStat(h, T_LARGE_ALLOC);
  let totalFree = sumStat(h, T_LARGE_FREE);
  let mallocs = largeMallocs + tiny;
  let freed = largeFrees + tiny;
  const bySize: BySize[] = [];
  for (let c = 0; c < NUM_SIZE_CLASSES; c++) {
    totalAlloc += allocs[c] * CLASS_TO_SIZE[c];
    totalFree += frees[c] * CLASS_TO_SIZE[c];
    mallocs += allocs[c];
    freed += frees[c];
    if (c < BY_SIZE_CLASSES) bySize.push({ Size: CLASS_TO_SIZE[c], Mallocs: allocs[c], Frees: frees[c] });
  }
  const inuse = h.scalar(H_PAGES_INUSE) * PAGE_SIZE;
  const released = h.scalar(H_PAGES_RELEASED) * PAGE_SIZE;
  const idle = h.scalar(H_PAGES_FREE) * PAGE_SIZE + released;
  const structs = h.scalar(H_SPAN_STRUCTS);
  const procs = h.scalar(H_NPROCS);
  const { mspan: mspanSys, mcache: mcacheSys, gc: gcSys } = metadataSys(h);
  const pauses = h.gcStats;
  return {
    version: MEMSTATS_VERSION,
    Alloc: totalAlloc - totalFree,
    TotalAlloc: totalAlloc,
    Sys: inuse + idle + mspanSys + mcacheSys + gcSys,
    Lookups: 0,
    Mallocs: mallocs,
    Frees: freed,
    HeapAlloc: totalAlloc - totalFree,
    HeapSys: inuse + idle,
    HeapIdle: idle,
    HeapInuse: inuse,
    HeapReleased: released,
    HeapObjects: mallocs - freed,
    StackInuse: 0,
    StackSys: 0,
    MSpanInuse: structs * MSPAN_BYTES,
    MSpanSys: mspanSys,
    MCacheInuse: procs * MCACHE_BYTES,
    MCacheSys: mcacheSys,
    BuckHashSys: 0,
    GCSys: gcSys,
    OtherSys: 0,
    LastGC: h.f[pauses + G_LAST_GC],
    PauseTotalNs: h.f[pauses + G_PAUSE_TOTAL],
    PauseNs: Array.from(h.f.subarray(pauses + G_PAUSE_NS, pauses + G_PAUSE_NS + PAUSES)),
    PauseEnd: Array.from(h.f.subarray(pauses + G_PAUSE_END, pauses + G_PAUSE_END + PAUSES)),
    NumGC: h.scalar(H_NUM_GC),
    NumForcedGC: h.scalar(H_NUM_FORCED_GC),
    EnableGC: true,
    DebugGC: false,
    BySize: bySize,
    TinyAllocs: tiny,
    LargeMallocs: largeMallocs,
    LargeFrees: largeFrees,
    PeakHeapInuse: h.scalar(H_PEAK_INUSE) * PAGE_SIZE,
  };
}

/** Go's ReadMemStats: empties every mcache first. With the world stopped. */
export function flushedMemStats(h: Heap, ps: readonly P[] = h.ps): MemStats {
  for (const p of ps) releaseAll(h, p);
  return readMemStats(h);
}

/** Records the pause of the cycle that just ended, in Go's ring: newest at (NumGC + 255) % 256. `end`: ns since 1970. */
export function recordPause(h: Heap, ns: number, end: number): void {
  const { f } = h;
  const slot = (h.scalar(H_NUM_GC) + PAUSES - 1) % PAUSES;
  f[h.gcStats + G_PAUSE_NS + slot] = ns;
  f[h.gcStats + G_PAUSE_END + slot] = end;
  f[h.gcStats + G_PAUSE_TOTAL] += ns;
  f[h.gcStats + G_LAST_GC] = end;
}

/** The identities that hold in Go at every quiescent point; each that is broken, in words. */
export function checkIdentities(s: MemStats): string[] {
  const out: string[] = [];
  const equal = (what: string, a: number, b: number): void => {
    if (a !== b) out.push(`${what}: ${a} is not ${b}`);
  };
  equal('Alloc = HeapAlloc', s.Alloc, s.HeapAlloc);
  equal('HeapSys = HeapInuse + HeapIdle', s.HeapSys, s.HeapInuse + s.HeapIdle);
  equal('HeapObjects = Mallocs - Frees', s.HeapObjects, s.Mallocs - s.Frees);
  const sum = s.HeapSys + s.StackSys + s.MSpanSys + s.MCacheSys + s.BuckHashSys + s.GCSys + s.OtherSys;
  equal('Sys = sum of the seven XSys', s.Sys, sum);
  if (s.HeapIdle < s.HeapReleased) out.push(`HeapIdle ${s.HeapIdle} is below HeapReleased ${s.HeapReleased}`);
  if (s.HeapAlloc > s.HeapInuse) out.push(`HeapAlloc ${s.HeapAlloc} is above HeapInuse ${s.HeapInuse}`);
  if (s.HeapAlloc < 0 || s.HeapObjects < 0) out.push('more was freed than allocated');
  return out;
}
