/** The collector and its pacer: when cycles begin, what they cost, who pays, and how the heap is swept behind them. */

import { dashboard, heap, lines, number, ofHeap, perHeap, rate, stack, states } from './kit.js';
import { GC_SHARE } from './overview.js';

const CPU: readonly (readonly [string, string])[] = [
  ['go_cpu_classes_user_cpu_seconds_total', 'requests'],
  ['go_cpu_classes_gc_mark_assist_cpu_seconds_total', 'assists'],
  ['go_cpu_classes_gc_mark_dedicated_cpu_seconds_total', 'mark workers'],
  ['go_cpu_classes_gc_mark_idle_cpu_seconds_total', 'idle marking'],
  ['go_cpu_classes_gc_pause_cpu_seconds_total', 'pauses'],
  ['go_cpu_classes_scavenge_total_cpu_seconds_total', 'scavenging'],
  ['go_cpu_classes_idle_cpu_seconds_total', 'idle'],
];

export const gc = (): object =>
  dashboard(
    'goheap-gc',
    'goheap: collector and pacer',
    'When the collector runs, what it costs and who pays for it, and what the pacer reckons with.',
    [
      {
        title: '',
        panels: [
          number({
            title: 'Since the last mark',
            unit: 's',
            about: 'Age of the last cycle. After two minutes a cycle begins because of it, unless GOGC is off.',
            queries: [[heap('goheap_gc_age_seconds'), '{{heap}}']],
          }),
          number({
            title: 'CPU for collecting',
            unit: 'percentunit',
            about: 'Share of the CPU of all Ps, without marking by idle Ps.',
            queries: [[GC_SHARE, '{{heap}}']],
          }),
          number({
            title: 'GOGC',
            unit: 'percent',
            about: 'By how much the heap may grow over what lives. Shown where it is not off.',
            queries: [[`${heap('go_gc_gogc_percent')} < 2 ^ 62`, '{{heap}}']],
          }),
          number({
            title: 'CPU limiter',
            unit: 'short',
            about:
              '1 while collecting has taken half the CPU: allocations no longer assist, and the heap grows past GOMEMLIMIT rather than stand still.',
            queries: [[heap('goheap_limiter_enabled'), '{{heap}}']],
          }),
          number({
            title: 'Scannable',
            unit: 'bytes',
            about: 'What the next mark has to look at for pointers. Marking costs in proportion.',
            queries: [[heap('go_gc_scan_total_bytes'), '{{heap}}']],
          }),
          number({
            title: 'Abandoned cycles',
            unit: 'short',
            about: 'Cycles that began anew because an M died while they marked.',
            queries: [[heap('goheap_gc_abandoned_cycles_total'), '{{heap}}']],
          }),
        ],
      },
      {
        title: 'Pacing',
        panels: [
          lines({
            title: 'Live heap, trigger and goal',
            unit: 'bytes',
            about:
              'A cycle begins when the live heap, as the pacer counts it, reaches the trigger, so as to end at the goal. Live above the goal for long: marking cannot keep up.',
            queries: [
              [heap('goheap_live_bytes'), ofHeap('live')],
              [heap('goheap_pacer_trigger_bytes'), ofHeap('trigger')],
              [heap('go_gc_heap_goal_bytes'), ofHeap('goal')],
              [heap('goheap_pacer_marked_bytes'), ofHeap('marked')],
            ],
          }),
          lines({
            title: 'Runway and last goal',
            unit: 'bytes',
            about:
              'What the pacer expects to be allocated while the next mark runs, and the goal that the last cycle had.',
            queries: [
              [heap('goheap_pacer_runway_bytes'), ofHeap('runway')],
              [heap('goheap_pacer_last_goal_bytes'), ofHeap('last goal')],
            ],
          }),
          lines({
            title: 'Cycles',
            unit: 'cps',
            about: 'Completed cycles a second: automatic ones, and those that a client asked for.',
            queries: [
              [perHeap(rate(heap('go_gc_cycles_automatic_gc_cycles_total'))), ofHeap('automatic')],
              [perHeap(rate(heap('go_gc_cycles_forced_gc_cycles_total'))), ofHeap('forced')],
            ],
          }),
          states({
            title: 'Phase',
            unit: 'short',
            about: 'Which phase each scrape found. Mark nearly always: allocations always pay for marking; raise GOGC.',
            queries: [[`${heap('goheap_gc_phase', 'phase!="off"')}`, ofHeap('{{phase}}')]],
          }),
          lines({
            title: 'Utilization in the last mark',
            unit: 'percentunit',
            about:
              'Share of the CPU that workers (25 % by design) and assists took, and what idle Ps added. Above 30 % for long: marking lives on assists.',
            min: 0,
            queries: [
              [heap('goheap_pacer_utilization_ratio'), ofHeap('workers and assists')],
              [heap('goheap_pacer_idle_utilization_ratio'), ofHeap('idle')],
            ],
          }),
          lines({
            title: 'Ratios of the pacer',
            unit: 'short',
            about:
              'Bytes allocated for each byte scanned and CPU (cons/mark), and bytes to scan for each byte allocated (assist). A rising assist ratio slows allocations down.',
            queries: [
              [heap('goheap_pacer_cons_mark_ratio'), ofHeap('cons/mark')],
              [heap('goheap_pacer_assist_ratio'), ofHeap('assist')],
            ],
          }),
        ],
      },
      {
        title: 'What it costs',
        panels: [
          stack({
            title: 'CPU by class',
            unit: 'short',
            about:
              'CPUs that the Ps of the chosen heaps spent on what. Marking by idle Ps costs no request; assists are what requests wait for.',
            queries: CPU.map(([metric, name]) => [`sum(${rate(heap(metric))})`, name]),
          }),
          stack({
            title: 'Marking by whom',
            unit: 'short',
            about: 'CPUs that mark: dedicated and fractional workers, assists, idle Ps.',
            queries: [[`sum by (kind) (${rate(heap('goheap_mark_seconds_total'))})`, '{{kind}}']],
          }),
          lines({
            title: 'Pauses',
            unit: 's',
            about: 'Stop-the-world time of a cycle, of the last 256: median, 75 % and longest.',
            queries: [
              [heap('go_gc_duration_seconds', 'quantile="0.5"'), ofHeap('median')],
              [heap('go_gc_duration_seconds', 'quantile="0.75"'), ofHeap('75 %')],
              [heap('go_gc_duration_seconds', 'quantile="1"'), ofHeap('longest')],
            ],
          }),
          lines({
            title: 'Single pauses',
            unit: 's',
            about:
              '99 of 100 pauses were shorter; the total, and the part until every P stood still. Buckets are powers of ten.',
            queries: [
              [
                `histogram_quantile(0.99, ${perHeap(rate(heap('go_sched_pauses_total_gc_seconds_bucket')), 'le')})`,
                ofHeap('total'),
              ],
              [
                `histogram_quantile(0.99, ${perHeap(rate(heap('go_sched_pauses_stopping_gc_seconds_bucket')), 'le')})`,
                ofHeap('stopping'),
              ],
            ],
          }),
          lines({
            title: 'World stopped',
            unit: 'percentunit',
            about: 'Share of the time in which the world stood still, for whatever reason.',
            min: 0,
            queries: [[perHeap(rate(heap('goheap_world_stopped_seconds_total'))), ofHeap('stopped')]],
          }),
          lines({
            title: 'Limiter',
            unit: 's',
            about:
              'CPU time of collecting in the bucket of the limiter, and what the bucket holds. At the top the limiter is on.',
            queries: [
              [heap('goheap_limiter_fill_seconds'), ofHeap('fill')],
              [heap('goheap_limiter_capacity_seconds'), ofHeap('capacity')],
            ],
          }),
        ],
      },
      {
        title: 'Marking',
        panels: [
          lines({
            title: 'Marked and scanned',
            unit: 'binBps',
            about: 'Bytes of objects that were found alive, and bytes that were looked at for pointers, a second.',
            queries: [
              [perHeap(rate(heap('goheap_mark_bytes_total'))), ofHeap('marked')],
              [perHeap(rate(heap('goheap_mark_scanned_bytes_total'))), ofHeap('scanned')],
            ],
          }),
          lines({
            title: 'Speed of marking',
            unit: 'binBps',
            about:
              'Bytes scanned for each CPU second of marking. Low: pointers jump about in memory, or there are few of them.',
            queries: [
              [
                `${perHeap(rate(heap('goheap_mark_scanned_bytes_total')))} / (${perHeap(rate(heap('goheap_mark_seconds_total')))} > 0)`,
                ofHeap('scanned'),
              ],
            ],
          }),
          lines({
            title: 'Assists',
            unit: 'binBps',
            about:
              'Bytes that allocations had to scan, and bytes scanned by workers that they took as payment. Healthy: far more taken than scanned.',
            queries: [
              [perHeap(rate(heap('goheap_assist_scanned_bytes_total'))), ofHeap('scanned')],
              [perHeap(rate(heap('goheap_assist_stolen_bytes_total'))), ofHeap('taken')],
            ],
          }),
          lines({
            title: 'Credit and debt',
            unit: 'bytes',
            about: 'Bytes scanned that no assist has taken yet, and what each P has allocated and not paid for.',
            queries: [
              [heap('goheap_assist_credit_bytes'), ofHeap('credit')],
              [heap('goheap_assist_debt_bytes'), ofHeap('debt of P {{p}}')],
            ],
          }),
          lines({
            title: 'Where marks come from',
            unit: 'ops',
            about:
              'Objects marked because a client holds them, objects whose pointers were followed, and pointers shaded by the write barrier, a second.',
            queries: [
              [perHeap(rate(heap('goheap_mark_roots_total'))), ofHeap('roots')],
              [perHeap(rate(heap('goheap_mark_scanned_objects_total'))), ofHeap('scanned')],
              [perHeap(rate(heap('goheap_mark_shaded_pointers_total'))), ofHeap('shaded')],
            ],
          }),
          lines({
            title: 'Mark queues',
            unit: 'ops',
            about:
              'Spans taken from a mark queue, and those of them that were taken from another P. Objects scanned over spans is how many a visit finds.',
            queries: [
              [perHeap(rate(heap('goheap_mark_scanned_spans_total'))), ofHeap('spans')],
              [perHeap(rate(heap('goheap_mark_stolen_spans_total'))), ofHeap('stolen')],
            ],
          }),
        ],
      },
      {
        title: 'Sweeping',
        panels: [
          lines({
            title: 'Sweep debt',
            unit: 'short',
            about:
              'Pages that should have been swept by now, so that the sweep is over before the next cycle. Negative: ahead. Above 0 for long: nobody pays.',
            queries: [[heap('goheap_sweep_debt_pages'), ofHeap('pages')]],
          }),
          lines({
            title: 'Swept since the last mark',
            unit: 'short',
            about:
              'Pages, and whether everything is swept (1). 0 for long: the Ps have no time for it and allocations do not need it.',
            queries: [
              [heap('goheap_sweep_swept_pages'), ofHeap('pages')],
              [heap('goheap_sweep_done'), ofHeap('done')],
            ],
          }),
          lines({
            title: 'CPU of sweeping',
            unit: 'short',
            about: 'CPUs that sweep, in the background and by allocations in proportion.',
            w: 24,
            queries: [[perHeap(rate(heap('goheap_sweep_seconds_total'))), ofHeap('sweeping')]],
          }),
        ],
      },
    ],
  );
