/**
 * goheap_*: what Go does not show of its own allocator, span class by span class, arena by arena, P by P.
 *
 * Everything is read from lengths, slot counts and counters (`view.ts`): no span is visited, whatever the heap's size.
 */

import {
  H_HEAP_LIVE,
  H_PEAK_INUSE,
  H_RECOVERIES,
  H_SPECIALS,
  SERVED_NAMES,
  T_DROPPED,
  T_FLUSHES,
  T_GROWS,
  T_IMMEDIATE,
  T_LARGE_ALLOC,
  T_LARGE_REQUESTED,
  T_OS_GROWS,
  T_SERVED,
  T_SPANS_FREED,
  T_SPANS_SWEPT,
} from '../heap/heap.js';
import { CLASS_TO_SIZE, PAGE_SIZE } from '../heap/sizeclass.js';
import type { Family } from './family.js';
import { gauge, perP, total } from './heap-family.js';
import { classFamily, eachSpanClass, SPAN_CLASS_LABELS, spanClassFamily } from './spanclass.js';
import {
  type ArenaPages,
  arenaPages,
  type HeapView,
  mcacheSlots,
  pageCache,
  requestedBytes,
  reusedSlots,
  SPAN_STATES,
} from './view.js';

/** A copy of per-class figures with large objects, which have no slots, as class 0. */
function withLarge(classes: Float64Array, large: number): Float64Array {
  const out = Float64Array.from(classes);
  out[0] = large;
  return out;
}

const arenaName = (a: ArenaPages): string => (a.first === a.last ? String(a.first) : `${a.first}-${a.last}`);

export const SPAN_FAMILIES: readonly Family<HeapView>[] = [
  {
    name: 'goheap_spans',
    type: 'gauge',
    help: 'Spans by span class and by where they stand.',
    labels: [...SPAN_CLASS_LABELS, 'state'],
    unit: 'spans',
    from: "lengths of the mcentrals' lists; mcaches",
    advice:
      'Many partial spans of a class that is no longer used are memory that only this class can use. Unswept spans ' +
      'that stay: nobody allocates in their class, and no background sweep has come by.',
    read: (view, out) => {
      const { spans } = view.spanClasses;
      eachSpanClass(view, (spc, c, size, scan) => {
        for (let i = 0; i < SPAN_STATES.length; i++) out.value(spans[i][spc], c, size, scan, SPAN_STATES[i]);
      });
    },
  },
  spanClassFamily(
    {
      name: 'goheap_span_occupancy_ratio',
      type: 'gauge',
      help: 'Allocated slots over all slots of the spans of a span class; 0 while it has no span.',
      unit: '0 to 1',
      from: 'slot counts of the lists and of cached spans',
      advice: 'Low with many spans: a few survivors hold whole pages. Freed slots that wait for a sweep count as used.',
    },
    ({ spanClasses: { allocated, slots } }, spc) => (slots[spc] === 0 ? 0 : allocated[spc] / slots[spc]),
  ),
  classFamily(
    {
      name: 'goheap_class_allocs_total',
      type: 'counter',
      help: 'Slots allocated in a size class; large objects in class 0.',
      unit: 'slots',
      from: 'T_SMALL_ALLOC, mcaches, T_LARGE_ALLOC_COUNT',
      advice:
        'A tiny block counts once, in class 2. A slot taken over from an immediate free does not count, as in Go.',
    },
    ({ slots, mem }) => withLarge(slots.allocs, mem.LargeMallocs),
  ),
  classFamily(
    {
      name: 'goheap_class_frees_total',
      type: 'counter',
      help: 'Slots that became free in a size class; large objects in class 0.',
      unit: 'slots',
      from: 'T_SMALL_FREE, T_LARGE_FREE_COUNT',
      advice: 'allocs - frees is what the class holds, garbage included that no sweep has found.',
    },
    ({ slots, mem }) => withLarge(slots.frees, mem.LargeFrees),
  ),
  classFamily(
    {
      name: 'goheap_reused_slots_total',
      type: 'counter',
      help: 'Allocations that took a slot freed for immediate reuse.',
      unit: 'slots',
      from: 'T_REUSED',
      advice: 'They cost no sweep and no collection, and move neither allocs nor frees.',
    },
    ({ heap }) => reusedSlots(heap),
  ),
  classFamily(
    {
      name: 'goheap_requested_bytes_total',
      type: 'counter',
      help: 'Bytes that clients asked for, by the size class that served them.',
      unit: 'bytes',
      from: 'T_REQUESTED, mcaches, T_LARGE_REQUESTED',
      advice: '1 - rate(requested) / rate(slot bytes) is the internal fragmentation of the class.',
    },
    (view) => withLarge(requestedBytes(view.heap), view.sum(T_LARGE_REQUESTED)),
  ),
  classFamily(
    {
      name: 'goheap_slot_bytes_total',
      type: 'counter',
      help: 'Bytes of the slots that served these requests, reused ones included; whole pages for large objects.',
      unit: 'bytes',
      from: 'allocated and reused slots by their size; T_LARGE_ALLOC',
      advice: 'Divide requested bytes by it. For tiny objects it is the blocks, which several requests share.',
    },
    (view) => {
      const reused = reusedSlots(view.heap);
      const bytes = view.slots.allocs.map((n, c) => (n + reused[c]) * CLASS_TO_SIZE[c]);
      return withLarge(bytes, view.sum(T_LARGE_ALLOC));
    },
  ),
  spanClassFamily(
    {
      name: 'goheap_refills_total',
      type: 'counter',
      help: 'Times an mcache asked its mcentral for a span.',
      unit: 'times',
      from: 'T_REFILLS',
      advice: 'The slow path: one refill serves a span full of objects, or few if spans come back nearly full.',
    },
    ({ spanClasses: { refills } }, spc) => refills[spc],
  ),
  spanClassFamily(
    {
      name: 'goheap_span_grows_total',
      type: 'counter',
      help: 'Of those, times the mcentral had no span and took a new one from the heap.',
      unit: 'times',
      from: 'T_GROWS',
      advice: 'Near refills: the class grows. Near 0: it lives on what sweeping frees.',
    },
    (view, spc) => view.sum(T_GROWS + spc),
  ),
  {
    name: 'goheap_arena_pages',
    type: 'gauge',
    help: 'Pages of an arena by state: in a span, free, or free and released. Many arenas are shown in groups.',
    labels: ['arena', 'state'],
    unit: 'pages of 8192 bytes',
    from: "popcount of the chunks' bitmaps; page caches",
    advice: 'Sums over arenas are HeapInuse, HeapIdle - HeapReleased, HeapReleased. Addresses fill from arena 0 up.',
    read: ({ heap }, out) => {
      for (const arena of arenaPages(heap)) {
        const name = arenaName(arena);
        out.value(arena.inUse, name, 'in_use');
        out.value(arena.free, name, 'free');
        out.value(arena.released, name, 'released');
      }
    },
  },
];

