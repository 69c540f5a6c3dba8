/**
 * A picture of a simulated heap: its pages in address order, as runs of equal ones.
 *
 * Spans of one class with the same number of slots in use that lie next to each other are one run, so that the picture of a large heap stays
 * small. It is read off the page map; nothing is disturbed.
 */

import { H_CUR_BASE, type Heap } from '../../heap/heap.js';
import { S_ALLOC_COUNT, S_NELEMS, S_NPAGES, S_SPANCLASS } from '../../heap/mspan.js';
import type { HeapMap } from '../result.js';

/** States of a run. */
const FREE = 0;
const RELEASED = 1;
const SPAN = 2;

export function heapMap(h: Heap, event: number, seconds: number): HeapMap {
  const { m } = h;
  const pages = h.scalar(H_CUR_BASE);
  const runs: HeapMap['runs'] = [];
  const add = (state: number, n: number, sizeClass = 0, noscan = 0, slots = 0, used = 0): void => {
    const last = runs[runs.length - 1];
    // Large objects stay apart.
    if (
      last !== undefined &&
      last[0] === state &&
      last[2] === sizeClass &&
      last[3] === noscan &&
      !(state === SPAN && sizeClass === 0)
    ) {
      // Equal in how full they are, span by span.
      if (last[5] * slots === used * last[4]) {
        last[1] += n;
        last[4] += slots;
        last[5] += used;
        return;
      }
    }
    runs.push([state, n, sizeClass, noscan, slots, used]);
  };
  for (let page = 0; page < pages; ) {
    const s = m[h.pageSpan + page];
    if (s !== 0) {
      add(
        SPAN,
        m[s + S_NPAGES],
        m[s + S_SPANCLASS] >> 1,
        m[s + S_SPANCLASS] & 1,
        m[s + S_NELEMS],
        m[s + S_ALLOC_COUNT],
      );
      page += m[s + S_NPAGES];
    } else {
      add(h.pageAlloc.isScavenged(page) ? RELEASED : FREE, 1);
      page++;
    }
  }
  return { event, seconds, pages, arenaPages: h.arenaPages, runs };
}
