/**
 * goheap_*: the collector at work. What a mark did and who did it, what allocations paid, what the pacer reckons with.
 *
 * Counters are sums over the Ps since the heap was made; they count during a mark, not only when it is over. What the pacer
 * says of the last mark stays until the next one ends.
 */

import { L_CAPACITY, L_FILL } from '../gc/limiter.js';
import {
  C_ASSIST_WORK_PER_BYTE,
  C_CONS_MARK,
  C_HEAP_MARKED,
  C_IDLE_UTILIZATION,
  C_LAST_HEAP_GOAL,
  C_RUNWAY,
  C_UTILIZATION,
} from '../gc/pacer.js';
import { CYCLE_AT, limiterOf, Y_LAST_GC_NS, Y_MARKED } from '../gc/state.js';
import {
  GcPhase,
  H_ABANDONED,
  H_BG_CREDIT,
  H_GC_PHASE,
  H_LIMITED,
  P_ASSIST_DEBT,
  T_ASSIST_NS,
  T_ASSIST_STOLEN,
  T_ASSIST_WORK,
  T_ASSISTS,
  T_DEDICATED_NS,
  T_FRACTIONAL_NS,
  T_IDLE_NS,
  T_MARKED,
  T_OBJECTS_SCANNED,
  T_ROOTS_MARKED,
  T_SCAN_WORK,
  T_SHADED,
  T_SPANS_SCANNED,
  T_STOLEN_SPANS,
  T_UNLINKED,
} from '../heap/heap.js';
import type { Family } from './family.js';
import { byLabel, gauge, perP, total } from './heap-family.js';
import type { HeapView } from './view.js';

/** A number that the pacer keeps. */
const paced =
  (which: number) =>
  ({ pacer }: HeapView): number =>
    pacer.f[pacer.at + which];

const isPhase =
  (phase: number) =>
  ({ heap }: HeapView): number =>
    heap.scalar(H_GC_PHASE) === phase ? 1 : 0;

const secondsOf =
  (counter: number) =>
  (view: HeapView): number =>
    view.sum(counter) / 1e9;

const limited =
  (which: number) =>
  ({ heap }: HeapView): number =>
    heap.f[limiterOf(heap).at + which];

/**
 * During a mark T_MARKED counts the free slots of cached spans too, for they are black, and takes them back at its end: what is told is the
 * sum as of the last end. Marking turns on before the counter moves and off after: off twice, and it stood still in between.
 */
function markedBytes(view: HeapView): number {
  const { heap } = view;
  const before = heap.scalar(H_GC_PHASE);
  const sum = view.sum(T_MARKED);
  const still = before === GcPhase.off && heap.scalar(H_GC_PHASE) === GcPhase.off;
  return still ? sum : heap.f[heap.pacer + CYCLE_AT + Y_MARKED];
}

