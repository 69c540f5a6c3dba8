/** The first dashboard: how much memory, how fast, what collecting costs, and whether requests are served. */

import { dashboard, heap, lines, number, ofHeap, ofServer, perHeap, perInstance, rate, server, stack } from './kit.js';

const LIMITED = `${heap('go_gc_gomemlimit_bytes')} < 2 ^ 62`;

/** What collecting took of the CPU, without what idle Ps did. */
export const GC_SHARE = `(${perHeap(rate(heap('go_cpu_classes_gc_total_cpu_seconds_total')))} - ${perHeap(rate(heap('go_cpu_classes_gc_mark_idle_cpu_seconds_total')))}) / ${perHeap(rate(heap('go_cpu_classes_total_cpu_seconds_total')))}`;

export const INTERNAL = `1 - ${perHeap(rate(heap('goheap_requested_bytes_total')))} / ${perHeap(rate(heap('goheap_slot_bytes_total')))}`;
export const EXTERNAL = `${heap('go_memory_classes_heap_unused_bytes')} / ${heap('go_memstats_heap_inuse_bytes')}`;

const sum = (metric: string): string => `sum(${heap(metric)})`;

export const overview = (): object =>
  dashboard(
    'goheap-overview',
    'goheap',
    'Go heaps behind HTTP: memory, allocation, collection, requests. Purple lines are cycles of the collector.',
    [
      {
        title: '',
        panels: [
          number({
            title: 'Live heap',
            unit: 'bytes',
            about:
              'What the last cycle found reachable, in slots. Its floor is what your program really needs; if it rises from cycle to cycle, something leaks.',
            queries: [[heap('go_gc_heap_live_bytes'), '{{heap}}']],
          }),
          number({
            title: 'HeapInuse',
            unit: 'bytes',
            about: 'Pages that belong to spans. Less the allocated bytes it is what fragmentation costs.',
            queries: [[heap('go_memstats_heap_inuse_bytes'), '{{heap}}']],
          }),
          number({
            title: 'Allocations',
            unit: 'ops',
            about: 'Objects allocated a second, those that share a tiny block each for itself.',
            queries: [[perHeap(rate(heap('go_memstats_mallocs_total'))), '{{heap}}']],
          }),
          number({
            title: 'Cycles a minute',
            unit: 'cpm',
            about:
              'Completed collections. Several a second at a modest rate of allocation: the goal is too near, see GOGC and GOMEMLIMIT.',
            queries: [[`60 * ${perHeap(rate(heap('go_gc_cycles_total_gc_cycles_total')))}`, '{{heap}}']],
          }),
          number({
            title: 'CPU for collecting',
            unit: 'percentunit',
            about:
              'Share of the CPU of all Ps that marking, sweeping in a cycle and pauses took, without marking by Ps that had nothing else to do. Above some percent, raise GOGC.',
            queries: [[GC_SHARE, '{{heap}}']],
          }),
          number({
            title: 'Alerts firing',
            unit: 'short',
            about:
              'Alerts of prometheus/rules that fire for the chosen heaps and instances. docs/alerts.md says what to do about each.',
            queries: [
              ['count(ALERTS{alertstate="firing",component="goheap",instance=~"$instance"}) or vector(0)', 'firing'],
            ],
          }),
        ],
      },
      {
        title: 'Memory',
        panels: [
          lines({
            title: 'Heap and its goal',
            unit: 'bytes',
            about:
              'The saw-tooth of a healthy heap: allocated bytes climb to the goal, a cycle marks what lives, and sweeping takes the rest back. The limit is shown where one is set.',
            queries: [
              [heap('go_memstats_heap_alloc_bytes'), ofHeap('allocated')],
              [heap('go_gc_heap_live_bytes'), ofHeap('live')],
              [heap('go_gc_heap_goal_bytes'), ofHeap('goal')],
              [LIMITED, ofHeap('GOMEMLIMIT')],
            ],
          }),
          stack({
            title: 'Where memory is',
            unit: 'bytes',
            about:
              'The parts of Sys, of all chosen heaps together. Free slots are external fragmentation; free pages are held for nothing until they are scavenged; released ones cost address space only.',
            queries: [
              [sum('go_memory_classes_heap_objects_bytes'), 'objects'],
              [sum('go_memory_classes_heap_unused_bytes'), 'free slots'],
              [sum('go_memory_classes_heap_free_bytes'), 'free pages'],
              [sum('go_memory_classes_heap_released_bytes'), 'released'],
              [`sum(${heap('go_memory_classes_total_bytes')} - ${heap('go_memstats_heap_sys_bytes')})`, 'metadata'],
            ],
          }),
          lines({
            title: 'Fragmentation',
            unit: 'percentunit',
            about:
              'Internal: bytes of slots that nobody asked for, of what is being allocated. External: bytes of spans in no allocated slot. External falls while a heap fills up; what counts is its minimum between two cycles.',
            min: 0,
            max: 1,
            queries: [
              [INTERNAL, ofHeap('internal')],
              [EXTERNAL, ofHeap('external')],
            ],
          }),
          lines({
            title: 'The process',
            unit: 'bytes',
            about:
              'Resident memory, and what of it are spans of all heaps. The difference: Node itself, buffers, and free pages that are not released.',
            queries: [
              [server('process_resident_memory_bytes'), ofServer('resident')],
              [perInstance(server('goheap_heap_inuse_bytes')), ofServer('HeapInuse of all heaps')],
            ],
          }),
        ],
      },
      {
        title: 'Work',
        panels: [
          lines({
            title: 'Objects allocated and freed',
            unit: 'ops',
            about:
              'Frees count when a sweep finds the objects, so they come in steps; over some cycles the two must be equal, or the heap grows.',
            queries: [
              [perHeap(rate(heap('go_memstats_mallocs_total'))), ofHeap('allocated')],
              [perHeap(rate(heap('go_memstats_frees_total'))), ofHeap('freed')],
            ],
          }),
          lines({
            title: 'Bytes allocated',
            unit: 'binBps',
            about:
              'The rate that drives the collector: goal less live heap, divided by it, is the time between two cycles.',
            queries: [[perHeap(rate(heap('go_gc_heap_allocs_bytes_total'))), ofHeap('allocated')]],
          }),
          lines({
            title: 'Pauses',
            unit: 's',
            about: 'How long the world stood still for a cycle: median and longest of the last 256.',
            queries: [
              [heap('go_gc_duration_seconds', 'quantile="0.5"'), ofHeap('median')],
              [heap('go_gc_duration_seconds', 'quantile="1"'), ofHeap('longest')],
            ],
          }),
          lines({
            title: 'Requests',
            unit: 'reqps',
            about:
              'Requests answered a second, by class of status. 5xx are refused for lack of memory, of a free P, or because of a bug.',
            queries: [
              [
                perInstance(rate(server('goheap_http_request_duration_seconds_count', 'status=~"2.."'))),
                ofServer('2xx'),
              ],
              [
                perInstance(rate(server('goheap_http_request_duration_seconds_count', 'status=~"4.."'))),
                ofServer('4xx'),
              ],
              [
                perInstance(rate(server('goheap_http_request_duration_seconds_count', 'status=~"5.."'))),
                ofServer('5xx'),
              ],
            ],
          }),
        ],
      },
    ],
  );
