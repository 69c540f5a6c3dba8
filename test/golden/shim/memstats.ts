import { H_PAGES_FREE, H_PAGES_INUSE, H_PAGES_RELEASED, type Heap, P_ALLOC, P_TINY_ALLOCS, T_LARGE_ALLOC, T_LARGE_ALLOC_COUNT, T_LARGE_FREE, T_LARGE_FREE_COUNT, T_SMALL_ALLOC, T_SMALL_FREE, T_TINY_ALLOCS } from '../../../src/heap/heap.js';
import { S_ALLOC_COUNT, S_COUNT_BEFORE } from '../../../src/heap/mspan.js';
import { CLASS_TO_SIZE } from '../../../src/heap/sizeclass.js';
export interface MemStats { Mallocs: number; Frees: number; TotalAlloc: number; HeapAlloc: number; HeapInuse: number; HeapIdle: number; HeapSys: number; HeapReleased: number; HeapObjects: number; BySize: { Size: number; Mallocs: number; Frees: number }[] }
export function readMemStats(h: Heap): MemStats {
  const s: MemStats = { Mallocs: 0, Frees: 0, TotalAlloc: 0, HeapAlloc: 0, HeapInuse: 0, HeapIdle: 0, HeapSys: 0, HeapReleased: 0, HeapObjects: 0, BySize: [] };
  let freed = 0;
  const { f, m } = h;
  for (let c = 1; c < 68; c++) {
    let a = 0, b = 0;
    for (const p of h.ps) {
      a += f[p.stats + T_SMALL_ALLOC + c]; b += f[p.stats + T_SMALL_FREE + c];
      for (const spc of [c * 2, c * 2 + 1]) { const x = m[p.at + P_ALLOC + spc]; a += m[x + S_ALLOC_COUNT] - m[x + S_COUNT_BEFORE]; }
    }
    s.Mallocs += a; s.Frees += b; s.TotalAlloc += a * CLASS_TO_SIZE[c]; freed += b * CLASS_TO_SIZE[c];
    if (c <= 60) s.BySize.push({ Size: CLASS_TO_SIZE[c], Mallocs: a, Frees: b });
  }
  for (const p of h.ps) {
    s.Mallocs += f[p.stats + T_LARGE_ALLOC_COUNT]; s.Frees += f[p.stats + T_LARGE_FREE_COUNT];
    s.TotalAlloc += f[p.stats + T_LARGE_ALLOC]; freed += f[p.stats + T_LARGE_FREE];
    const t = f[p.stats + T_TINY_ALLOCS] + m[p.at + P_TINY_ALLOCS];
    s.Mallocs += t; s.Frees += t;
  }
  s.HeapAlloc = s.TotalAlloc - freed; s.HeapObjects = s.Mallocs - s.Frees;
  s.HeapInuse = h.scalar(H_PAGES_INUSE) * 8192; s.HeapReleased = h.scalar(H_PAGES_RELEASED) * 8192;
  s.HeapIdle = s.HeapReleased + h.scalar(H_PAGES_FREE) * 8192; s.HeapSys = s.HeapIdle + s.HeapInuse;
  return s;
}
