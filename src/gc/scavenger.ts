/**
 * The background scavenger: gives free memory back to the operating system at 1 % of the CPU.
 *
 * After a cycle the heap retains more than it will need until the next one; the pacer says how much it should, as
 * two goals (G_SCAV_*). The scavenger works towards them, 64 KiB at a time from high addresses down, for a millisecond or so, and
 * then sleeps so long that its share comes out right: `work / sleepRatio`, where the ratio is what a PI controller makes of the
 * share that the last round really had. When a round finds nothing to release it parks, until the next sweep is over.
 *
 *      parked ──wake, or a cycle's sweep is over──▶ works ──released something──▶ sleeps
 *         ▲                                           │ ▲                          │
 *         └──────────────── nothing to release ───────┘ └──time is up, or woken ───┘
 *
 * In Go it is a goroutine. Here whichever P passes by is the scavenger for a round, and holds H_SCAVENGER (its id + 1)
 * meanwhile. The state is doubles in shared memory, below, written by the holder; SC_WOKEN also by whoever wakes, who must pass by
 * afterwards. If the holder's thread dies, whoever recovers clears H_SCAVENGER; the state says "awake" until a
 * round has ended, so that the next P simply begins it again.
 */

import {
  G_SCAV_LIMIT_GOAL,
  G_SCAV_PERCENT_GOAL,
  H_NPROCS,
  H_NUM_GC,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_SCAVENGED_BG,
  H_SCAVENGER,
  H_SWEEP_DONE,
  type Heap,
  type P,
  T_SCAVENGE_NS,
} from '../heap/heap.js';
import { mappedReady } from '../heap/memstats.js';
import { scavengeAll, scavengePages } from '../heap/scavenge.js';
import { PAGE_SIZE } from '../heap/sizeclass.js';
import { PIController, SCAVENGE_PI } from './picontroller.js';

/** Where its state lies in the heap's `pacer` region. All zero: parked, and never worked. */
export const SCAV_AT = 128;
export const SC_AWAKE = 0; // 1 while it works or sleeps, 0 while it is parked
export const SC_WOKEN = 1; // 1: asked to look at the goals again at once
export const SC_SWEPT = 2; // NumGC of the last cycle whose sweep it saw completed
export const SC_WORKED = 3; // ns it worked before it went to sleep; 0 once the controller was told
export const SC_SLEPT_AT = 4; // when that was, in ns
export const SC_UNTIL = 5; // when it wants to wake up
export const SC_SLEEP_RATIO = 6; // time worked by time slept, at most; 0: START_RATIO
export const SC_COOLDOWN = 7; // ns for which the controller stays off after an overflow
export const SC_PI = 8; // the controller's state

/** Its share of the CPU, of all Ps together. */
const GOAL_FRACTION = 0.01;
/** Pages released between two looks at the goals. */
const QUANTUM = (64 << 10) / PAGE_SIZE;
/** It works at least so long before it sleeps, or sleeping would cost more than working. */
const MIN_WORK_NS = 1e6;
const START_RATIO = 0.001;
const COOLDOWN_NS = 5e9;
/** What releasing a page takes, where the clock is too coarse to tell: 10 µs for each 4 KiB. */
const PAGE_NS = 20e3;
/** When to ask again while another P is at it. */
const BUSY_NS = 1e6;

/**
 * A round of scavenging, if one is due and no other P is at it. Answers after how many ns to call again: Infinity when it is
 * parked. For any P, between two pieces of work or with nothing to do; costs two loads while it is parked.
 */
export function bgScavenge(h: Heap, p: P): number {
  const { m, f } = h;
  const at = h.pacer + SCAV_AT;
  const wait = timeLeft(h);
  if (wait > 0) return wait;
  const holder = h.mheap + H_SCAVENGER;
  if (Atomics.compareExchange(m, holder, 0, p.id + 1) !== 0) return BUSY_NS;
  // Another P may have ended its round between the look and the claim.
  let sleep = timeLeft(h);
  if (sleep <= 0) sleep = round(h, p);
  // Only its own claim: a recovery may have taken it away while this P slept on a lock.
  Atomics.compareExchange(m, holder, p.id + 1, 0);
  return f[at + SC_WOKEN] !== 0 ? 0 : sleep;
}

/** Un-parks the scavenger, or ends its sleep: a sweep was completed, or the goals were changed. The caller then passes by. */
export function wakeScavenger(h: Heap): void {
  h.f[h.pacer + SCAV_AT + SC_WOKEN] = 1;
}

