/**
 * go_sched_*, go_sync_* and the names without a group, as client_golang shows them for a Go program.
 *
 * Names, types and helps are client_golang's, letter for letter. A goroutine is a G, a thread is an M. A metric that
 * has no meaning here is left out, with its reason (`left-out.ts`).
 */

import { PAUSES } from '../heap/heap.js';
import { GO_VERSION } from '../server/version.js';
import { allLocks } from './families-locks.js';
import { type Family, single } from './family.js';
import type { HeapView } from './view.js';

const QUANTILES = [0, 0.25, 0.5, 0.75, 1] as const;

export const GO_FAMILIES: readonly Family<HeapView>[] = [
  single(
    {
      name: 'go_goroutines',
      type: 'gauge',
      help: 'Number of goroutines that currently exist.',
      unit: 'Gs',
      from: 'HostStats.inFlight',
      advice: 'An operation that was submitted and is not answered is a G. At 4,096 the heap answers overloaded.',
    },
    ({ host }) => host.inFlight,
  ),
  single(
    {
      name: 'go_threads',
      type: 'gauge',
      help: 'Number of OS threads created.',
      unit: 'threads',
      from: 'HostStats.ps, restarts',
      advice: 'Ms ever started: one a P, and one for each that died. It rises when Ms die.',
    },
    ({ host }) => host.ps.length + host.restarts,
  ),
  {
    name: 'go_gc_duration_seconds',
    type: 'summary',
    help: 'A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.',
    labels: [],
    unit: 'seconds',
    from: 'MemStats.PauseNs, the last 256 pauses',
    advice: 'How long the heap stood still for a cycle. _sum and _count are of all cycles.',
    read: ({ mem }, out) => {
      const pauses = mem.PauseNs.slice(0, Math.min(mem.NumGC, PAUSES)).sort((a, b) => a - b);
      const at = (q: number): number => (pauses[Math.min(Math.floor(pauses.length * q), pauses.length - 1)] ?? 0) / 1e9;
      out.summary(
        QUANTILES.map((q) => [q, at(q)]),
        mem.PauseTotalNs / 1e9,
        mem.NumGC,
      );
    },
  },
  {
    name: 'go_info',
    type: 'gauge',
    help: 'Information about the Go environment.',
    labels: ['version'],
    unit: '1',
    from: 'GO_VERSION',
    advice: 'The release whose memory manager this is. No Go runtime runs here; dashboards join on this metric.',
    read: (_, out) => out.value(1, GO_VERSION),
  },
  single(
    {
      name: 'go_sched_gomaxprocs_threads',
      type: 'gauge',
      help:
        'The current runtime.GOMAXPROCS setting, or the number of operating system threads that can ' +
        'execute user-level Go code simultaneously. Sourced from /sched/gomaxprocs:threads.',
      unit: 'Ps',
      from: 'Heap.ps',
      advice: 'Fixed when the heap is created.',
    },
    ({ heap }) => heap.ps.length,
  ),
  single(
    {
      name: 'go_sched_goroutines_goroutines',
      type: 'gauge',
      help: 'Count of live goroutines. Sourced from /sched/goroutines:goroutines.',
      unit: 'Gs',
      from: 'HostStats.inFlight',
      advice: 'The same as go_goroutines.',
    },
    ({ host }) => host.inFlight,
  ),
  single(
    {
      name: 'go_sched_goroutines_runnable_goroutines',
      type: 'gauge',
      help:
        'Approximate count of goroutines ready to execute, but not executing. Not guaranteed to add up to ' +
        '/sched/goroutines:goroutines with other goroutine metrics. Sourced from ' +
        '/sched/goroutines/runnable:goroutines.',
      unit: 'Gs',
      from: 'HostStats.queued, globalQueued',
      advice: 'Gs in run queues. Rising while every P runs: the heap has too few Ps.',
    },
    ({ host }) => host.queued.reduce((a, b) => a + b, host.globalQueued),
  ),
  single(
    {
      name: 'go_sched_goroutines_running_goroutines',
      type: 'gauge',
      help:
        'Approximate count of goroutines executing. Always less than or equal to ' +
        '/sched/gomaxprocs:threads. Not guaranteed to add up to /sched/goroutines:goroutines with other ' +
        'goroutine metrics. Sourced from /sched/goroutines/running:goroutines.',
      unit: 'Gs',
      from: 'HostStats.ps',
      advice: 'Ps that run a G. At gomaxprocs for long: saturated.',
    },
    ({ host }) => host.ps.filter((p) => p.status === 'running').length,
  ),
  single(
    {
      name: 'go_sched_threads_total_threads',
      type: 'gauge',
      help:
        'The current count of live threads that are owned by the Go runtime. Sourced from ' +
        '/sched/threads/total:threads.',
      unit: 'threads',
      from: 'HostStats.ps',
      advice: 'Ms that live. Below gomaxprocs only while one is being replaced.',
    },
    ({ host }) => host.ps.filter((p) => p.status !== 'dead').length,
  ),
  single(
    {
      name: 'go_sync_mutex_wait_total_seconds_total',
      type: 'counter',
      help:
        'Approximate cumulative time goroutines have spent blocked on a sync.Mutex, sync.RWMutex, or ' +
        'runtime-internal lock. This metric is useful for identifying global changes in lock contention. ' +
        'Collect a mutex or block profile using the runtime/pprof package for more detailed contention ' +
        'data. Sourced from /sync/mutex/wait/total:seconds.',
      unit: 'seconds',
      from: 'lockStats of all locks',
      advice: "The heap's locks are what a runtime's internal locks are; the spans page tells them apart.",
    },
    ({ heap, host }) => allLocks(heap, host).reduce((n, [, l]) => n + l.waitSeconds, 0),
  ),
];
