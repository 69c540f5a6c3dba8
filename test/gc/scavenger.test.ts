/**
 * The background scavenger on a virtual clock: releasing a page takes 4 µs, everything else nothing, and it is called again exactly when
 * it asked to be. Nothing is released for real (the heap says that it cannot): only the books count here.
 */

import { describe, expect, it } from 'vitest';
import { gcCycle, markAndAdvance } from '../../src/gc/cycle.js';
import { PI_ERR_INTEGRAL } from '../../src/gc/picontroller.js';
import {
  bgScavenge,
  SC_COOLDOWN,
  SC_PI,
  SC_SLEEP_RATIO,
  SCAV_AT,
  scavengeNow,
  wakeScavenger,
} from '../../src/gc/scavenger.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import {
  G_SCAV_LIMIT_GOAL,
  G_SCAV_PERCENT_GOAL,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_SCAVENGED_BG,
  H_SCAVENGED_FORCED,
  H_SCAVENGER,
  H_SWEEP_DONE,
  Heap,
  T_SCAVENGE_NS,
} from '../../src/heap/heap.js';
import { mallocNoscan } from '../../src/heap/malloc.js';
import { mappedReady, sumStat } from '../../src/heap/memstats.js';
import { recover } from '../../src/heap/recover.js';
import { sweepAll } from '../../src/heap/sweep.js';
import { dieAt, fragile, snapshot } from '../heap/crash.js';

const MIB = 1 << 20;
/** The most that one step releases: a quantum, extended to a whole huge page. */
const OVERSHOOT = 2 * MIB + (64 << 10);
/** A huge page then takes 1.024 ms: a round. Where rounds are much longer, Go's controller overshoots, here as there. */
const PAGE_NS = 4e3;
const NEVER = Number.POSITIVE_INFINITY;

/** A heap of `mib` freed objects of 1 MiB, seen by an earlier generation of the scavenge index, with a clock of its own. */
class Sim {
  readonly h: Heap;
  slept = 0;

  constructor(mib: number, procs = 1, keepEvery = 0) {
    this.h = Heap.create({ reserve: Math.max(1.25 * mib, 8) * MIB, arenaSize: 4 * MIB, procs });
    this.h.now = () => this.slept + this.h.scalar(H_SCAVENGED_BG) * PAGE_NS;
    Object.assign(this.h, { releases: false });
    const p = this.h.ps[0];
    const words = Array.from({ length: mib }, () => mallocNoscan(this.h, p, MIB));
    words.forEach((word, i) => {
      if (keepEvery === 0 || i % keepEvery !== 0) freeNow(this.h, p, word, 0);
    });
    this.h.pageAlloc.index.nextGen();
  }

  get retained(): number {
    return (this.h.scalar(H_PAGES_INUSE) + this.h.scalar(H_PAGES_FREE)) * 8192;
  }

  get ratio(): number {
    return this.h.f[this.h.pacer + SCAV_AT + SC_SLEEP_RATIO];
  }

  goal(bytes: number, which: number = G_SCAV_PERCENT_GOAL): void {
    this.h.f[this.h.gcStats + which] = bytes;
    wakeScavenger(this.h);
  }

  /** A call by P `p`, and the sleep that it asks for. */
  step(p = 0): number {
    const wait = bgScavenge(this.h, this.h.ps[p]);
    if (wait !== NEVER) this.slept += wait;
    return wait;
  }

  /** Until it parks, or for so many ns of the clock. Returns the rounds. */
  run(ns = NEVER, each: () => void = () => {}): number {
    const end = this.h.now() + ns;
    let rounds = 0;
    while (this.h.now() < end && this.step(rounds % this.h.ps.length) !== NEVER) {
      rounds++;
      each();
    }
    return rounds;
  }

  sound(): void {
    expect(check(this.h)).toEqual([]);
  }
}

describe('goals', () => {
  it.each([1, 4])('reaches the goal, and never goes below it, on %i P', (procs) => {
    const s = new Sim(256, procs, 8);
    const goal = 100 * MIB;
    s.goal(goal);
    let last = s.retained;
    const rounds = s.run(NEVER, () => {
      expect(s.retained).toBeLessThanOrEqual(last);
      expect(s.retained).toBeGreaterThan(goal - OVERSHOOT);
      last = s.retained;
    });
    expect(rounds).toBeGreaterThan(10);
    expect(s.retained).toBeLessThanOrEqual(goal);
    s.sound();
  });

  it('works towards the goal of the memory limit as well', () => {
    const s = new Sim(64);
    const before = s.retained;
    const other = mappedReady(s.h) - before;
    s.goal(30 * MIB, G_SCAV_LIMIT_GOAL);
    s.run();
    expect(mappedReady(s.h)).toBeLessThanOrEqual(30 * MIB);
    expect(s.retained).toBeGreaterThan(30 * MIB - other - OVERSHOOT);
    s.sound();
  });

  it('leaves dense chunks alone, and what was freed since the last cycle', () => {
    const s = new Sim(16);
    const p = s.h.ps[0];
    // One chunk of which 15 pages are free, one that is full until after the generation.
    const dense = mallocNoscan(s.h, p, 497 * 8192);
    s.h.pageAlloc.index.nextGen();
    const full = mallocNoscan(s.h, p, 15 * 8192 + 4 * MIB);
    s.h.pageAlloc.index.nextGen();
    freeNow(s.h, p, full, 0);
    s.goal(0);
    s.run();
    // The rest of the 16 MiB went; the first two chunks were full when this generation began.
    expect(s.retained).toBe(8 * MIB);
    s.h.pageAlloc.index.nextGen();
    s.goal(0);
    s.run();
    expect(s.retained).toBe(4 * MIB);
    freeNow(s.h, p, dense, 0);
    s.sound();
  });

  it('does nothing without goals', () => {
    const s = new Sim(16);
    wakeScavenger(s.h);
    expect(s.step()).toBe(NEVER);
    expect(s.h.scalar(H_SCAVENGED_BG)).toBe(0);
    s.sound();
  });
});

