/**
 * Which plots there are, and what each of their lines is: the exact metric, what it means, how it is read off the samples.
 *
 * A table without any drawing, so that the tests can compare every name in it with the metrics that the server exports.
 */

import { bytes, percent, perSecond, seconds } from '../format.js';
import type { Cycle, Sample } from '../types.js';

export interface Line {
  label: string;
  /** The Prometheus metric that shows the same, or the expression over it. */
  metric: string;
  meaning: string;
  /** Name of a custom property. */
  colour: string;
  dash?: number[];
  /** Filled down to zero. */
  area?: boolean;
}

/** A line over samples. `before` is the sample before; null where there is none, or counters began anew. */
export interface SampleLine extends Line {
  value(now: Sample, before: Sample | null): number | null;
}

/** Marks at the beginnings of cycles. */
export interface CycleLine extends Line {
  of(cycle: Cycle): number;
}

interface PlotBase {
  id: string;
  title: string;
  /** What to look for in it. */
  info: string;
  /** The axis goes in powers of two. */
  binary?: boolean;
  format(value: number): string;
}

export type Plot = PlotBase & ({ kind: 'samples'; lines: SampleLine[] } | { kind: 'cycles'; lines: CycleLine[] });

/** How fast a counter rose between two samples. */
function rise(counter: (s: Sample) => number): SampleLine['value'] {
  return (now, before) => {
    if (before === null) return null;
    const by = counter(now) - counter(before);
    return by < 0 ? null : (by * 1000) / (now.t - before.t);
  };
}

const freedBytes = (s: Sample): number => s.totalAlloc - s.heapAlloc;
const perSecondBytes = (v: number): string => `${bytes(v)}/s`;

