/**
 * Where memory went, at this moment: the parts of result.ts's `Where`, which add up to Sys exactly.
 *
 *      HeapInuse = requested + rounding + tiny + tails + free slots + slots in mcaches + garbage
 *      HeapSys   = HeapInuse + idle + released
 *      Sys       = HeapSys + metadata
 *
 * The heap says what is allocated and what is free; what of the allocated is still the program's, only the program knows (`Held`). Free
 * slots are counted from the mcentrals' lists, whose sums the heap keeps, and from the mcaches: a few hundred loads.
 */

import { H_PAGES_FREE, H_PAGES_INUSE, H_PAGES_RELEASED, type Heap, P_ALLOC, P_REUSABLE } from '../../heap/heap.js';
import { listLength, listSlots } from '../../heap/mcentral.js';
import { metadataSys } from '../../heap/memstats.js';
import { Where as Place, S_ALLOC_COUNT, S_NELEMS } from '../../heap/mspan.js';
import { CLASS_TO_SIZE, NUM_SPAN_CLASSES, PAGE_SIZE, SPC_TO_NELEMS, TINY_SIZE } from '../../heap/sizeclass.js';
import type { Where } from '../result.js';
import { everUsed, heapAlloc } from './totals.js';

/** What the program holds. */
export interface Held {
  /** Bytes asked for, tiny objects included; of those, tiny objects'. */
  requested: number;
  tinyRequested: number;
  /** Bytes of the slots and pages of what is not tiny. */
  slots: number;
  /** Tiny blocks with a live object. */
  tinyBlocks: number;
}

export function whereNow(h: Heap, held: Held): Where {
  const { m } = h;
  let free = 0;
  let cached = 0;
  let reusable = 0;
  for (let spc = 2; spc < NUM_SPAN_CLASSES; spc++) {
    if (!everUsed(h, spc)) continue;
    const size = CLASS_TO_SIZE[spc >> 1];
    let slots = 0;
    for (let list = Place.partial0; list <= Place.full1; list++) {
      const spans = listLength(h, spc, list);
      if (spans !== 0) slots += spans * SPC_TO_NELEMS[spc] - listSlots(h, spc, list);
    }
    free += slots * size;
    for (const p of h.ps) {
      const s = m[p.at + P_ALLOC + spc];
      cached += (m[s + S_NELEMS] - m[s + S_ALLOC_COUNT]) * size;
      reusable += m[p.at + P_REUSABLE + spc] * size;
    }
  }
  const inuse = h.scalar(H_PAGES_INUSE) * PAGE_SIZE;
  const idle = h.scalar(H_PAGES_FREE) * PAGE_SIZE;
  const released = h.scalar(H_PAGES_RELEASED) * PAGE_SIZE;
  const allocated = heapAlloc(h);
  const sys = metadataSys(h);
  const metadata = sys.mspan + sys.mcache + sys.gc;
  const tinyBytes = held.tinyBlocks * TINY_SIZE;
  return {
    requested: held.requested,
    rounding: held.slots - (held.requested - held.tinyRequested),
    tiny: tinyBytes - held.tinyRequested,
    tails: inuse - allocated - free - cached,
    freeSlots: free,
    mcache: cached + reusable,
    garbage: allocated - held.slots - tinyBytes - reusable,
    idle,
    released,
    metadata,
    total: inuse + idle + released + metadata,
  };
}
