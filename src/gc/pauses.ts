/**
 * Histograms of the collector's pauses: Go's /sched/pauses/total/gc (from "stopping" to "started") and /sched/pauses/stopping/gc (until every P
 * stood still). With the world stopped, one pause at a time.
 */

import type { Heap } from '../heap/heap.js';
import { HISTOGRAMS_AT } from './state.js';
import { recordTime, TIME_HISTOGRAM_WORDS } from './timehistogram.js';

/** Where the histograms begin in the heap's doubles. */
export const totalPauses = (h: Heap): number => h.pacer + HISTOGRAMS_AT;
export const stoppingPauses = (h: Heap): number => h.pacer + HISTOGRAMS_AT + TIME_HISTOGRAM_WORDS;

/** Records one pause, in ns. */
export function pausesOf(h: Heap, total: number, stopping: number): void {
  recordTime(h.f, totalPauses(h), Math.max(0, Math.round(total)));
  recordTime(h.f, stoppingPauses(h), Math.max(0, Math.round(stopping)));
}