export const PLOTS: Plot[] = [
  {
    id: 'heap',
    title: 'Heap',
    kind: 'samples',
    binary: true,
    format: bytes,
    info:
      'A saw-tooth of the live heap below its goal is healthy: each cycle brings it down to what is reachable. A floor that ' +
      'rises from cycle to cycle is a leak. In use far above live: spans with few objects. Goal at the limit: the collector works for GOMEMLIMIT.',
    lines: [
      {
        label: 'live',
        metric: 'goheap_live_bytes',
        meaning: "the pacer's count: what was marked, and all that was cached or allocated since",
        colour: 's1',
        area: true,
        value: (s) => s.heapLive,
      },
      {
        label: 'in use',
        metric: 'go_memstats_heap_inuse_bytes',
        meaning: 'pages in spans',
        colour: 's2',
        value: (s) => s.heapInuse,
      },
      {
        label: 'goal',
        metric: 'go_gc_heap_goal_bytes',
        meaning: 'what the live heap is to stay below, until the next cycle',
        colour: 's3',
        dash: [6, 4],
        value: (s) => s.nextGC,
      },
      {
        label: 'limit',
        metric: 'go_gc_gomemlimit_bytes',
        meaning: 'GOMEMLIMIT; no line while it is off',
        colour: 's4',
        dash: [2, 3],
        value: (s) => s.memoryLimit,
      },
      {
        label: 'released',
        metric: 'go_memstats_heap_released_bytes',
        meaning: 'pages that hold no memory: never used, or scavenged',
        colour: 's6',
        value: (s) => s.heapReleased,
      },
      {
        label: 'RSS',
        metric: 'process_resident_memory_bytes',
        meaning: 'memory of the whole server process, all heaps and the JavaScript engine included',
        colour: 's5',
        value: (s) => s.rss,
      },
    ],
  },
  {
    id: 'bytes',
    title: 'Bytes allocated and freed',
    kind: 'samples',
    binary: true,
    format: perSecondBytes,
    info: 'What drives the collector is bytes allocated a second. Freed bytes come in bursts: they are counted when a sweep finds the dead, not when a root is dropped.',
    lines: [
      {
        label: 'allocated',
        metric: 'rate(go_memstats_alloc_bytes_total)',
        meaning: 'bytes of slots handed out, a second',
        colour: 's1',
        value: rise((s) => s.totalAlloc),
      },
      {
        label: 'freed',
        metric: 'rate(go_gc_heap_frees_bytes_total)',
        meaning: 'bytes of slots that sweeps took back, a second',
        colour: 's3',
        value: rise(freedBytes),
      },
    ],
  },
  {
    id: 'objects',
    title: 'Objects allocated and freed',
    kind: 'samples',
    format: perSecond,
    info: 'The same in objects. Many objects and few bytes: small ones, the work of the mcaches. Few objects and many bytes: large ones, straight from the mheap.',
    lines: [
      {
        label: 'allocated',
        metric: 'rate(go_memstats_mallocs_total)',
        meaning: 'objects allocated a second, tiny ones one by one',
        colour: 's1',
        value: rise((s) => s.mallocs),
      },
      {
        label: 'freed',
        metric: 'rate(go_memstats_frees_total)',
        meaning: 'objects that sweeps took back, a second',
        colour: 's3',
        value: rise((s) => s.frees),
      },
      {
        label: 'refills',
        metric: 'rate(goheap_refills_total)',
        meaning: 'spans that mcaches asked their mcentrals for, a second',
        colour: 's2',
        value: rise((s) => s.refills),
      },
    ],
  },
  {
    id: 'pauses',
    title: 'Pauses',
    kind: 'cycles',
    format: seconds,
    info: 'Each cycle stops the world twice. A point for each pause, where its cycle began. Both should be far below a millisecond, whatever the size of the heap.',
    lines: [
      {
        label: 'sweep termination',
        metric: 'go_gc_duration_seconds',
        meaning: 'the first pause of a cycle; the summary has the sum of both',
        colour: 's2',
        of: ({ pauses }) => pauses.sweepTermination,
      },
      {
        label: 'mark termination',
        metric: 'go_gc_pauses_seconds',
        meaning: 'the second pause; the histogram has each by itself',
        colour: 's3',
        of: ({ pauses }) => pauses.markTermination,
      },
    ],
  },
  {
    id: 'cpu',
    title: 'CPU of the collector, by class',
    kind: 'samples',
    format: (v) => `${percent(v)} of a P`,
    info:
      'How many Ps the collector takes, by what they do: 100% is one P all the time. While a cycle marks, dedicated workers take a quarter of the Ps. ' +
      'Assists mean that allocations are faster than the workers.',
    lines: [
      {
        label: 'dedicated',
        metric: 'rate(go_cpu_classes_gc_mark_dedicated_cpu_seconds_total)',
        meaning: 'marking by dedicated and fractional workers',
        colour: 's1',
        value: rise((s) => s.cpu.dedicated),
      },
      {
        label: 'assist',
        metric: 'rate(go_cpu_classes_gc_mark_assist_cpu_seconds_total)',
        meaning: 'marking that allocations had to do',
        colour: 's3',
        value: rise((s) => s.cpu.assist),
      },
      {
        label: 'idle',
        metric: 'rate(go_cpu_classes_gc_mark_idle_cpu_seconds_total)',
        meaning: 'marking by Ps that had nothing else to do: it costs no request',
        colour: 's5',
        value: rise((s) => s.cpu.idle),
      },
      {
        label: 'pauses',
        metric: 'rate(go_cpu_classes_gc_pause_cpu_seconds_total)',
        meaning: 'pauses, times the Ps',
        colour: 's2',
        value: rise((s) => s.cpu.pause),
      },
      {
        label: 'scavenge',
        metric: 'rate(go_cpu_classes_scavenge_total_cpu_seconds_total)',
        meaning: 'giving memory back to the operating system',
        colour: 's4',
        value: rise((s) => s.cpu.scavenge),
      },
    ],
  },
  {
    id: 'busy',
    title: 'Ps that wait',
    kind: 'samples',
    format: (v) => `${percent(v)} of a P`,
    info: 'How many Ps sleep because there is nothing to do. At zero the heap is saturated: more Ps, or less load. Waiting for a lock is work that helps nobody.',
    lines: [
      {
        label: 'asleep',
        metric: 'rate(go_cpu_classes_idle_cpu_seconds_total)',
        meaning: 'threads of Ps that slept: nothing to run, mark, sweep or scavenge',
        colour: 's6',
        area: true,
        value: rise((s) => s.cpu.wait),
      },
      {
        label: 'waiting for a lock',
        metric: 'rate(goheap_lock_wait_seconds_total)',
        meaning: "time that threads waited for the heap's locks",
        colour: 's3',
        value: rise((s) => s.lockWaitSeconds),
      },
    ],
  },
];

/** What the heat map shows: there is no line of it. */
export const HEATMAP = {
  title: 'Size classes',
  info:
    'A row for each size class, a column for each look. The colour says how full the spans of the class are, its strength how many spans there are ' +
    '(on a logarithmic scale). A strong pale row holds many pages for few objects: fragmentation that only new objects of that class can use. ' +
    'Read every two seconds while this tab is open.',
  metrics: [
    { metric: 'goheap_spans', meaning: 'spans by span class and by where they stand' },
    { metric: 'goheap_span_occupancy_ratio', meaning: 'allocated slots over all slots of the spans of a span class' },
  ],
};
