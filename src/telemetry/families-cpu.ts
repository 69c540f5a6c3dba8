/**
 * go_cpu_classes_*: where the CPU time of the Ps went, in classes that add up to the total.
 *
 * Names, types and helps are client_golang's, letter for letter. What is counted where, and why no class ever falls, is told in
 * `gc/cpustats.ts`.
 */

import { type Family, single } from './family.js';
import type { HeapView } from './view.js';

export const CPU_FAMILIES: readonly Family<HeapView>[] = [
  single(
    {
      name: 'go_cpu_classes_gc_mark_assist_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time goroutines spent performing GC tasks to assist the GC and prevent it from ' +
        'falling behind the application. This metric is an overestimate, and not directly comparable to ' +
        'system CPU time measurements. Compare only with other /cpu/classes metrics. Sourced from ' +
        '/cpu/classes/gc/mark/assist:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'T_ASSIST_NS',
      advice: 'Allocations that had to mark. High: they come faster than the workers mark. Raise GOGC, or GOMEMLIMIT.',
    },
    ({ cpu }) => cpu.assist / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_gc_mark_dedicated_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent performing GC tasks on processors (as defined by GOMAXPROCS) ' +
        'dedicated to those tasks. This metric is an overestimate, and not directly comparable to system ' +
        'CPU time measurements. Compare only with other /cpu/classes metrics. Sourced from ' +
        '/cpu/classes/gc/mark/dedicated:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'T_DEDICATED_NS, T_FRACTIONAL_NS',
      advice: "The workers' 25% while a mark is on; fractional workers included, as in Go.",
    },
    ({ cpu }) => cpu.dedicated / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_gc_mark_idle_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent performing GC tasks on spare CPU resources that the Go scheduler ' +
        'could not otherwise find a use for. This should be subtracted from the total GC CPU time to obtain ' +
        'a measure of compulsory GC CPU time. This metric is an overestimate, and not directly comparable ' +
        'to system CPU time measurements. Compare only with other /cpu/classes metrics. Sourced from ' +
        '/cpu/classes/gc/mark/idle:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'T_IDLE_NS',
      advice: 'Marking on Ps that had nothing else to do: it costs no request.',
    },
    ({ cpu }) => cpu.idleMark / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_gc_pause_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent with the application paused by the GC. Even if only one thread is ' +
        'running during the pause, this is computed as GOMAXPROCS times the pause latency because nothing ' +
        'else can be executing. This is the exact sum of samples in /sched/pauses/total/gc:seconds if each ' +
        'sample is multiplied by GOMAXPROCS at the time it is taken. This metric is an overestimate, and ' +
        'not directly comparable to system CPU time measurements. Compare only with other /cpu/classes ' +
        'metrics. Sourced from /cpu/classes/gc/pause:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'Y_PAUSE_CPU_NS',
      advice: 'Pauses times GOMAXPROCS.',
    },
    ({ cpu }) => cpu.pause / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_gc_total_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent performing GC tasks. This metric is an overestimate, and not ' +
        'directly comparable to system CPU time measurements. Compare only with other /cpu/classes metrics. ' +
        'Sum of all metrics in /cpu/classes/gc. Sourced from /cpu/classes/gc/total:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'the four above',
      advice: 'Over total, less gc_mark_idle: what collecting costs. Above some percent, raise GOGC.',
    },
    ({ cpu }) => cpu.gc / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_idle_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total available CPU time not spent executing any Go or Go runtime code. In other words, ' +
        'the part of /cpu/classes/total:cpu-seconds that was unused. This metric is an overestimate, and ' +
        'not directly comparable to system CPU time measurements. Compare only with other /cpu/classes ' +
        'metrics. Sourced from /cpu/classes/idle:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'T_WAIT_NS',
      advice: 'The M slept: nothing to run, to mark, to sweep, to scavenge. Ps that sleep now are counted up to now.',
    },
    ({ cpu }) => cpu.idle / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_scavenge_assist_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent returning unused memory to the underlying platform in response ' +
        'eagerly to memory pressure. This metric is an overestimate, and not directly comparable to system ' +
        'CPU time measurements. Compare only with other /cpu/classes metrics. Sourced from ' +
        '/cpu/classes/scavenge/assist:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'T_SCAVENGE_ASSIST_NS',
      advice: 'Allocations that had to release memory. High: the heap lives at GOMEMLIMIT.',
    },
    ({ cpu }) => cpu.scavengeAssist / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_scavenge_background_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent performing background tasks to return unused memory to the ' +
        'underlying platform. This metric is an overestimate, and not directly comparable to system CPU ' +
        'time measurements. Compare only with other /cpu/classes metrics. Sourced from ' +
        '/cpu/classes/scavenge/background:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'T_SCAVENGE_NS',
      advice: 'Aims at 1% of the CPU.',
    },
    ({ cpu }) => cpu.scavengeBackground / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_scavenge_total_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent performing tasks that return unused memory to the underlying ' +
        'platform. This metric is an overestimate, and not directly comparable to system CPU time ' +
        'measurements. Compare only with other /cpu/classes metrics. Sum of all metrics in ' +
        '/cpu/classes/scavenge. Sourced from /cpu/classes/scavenge/total:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'the two above',
      advice: 'What giving memory back costs.',
    },
    ({ cpu }) => cpu.scavenge / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_total_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total available CPU time for user Go code or the Go runtime, as defined by GOMAXPROCS. ' +
        'In other words, GOMAXPROCS integrated over the wall-clock duration this process has been executing ' +
        'for. This metric is an overestimate, and not directly comparable to system CPU time measurements. ' +
        'Compare only with other /cpu/classes metrics. Sum of all metrics in /cpu/classes. Sourced from ' +
        '/cpu/classes/total:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'gc + scavenge + idle + user',
      advice: 'GOMAXPROCS times the age of the heap.',
    },
    ({ cpu }) => cpu.total / 1e9,
  ),
  single(
    {
      name: 'go_cpu_classes_user_cpu_seconds_total',
      type: 'counter',
      help:
        'Estimated total CPU time spent running user Go code. This may also include some small amount of ' +
        'time spent in the Go runtime. This metric is an overestimate, and not directly comparable to ' +
        'system CPU time measurements. Compare only with other /cpu/classes metrics. Sourced from ' +
        '/cpu/classes/user:cpu-seconds.',
      unit: 'CPU seconds',
      from: 'total - gc - scavenge - idle',
      advice: 'Requests, sweeping, the scheduler. What is under way is counted here until it is over.',
    },
    ({ cpu }) => cpu.user / 1e9,
  ),
];
