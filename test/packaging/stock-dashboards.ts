/**
 * What the well-known dashboards for Go programs ask, query by query, as facts about them: the metrics, the functions, the
 * selectors. A heap has to answer as a Go program would.
 *
 * In a selector stands what the dashboard has there: `job` and `instance` are chosen by the user from label_values(go_goroutines, job)
 * or go_info; `namespace` and `pod` are Kubernetes', and where nobody sets them Grafana replaces the variables by nothing, which
 * matches series without these labels.
 */

export interface StockDashboard {
  /** Its number at grafana.com, or where it comes from. */
  readonly id: string;
  readonly title: string;
  readonly variables: readonly string[];
  readonly queries: readonly string[];
  /** Queries that no program of today answers, and why. */
  readonly unanswered?: Readonly<Record<string, string>>;
}

const POD = '{namespace="$namespace",pod=~"$pod"}';
/** As 6671 writes it. */
const PODS = '{namespace=~"^($namespace)$",pod=~"^($pod)$"}';
const JOB = '{job="$job",instance=~"$instance"}';

const LOOKUPS =
  'client_golang removed go_memstats_lookups_total in v1.20 (pull request 1577), for it was always 0 since Go 1.9: no Go program has it';

/** 10826 and 13240 ask the same, with other selectors. */
const goMetrics = (s: string): string[] => [
  ...[
    'mspan_inuse_bytes',
    'mspan_sys_bytes',
    'mcache_inuse_bytes',
    'mcache_sys_bytes',
    'buck_hash_sys_bytes',
    'gc_sys_bytes',
    'next_gc_bytes',
    'heap_alloc_bytes',
    'heap_sys_bytes',
    'heap_idle_bytes',
    'heap_inuse_bytes',
    'heap_released_bytes',
    'stack_inuse_bytes',
    'stack_sys_bytes',
    'sys_bytes',
  ].map((name) => `go_memstats_${name}${s}`),
  `go_memstats_other_sys_bytes${s} - go_memstats_other_sys_bytes${s}`,
  `go_memstats_mallocs_total${s} - go_memstats_frees_total${s}`,
  `rate(go_memstats_mallocs_total${s}[1m])`,
  `rate(go_memstats_lookups_total${s}[1m])`,
  `rate(go_memstats_alloc_bytes_total${s}[1m])`,
  `go_goroutines${s}`,
  `go_gc_duration_seconds${s}`,
];

/** 14061 is the mixin as published; the mixin itself narrows it to instances. */
const runtimeMixin = (s: string): string[] => {
  const average = [
    'sys_bytes',
    'stack_sys_bytes',
    'mspan_sys_bytes',
    'mcache_sys_bytes',
    'buck_hash_sys_bytes',
    'gc_sys_bytes',
    'heap_sys_bytes',
    'heap_inuse_bytes',
    'heap_alloc_bytes',
    'heap_idle_bytes',
    'heap_released_bytes',
    'next_gc_bytes',
  ].map((name) => `avg by (job)(go_memstats_${name}${s})`);
  const within = s.slice(1);
  return [
    ...average,
    `avg by (job)(rate(go_memstats_alloc_bytes_total${s}[$__rate_interval]))`,
    `rate(go_memstats_mallocs_total${s}[$__rate_interval])`,
    `avg by(job)(go_memstats_mallocs_total${s} - go_memstats_frees_total${s})`,
    `avg by (job)(go_goroutines${s})`,
    `avg by (job)(go_gc_duration_seconds{quantile="0", ${within})`,
    `avg by (job)(go_gc_duration_seconds{quantile="1", ${within})`,
  ];
};

export const STOCK: readonly StockDashboard[] = [
  {
    id: '6671',
    title: 'Go Processes',
    variables: ['label_values(go_memstats_alloc_bytes, namespace)', 'label_values(process_resident_memory_bytes, pod)'],
    queries: [
      `process_resident_memory_bytes${PODS}`,
      `process_virtual_memory_bytes${PODS}`,
      `rate(process_resident_memory_bytes${PODS}[$interval])`,
      `deriv(process_virtual_memory_bytes${PODS}[$interval])`,
      `go_memstats_alloc_bytes${PODS}`,
      `rate(go_memstats_alloc_bytes_total${PODS}[30s])`,
      `go_memstats_stack_inuse_bytes${PODS}`,
      `go_memstats_heap_inuse_bytes${PODS}`,
      `deriv(go_memstats_alloc_bytes${PODS}[$interval])`,
      `rate(go_memstats_alloc_bytes_total${PODS}[$interval])`,
      `deriv(go_memstats_stack_inuse_bytes${PODS}[$interval])`,
      `deriv(go_memstats_heap_inuse_bytes${PODS}[$interval])`,
      `process_open_fds${PODS}`,
      `deriv(process_open_fds${PODS}[$interval])`,
      `go_goroutines${PODS}`,
      `go_gc_duration_seconds${PODS}`,
    ],
  },
  {
    id: '10826',
    title: 'Go Metrics',
    variables: ['label_values(go_goroutines, namespace)', 'label_values(go_goroutines{namespace="$namespace"}, pod)'],
    queries: goMetrics(POD),
    unanswered: { go_memstats_lookups_total: LOOKUPS },
  },
  {
    id: '13240',
    title: 'Go Metrics, by job and instance',
    variables: ['label_values(go_goroutines, job)', 'label_values(go_goroutines{job="$job"}, instance)'],
    queries: goMetrics(JOB),
    unanswered: { go_memstats_lookups_total: LOOKUPS },
  },
  {
    id: '14061',
    title: 'Go Runtime',
    variables: ['label_values(go_info, job)'],
    queries: runtimeMixin('{job="$job"}'),
  },
  {
    id: 'go-runtime mixin',
    title: 'Go runtime metrics (grafana/jsonnet-libs)',
    variables: ['label_values(go_info, job)', 'label_values(go_info{job="$job"}, instance)'],
    // In its file three queries ask for the job `tns_app`, its author's own; here they ask for $job, as in 14061.
    queries: runtimeMixin(JOB),
  },
];
