/** Spans and size classes: which sizes are asked for, which spans they hold, and how often the slow path is taken. */

import { bars, dashboard, heap, heat, lines, ofHeap, perHeap, rate, stack } from './kit.js';

const SERVED = ['tiny', 'mcache', 'mcentral', 'mheap', 'os'];
const bySize = (expr: string): string => `sum by (class, size) (${expr})`;

export const spans = (): object =>
  dashboard(
    'goheap-spans',
    'goheap: spans and size classes',
    'Which sizes are allocated, what their spans hold, and how deep allocations have to go.',
    [
      {
        title: 'Sizes',
        panels: [
          heat({
            title: 'Allocations by size',
            unit: 'short',
            about:
              'Slots allocated, by the upper bound of their size in bytes. A tiny block counts once for all who share it.',
            queries: [
              [`sum by (le) (increase(${heap('go_gc_heap_allocs_by_size_bytes_bucket')}[$__rate_interval]))`, '{{le}}'],
            ],
          }),
          heat({
            title: 'Frees by size',
            unit: 'short',
            about: 'The same for slots that sweeping took back. Sizes that appear on the left and never here pile up.',
            queries: [
              [`sum by (le) (increase(${heap('go_gc_heap_frees_by_size_bytes_bucket')}[$__rate_interval]))`, '{{le}}'],
            ],
          }),
          bars({
            title: 'Busiest size classes',
            unit: 'ops',
            about: 'Slots allocated a second, the ten busiest classes of the chosen heaps. Size 0 are large objects.',
            w: 8,
            queries: [[`topk(10, ${bySize(rate(heap('goheap_class_allocs_total')))})`, '{{size}} B']],
          }),
          bars({
            title: 'Objects held',
            unit: 'short',
            about: 'Slots allocated and not yet swept free, the ten largest classes. The first suspects of a leak.',
            w: 8,
            queries: [
              [
                `topk(10, ${bySize(heap('goheap_class_allocs_total'))} - ${bySize(heap('goheap_class_frees_total'))})`,
                '{{size}} B',
              ],
            ],
          }),
          bars({
            title: 'Internal fragmentation',
            unit: 'percentunit',
            about:
              'Bytes of slots that nobody asked for, the ten worst classes of what is being allocated. Ask for sizes just below a class, or for fewer, larger objects.',
            w: 8,
            min: 0,
            max: 1,
            queries: [
              [
                `topk(10, 1 - ${bySize(rate(heap('goheap_requested_bytes_total')))} / ${bySize(rate(heap('goheap_slot_bytes_total')))})`,
                '{{size}} B',
              ],
            ],
          }),
        ],
      },
      {
        title: 'Spans',
        panels: [
          stack({
            title: 'Spans by state',
            unit: 'short',
            about:
              'Where the spans of the chosen heaps stand: cached by a P, with free slots, full; unswept ones wait for the sweep of the last cycle.',
            queries: [[`sum by (state) (${heap('goheap_spans')})`, '{{state}}']],
          }),
          lines({
            title: 'Spans by size class',
            unit: 'short',
            about:
              'The ten classes with the most spans. A class that is no longer allocated from keeps its spans until they are empty.',
            queries: [[`topk(10, ${bySize(heap('goheap_spans'))})`, '{{size}} B']],
          }),
          bars({
            title: 'Emptiest span classes',
            unit: 'percentunit',
            about:
              'Allocated slots over all slots, the ten lowest classes that have spans. Low with many spans: a few survivors hold whole pages.',
            min: 0,
            max: 1,
            queries: [
              [
                `bottomk(10, min by (size, scan) (${heap('goheap_span_occupancy_ratio')} > 0))`,
                '{{size}} B, scan {{scan}}',
              ],
            ],
          }),
          lines({
            title: 'Swept spans',
            unit: 'ops',
            about:
              'Spans swept a second, and those of them that were empty and went back to the heap. Few of many: survivors are scattered over all spans.',
            h: 9,
            queries: [
              [perHeap(rate(heap('goheap_swept_spans_total'))), ofHeap('swept')],
              [perHeap(rate(heap('goheap_swept_free_spans_total'))), ofHeap('of those given back')],
            ],
          }),
        ],
      },
      {
        title: 'The path of an allocation',
        panels: [
          stack({
            title: 'Served by',
            unit: 'ops',
            about:
              'Allocations by the deepest level that they needed. tiny and mcache take no lock; mcentral takes one; mheap makes a span; os grows the heap.',
            queries: SERVED.map((level) => [`sum(${rate(heap('goheap_served_total', `level="${level}"`))})`, level]),
          }),
          lines({
            title: 'Slow path',
            unit: 'percentunit',
            about:
              'Share of allocations that needed more than the mcache. A few percent is normal; for objects above 1 KiB a span holds few, and it is more.',
            min: 0,
            queries: [
              [
                `${perHeap(rate(heap('goheap_served_total', 'level!~"tiny|mcache"')))} / ${perHeap(rate(heap('goheap_served_total')))}`,
                ofHeap('slow'),
              ],
            ],
          }),
          lines({
            title: 'Refills by size class',
            unit: 'ops',
            about: 'Times a second that an mcache had to ask for another span, the ten busiest classes.',
            queries: [[`topk(10, ${bySize(rate(heap('goheap_refills_total')))})`, '{{size}} B']],
          }),
          lines({
            title: 'Allocations per refill',
            unit: 'short',
            about:
              'How many slots a refill was good for, the ten lowest classes. Far below what a span holds: spans come back nearly full, the mcache thrashes.',
            queries: [
              [
                `bottomk(10, ${bySize(rate(heap('goheap_class_allocs_total')))} / (${bySize(rate(heap('goheap_refills_total')))} > 0))`,
                '{{size}} B',
              ],
            ],
          }),
          lines({
            title: 'New spans',
            unit: 'ops',
            about:
              'Times a second that a class took a new span from the page heap, the ten busiest. Near its refills: the class grows.',
            queries: [[`topk(10, ${bySize(rate(heap('goheap_span_grows_total')))})`, '{{size}} B']],
          }),
          lines({
            title: 'Immediate reuse',
            unit: 'ops',
            about:
              'Frees that put a slot up for reuse at once, and allocations that took such a slot. What is not taken is flushed back to its span.',
            queries: [
              [perHeap(rate(heap('goheap_immediate_frees_total'))), ofHeap('freed')],
              [perHeap(rate(heap('goheap_reused_slots_total'))), ofHeap('reused')],
            ],
          }),
          lines({
            title: 'Tiny allocations',
            unit: 'ops',
            about: 'Objects below 16 bytes without pointers that shared a block with others.',
            queries: [[perHeap(rate(heap('go_gc_heap_tiny_allocs_objects_total'))), ofHeap('tiny')]],
          }),
          lines({
            title: 'Roots dropped',
            unit: 'ops',
            about: 'Objects that clients freed. Ahead of freed objects by what waits for a cycle and its sweep.',
            queries: [
              [perHeap(rate(heap('goheap_roots_dropped_total'))), ofHeap('dropped')],
              [perHeap(rate(heap('go_gc_heap_frees_objects_total'))), ofHeap('swept free')],
            ],
          }),
        ],
      },
      {
        title: 'Caches and locks',
        panels: [
          lines({
            title: 'Slots in the mcaches',
            unit: 'short',
            about: 'Slots of the spans that each P has cached, by state. Free ones are within reach of that P alone.',
            queries: [[perHeap(heap('goheap_mcache_slots'), 'p', 'state'), ofHeap('P {{p}} {{state}}')]],
          }),
          lines({
            title: 'Spans in the mcaches',
            unit: 'short',
            about: 'Spans that each P has cached, 134 at most; and how often an mcache was emptied.',
            queries: [
              [heap('goheap_mcache_spans'), ofHeap('P {{p}}')],
              [perHeap(rate(heap('goheap_mcache_flushes_total'))), ofHeap('flushes a second')],
            ],
          }),
          lines({
            title: 'Waiting for locks',
            unit: 'short',
            about:
              'Ps that stand waiting for each lock at any time, on average. Above a tenth of GOMAXPROCS there are too many Ps for this load.',
            queries: [[perHeap(rate(heap('goheap_lock_wait_seconds_total')), 'lock'), ofHeap('{{lock}}')]],
          }),
          lines({
            title: 'Contention',
            unit: 'percentunit',
            about: 'Share of the takers of a lock that found it held.',
            min: 0,
            queries: [
              [
                `${perHeap(rate(heap('goheap_lock_contended_total')), 'lock')} / (${perHeap(rate(heap('goheap_lock_acquisitions_total')), 'lock')} > 0)`,
                ofHeap('{{lock}}'),
              ],
            ],
          }),
          lines({
            title: 'Contended size classes',
            unit: 'ops',
            about:
              'Takers a second that had to wait for the lock of one mcentral, the ten worst classes. One far above the others: all Ps refill from it.',
            w: 24,
            queries: [[`topk(10, ${bySize(rate(heap('goheap_mcentral_lock_contended_total')))})`, '{{size}} B']],
          }),
        ],
      },
    ],
  );