const MARK_FAMILIES: readonly Family<HeapView>[] = [
  byLabel(
    {
      name: 'goheap_gc_phase',
      type: 'gauge',
      help: 'Phase of the collector: 1 for the one it is in, 0 for the others.',
      unit: '0 or 1',
      from: 'H_GC_PHASE',
      advice: 'avg_over_time of mark is the share of time in which allocations pay for marking. Near 1: raise GOGC.',
    },
    'phase',
    [
      ['off', isPhase(GcPhase.off)],
      ['mark', isPhase(GcPhase.mark)],
      ['mark_termination', isPhase(GcPhase.markTermination)],
    ],
  ),
  gauge(
    'goheap_gc_age_seconds',
    'Seconds since the last mark ended, or since the heap was made.',
    'seconds',
    'Y_LAST_GC_NS',
    'Above 120 a cycle is begun because of it, unless GOGC is off or the heap is empty.',
    ({ heap }) => (heap.now() - heap.f[heap.pacer + CYCLE_AT + Y_LAST_GC_NS]) / 1e9,
  ),
  total(
    'goheap_gc_abandoned_cycles_total',
    'Cycles given up because an M died while they marked.',
    'cycles',
    'H_ABANDONED',
    'Each began anew. Follows goheap_thread_restarts_total.',
    ({ heap }) => heap.scalar(H_ABANDONED),
  ),
  byLabel(
    {
      name: 'goheap_mark_seconds_total',
      type: 'counter',
      help: 'CPU seconds of marking, by who did it.',
      unit: 'CPU seconds',
      from: 'T_ASSIST_NS, T_DEDICATED_NS, T_FRACTIONAL_NS, T_IDLE_NS',
      advice: 'Assists are what requests wait for; dedicated and fractional workers are to have 25%; idle is free.',
    },
    'kind',
    [
      ['assist', secondsOf(T_ASSIST_NS)],
      ['dedicated', secondsOf(T_DEDICATED_NS)],
      ['fractional', secondsOf(T_FRACTIONAL_NS)],
      ['idle', secondsOf(T_IDLE_NS)],
    ],
  ),
  total(
    'goheap_mark_bytes_total',
    'Bytes of the objects that marks found, or that were allocated during them, in slots.',
    'bytes',
    'T_MARKED',
    'Its increase by one cycle is go_gc_heap_live_bytes. A mark that is under way is not in it.',
    markedBytes,
  ),
  total(
    'goheap_mark_scanned_bytes_total',
    'Bytes that marking looked at for pointers.',
    'bytes',
    'T_SCAN_WORK',
    'Over goheap_mark_seconds_total: the speed of marking. Far below marked bytes: most objects have no pointers.',
    (v) => v.sum(T_SCAN_WORK),
  ),
  total(
    'goheap_mark_scanned_objects_total',
    'Objects whose pointers were followed.',
    'objects',
    'T_OBJECTS_SCANNED',
    'Objects without pointers are marked, never scanned.',
    (v) => v.sum(T_OBJECTS_SCANNED),
  ),
  total(
    'goheap_mark_scanned_spans_total',
    'Spans taken from a mark queue.',
    'spans',
    'T_SPANS_SCANNED',
    'Scanned objects over it: how many a visit finds. Near 1, marking jumps about in memory.',
    (v) => v.sum(T_SPANS_SCANNED),
  ),
  total(
    'goheap_mark_stolen_spans_total',
    "Spans taken from another P's mark queue.",
    'spans',
    'T_STOLEN_SPANS',
    'Part of scanned spans. High: one P finds the work, the others help.',
    (v) => v.sum(T_STOLEN_SPANS),
  ),
  total(
    'goheap_mark_roots_total',
    'Objects marked because a client holds them.',
    'objects',
    'T_ROOTS_MARKED',
    'The other marked objects were found through pointers, or shaded.',
    (v) => v.sum(T_ROOTS_MARKED),
  ),
  total(
    'goheap_mark_shaded_pointers_total',
    'Pointers to the heap that the write barrier shaded: those overwritten, and those stored, during a mark.',
    'pointers',
    'T_SHADED',
    'What writing costs while a mark is on. 0: nobody writes pointers.',
    (v) => v.sum(T_SHADED),
  ),
  total(
    'goheap_unlinked_pointers_total',
    'Pointers that were overwritten by something else.',
    'pointers',
    'T_UNLINKED',
    'What they pointed to may be garbage: a sweep that is asked for marks first if this, or roots dropped, has moved.',
    (v) => v.sum(T_UNLINKED),
  ),
];

const ASSIST_FAMILIES: readonly Family<HeapView>[] = [
  total(
    'goheap_assists_total',
    'Times an allocation had a debt to pay by marking.',
    'times',
    'T_ASSISTS',
    'Some are paid from credit alone: see the stolen bytes.',
    (v) => v.sum(T_ASSISTS),
  ),
  total(
    'goheap_assist_scanned_bytes_total',
    'Bytes that assists scanned.',
    'bytes',
    'T_ASSIST_WORK',
    'Part of goheap_mark_scanned_bytes_total. Most of it: allocations do the marking; raise GOGC.',
    (v) => v.sum(T_ASSIST_WORK),
  ),
  total(
    'goheap_assist_stolen_bytes_total',
    'Bytes scanned by workers that assists took as payment.',
    'bytes',
    'T_ASSIST_STOLEN',
    'Assists that cost nothing. Healthy if far above what assists scan.',
    (v) => v.sum(T_ASSIST_STOLEN),
  ),
  gauge(
    'goheap_assist_credit_bytes',
    'Bytes scanned by workers that no assist has taken. Between marks: what the last one left.',
    'bytes',
    'H_BG_CREDIT',
    '0 during a mark: the next allocation has to scan for itself.',
    ({ heap }) => heap.scalar(H_BG_CREDIT) * 8,
  ),
  perP(
    {
      name: 'goheap_assist_debt_bytes',
      type: 'gauge',
      help: 'Bytes that a P allocated during the mark and has not paid for. Negative: it has paid ahead.',
      unit: 'bytes',
      from: 'P_ASSIST_DEBT',
      advice: 'Times the assist ratio it is what its next allocation scans, 64 KiB at least.',
    },
    ({ heap }, p) => heap.m[heap.ps[p].at + P_ASSIST_DEBT] * 8,
  ),
];

