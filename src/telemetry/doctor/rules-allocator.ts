/** Rules about the allocation path: mcaches that do not help, and locks that are in the way. */

import { NUM_SPAN_CLASSES, SPC_TO_NELEMS } from '../../heap/sizeclass.js';
import type { Facts } from './facts.js';
import { listLargest, percent, type Rule, rule, spanClassName, sum } from './rule.js';

function refills({ before, after }: Facts): Float64Array {
  return after.refills.map((n, spc) => n - before.refills[spc]);
}

/** Slots allocated in the window, by size class, without large objects. */
function slots({ before, after }: Facts): Float64Array {
  return after.slotsAllocated.map((n, c) => (c === 0 ? 0 : n - before.slotsAllocated[c]));
}

/** Refills that it would have taken had every span come empty. */
function ideal(facts: Facts): number {
  const allocated = slots(facts);
  let n = 0;
  // Both span classes of a size class have nearly the same number of slots.
  for (let c = 1; c < allocated.length; c++) n += allocated[c] / SPC_TO_NELEMS[c * 2 + 1];
  return n;
}

const refilledClasses = (facts: Facts): number => refills(facts).filter((n) => n > 0).length;

/**
 * Refills that say nothing of the spans, at most: each P takes a span of each class that it uses
 * once at first, and once after each cycle, which empties the mcaches. In a short window, of a heap
 * that warms up or collects, they are most of all.
 */
function unavoidable(facts: Facts): number {
  const starts = 1 + facts.after.numGC - facts.before.numGC;
  return Math.min(sum(refills(facts)), refilledClasses(facts) * facts.gomaxprocs * starts);
}

function contended({ before, after }: Facts): Float64Array {
  const out = new Float64Array(NUM_SPAN_CLASSES + 1);
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    out[spc] = after.centrals[spc].contended - before.centrals[spc].contended;
  }
  out[NUM_SPAN_CLASSES] = after.heapLock.contended - before.heapLock.contended;
  return out;
}

function lockSums({ before, after }: Facts): { acquisitions: number; waitSeconds: number } {
  const total = (of: Facts['after'], which: 'acquisitions' | 'waitSeconds'): number =>
    sum(of.centrals.map((lock) => lock[which])) + of.heapLock[which];
  return {
    acquisitions: total(after, 'acquisitions') - total(before, 'acquisitions'),
    waitSeconds: total(after, 'waitSeconds') - total(before, 'waitSeconds'),
  };
}

export const ALLOCATOR_RULES: readonly Rule[] = [
  rule({
    code: 'mcache-thrash',
    title: 'The mcaches refill for nearly every allocation',
    // How full spans are shows when several of each class have been used up.
    threshold: {
      refillsPerAllocation: 0.5,
      refillsPerAllocationFragmented: 0.1,
      timesIdeal: 3,
      allocations: 500,
      allocationsPerClassFragmented: 100,
    },
    read: (facts) => {
      const allocations = sum(slots(facts));
      const n = sum(refills(facts));
      const explained = unavoidable(facts);
      const best = ideal(facts);
      return {
        allocations,
        allocationsPerClass: allocations / Math.max(1, refilledClasses(facts)),
        refills: n,
        unavoidable: explained,
        refillsPerAllocation: allocations === 0 ? 0 : (n - explained) / allocations,
        timesIdeal: best === 0 ? 0 : (n - explained) / best,
      };
    },
    finds: (n, t) => {
      if (n.allocations < t.allocations) return undefined;
      const full =
        n.allocationsPerClass >= t.allocationsPerClassFragmented &&
        n.refillsPerAllocation >= t.refillsPerAllocationFragmented &&
        n.timesIdeal >= t.timesIdeal;
      return full || n.refillsPerAllocation >= t.refillsPerAllocation ? 'warning' : undefined;
    },
    cause: (facts) =>
      listLargest(refills(facts), spanClassName, (spc) => {
        const n = SPC_TO_NELEMS[spc];
        return `${refills(facts)[spc]} refills; a span has ${n} ${n === 1 ? 'slot' : 'slots'}`;
      }),
    meaning:
      'An allocation is cheap when the span that its P has cached has a free slot. Here it mostly has none: either a span of the class ' +
      'holds few objects by nature (the large size classes), or the spans that come are nearly full (timesIdeal says how much so).',
    action:
      'Large size classes: pool the objects, or allocate smaller ones. Nearly full spans: raise GOGC, so that a sweep frees more of each.',
  }),

  rule({
    code: 'central-contention',
    title: 'Ps wait for each other at the locks of the heap',
    threshold: { contended: 50, waitShare: 0.05 },
    read: (facts) => {
      const n = sum(contended(facts));
      const { acquisitions, waitSeconds } = lockSums(facts);
      return {
        acquisitions,
        contended: n,
        contendedShare: acquisitions === 0 ? 0 : n / acquisitions,
        waitSeconds,
        waitShare: waitSeconds / (facts.seconds * facts.gomaxprocs),
      };
    },
    // By the time that is lost: Ps that meet often and let each other pass at once lose none. And not by a few waits, however long: a lock whose
    // holder the system took off its CPU is no contention.
    finds: (n, t) => (n.contended >= t.contended && n.waitShare >= t.waitShare ? 'warning' : undefined),
    cause: (facts) => {
      const name = (i: number): string =>
        i === NUM_SPAN_CLASSES ? 'the heap lock (mheap)' : `the mcentral of ${spanClassName(i)}`;
      const { waitSeconds } = lockSums(facts);
      return (
        `${listLargest(contended(facts), name, (i) => `${contended(facts)[i]} times`)}; ` +
        `${percent(waitSeconds / (facts.seconds * facts.gomaxprocs))} of all P time waited.`
      );
    },
    meaning:
      'Several Ps ask the same mcentral for spans at once, most often because they all allocate one size class whose spans have few slots, or ' +
      'because one frees what another allocates.',
    action: 'Fewer refills help most: see mcache-thrash. Or use different sizes, fewer Ps, or heaps apart.',
  }),
];
