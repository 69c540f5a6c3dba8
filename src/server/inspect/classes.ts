/**
 * Size classes, mcentrals and Ps, seen from the main thread without a lock.
 */

import {
  formatAddress,
  H_NPROCS,
  type Heap,
  P_ALLOC,
  P_FLUSH_GEN,
  P_PAGE_CACHE,
  P_REUSABLE,
  P_SPAN_CACHE_LEN,
  P_TINY,
  P_TINY_OFFSET,
  SERVED_NAMES,
  T_GROWS,
  T_REFILLS,
  T_SERVED,
} from '../../heap/heap.js';
import {
  fullSwept,
  fullUnswept,
  listHead,
  listLength,
  mcentralAt,
  partialSwept,
  partialUnswept,
} from '../../heap/mcentral.js';
import { slotsAllocated, slotsFreed, sumStat } from '../../heap/memstats.js';
import { S_ALLOC_COUNT, S_NELEMS, spanId } from '../../heap/mspan.js';
import { pageCachePages, pageCacheScavPages } from '../../heap/pagecache.js';
import {
  CLASS_TO_PAGES,
  CLASS_TO_SIZE,
  NUM_SIZE_CLASSES,
  NUM_SPAN_CLASSES,
  PAGE_SIZE,
  PAGE_WORDS,
  SPC_TO_NELEMS,
} from '../../heap/sizeclass.js';
import { lockStats } from '../../memory/lock.js';
import type { HostStats } from '../../sched/host-api.js';

/** Spans of a span class: in the mcentral's lists, and in mcaches. */
function spanCount(h: Heap, spc: number): number {
  let n = 0;
  for (const where of [partialSwept(h), partialUnswept(h), fullSwept(h), fullUnswept(h)])
    n += listLength(h, spc, where);
  for (const p of h.ps) if (h.m[p.at + P_ALLOC + spc] !== h.spans) n++;
  return n;
}

export function sizeClassViews(h: Heap) {
  const allocs = slotsAllocated(h);
  const frees = slotsFreed(h);
  return Array.from({ length: NUM_SIZE_CLASSES - 1 }, (_, i) => {
    const c = i + 1;
    const size = CLASS_TO_SIZE[c];
    const bytes = CLASS_TO_PAGES[c] * PAGE_SIZE;
    return {
      class: c,
      size,
      smallest: CLASS_TO_SIZE[c - 1] + 1,
      pages: CLASS_TO_PAGES[c],
      spanBytes: bytes,
      slots: { scan: SPC_TO_NELEMS[c * 2], noscan: SPC_TO_NELEMS[c * 2 + 1] },
      tailBytes: {
        scan: bytes - SPC_TO_NELEMS[c * 2] * size,
        noscan: bytes - SPC_TO_NELEMS[c * 2 + 1] * size,
      },
      spans: { scan: spanCount(h, c * 2), noscan: spanCount(h, c * 2 + 1) },
      mallocs: allocs[c],
      frees: frees[c],
      objects: allocs[c] - frees[c],
    };
  });
}

export function mcentralViews(h: Heap, only?: number) {
  const out = [];
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    if (only !== undefined && spc >> 1 !== only) continue;
    const list = (where: number) => ({ spans: listLength(h, spc, where), first: listHead(h, spc, where) || null });
    out.push({
      spanClass: spc,
      sizeClass: spc >> 1,
      noscan: spc % 2 === 1,
      slotSize: CLASS_TO_SIZE[spc >> 1],
      partial: { swept: list(partialSwept(h)), unswept: list(partialUnswept(h)) },
      full: { swept: list(fullSwept(h)), unswept: list(fullUnswept(h)) },
      refills: sumStat(h, T_REFILLS + spc),
      grows: sumStat(h, T_GROWS + spc),
      lock: lockStats(h.m, mcentralAt(h, spc)),
    });
  }
  return out;
}

export function pViews(h: Heap, stats: HostStats) {
  const { m, f } = h;
  return h.ps.slice(0, h.scalar(H_NPROCS)).map((p) => {
    const cache = p.at + P_PAGE_CACHE;
    const mcache = [];
    let reusable = 0;
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
      reusable += m[p.at + P_REUSABLE + spc];
      const s = m[p.at + P_ALLOC + spc];
      if (s === h.spans) continue;
      const slots = m[s + S_NELEMS];
      mcache.push({
        spanClass: spc,
        slotSize: CLASS_TO_SIZE[spc >> 1],
        span: spanId(h, s),
        slots,
        free: slots - m[s + S_ALLOC_COUNT],
        reusable: m[p.at + P_REUSABLE + spc],
      });
    }
    const tiny = m[p.at + P_TINY];
    return {
      id: p.id,
      status: stats.ps[p.id].status,
      m: stats.ps[p.id].m,
      ran: stats.ran[p.id],
      stolen: stats.stolen[p.id],
      queued: stats.queued[p.id],
      served: Object.fromEntries(SERVED_NAMES.map((name, i) => [name, f[p.stats + T_SERVED + i]])),
      mcache,
      reusable,
      tiny: tiny === 0 ? null : { block: formatAddress(tiny - 1), offset: m[p.at + P_TINY_OFFSET] },
      pageCache: {
        base: formatAddress(m[cache] * PAGE_WORDS),
        pages: pageCachePages(m, cache),
        released: pageCacheScavPages(m, cache),
      },
      spanCache: m[p.at + P_SPAN_CACHE_LEN],
      flushGen: m[p.at + P_FLUSH_GEN],
    };
  });
}
