/**
 * go_memory_classes_*: where Go's memory is, in thirteen classes that add up to the total.
 *
 * Names, types, helps and bucket bounds are client_golang's, letter for letter.
 * A class that does not exist here is a true 0, because it is a summand.
 */

import { type Family, single } from './family.js';
import type { HeapView } from './view.js';

export const MEMORY_FAMILIES: readonly Family<HeapView>[] = [
  single(
    {
      name: 'go_memory_classes_heap_free_bytes',
      type: 'gauge',
      help:
        'Memory that is completely free and eligible to be returned to the underlying system, but has not ' +
        "been. This metric is the runtime's estimate of free address space that is backed by physical " +
        'memory. Sourced from /memory/classes/heap/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapIdle - HeapReleased',
      advice: 'Free pages that hold memory: what scavenging could give back.',
    },
    ({ mem }) => mem.HeapIdle - mem.HeapReleased,
  ),
  single(
    {
      name: 'go_memory_classes_heap_objects_bytes',
      type: 'gauge',
      help:
        'Memory occupied by live objects and dead objects that have not yet been marked free by the ' +
        'garbage collector. Sourced from /memory/classes/heap/objects:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapAlloc',
      advice: 'The same as go_memstats_heap_alloc_bytes.',
    },
    ({ mem }) => mem.HeapAlloc,
  ),
  single(
    {
      name: 'go_memory_classes_heap_released_bytes',
      type: 'gauge',
      help:
        'Memory that is completely free and has been returned to the underlying system. This metric is ' +
        "the runtime's estimate of free address space that is still mapped into the process, but is not " +
        'backed by physical memory. Sourced from /memory/classes/heap/released:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapReleased',
      advice: 'The same as go_memstats_heap_released_bytes.',
    },
    ({ mem }) => mem.HeapReleased,
  ),
  single(
    {
      name: 'go_memory_classes_heap_stacks_bytes',
      type: 'gauge',
      help:
        'Memory allocated from the heap that is reserved for stack space, whether or not it is currently ' +
        'in-use. Currently, this represents all stack memory for goroutines. It also includes all OS ' +
        'thread stacks in non-cgo programs. Note that stacks may be allocated differently in the future, ' +
        'and this may change. Sourced from /memory/classes/heap/stacks:bytes.',
      unit: 'bytes',
      from: 'MemStats.StackInuse',
      advice: 'Always 0; part of the sum that is total.',
    },
    ({ mem }) => mem.StackInuse,
  ),
  single(
    {
      name: 'go_memory_classes_heap_unused_bytes',
      type: 'gauge',
      help:
        'Memory that is reserved for heap objects but is not currently used to hold heap objects. Sourced ' +
        'from /memory/classes/heap/unused:bytes.',
      unit: 'bytes',
      from: 'MemStats.HeapInuse - HeapAlloc',
      advice: 'Free slots and tails of spans. Over objects + unused it is the external fragmentation.',
    },
    ({ mem }) => mem.HeapInuse - mem.HeapAlloc,
  ),
  single(
    {
      name: 'go_memory_classes_metadata_mcache_free_bytes',
      type: 'gauge',
      help:
        'Memory that is reserved for runtime mcache structures, but not in-use. Sourced from ' +
        '/memory/classes/metadata/mcache/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.MCacheSys - MCacheInuse',
      advice: 'Part of the sum that is total.',
    },
    ({ mem }) => mem.MCacheSys - mem.MCacheInuse,
  ),
  single(
    {
      name: 'go_memory_classes_metadata_mcache_inuse_bytes',
      type: 'gauge',
      help:
        'Memory that is occupied by runtime mcache structures that are currently being used. Sourced from ' +
        '/memory/classes/metadata/mcache/inuse:bytes.',
      unit: 'bytes',
      from: 'MemStats.MCacheInuse',
      advice: 'Part of the sum that is total.',
    },
    ({ mem }) => mem.MCacheInuse,
  ),
  single(
    {
      name: 'go_memory_classes_metadata_mspan_free_bytes',
      type: 'gauge',
      help:
        'Memory that is reserved for runtime mspan structures, but not in-use. Sourced from ' +
        '/memory/classes/metadata/mspan/free:bytes.',
      unit: 'bytes',
      from: 'MemStats.MSpanSys - MSpanInuse',
      advice: 'Part of the sum that is total.',
    },
    ({ mem }) => mem.MSpanSys - mem.MSpanInuse,
  ),
  single(
    {
      name: 'go_memory_classes_metadata_mspan_inuse_bytes',
      type: 'gauge',
      help:
        'Memory that is occupied by runtime mspan structures that are currently being used. Sourced from ' +
        '/memory/classes/metadata/mspan/inuse:bytes.',
      unit: 'bytes',
      from: 'MemStats.MSpanInuse',
      advice: 'Part of the sum that is total.',
    },
    ({ mem }) => mem.MSpanInuse,
  ),
  single(
    {
      name: 'go_memory_classes_metadata_other_bytes',
      type: 'gauge',
      help:
        'Memory that is reserved for or used to hold runtime metadata. Sourced from ' +
        '/memory/classes/metadata/other:bytes.',
      unit: 'bytes',
      from: 'MemStats.GCSys',
      advice: 'Part of the sum that is total.',
    },
    ({ mem }) => mem.GCSys,
  ),
  single(
    {
      name: 'go_memory_classes_os_stacks_bytes',
      type: 'gauge',
      help:
        'Stack memory allocated by the underlying operating system. In non-cgo programs this metric is ' +
        'currently zero. This may change in the future.In cgo programs this metric includes OS thread ' +
        'stacks allocated directly from the OS. Currently, this only accounts for one stack in c-shared ' +
        'and c-archive build modes, and other sources of stacks from the OS are not measured. This too ' +
        'may change in the future. Sourced from /memory/classes/os-stacks:bytes.',
      unit: 'bytes',
      from: 'MemStats.StackSys - StackInuse',
      advice: 'Always 0; part of the sum that is total.',
    },
    ({ mem }) => mem.StackSys - mem.StackInuse,
  ),
  single(
    {
      name: 'go_memory_classes_other_bytes',
      type: 'gauge',
      help:
        'Memory used by execution trace buffers, structures for debugging the runtime, finalizer and ' +
        'profiler specials, and more. Sourced from /memory/classes/other:bytes.',
      unit: 'bytes',
      from: 'MemStats.OtherSys',
      advice: 'Always 0; part of the sum that is total.',
    },
    ({ mem }) => mem.OtherSys,
  ),
  single(
    {
      name: 'go_memory_classes_profiling_buckets_bytes',
      type: 'gauge',
      help:
        'Memory that is used by the stack trace hash map used for profiling. Sourced from ' +
        '/memory/classes/profiling/buckets:bytes.',
      unit: 'bytes',
      from: 'MemStats.BuckHashSys',
      advice: 'Always 0; part of the sum that is total.',
    },
    ({ mem }) => mem.BuckHashSys,
  ),
  single(
    {
      name: 'go_memory_classes_total_bytes',
      type: 'gauge',
      help:
        'All memory mapped by the Go runtime into the current process as read-write. Note that this does ' +
        'not include memory mapped by code called via cgo or via the syscall package. Sum of all metrics ' +
        'in /memory/classes. Sourced from /memory/classes/total:bytes.',
      unit: 'bytes',
      from: 'MemStats.Sys',
      advice: 'The sum of the thirteen above.',
    },
    ({ mem }) => mem.Sys,
  ),
];