describe('share of the CPU', () => {
  it.each([1, 2, 4])('is a hundredth of %i Ps', (procs) => {
    const s = new Sim(1024, procs);
    s.goal(0);
    // The controller starts low, takes some seconds, and then hunts around its aim, as Go's does.
    s.run(5e9);
    const began = s.h.now();
    const before = sumStat(s.h, T_SCAVENGE_NS);
    s.run(30e9 / procs);
    const share = (sumStat(s.h, T_SCAVENGE_NS) - before) / ((s.h.now() - began) * procs);
    expect(Math.abs(share - 0.01), `${share}`).toBeLessThan(0.0015);
    s.sound();
  });

  it('counts all its time, and what it releases', () => {
    const s = new Sim(32);
    const before = s.h.scalar(H_PAGES_FREE);
    s.goal(0);
    s.run();
    expect(s.h.scalar(H_SCAVENGED_BG)).toBe(before);
    expect(sumStat(s.h, T_SCAVENGE_NS)).toBe(before * PAGE_NS);
  });

  it('works for a millisecond at least, unless the goal is met before', () => {
    const s = new Sim(64);
    s.goal(0);
    const round = bgScavenge(s.h, s.h.ps[0]);
    // From the very first ratio, 1:1000; one huge page takes 1.024 ms.
    expect(s.h.scalar(H_SCAVENGED_BG)).toBe(256);
    expect(round).toBe((256 * PAGE_NS) / 0.001);
    s.sound();
  });

  it('takes 10 µs for each OS page where the clock does not move', () => {
    const s = new Sim(64);
    s.h.now = () => 7;
    s.goal(0);
    expect(bgScavenge(s.h, s.h.ps[0])).toBe((256 * 20e3) / 0.001);
    expect(sumStat(s.h, T_SCAVENGE_NS)).toBe(0);
  });

  it('cools down for five seconds when the controller overflows', () => {
    const s = new Sim(1024);
    s.goal(0);
    s.run(10e9);
    expect(s.ratio).toBeGreaterThan(0.001);
    s.h.f[s.h.pacer + SCAV_AT + SC_PI + PI_ERR_INTEGRAL] = Number.MAX_VALUE * 10;
    const began = s.h.now();
    s.step();
    expect(s.ratio).toBe(0.001);
    expect(s.h.f[s.h.pacer + SCAV_AT + SC_COOLDOWN]).toBe(5e9);
    const ratios: number[] = [];
    const later: number[] = [];
    s.run(20e9, () => (s.h.now() - began < 5e9 ? ratios : later).push(s.ratio));
    expect(new Set(ratios)).toEqual(new Set([0.001]));
    expect(Math.max(...later)).toBeGreaterThan(0.005);
    s.sound();
  });
});

