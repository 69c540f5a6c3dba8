/**
 * goheap_*: how memory comes back. Sweeping finds free slots and pages; scavenging gives free pages to the operating system.
 *
 * Counts of pages are int32 in shared memory and are read as uint32: they begin anew after 32 TiB, which Prometheus takes for a
 * restart.
 */

import {
  H_PAGES_SWEPT,
  H_PAGES_SWEPT_FREED,
  H_RECLAIMED_PAGES,
  H_SCAVENGED_BG,
  H_SCAVENGED_EAGER,
  H_SCAVENGED_FORCED,
  H_SWEEP_DONE,
  T_SWEEP_NS,
} from '../heap/heap.js';
import { PAGE_SIZE } from '../heap/sizeclass.js';
import { sweepDebt } from '../heap/sweepcredit.js';
import type { Family } from './family.js';
import { byLabel, gauge, total } from './heap-family.js';
import type { HeapView } from './view.js';

const bytesOf =
  (pages: number) =>
  ({ heap }: HeapView): number =>
    (heap.scalar(pages) >>> 0) * PAGE_SIZE;

export const RECLAIM_FAMILIES: readonly Family<HeapView>[] = [
  gauge(
    'goheap_sweep_done',
    'Whether everything is swept since the last mark.',
    '0 or 1',
    'H_SWEEP_DONE',
    '0 for long: no P has time to sweep in the background. The next cycle sweeps the rest before it marks.',
    ({ heap }) => heap.scalar(H_SWEEP_DONE),
  ),
  gauge(
    'goheap_sweep_debt_pages',
    'Pages that should have been swept by now for the sweep to be over in time. Negative: it is ahead.',
    'pages of 8192 bytes',
    'sweepDebt()',
    'The next allocation that needs a span sweeps so much first. It is paid at once: above 0 for long means no refills.',
    // Once all is swept the pace means nothing, though it stays set.
    ({ heap }) => (heap.scalar(H_SWEEP_DONE) !== 0 ? 0 : sweepDebt(heap, 0)),
  ),
  gauge(
    'goheap_sweep_swept_pages',
    'Pages swept since the last mark.',
    'pages of 8192 bytes',
    'H_PAGES_SWEPT',
    'Begins at 0 with every cycle; compare with HeapInuse.',
    ({ heap }) => heap.scalar(H_PAGES_SWEPT),
  ),
  total(
    'goheap_sweep_freed_pages_total',
    'Pages of spans that a sweep found empty and gave back to the heap.',
    'pages of 8192 bytes',
    'H_PAGES_SWEPT_FREED',
    'They become HeapIdle, and what the scavenger works on.',
    ({ heap }) => heap.scalar(H_PAGES_SWEPT_FREED) >>> 0,
  ),
  total(
    'goheap_sweep_seconds_total',
    'CPU seconds of sweeping in the background, and by allocations in proportion.',
    'CPU seconds',
    'T_SWEEP_NS',
    'Not in it: the span that a refill sweeps for itself, and what a cycle still finds to sweep when it begins.',
    (v) => v.sum(T_SWEEP_NS) / 1e9,
  ),
  byLabel(
    {
      name: 'goheap_scavenged_bytes_total',
      type: 'counter',
      help: 'Bytes given back to the operating system: in the background, eagerly by allocations, or forced by a client.',
      unit: 'bytes',
      from: 'H_SCAVENGED_BG, H_SCAVENGED_EAGER, H_SCAVENGED_FORCED',
      advice: 'Eager ones make allocations wait: the heap is at GOMEMLIMIT, or grows over free pages that do not fit.',
    },
    'kind',
    [
      ['background', bytesOf(H_SCAVENGED_BG)],
      ['eager', bytesOf(H_SCAVENGED_EAGER)],
      ['forced', bytesOf(H_SCAVENGED_FORCED)],
    ],
  ),
  total(
    'goheap_reacquired_bytes_total',
    'Bytes without memory, never used or scavenged, that spans took into use.',
    'bytes',
    'H_RECLAIMED_PAGES',
    'Rising as fast as scavenged bytes: what is given back is needed again. Raise GOMEMLIMIT, or scavenge less.',
    bytesOf(H_RECLAIMED_PAGES),
  ),
];
