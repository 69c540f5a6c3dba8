/**
 * The settings that change while a heap runs: GOGC and the memory limit, and who decides what they are.
 *
 * Two rows in shared memory hold them. A change writes the row that does not count and then moves H_SETTINGS on, whose parity
 * names the row that does. That one write decides: before it nothing has changed, after it all has, also if the thread dies right there.
 * What the pacer and the scavenger go by is a copy (`adopt` in pacing.ts), made in the same stop of the world, or by the recovery.
 *
 * Changed by an M that has stopped the world. Read by any thread at any time: a reader that saw H_SETTINGS move reads again, so that
 * it never sees one field of one change beside another field of another.
 */

import { G_SETTINGS, H_SETTINGS, type Heap } from '../heap/heap.js';

const ROW = 3;
const PERCENT = 0;
const LIMIT = 1;
const TICKET = 2;

export interface GcSettings {
  /** GOGC; -1: off. */
  readonly gcPercent: number;
  /** Bytes, exact up to 2^53; Infinity: off. */
  readonly memoryLimit: number;
  /** The number of the request that decided them, as the host counts; 0: none. */
  readonly ticket: number;
}

const rowAt = (h: Heap, changes: number): number => h.gcStats + G_SETTINGS + (changes & 1) * ROW;

/** What was decided last. */
export function gcSettings(h: Heap): GcSettings {
  const { m, f } = h;
  for (;;) {
    const changes = Atomics.load(m, h.mheap + H_SETTINGS);
    const at = rowAt(h, changes);
    const seen = { gcPercent: f[at + PERCENT], memoryLimit: f[at + LIMIT], ticket: f[at + TICKET] };
    if (Atomics.load(m, h.mheap + H_SETTINGS) === changes) return seen;
  }
}

/** Decides. With the world stopped, and to be followed by `adopt`. */
export function decide(h: Heap, settings: GcSettings): void {
  const { m, f } = h;
  const changes = m[h.mheap + H_SETTINGS];
  const at = rowAt(h, changes + 1);
  f[at + PERCENT] = settings.gcPercent < 0 ? -1 : settings.gcPercent;
  f[at + LIMIT] = settings.memoryLimit;
  f[at + TICKET] = settings.ticket;
  Atomics.store(m, h.mheap + H_SETTINGS, (changes + 1) | 0);
}
