import { H_CENTRAL_INDEX, H_PAGES_SWEPT, H_RECLAIM_CREDIT, H_RECLAIM_INDEX, H_SWEEP_DONE, H_SWEEPGEN, type Heap, type P } from '../../../src/heap/heap.js';
import { prepareForSweep } from '../../../src/heap/mcache.js';
import { allocatedGroup, S_BASE, S_HAS_TINY, S_NELEMS, S_START, S_STATE, SpanState } from '../../../src/heap/mspan.js';
import { mappedPages } from '../../../src/heap/mheap.js';
import { sweepAll } from '../../../src/heap/sweep.js';
import { isCurrentTiny, tinyMaskAt, tinyRooted } from '../../../src/heap/tiny.js';
export function gcCycle(h: Heap, p: P): void {
  sweepAll(h, p);
  const { m } = h;
  for (let page = 0; page < mappedPages(h); page++) {
    const s = m[h.pageSpan + page];
    if (s === 0 || m[s + S_START] !== page || m[s + S_STATE] !== SpanState.inUse) continue;
    const at = page * 32;
    let any = 0;
    for (let i = 0; i * 32 < m[s + S_NELEMS]; i++) {
      const alloc = allocatedGroup(h, s, i);
      let marks = alloc & ~m[h.droppedBits + at + i];
      if (m[s + S_HAS_TINY]) for (let b = 0; b < 32; b++) {
        if (!((alloc >>> b) & 1)) continue;
        const word = m[s + S_BASE] + (i * 32 + b) * 2;
        if (h.u[tinyMaskAt(h, word)] === 0) continue;
        if (tinyRooted(h, word) !== 0 || isCurrentTiny(h, word)) marks |= 1 << b;
        else marks &= ~(1 << b);
      }
      m[h.markBits + at + i] = marks;
      any |= marks;
    }
    if (any) m[h.pageMarks + (page >> 5)] |= 1 << (page & 31);
    else m[h.pageMarks + (page >> 5)] &= ~(1 << (page & 31));
  }
  m[h.mheap + H_SWEEPGEN] += 2;
  for (const x of [H_CENTRAL_INDEX, H_SWEEP_DONE, H_PAGES_SWEPT, H_RECLAIM_CREDIT, H_RECLAIM_INDEX]) m[h.mheap + x] = 0;
  for (const q of h.ps) prepareForSweep(h, q);
  sweepAll(h, p);
}