export const P_FAMILIES: readonly Family<HeapView>[] = [
  {
    name: 'goheap_mcache_slots',
    type: 'gauge',
    help: 'Slots of the spans that a P has cached, and slots it holds for immediate reuse.',
    labels: ['p', 'state'],
    unit: 'slots',
    from: 'the mcache of the P, over all span classes',
    advice: 'Free ones are within reach without a lock, for this P alone. Reusable ones count as allocated as well.',
    read: ({ heap }, out) => {
      for (const { id } of heap.ps) {
        const slots = mcacheSlots(heap, id);
        out.value(slots.allocated, String(id), 'allocated');
        out.value(slots.free, String(id), 'free');
        out.value(slots.reusable, String(id), 'reusable');
      }
    },
  },
  perP(
    {
      name: 'goheap_mcache_spans',
      type: 'gauge',
      help: 'Spans that a P has cached.',
      unit: 'spans',
      from: 'the mcache of the P',
      advice: 'At most 134. With many Ps and few objects a good part of HeapInuse may sit here.',
    },
    ({ heap }, p) => mcacheSlots(heap, p).spans,
  ),
  perP(
    {
      name: 'goheap_page_cache_pages',
      type: 'gauge',
      help: 'Free pages that a P may take without the heap lock.',
      unit: 'pages of 8192 bytes',
      from: "the P's page cache",
      advice: 'At most 64. They are HeapIdle, but only this P can use them.',
    },
    ({ heap }, p) => pageCache(heap, p).pages,
  ),
  {
    name: 'goheap_served_total',
    type: 'counter',
    help: 'Allocations by the deepest level that had to serve them.',
    labels: ['level'],
    unit: 'allocations',
    from: 'T_SERVED',
    advice: 'A healthy load is served by tiny and mcache nearly always; os grows only while the heap does.',
    read: (view, out) => {
      SERVED_NAMES.forEach((level, i) => {
        out.value(view.sum(T_SERVED + i), level);
      });
    },
  },
  total(
    'goheap_roots_dropped_total',
    'Objects whose root was dropped by a free.',
    'objects',
    'T_DROPPED',
    'Ahead of go_memstats_frees_total by what waits for a sweep.',
    (v) => v.sum(T_DROPPED),
  ),
  total(
    'goheap_immediate_frees_total',
    'Frees that put the slot up for immediate reuse.',
    'slots',
    'T_IMMEDIATE',
    'Compare with goheap_reused_slots_total: the rest was flushed back.',
    (v) => v.sum(T_IMMEDIATE),
  ),
  total('goheap_swept_spans_total', 'Spans swept.', 'spans', 'T_SPANS_SWEPT', 'One a span and cycle.', (v) =>
    v.sum(T_SPANS_SWEPT),
  ),
  total(
    'goheap_swept_free_spans_total',
    'Spans that a sweep found empty and gave back to the heap.',
    'spans',
    'T_SPANS_FREED',
    'Low next to swept spans: survivors are scattered.',
    (v) => v.sum(T_SPANS_FREED),
  ),
  total(
    'goheap_heap_grows_total',
    'Times the heap took more of its reservation.',
    'times',
    'T_OS_GROWS',
    '4 MiB each, or what a large object needs.',
    (v) => v.sum(T_OS_GROWS),
  ),
  total(
    'goheap_mcache_flushes_total',
    'Times an mcache was emptied.',
    'times',
    'T_FLUSHES',
    'One a P and cycle, and what clients ask for.',
    (v) => v.sum(T_FLUSHES),
  ),
];

