/**
 * Scavenging: giving free pages back to the operating system, and the books that go with it.
 *
 * What to release is found by `scavengecandidate.ts`; here it is done, for three callers: the background scavenger
 * (gc/scavenger.ts), allocations that take the heap past its memory limit or past its goal by growing it, and FreeOSMemory.
 *
 *      heap lock     a candidate is held: marked allocated, so that nobody takes pages whose bytes are about to vanish
 *      no lock       madvise. It may take a millisecond, and others allocate meanwhile
 *      heap lock     the pages are free again, and scavenged; they move from H_PAGES_FREE to H_PAGES_RELEASED
 *
 * Invariant: a scavenged page reads zero, where the heap `releases` at all. Without madvise pages are only accounted as
 * released: they keep their bytes, and allocSpan takes them for dirty.
 *
 * A thread that dies while it holds a candidate leaves pages that belong to no span, which is what a recovery takes as free; if
 * their memory is gone already, they are merely clean. The other way round, the scavenger may sleep on the lock of a
 * dead P, and the recovery frees what it holds: it must not free that again, somebody may have it by then. It tells by
 * H_RECOVERIES. No recovery can run during the madvise: it waits for every P that is not asleep.
 *
 * Any P may call, holding no lock. A span in its hand is fine; pages that it took and nobody can find are not.
 */

import { release } from '../memory/os.js';
import {
  G_MEMORY_LIMIT,
  G_SCAV_PERCENT_GOAL,
  H_LIMITED,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_RECOVERIES,
  type H_SCAVENGED_BG,
  H_SCAVENGED_EAGER,
  H_SCAVENGED_FORCED,
  type Heap,
  type P,
  T_SCAVENGE_ASSIST_NS,
} from './heap.js';
import { mappedReady } from './memstats.js';
import { scavenge } from './scavengecandidate.js';
import { PAGE_SIZE, PAGE_WORDS } from './sizeclass.js';

/** Which total the released pages go to. */
export type ScavengeCounter = typeof H_SCAVENGED_BG | typeof H_SCAVENGED_EAGER | typeof H_SCAVENGED_FORCED;

/** Pages between two looks at whether to go on: 8 MiB, about a millisecond. */
const STEP = 1024;

/**
 * Releases `npages` free pages, from high addresses down; up to a huge page more, or fewer if there are no more. `force`
 * takes any; else those stay that were freed since the last cycle, and the odd ones of dense chunks. Answers how many.
 */
export function scavengePages(h: Heap, p: P, npages: number, force: boolean, counter: ScavengeCounter): number {
  const { m } = h;
  h.lock(p);
  const released = scavenge(h.pageAlloc, npages, force, (page, n) => {
    const recoveries = h.scalar(H_RECOVERIES);
    h.unlock();
    dropMemory(h, page, n);
    h.lock(p);
    if (h.scalar(H_RECOVERIES) !== recoveries) return false;
    h.addScalar(H_PAGES_FREE, -n);
    h.addScalar(H_PAGES_RELEASED, n);
    m[h.mheap + counter] += n;
    return true;
  });
  h.unlock();
  return released;
}

/** Makes pages that nobody uses lose their memory, and read zero. */
function dropMemory(h: Heap, page: number, npages: number): void {
  if (!h.releases) return;
  if (release(h.memory.reservation, page * PAGE_SIZE, npages * PAGE_SIZE)) return;
  // Refused, as for locked memory (mlockall). What counts as scavenged is handed out as zero, so it has to be.
  h.w.fill(0, page * PAGE_WORDS, (page + npages) * PAGE_WORDS);
}

/**
 * What an allocation owes to the operating system, once its span is accounted for: under a memory limit as much as the
 * heap is above it; and if the heap had to grow by `grown` pages, so much of what is free elsewhere, as far as the heap
 * then retains more than its goal. `scav`: pages of the span that were released before.
 */
export function scavengeForAlloc(h: Heap, p: P, scav: number, grown: number): void {
  const { m, f } = h;
  const limit = f[h.gcStats + G_MEMORY_LIMIT];
  // Go asks before the span's released pages are paged in, and adds them; here they are in the sum already.
  const above = limit === Number.POSITIVE_INFINITY ? 0 : Math.max(0, mappedReady(h) - limit);
  let bytes = above;
  if (grown > 0) {
    const retained = h.scalar(H_PAGES_INUSE) - scav + h.scalar(H_PAGES_FREE);
    const overage = (retained + grown) * PAGE_SIZE - f[h.gcStats + G_SCAV_PERCENT_GOAL];
    bytes = Math.max(bytes, Math.min(grown * PAGE_SIZE, overage));
  }
  let need = Math.ceil(bytes / PAGE_SIZE);
  if (need <= 0) return;
  const began = h.now();
  // The limiter may come on meanwhile: a heap near its limit shall not stand still for this.
  while (need > 0 && m[h.mheap + H_LIMITED] === 0) {
    const released = scavengePages(h, p, Math.min(need, STEP), above > 0, H_SCAVENGED_EAGER);
    if (released === 0) break;
    need -= released;
  }
  p.count(T_SCAVENGE_ASSIST_NS, h.now() - began);
}

/**
 * Releases every free page there is, or `npages` and the rest of a huge page: debug.FreeOSMemory, after its cycle. What lies in
 * the Ps' page caches stays, as in Go. Passes safepoints, so not with the world stopped. Answers how many pages.
 */
export function scavengeAll(h: Heap, p: P, npages = Number.POSITIVE_INFINITY): number {
  let pages = 0;
  while (pages < npages) {
    const ask = Math.min(npages - pages, STEP);
    const released = scavengePages(h, p, ask, true, H_SCAVENGED_FORCED);
    pages += released;
    if (released < ask) break;
    h.poll();
  }
  return pages;
}
