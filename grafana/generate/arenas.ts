/** Arenas and pages: address space, pages by state, what is given back to the operating system and taken again. */

import { bars, dashboard, heap, lines, number, ofHeap, perHeap, rate, stack } from './kit.js';

const PAGE = 8192;

export const arenas = (): object =>
  dashboard(
    'goheap-arenas',
    'goheap: arenas and pages',
    'Where pages are, what is free, what was given back to the operating system, and how near the end of the reservation is.',
    [
      {
        title: '',
        panels: [
          number({
            title: 'Reservation used',
            unit: 'percentunit',
            about:
              'HeapInuse over the address space of the heap. At 1 an allocation that needs pages is refused with 507.',
            w: 6,
            queries: [
              [
                `${perHeap(heap('go_memstats_heap_inuse_bytes'))} / ${perHeap(heap('goheap_reservation_bytes'))}`,
                '{{heap}}',
              ],
            ],
          }),
          number({
            title: 'HeapSys',
            unit: 'bytes',
            about: 'Address space that the heap has grown into. Never falls.',
            w: 6,
            queries: [[heap('go_memstats_heap_sys_bytes'), '{{heap}}']],
          }),
          number({
            title: 'Free and not released',
            unit: 'bytes',
            about:
              'Pages without a span that still hold memory. The scavenger gives back what is more than the next cycles need.',
            w: 6,
            queries: [[heap('go_memory_classes_heap_free_bytes'), '{{heap}}']],
          }),
          number({
            title: 'Most ever in use',
            unit: 'bytes',
            about: 'The peak of HeapInuse: what the reservation has to hold.',
            w: 6,
            queries: [[heap('goheap_peak_inuse_bytes'), '{{heap}}']],
          }),
        ],
      },
      {
        title: 'Pages',
        panels: [
          stack({
            title: 'Pages by state',
            unit: 'bytes',
            about:
              'Pages of 8 KiB in a span, free, or free and released, of all chosen heaps. The three sums are HeapInuse, HeapIdle less HeapReleased, and HeapReleased.',
            queries: [[`${PAGE} * sum by (state) (${heap('goheap_arena_pages')})`, '{{state}}']],
          }),
          lines({
            title: 'Heap, reservation and peak',
            unit: 'bytes',
            about: 'How far the heap is from the end of its address space.',
            queries: [
              [heap('go_memstats_heap_inuse_bytes'), ofHeap('in use')],
              [heap('go_memstats_heap_sys_bytes'), ofHeap('HeapSys')],
              [heap('goheap_peak_inuse_bytes'), ofHeap('peak')],
              [heap('goheap_reservation_bytes'), ofHeap('reservation')],
            ],
          }),
          bars({
            title: 'Arenas by use',
            unit: 'percentunit',
            about:
              'Share of the pages of an arena that belong to spans, the 16 fullest. Addresses fill from arena 0 up; high arenas with little in them are fragmentation of address space.',
            min: 0,
            max: 1,
            queries: [
              [
                `topk(16, ${perHeap(heap('goheap_arena_pages', 'state="in_use"'), 'arena')} / ${perHeap(heap('goheap_arena_pages'), 'arena')})`,
                ofHeap('arena {{arena}}'),
              ],
            ],
          }),
          lines({
            title: 'Growth',
            unit: 'ops',
            about:
              'Times a second that the heap took more of its reservation: 4 MiB each, or what a large object needs.',
            h: 9,
            queries: [[perHeap(rate(heap('goheap_heap_grows_total'))), ofHeap('grows')]],
          }),
        ],
      },
      {
        title: 'Give and take',
        panels: [
          stack({
            title: 'Scavenged',
            unit: 'binBps',
            about:
              'Bytes a second given back to the operating system. Eager ones make an allocation wait: the heap is at its memory limit.',
            queries: [[`sum by (kind) (${rate(heap('goheap_scavenged_bytes_total'))})`, '{{kind}}']],
          }),
          lines({
            title: 'Taken back',
            unit: 'binBps',
            about:
              'Bytes a second without memory that spans took into use. As fast as scavenging: what is given back is needed again. Raise GOMEMLIMIT, or scavenge less.',
            queries: [
              [perHeap(rate(heap('goheap_reacquired_bytes_total'))), ofHeap('taken back')],
              [perHeap(rate(heap('goheap_scavenged_bytes_total'))), ofHeap('scavenged')],
            ],
          }),
          lines({
            title: 'Idle and released',
            unit: 'bytes',
            about:
              'Pages without a span, and those of them that hold no memory. The gap is what the process holds for nothing.',
            queries: [
              [heap('go_memstats_heap_idle_bytes'), ofHeap('idle')],
              [heap('go_memstats_heap_released_bytes'), ofHeap('released')],
            ],
          }),
          lines({
            title: 'Page caches',
            unit: 'short',
            about: 'Free pages that each P may take without the heap lock, 64 at most. They count as free.',
            queries: [[heap('goheap_page_cache_pages'), ofHeap('P {{p}}')]],
          }),
          lines({
            title: 'Pages freed by sweeping',
            unit: 'binBps',
            about:
              'Bytes a second of spans that a sweep found empty: what becomes free, and what the scavenger works on.',
            queries: [[`${PAGE} * ${perHeap(rate(heap('goheap_sweep_freed_pages_total')))}`, ofHeap('freed')]],
          }),
          stack({
            title: 'Metadata',
            unit: 'bytes',
            about: 'What the heap needs besides its pages, counted with the sizes of the structures of Go.',
            queries: [
              [`sum(${heap('go_memory_classes_metadata_mspan_inuse_bytes')})`, 'mspan'],
              [`sum(${heap('go_memory_classes_metadata_mspan_free_bytes')})`, 'mspan, free'],
              [`sum(${heap('go_memory_classes_metadata_mcache_inuse_bytes')})`, 'mcache'],
              [`sum(${heap('go_memory_classes_metadata_mcache_free_bytes')})`, 'mcache, free'],
              [`sum(${heap('go_memory_classes_metadata_other_bytes')})`, 'arenas'],
            ],
          }),
        ],
      },
    ],
  );
