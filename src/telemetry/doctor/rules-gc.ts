/** Rules about the collector: how much it costs, why, and what it finds. */

import type { CpuStats } from '../../gc/cpustats.js';
import type { Facts } from './facts.js';
import { mib, percent, type Rule, rule } from './rule.js';

const MiB = 2 ** 20;

/**
 * What the collector took in the window, without the marking that used idle Ps; and what of the Ps was not asleep. Inside one long mark its
 * share is a quarter, however seldom there is one: a share counts only over several cycles.
 */
function work({ before, after, seconds, gomaxprocs }: Facts) {
  const took = (cpu: CpuStats): number => cpu.assist + cpu.dedicated + cpu.pause;
  const gc = (took(after.cpu) - took(before.cpu)) / 1e9;
  const whole = seconds * gomaxprocs;
  const busy = Math.max(gc, whole - (after.cpu.idle - before.cpu.idle) / 1e9);
  return {
    cycles: after.numGC - before.numGC,
    cyclesPerSecond: (after.numGC - before.numGC) / seconds,
    gcShare: Math.min(1, gc / whole),
    gcShareOfBusy: busy <= 0 ? 0 : Math.min(1, gc / busy),
  };
}

/** How many cycles on end, from the newest back, marked more than the one before; and from what to what. */
function rising(cycles: Facts['cycles']) {
  let n = 0;
  while (n + 1 < cycles.length && cycles[n].heap.marked > cycles[n + 1].heap.marked) n++;
  const newest = cycles[0]?.heap.marked ?? 0;
  const oldest = cycles[n]?.heap.marked ?? 0;
  return { cycles: n, markedFrom: oldest, markedTo: newest, growth: oldest === 0 ? 0 : newest / oldest - 1 };
}

export const GC_RULES: readonly Rule[] = [
  rule({
    code: 'limit-thrash',
    title: 'The memory limit keeps the collector running',
    explains: ['gc-too-often'],
    threshold: { ofLimit: 0.85, gcShare: 0.2, cycles: 2, cyclesPerSecond: 5 },
    read: (facts) => {
      if (!Number.isFinite(facts.memoryLimit)) return undefined;
      return {
        memoryLimit: facts.memoryLimit,
        mapped: facts.mapped,
        ofLimit: facts.mapped / facts.memoryLimit,
        limiterOn: facts.limited ? 1 : 0,
        ...work(facts),
      };
    },
    finds: (n, t) => {
      if (n.ofLimit < t.ofLimit) return undefined;
      if (n.limiterOn === 1 || (n.cycles >= t.cycles && n.gcShare >= t.gcShare)) return 'critical';
      return n.cyclesPerSecond >= t.cyclesPerSecond ? 'warning' : undefined;
    },
    cause: ({ cycles, memoryLimit, limited }) =>
      `The last cycle found ${mib(cycles[0]?.heap.marked ?? 0)} alive under a limit of ${mib(memoryLimit)}` +
      (limited ? '; the CPU limiter is on, so that the heap may exceed it.' : '.'),
    meaning:
      'What lives nearly fills the limit, so that each cycle wins little room and the next begins at once. Go bounds that at half of ' +
      'the CPU, and then lets the heap grow past the limit.',
    action: 'Raise GOMEMLIMIT (`PATCH` the heap) to about twice what is alive, or let the program hold less.',
  }),

  rule({
    code: 'gc-too-often',
    title: 'The collector runs too often',
    threshold: { gcShare: 0.2, cycles: 2, cyclesPerSecond: 10, gcShareOfBusy: 0.1 },
    read: work,
    finds: (n, t) => {
      if (n.cycles < t.cycles) return undefined;
      const often = n.cyclesPerSecond >= t.cyclesPerSecond && n.gcShareOfBusy >= t.gcShareOfBusy;
      return n.gcShare >= t.gcShare || often ? 'warning' : undefined;
    },
    cause: (facts) => {
      const { cycles, nextGC, gogc } = facts;
      const { cyclesPerSecond, gcShareOfBusy } = work(facts);
      return (
        `${cyclesPerSecond.toFixed(1)} cycles a second take ${percent(gcShareOfBusy)} of the time that the Ps were busy; ` +
        `GOGC=${gogc}, ${mib(cycles[0]?.heap.marked ?? 0)} alive, a goal of ${mib(nextGC)}.`
      );
    },
    meaning: 'The live heap is small for how much is allocated: each cycle has little room until the next.',
    action:
      'Raise GOGC (`PATCH` the heap): twice the GOGC, about half the cycles. With GOGC=off and a GOMEMLIMIT the heap uses what ' +
      'there is. Or allocate less.',
  }),

  rule({
    code: 'leak-suspicion',
    title: 'The live heap grows with every cycle',
    threshold: { cycles: 8, growth: 0.3, grownBytes: 4 * MiB },
    read: ({ cycles }) => {
      const { cycles: n, ...rest } = rising(cycles);
      return { cycles: n, ...rest, grownBytes: rest.markedTo - rest.markedFrom };
    },
    finds: (n, t) =>
      n.cycles >= t.cycles && n.growth >= t.growth && n.grownBytes >= t.grownBytes ? 'warning' : undefined,
    cause: ({ cycles }) => {
      const { cycles: n, markedFrom, markedTo } = rising(cycles);
      const seconds = cycles[0].at - cycles[n].at;
      return (
        `In ${n} cycles and ${seconds.toFixed(0)} seconds what was found alive rose from ${mib(markedFrom)} to ` +
        `${mib(markedTo)}, each time above the last.`
      );
    },
    meaning:
      'What a mark finds is reachable from a root: somebody holds it. A cache that fills shows the same picture for a while; a leak does not end.',
    action:
      'Give allocations a `site` and compare two heap profiles (`GET …/debug/pprof/heap`), or ask what holds an object ' +
      '(`GET …/objects/{address}/path`).',
  }),
];
