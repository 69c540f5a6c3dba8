/**
 * What client_golang shows for a Go program and this server does not, each with its reason.
 *
 * The table and this list together are exactly client_golang's list for Go 1.27; a test says so. A metric that would
 * always be 0 because the thing does not exist is left out, so that nobody takes the 0 for a measurement.
 */

export interface LeftOut {
  /** A metric's name; a trailing `*` stands for all that begin so. */
  readonly name: string;
  readonly reason: string;
}

const OTHER =
  'stops for anything but a cycle (check, flush, settings, reachability, a dead M) are counted and added up, with the rest, in ' +
  'goheap_world_stops_total and goheap_world_stopped_seconds_total; how long each took is not kept';

export const LEFT_OUT: readonly LeftOut[] = [
  { name: 'go_sched_pauses_stopping_other_seconds', reason: OTHER },
  { name: 'go_sched_pauses_total_other_seconds', reason: OTHER },
  {
    name: 'go_sched_latencies_seconds',
    reason: 'a G is not stamped when it becomes runnable: that would cost each one',
  },
  { name: 'go_sched_goroutines_created_goroutines_total', reason: 'see goheap_gs_run_total, which is exact' },
  { name: 'go_sched_goroutines_waiting_goroutines', reason: 'a G runs to its end: it never waits' },
  { name: 'go_sched_goroutines_not_in_go_goroutines', reason: 'Gs make no system calls and no C calls' },
  { name: 'go_gc_stack_starting_size_bytes', reason: 'there are no goroutine stacks' },
  { name: 'go_gc_cleanups_*', reason: 'there are no cleanups' },
  { name: 'go_gc_finalizers_*', reason: 'there are no finalizers' },
  { name: 'go_cgo_go_to_c_calls_calls_total', reason: 'there is no cgo' },
  { name: 'go_godebug_non_default_behavior_*', reason: 'these are switches of the Go standard library' },
];

/** Why a metric of client_golang is not shown, if it is in the list. */
export function whyLeftOut(name: string): string | undefined {
  return LEFT_OUT.find((l) => (l.name.endsWith('*') ? name.startsWith(l.name.slice(0, -1)) : l.name === name))?.reason;
}