export const WORLD_FAMILIES: readonly Family<HeapView>[] = [
  gauge(
    'goheap_live_bytes',
    "The pacer's count of live bytes: what was marked, and all that was cached or allocated since.",
    'bytes',
    'H_HEAP_LIVE',
    'Ahead of HeapAlloc: a cached span counts whole.',
    ({ heap }) => heap.scalar(H_HEAP_LIVE) * 8,
  ),
  gauge(
    'goheap_peak_inuse_bytes',
    'The most that HeapInuse ever was.',
    'bytes',
    'H_PEAK_INUSE',
    'What the reservation has to hold.',
    ({ heap }) => heap.scalar(H_PEAK_INUSE) * PAGE_SIZE,
  ),
  gauge(
    'goheap_reservation_bytes',
    'Address space of the heap; it can never grow beyond.',
    'bytes',
    'Geometry.reserve',
    'HeapSys at this value: allocations that need new pages are refused once none is free.',
    ({ heap }) => heap.geometry.reserve,
  ),
  gauge(
    'goheap_specials',
    'Records attached to objects: sites.',
    'records',
    'H_SPECIALS',
    'At 4,194,304 further objects get no site.',
    ({ heap }) => heap.scalar(H_SPECIALS),
  ),
  total(
    'goheap_world_stops_total',
    'Times the world was stopped, for whatever reason.',
    'times',
    'HostStats.stops',
    'Cycles, flushes and checks stop it; a scrape does not.',
    ({ host }) => host.stops,
  ),
  total(
    'goheap_world_stopped_seconds_total',
    'Seconds that the world stood still.',
    'seconds',
    'HostStats.stoppedSeconds',
    'rate() is the share of time in which nothing was allocated.',
    ({ host }) => host.stoppedSeconds,
  ),
  total(
    'goheap_thread_restarts_total',
    'Ms that died and were replaced.',
    'Ms',
    'HostStats.restarts',
    'Should stay 0. Look into the log for the reason.',
    ({ host }) => host.restarts,
  ),
  total(
    'goheap_recoveries_total',
    'Times the heap was repaired after an M died.',
    'times',
    'H_RECOVERIES',
    'Follows goheap_thread_restarts_total.',
    ({ heap }) => heap.scalar(H_RECOVERIES),
  ),
  perP(
    {
      name: 'goheap_gs_run_total',
      type: 'counter',
      help: 'Gs that a P ran.',
      unit: 'Gs',
      from: 'HostStats.ran',
      advice: 'Uneven Ps are normal under light load: work stays with the P that is awake.',
    },
    ({ host }, p) => host.ran[p] ?? 0,
  ),
  perP(
    {
      name: 'goheap_gs_stolen_total',
      type: 'counter',
      help: "Gs that a P took from another P's queue.",
      unit: 'Gs',
      from: 'HostStats.stolen',
      advice: 'High: work arrives where Ps are busy with long operations.',
    },
    ({ host }, p) => host.stolen[p] ?? 0,
  ),
  perP(
    {
      name: 'goheap_gs_queued',
      type: 'gauge',
      help: 'Gs that wait in the queues of a P.',
      unit: 'Gs',
      from: 'HostStats.queued',
      advice: 'Requests that wait. The global queue is extra, see below.',
    },
    ({ host }, p) => host.queued[p] ?? 0,
  ),
  gauge(
    'goheap_gs_queued_global',
    'Gs that wait in the global queue, because the run queue of their P was full.',
    'Gs',
    'HostStats.globalQueued',
    'Anything but 0 for long is overload.',
    ({ host }) => host.globalQueued,
  ),
];
