/**
 * Assists: an allocation that is made while a mark is on pays for itself by marking, so that the mark ends before the heap reaches its goal.
 *
 * What a P allocates is its debt, in bytes; the pacer says how many bytes of scanning each of them costs. The debt is paid from what the
 * background workers have scanned ahead (credit) and, if that does not do, by scanning, at least 64 KiB at a time. In Go the debt is
 * the goroutine's and is taken for each object; here it is the P's and is taken for each span of slots, when it is cached, and paid
 * before the P's next allocation.
 *
 * No assists while the CPU limiter is on.
 */

import {
  H_BG_CREDIT,
  H_LIMITED,
  type Heap,
  type P,
  P_ASSIST_DEBT,
  T_ASSIST_NS,
  T_ASSIST_STOLEN,
  T_ASSIST_WORK,
  T_ASSISTS,
} from '../heap/heap.js';
import { unpausedNow } from './cpustats.js';
import { drain } from './cycle.js';
import { C_ASSIST_BYTES_PER_WORK, C_ASSIST_WORK_PER_BYTE } from './pacer.js';
import { isLimited, refresh } from './pacing.js';
import { pacerOf } from './state.js';

/** Bytes that an assist scans at least: it is not worth beginning for less. */
const LEAST_WORK = 64 << 10;

/** Pays this P's debt. False when there was a debt and nothing to scan for it. */
export function assist(h: Heap, p: P): boolean {
  const { m, f } = h;
  const debt = m[p.at + P_ASSIST_DEBT] * 8;
  if (debt <= 0 || m[h.mheap + H_LIMITED] !== 0) return true;
  const pacer = pacerOf(h);
  refresh(h, pacer, isLimited(h));
  pacer.revise();
  const workPerByte = f[pacer.at + C_ASSIST_WORK_PER_BYTE];
  const bytesPerWork = f[pacer.at + C_ASSIST_BYTES_PER_WORK];
  let work = Math.trunc(workPerByte * debt);
  let owed = debt;
  if (work < LEAST_WORK) {
    work = LEAST_WORK;
    owed = Math.trunc(bytesPerWork * work);
  }
  f[p.stats + T_ASSISTS]++;
  const credit = takeCredit(h, work);
  if (credit > 0) {
    f[p.stats + T_ASSIST_STOLEN] += credit;
    if (credit >= work) {
      pay(h, p, owed);
      return true;
    }
    pay(h, p, 1 + Math.trunc(bytesPerWork * credit));
    work -= credit;
  }
  const began = unpausedNow(h);
  const done = drain(h, p, work, Number.POSITIVE_INFINITY, true);
  f[p.stats + T_ASSIST_NS] += unpausedNow(h) - began;
  f[p.stats + T_ASSIST_WORK] += done;
  pay(h, p, 1 + Math.trunc(bytesPerWork * done));
  if (done > 0) return true;
  // Go would park the goroutine until somebody else has credit. Nothing is left to scan: the mark is all but over.
  m[p.at + P_ASSIST_DEBT] = 0;
  return false;
}

function pay(h: Heap, p: P, bytes: number): void {
  // A credit is kept, but not one that could not be told from a large debt.
  h.m[p.at + P_ASSIST_DEBT] = Math.max(h.m[p.at + P_ASSIST_DEBT] - Math.ceil(bytes / 8), -(1 << 28));
}

/** What a worker has scanned may pay for allocations. */
export function giveCredit(h: Heap, bytes: number): void {
  if (bytes > 0) Atomics.add(h.m, h.mheap + H_BG_CREDIT, bytes >> 3);
}

function takeCredit(h: Heap, want: number): number {
  const { m } = h;
  const at = h.mheap + H_BG_CREDIT;
  for (;;) {
    const credit = Atomics.load(m, at);
    if (credit <= 0) return 0;
    const take = Math.min(credit, Math.ceil(want / 8));
    if (Atomics.compareExchange(m, at, credit, credit - take) === credit) return take * 8;
  }
}