/**
 * Releases `bytes` (Infinity: everything) on request, now and at whatever cost. Passes safepoints, so not with the world
 * stopped. Answers how many bytes: up to a huge page more, or fewer if there are no more.
 */
export function scavengeNow(h: Heap, p: P, bytes: number): number {
  return scavengeAll(h, p, Math.ceil(bytes / PAGE_SIZE)) * PAGE_SIZE;
}

/** ns until the next round: 0 or less if it is due, Infinity while parked. */
function timeLeft(h: Heap): number {
  const { f } = h;
  const at = h.pacer + SCAV_AT;
  if (f[at + SC_WOKEN] !== 0) return 0;
  // Allocations may complete a sweep, too, and do not know of the scavenger.
  if (f[at + SC_SWEPT] !== h.scalar(H_NUM_GC) && h.scalar(H_SWEEP_DONE) !== 0) return 0;
  return f[at + SC_AWAKE] === 0 ? Number.POSITIVE_INFINITY : f[at + SC_UNTIL] - h.now();
}

/** Works, and goes to sleep or parks. Answers as `bgScavenge`. */
function round(h: Heap, p: P): number {
  const { f } = h;
  const at = h.pacer + SCAV_AT;
  // Due until this round has ended, should the thread die in it.
  f[at + SC_UNTIL] = 0;
  f[at + SC_AWAKE] = 1;
  f[at + SC_WOKEN] = 0;
  if (h.scalar(H_SWEEP_DONE) !== 0) f[at + SC_SWEPT] = h.scalar(H_NUM_GC);
  if (f[at + SC_WORKED] > 0) learn(h);
  const worked = work(h, p);
  if (worked === 0) {
    f[at + SC_AWAKE] = 0;
    return Number.POSITIVE_INFINITY;
  }
  const now = h.now();
  const sleep = worked / (f[at + SC_SLEEP_RATIO] || START_RATIO);
  f[at + SC_WORKED] = worked;
  f[at + SC_SLEPT_AT] = now;
  f[at + SC_UNTIL] = now + sleep;
  return sleep;
}

/** Releases quantum after quantum, for MIN_WORK_NS or until the goals are met. Answers the ns it took, 0 if nothing was released. */
function work(h: Heap, p: P): number {
  let worked = 0;
  let released = 0;
  while (worked < MIN_WORK_NS && !goalsMet(h)) {
    const began = h.now();
    const pages = scavengePages(h, p, QUANTUM, false, H_SCAVENGED_BG);
    const ns = h.now() - began;
    if (ns > 0) p.count(T_SCAVENGE_NS, ns);
    worked += ns > 0 ? ns : pages * PAGE_NS;
    released += pages;
    if (pages < QUANTUM) break;
  }
  return released === 0 ? 0 : worked;
}

/** The heap retains, and has mapped, no more than it should. */
function goalsMet(h: Heap): boolean {
  const { f } = h;
  const retained = (h.scalar(H_PAGES_INUSE) + h.scalar(H_PAGES_FREE)) * PAGE_SIZE;
  if (retained > f[h.gcStats + G_SCAV_PERCENT_GOAL]) return false;
  const limit = f[h.gcStats + G_SCAV_LIMIT_GOAL];
  return limit === Number.POSITIVE_INFINITY || mappedReady(h) <= limit;
}

/** Derives the sleep ratio from the share of the CPU that the last round had, its sleep included. */
function learn(h: Heap): void {
  const { f } = h;
  const at = h.pacer + SCAV_AT;
  const worked = f[at + SC_WORKED];
  const period = Math.max(0, h.now() - f[at + SC_SLEPT_AT]) + worked;
  f[at + SC_WORKED] = 0;
  if (f[at + SC_COOLDOWN] > 0) {
    f[at + SC_COOLDOWN] = Math.max(0, f[at + SC_COOLDOWN] - period);
    return;
  }
  const controller = new PIController(f, at + SC_PI, SCAVENGE_PI);
  const ratio = controller.next(worked / (period * h.scalar(H_NPROCS)), GOAL_FRACTION, period);
  if (Number.isNaN(ratio)) {
    // It took the response for linear, and it was not. Scarcely any work for a while, then it may try again.
    f[at + SC_SLEEP_RATIO] = START_RATIO;
    f[at + SC_COOLDOWN] = COOLDOWN_NS;
    return;
  }
  f[at + SC_SLEEP_RATIO] = ratio;
}
