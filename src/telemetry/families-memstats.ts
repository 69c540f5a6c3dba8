/**
 * go_memstats_*: Go's MemStats, under the names that client_golang gives its fields.
 *
 * Names, types and helps are client_golang's, letter for letter, so that dashboards made for Go programs work on a
 * heap. The values are those of `readMemStats`, which counts what the mcaches hold without emptying them.
 */

import { type Family, single } from './family.js';
import type { HeapView } from './view.js';

export const MEMSTATS_FAMILIES: readonly Family<HeapView>[] = [
  single(
    {
      name: 'go_memstats_alloc_bytes',
      type: 'gauge',
      help:
        'Number of bytes allocated in heap and currently in use. Equals to ' + '/memory/classes/heap/objects:bytes.',
      unit: 'bytes',
      from: 'MemStats.Alloc',
      advice: 'The same as heap_alloc_bytes.',
    },
    ({ mem }) => mem.Alloc,
  ),
  single(
    {
      name: 'go_memstats_alloc_bytes_total',
      type: 'counter',
      help:
        'Total number of bytes allocated in heap until now, even if released already. Equals to ' +
        '/gc/heap/allocs:bytes.',
      unit: 'bytes',
      from: 'MemStats.TotalAlloc',
      advice: 'rate() is the allocation rate: what drives how often the collector runs.',
    },
    ({ mem }) => mem.TotalAlloc,
  ),
  single(
    {
      name: 'go_memstats_sys_bytes',
      type: 'gauge',
      help: 'Number of bytes obtained from system. Equals to /memory/classes/total:byte.',
      unit: 'bytes',
      from: 'MemStats.Sys',
      advice: 'All that Go would have asked of the operating system for this heap. Compare with GOMEMLIMIT.',
    },
    ({ mem }) => mem.Sys,
  ),
  single(
    {
      name: 'go_memstats_mallocs_total',
      type: 'counter',
      help:
        'Total number of heap objects allocated, both live and gc-ed. Semantically a counter version for ' +
        'go_memstats_heap_objects gauge. Equals to /gc/heap/allocs:objects + ' +
        '/gc/heap/tiny/allocs:objects.',
      unit: 'objects',
      from: 'MemStats.Mallocs',
      advice: 'rate() is allocations a second. Tiny objects count one each, here and in frees.',
    },
    ({ mem }) => mem.Mallocs,
  ),
  single(
    {
      name: 'go_memstats_frees_total',
      type: 'counter',
      help: 'Total number of heap objects frees. Equals to /gc/heap/frees:objects + ' + '/gc/heap/tiny/allocs:objects.',
      unit: 'objects',
      from: 'MemStats.Frees',
      advice: 'Counted when a sweep finds the object dead, not when its root is dropped: it moves in steps.',
    },
    ({ mem }) => mem.Frees,
  ),
  single(
    {
      name: 'go_memstats_heap_alloc_bytes',
      type: 'gauge',
      help:
        'Number of heap bytes allocated and currently in use, same as go_memstats_alloc_bytes. Equals to ' +
        '/memory/classes/heap/objects:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapAlloc',
      advice:
        'Slots in their class size, the dead that wait for a sweep included. A saw-tooth is healthy; a ' +
        'floor that rises from cycle to cycle is a leak.',
    },
    ({ mem }) => mem.HeapAlloc,
  ),
  single(
    {
      name: 'go_memstats_heap_sys_bytes',
      type: 'gauge',
      help:
        'Number of heap bytes obtained from system. Equals to /memory/classes/heap/objects:bytes + ' +
        '/memory/classes/heap/unused:bytes + /memory/classes/heap/released:bytes + ' +
        '/memory/classes/heap/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapSys',
      advice: 'Never falls: address space is kept. At the reservation the next growth is refused.',
    },
    ({ mem }) => mem.HeapSys,
  ),
  single(
    {
      name: 'go_memstats_heap_idle_bytes',
      type: 'gauge',
      help:
        'Number of heap bytes waiting to be used. Equals to /memory/classes/heap/released:bytes + ' +
        '/memory/classes/heap/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapIdle',
      advice: 'Pages without a span. Large and not released: memory that the process holds for nothing.',
    },
    ({ mem }) => mem.HeapIdle,
  ),
  single(
    {
      name: 'go_memstats_heap_inuse_bytes',
      type: 'gauge',
      help:
        'Number of heap bytes that are in use. Equals to /memory/classes/heap/objects:bytes + ' +
        '/memory/classes/heap/unused:bytes',
      unit: 'bytes',
      from: 'MemStats.HeapInuse',
      advice: 'Less heap_alloc_bytes it is what fragmentation costs: free slots and tails of spans.',
    },
    ({ mem }) => mem.HeapInuse,
  ),
  single(
    {
      name: 'go_memstats_heap_released_bytes',
      type: 'gauge',
      help: 'Number of heap bytes released to OS. Equals to /memory/classes/heap/released:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapReleased',
      advice: 'Pages that hold no memory: never used, or scavenged.',
    },
    ({ mem }) => mem.HeapReleased,
  ),
  single(
    {
      name: 'go_memstats_heap_objects',
      type: 'gauge',
      help: 'Number of currently allocated objects. Equals to /gc/heap/objects:objects.',
      unit: 'objects',
      from: 'MemStats.HeapObjects',
      advice: 'Mallocs less frees. With heap_alloc_bytes it gives the mean size of an object.',
    },
    ({ mem }) => mem.HeapObjects,
  ),
  single(
    {
      name: 'go_memstats_stack_inuse_bytes',
      type: 'gauge',
      help:
        'Number of bytes obtained from system for stack allocator in non-CGO environments. Equals to ' +
        '/memory/classes/heap/stacks:bytes.',
      unit: 'bytes',
      from: 'MemStats.StackInuse',
      advice: 'Always 0: goroutine stacks do not exist here, so no page is ever one.',
    },
    ({ mem }) => mem.StackInuse,
  ),
  single(
    {
      name: 'go_memstats_stack_sys_bytes',
      type: 'gauge',
      help:
        'Number of bytes obtained from system for stack allocator. Equals to ' +
        '/memory/classes/heap/stacks:bytes + /memory/classes/os-stacks:bytes.',
      unit: 'bytes',
      from: 'MemStats.StackSys',
      advice: 'Always 0, as above; part of the sum that is sys_bytes.',
    },
    ({ mem }) => mem.StackSys,
  ),
  single(
    {
      name: 'go_memstats_mspan_inuse_bytes',
      type: 'gauge',
      help: 'Number of bytes in use by mspan structures. Equals to /memory/classes/metadata/mspan/inuse:bytes.',
      unit: 'bytes',
      from: 'MemStats.MSpanInuse',
      advice: '160 bytes a span record, as in Go. Many small spans make it grow.',
    },
    ({ mem }) => mem.MSpanInuse,
  ),
  single(
    {
      name: 'go_memstats_mspan_sys_bytes',
      type: 'gauge',
      help:
        'Number of bytes used for mspan structures obtained from system. Equals to ' +
        '/memory/classes/metadata/mspan/inuse:bytes + /memory/classes/metadata/mspan/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.MSpanSys',
      advice: "What Go's fixalloc would hold for the most records there ever were.",
    },
    ({ mem }) => mem.MSpanSys,
  ),
  single(
    {
      name: 'go_memstats_mcache_inuse_bytes',
      type: 'gauge',
      help: 'Number of bytes in use by mcache structures. Equals to ' + '/memory/classes/metadata/mcache/inuse:bytes.',
      unit: 'bytes',
      from: 'MemStats.MCacheInuse',
      advice: '2,296 bytes a P.',
    },
    ({ mem }) => mem.MCacheInuse,
  ),
  single(
    {
      name: 'go_memstats_mcache_sys_bytes',
      type: 'gauge',
      help:
        'Number of bytes used for mcache structures obtained from system. Equals to ' +
        '/memory/classes/metadata/mcache/inuse:bytes + /memory/classes/metadata/mcache/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.MCacheSys',
      advice: 'The same in whole fixalloc chunks.',
    },
    ({ mem }) => mem.MCacheSys,
  ),
  single(
    {
      name: 'go_memstats_buck_hash_sys_bytes',
      type: 'gauge',
      help:
        'Number of bytes used by the profiling bucket hash table. Equals to ' +
        '/memory/classes/profiling/buckets:bytes.',
      unit: 'bytes',
      from: 'MemStats.BuckHashSys',
      advice: 'Always 0: profiles are kept by the server, not in the heap. Part of the sum that is sys_bytes.',
    },
    ({ mem }) => mem.BuckHashSys,
  ),
  single(
    {
      name: 'go_memstats_gc_sys_bytes',
      type: 'gauge',
      help:
        'Number of bytes used for garbage collection system metadata. Equals to ' +
        '/memory/classes/metadata/other:bytes.',
      unit: 'bytes',
      from: 'MemStats.GCSys',
      advice: 'Arena metadata, 69,648 bytes an arena as in Go 1.27.',
    },
    ({ mem }) => mem.GCSys,
  ),
  single(
    {
      name: 'go_memstats_other_sys_bytes',
      type: 'gauge',
      help: 'Number of bytes used for other system allocations. Equals to /memory/classes/other:bytes.',
      unit: 'bytes',
      from: 'MemStats.OtherSys',
      advice: 'Always 0. Part of the sum that is sys_bytes.',
    },
    ({ mem }) => mem.OtherSys,
  ),
  single(
    {
      name: 'go_memstats_next_gc_bytes',
      type: 'gauge',
      help: 'Number of heap bytes when next garbage collection will take place. Equals to /gc/heap/goal:bytes.',
      unit: 'bytes',
      from: 'MemStats.NextGC',
      advice: 'The goal, not the trigger: a cycle begins earlier, so as to end there. See go_gc_heap_goal_bytes.',
    },
    ({ pacer }) => pacer.heapGoal(),
  ),
  single(
    {
      name: 'go_memstats_last_gc_time_seconds',
      type: 'gauge',
      help: 'Number of seconds since 1970 of last garbage collection.',
      unit: 'seconds since 1970',
      from: 'MemStats.LastGC',
      advice: '0: no cycle has run yet. time() less this is the age of the last one.',
    },
    ({ mem }) => mem.LastGC / 1e9,
  ),
];