const PACER_FAMILIES: readonly Family<HeapView>[] = [
  gauge(
    'goheap_pacer_trigger_bytes',
    'Size of the heap, as goheap_live_bytes counts it, at which the next cycle begins.',
    'bytes',
    'Pacer.trigger()',
    'Between 70% and 95% of the way from what was marked to the goal, or later, within 4 MiB of it.',
    ({ pacer }) => pacer.trigger(),
  ),
  gauge(
    'goheap_pacer_runway_bytes',
    'What the pacer expects to be allocated while the next mark runs.',
    'bytes',
    'C_RUNWAY',
    'The trigger is that far before the goal, within its bounds. Large: marking is slow for this rate of allocation.',
    paced(C_RUNWAY),
  ),
  gauge(
    'goheap_pacer_last_goal_bytes',
    'Goal of the last cycle, as of its end; 0 before the first.',
    'bytes',
    'C_LAST_HEAP_GOAL',
    'What the heap was at the end of that mark should be below it.',
    paced(C_LAST_HEAP_GOAL),
  ),
  gauge(
    'goheap_pacer_marked_bytes',
    'What the pacer takes for the live heap: bytes marked by the last cycle.',
    'bytes',
    'C_HEAP_MARKED',
    'GOGC is a percentage of it. The same as go_gc_heap_live_bytes.',
    paced(C_HEAP_MARKED),
  ),
  gauge(
    'goheap_pacer_cons_mark_ratio',
    'Bytes allocated for each byte scanned, per CPU time of either: the largest of the last five cycles that could be measured.',
    'ratio',
    'C_CONS_MARK',
    'Times what there is to scan it makes the runway. 0: no cycle has had both, allocations and something to scan.',
    paced(C_CONS_MARK),
  ),
  gauge(
    'goheap_pacer_assist_ratio',
    'Bytes that each allocated byte costs in scanning, in the mark under way or in the last one.',
    'bytes scanned for each byte allocated',
    'C_ASSIST_WORK_PER_BYTE',
    'Rising during a mark: it falls behind, and allocations are slowed down.',
    paced(C_ASSIST_WORK_PER_BYTE),
  ),
  gauge(
    'goheap_pacer_utilization_ratio',
    'Share of the CPU that assists took during the last mark, and the 25% that workers are to take.',
    '0 to 1',
    'C_UTILIZATION',
    'Above 0.3 for long: marking lives on assists.',
    paced(C_UTILIZATION),
  ),
  gauge(
    'goheap_pacer_idle_utilization_ratio',
    'Share of the CPU that idle workers took during the last mark.',
    '0 to 1',
    'C_IDLE_UTILIZATION',
    'CPU that nobody asked for.',
    paced(C_IDLE_UTILIZATION),
  ),
  gauge(
    'goheap_limiter_enabled',
    'Whether the CPU limiter is on, so that there are no assists and no scavenging by allocations.',
    '0 or 1',
    'H_LIMITED',
    '1: collecting takes half the CPU or more. The heap grows past GOMEMLIMIT rather than stand still.',
    ({ heap }) => heap.scalar(H_LIMITED),
  ),
  gauge(
    'goheap_limiter_fill_seconds',
    "CPU time of collecting in the limiter's bucket, which the mutator's drains.",
    'CPU seconds',
    'L_FILL',
    'At the capacity the limiter is on. Looked at every 10 ms, while some P is awake.',
    (v) => limited(L_FILL)(v) / 1e9,
  ),
  gauge(
    'goheap_limiter_capacity_seconds',
    'CPU time that the bucket of the limiter holds.',
    'CPU seconds',
    'L_CAPACITY',
    'One second for each P.',
    (v) => limited(L_CAPACITY)(v) / 1e9,
  ),
];

export const COLLECTOR_FAMILIES: readonly Family<HeapView>[] = [
  ...MARK_FAMILIES,
  ...ASSIST_FAMILIES,
  ...PACER_FAMILIES,
];