describe('parking and waking', () => {
  it('is parked from the start, and when the goals are met', () => {
    const s = new Sim(16);
    s.h.f[s.h.gcStats + G_SCAV_PERCENT_GOAL] = 8 * MIB;
    expect(s.step()).toBe(NEVER);
    expect(s.retained).toBe(16 * MIB);
    wakeScavenger(s.h);
    s.run();
    expect(s.retained).toBe(8 * MIB);
    // A lower goal alone does not wake it.
    s.h.f[s.h.gcStats + G_SCAV_PERCENT_GOAL] = 4 * MIB;
    s.slept += 1e12;
    expect(s.step()).toBe(NEVER);
    expect(s.retained).toBe(8 * MIB);
    wakeScavenger(s.h);
    s.run();
    expect(s.retained).toBe(4 * MIB);
  });

  it('sleeps until it is time, whoever asks, or until it is woken', () => {
    const s = new Sim(64, 2);
    s.goal(0);
    const sleep = bgScavenge(s.h, s.h.ps[0]);
    const done = s.h.scalar(H_SCAVENGED_BG);
    s.slept += sleep / 2;
    expect(bgScavenge(s.h, s.h.ps[1])).toBe(sleep / 2);
    expect(s.h.scalar(H_SCAVENGED_BG)).toBe(done);
    wakeScavenger(s.h);
    expect(bgScavenge(s.h, s.h.ps[1])).toBeGreaterThan(0);
    expect(s.h.scalar(H_SCAVENGED_BG)).toBeGreaterThan(done);
  });

  it('is woken by a sweep that is over, whoever completed it', () => {
    const s = new Sim(16);
    const p = s.h.ps[0];
    s.run();
    const words = Array.from({ length: 8 }, () => mallocNoscan(s.h, p, MIB));
    for (const word of words) dropRoot(s.h, p, word, 0);
    markAndAdvance(s.h, p, true);
    s.h.f[s.h.gcStats + G_SCAV_PERCENT_GOAL] = 0;
    expect([s.h.scalar(H_SWEEP_DONE), s.step()]).toEqual([0, NEVER]);
    sweepAll(s.h, p);
    expect(s.step()).toBeGreaterThan(0);
    s.run();
    gcCycle(s.h, p);
    s.h.f[s.h.gcStats + G_SCAV_PERCENT_GOAL] = 0;
    s.run();
    expect(s.retained).toBe(0);
    s.sound();
  });

  it('a wake during a round is not lost', () => {
    const s = new Sim(16);
    const now = s.h.now;
    s.goal(0);
    // The clock is read within the round.
    s.h.now = () => {
      wakeScavenger(s.h);
      return now();
    };
    expect(bgScavenge(s.h, s.h.ps[0])).toBe(0);
    s.h.now = now;
    expect(bgScavenge(s.h, s.h.ps[0])).toBeGreaterThan(0);
  });
});

describe('one scavenger at a time', () => {
  it('another P looks again after a millisecond', () => {
    const s = new Sim(16, 2);
    s.goal(0);
    s.h.m[s.h.mheap + H_SCAVENGER] = 1;
    expect(bgScavenge(s.h, s.h.ps[1])).toBe(1e6);
    expect(s.h.scalar(H_SCAVENGED_BG)).toBe(0);
    // A recovery of P0.
    s.h.m[s.h.mheap + H_SCAVENGER] = 0;
    expect(bgScavenge(s.h, s.h.ps[1])).toBeGreaterThan(1e6);
    expect(s.h.scalar(H_SCAVENGER)).toBe(0);
  });

  it('takes only its own claim back', () => {
    const s = new Sim(16, 2);
    const now = s.h.now;
    s.goal(0);
    s.h.now = () => {
      // While this P slept on a lock, a recovery freed the claim, and P1 took it.
      s.h.m[s.h.mheap + H_SCAVENGER] = 2;
      return now();
    };
    bgScavenge(s.h, s.h.ps[0]);
    expect(s.h.scalar(H_SCAVENGER)).toBe(2);
  });

  it('its thread dies at any write of a round', () => {
    const s = new Sim(6, 2);
    s.goal(MIB);
    const bad = fragile(s.h.memory);
    bad.now = s.h.now;
    Object.assign(bad, { releases: false });
    const reset = snapshot(s.h);
    const { writes } = dieAt(NEVER, () => bgScavenge(bad, bad.ps[0]));
    expect(writes).toBeGreaterThan(30);
    for (let n = 0; n < writes; n++) {
      reset();
      expect(dieAt(n, () => bgScavenge(bad, bad.ps[0])).lived).toBe(false);
      const claimed = s.h.scalar(H_SCAVENGER) !== 0;
      const released = s.h.scalar(H_SCAVENGED_BG);
      if (claimed) expect(bgScavenge(s.h, s.h.ps[1])).toBeGreaterThanOrEqual(1e6);
      expect(s.h.scalar(H_SCAVENGED_BG)).toBe(released);
      recover(s.h, s.h.ps[0], false);
      s.h.m[s.h.mheap + H_SCAVENGER] = 0;
      s.h.pageAlloc.index.nextGen();
      s.sound();
      // Nobody wakes it: unless its round was over, it is still due.
      s.run();
      expect(s.retained, `died at write ${n}`).toBeLessThanOrEqual(MIB);
      s.sound();
    }
  });
});

describe('on request', () => {
  it('scavengeNow releases as many bytes as are asked for, or all', () => {
    const s = new Sim(64);
    expect(scavengeNow(s.h, s.h.ps[0], 3 * MIB + 1)).toBe(4 * MIB);
    expect(s.retained).toBe(60 * MIB);
    expect(scavengeNow(s.h, s.h.ps[0], 0)).toBe(0);
    expect(scavengeNow(s.h, s.h.ps[0], NEVER)).toBe(60 * MIB);
    expect(scavengeNow(s.h, s.h.ps[0], NEVER)).toBe(0);
    expect(s.h.scalar(H_SCAVENGED_FORCED)).toBe(64 * 128);
    s.sound();
  });
});
