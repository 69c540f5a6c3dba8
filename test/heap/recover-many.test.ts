/**
 * One heap, one graph, three Ps, and death after death: at random writes of random operations, while cycles begin, go on and end; now and
 * then a second P dies before the first was recovered, and the third works between the two recoveries.
 *
 * CRASH_SEED repeats a run, CRASH_STEPS makes it longer.
 */

import { expect, test } from 'vitest';
import { storePointer } from '../../src/gc/barrier.js';
import { Collector, type World } from '../../src/gc/collector.js';
import { drain, finishMark, gcCycle, isMarkDone } from '../../src/gc/cycle.js';
import { initLimiter } from '../../src/gc/limits.js';
import { configure } from '../../src/gc/pacing.js';
import { Why } from '../../src/gc/state.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import { GcPhase, H_ABANDONED, H_GC_PHASE, H_NUM_GC, Heap, type P } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { releaseAll } from '../../src/heap/mcache.js';
import { publish } from '../../src/heap/publish.js';
import { sweepAll, sweepOne } from '../../src/heap/sweep.js';
import { effort } from '../helper/effort.js';
import { Died, dieAt, fragile, sleeping, takeOver } from './crash.js';
import { addressIn, expectQuiet, Graph, high, low, type Node, slots } from './graph.js';
import { random } from './world.js';

const SEED = Number(process.env.CRASH_SEED ?? 20_270_201);
const STEPS = Number(process.env.CRASH_STEPS ?? effort(150, 600));
const PROCS = 3;
const INFINITE = Number.POSITIVE_INFINITY;

const WIDE = Array.from({ length: 64 }, (_, i) => i);
/** Sizes of objects with pointers, and which of their words are pointers. */
const SHAPES: [size: number, words: number[]][] = [
  [8, [0]],
  [48, [0, 5]],
  [512, WIDE],
  [520, [0, 64]],
  [2048, [0, 255]],
  [40_000, [3, 4999]],
];

/** An operation that may die, and what is to be believed afterwards if it did. */
interface Operation {
  run: () => unknown;
  believe?: () => void;
  /** Objects that may stay: one that was answered, and whose root was about to be dropped. */
  leaks?: number;
}

class Simulation {
  readonly rnd = random(SEED);
  readonly h = Heap.create({ reserve: 16 << 20, arenaSize: 4 << 20, procs: PROCS });
  readonly bad = fragile(this.h.memory);
  readonly g: Graph;
  /** Ps whose threads are dead, with what each was doing. */
  readonly dead = new Map<number, { held: boolean; believe?: () => void }>();
  private stopper = -1;
  private dying = false;
  private readonly later: (() => void)[] = [];
  /** Objects without pointers that nothing but a root holds. */
  private loose: Node[] = [];
  /** Objects with pointers that are reachable, or were. */
  private holders: Node[] = [];
  deaths = 0;
  double = 0;
  leaks = 0;

  constructor() {
    let ns = 0;
    this.h.now = this.bad.now = () => (ns += 1000);
    configure(this.h, 20, INFINITE);
    initLimiter(this.h);
    this.h.poll = () => this.recoverAll();
    this.bad.poll = () => this.poll();
    this.g = new Graph(this.h);
    this.g.setDecoy(this.h.ps[0]);
    for (let i = 0; i < 12; i++) this.holders.push(this.g.alloc(this.p(), 512, WIDE));
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.rnd(from.length)];
  }

  /** A P whose thread lives. */
  p(): P {
    return this.pick(this.h.ps.filter((p) => !this.dead.has(p.id)));
  }

  /** A thread that is about to die waits for one that is dead already: it dies waiting. */
  private poll(): void {
    if (this.dead.size > 0) throw new Died();
  }

  /** How P `id` stops the world: not before everybody who died has been recovered. */
  world(id: number): World {
    return {
      stop: () => {
        if (!this.dying) this.recoverAll();
        // It had the lock, and was about to see that somebody is dead.
        if (this.dead.size > 0 && this.rnd(2) === 0) this.stopper = id;
        this.poll();
        this.stopper = id;
      },
      start: () => {
        this.stopper = -1;
      },
      wake: () => {},
    };
  }

  /** What the living do: builds up the graph and tears it down, collects in pieces. */
  work(times: number): void {
    const { g, rnd, h } = this;
    for (let i = 0; i < times; i++) {
      const p = this.p();
      const gc = new Collector(h, p, this.world(p.id));
      if (p.attention) gc.service();
      switch (rnd(8)) {
        case 0:
        case 1:
        case 2: {
          const [size, words] = SHAPES[rnd(40) === 0 ? 5 : rnd(5)];
          const node = g.alloc(p, size, words);
          const holder = this.live();
          g.link(p, holder, this.pick(holder.words as number[]), node);
          g.drop(p, node);
          this.holders.push(node);
          break;
        }
        case 3:
          this.loose.push(g.alloc(p, [5, 13, 64, 64, 100, 3000, 50_000][rnd(rnd(10) === 0 ? 7 : 5)]));
          break;
        case 4:
          while (this.loose.length > 60) g.drop(p, this.takeLoose(), rnd(2) === 0);
          break;
        case 5: {
          const holder = this.live();
          g.link(p, holder, this.pick(holder.words as number[]), rnd(3) === 0 ? null : this.live());
          break;
        }
        case 6:
          if (rnd(2) === 0) gc.share();
          else gc.idle();
          break;
        default:
          if (rnd(30) === 0) gc.collect(Why.forced);
          else if (rnd(3) === 0) gc.begin(Why.periodic);
          else if (h.scalar(H_GC_PHASE) === GcPhase.mark) drain(h, p, 1, INFINITE, true);
          else sweepOne(h, p);
      }
    }
  }

  private takeLoose(): Node {
    return this.loose.splice(this.rnd(this.loose.length), 1)[0];
  }

  /** A holder that is reachable. */
  private live(): Node {
    const reachable = this.g.reachable();
    this.holders = this.holders.filter((node) => reachable.has(node));
    return this.pick(this.holders);
  }

  /** Something that P `id` does on the view that dies. */
  private operation(id: number): Operation {
    const { bad, g, rnd } = this;
    const p = bad.ps[id];
    const gc = new Collector(bad, p, this.world(id));
    const held = (run: () => unknown): (() => unknown) => {
      return () => {
        this.world(id).stop();
        run();
        this.world(id).start();
      };
    };
    const made = (word: number): void => {
      if (word < 0) return;
      publish(bad, p, word);
      dropRoot(bad, p, word, p.sub);
    };
    switch (rnd(12)) {
      case 0:
        p.sub = 0;
        return { run: () => made(mallocNoscan(bad, p, this.pick([5, 64, 100, 3000, 50_000]))), leaks: 1 };
      case 1:
        p.sub = 0;
        return { run: () => made(mallocScan(bad, p, this.pick([8, 48, 512, 2048, 40_000]))), leaks: 1 };
      case 2: {
        const from = this.live();
        const word = this.pick(from.words as number[]);
        const to = rnd(3) === 0 ? null : this.live();
        const address = to === null ? 0 : addressIn(to);
        const run = (): void => storePointer(bad, p, from.word + word, low(address), high(address));
        return { run, believe: () => g.believeStore(from, word, to) };
      }
      case 3: {
        if (this.loose.length === 0) return { run: () => sweepOne(bad, p) };
        const o = this.takeLoose();
        const free = rnd(2) === 0 ? freeNow : dropRoot;
        return { run: () => free(bad, p, o.word, o.sub), believe: () => this.believeDrop(o) };
      }
      case 4:
        return { run: () => sweepAll(bad, p) };
      case 5:
        return { run: held(() => releaseAll(bad, p)) };
      case 6:
        return { run: () => gc.collect(Why.forced) };
      case 7:
        return { run: () => gc.begin(Why.periodic) };
      case 8:
        return { run: () => gc.share() };
      case 9:
        return { run: () => gc.idle() };
      case 10: {
        const finish = (): void => {
          while (!isMarkDone(bad)) drain(bad, p, INFINITE, INFINITE, false);
          finishMark(bad);
        };
        return { run: held(() => (bad.scalar(H_GC_PHASE) === GcPhase.mark ? finish() : gcCycle(bad, p))) };
      }
      default:
        return { run: () => gc.service() };
    }
  }

  /** What nobody can be sure of counts as given up. */
  private believeDrop(o: Node): void {
    this.g.believeDrop(this.p(), o);
    if (o.rooted) this.loose.push(o);
  }

  /** A thread dies. False if it lived through it. */
  die(): boolean {
    const { rnd } = this;
    const { id } = this.p();
    const { run, believe, leaks = 0 } = this.operation(id);
    const n = rnd(2) === 0 ? rnd(60) : rnd(rnd(2) === 0 ? 600 : 6000);
    this.dying = true;
    const asleep = (): never => {
      throw new Died();
    };
    const { lived } = sleeping(asleep, () => dieAt(n, run));
    this.dying = false;
    if (lived) believe?.();
    else {
      this.deaths++;
      this.leaks += leaks;
      this.dead.set(id, { held: this.stopper === id, believe });
      this.stopper = -1;
    }
    return !lived;
  }

  /** Whether somebody died who had stopped the world. */
  stopped(): boolean {
    return [...this.dead.values()].some(({ held }) => held);
  }

  /** The Ms that take over, one after the other: first the one whose P had stopped the world. */
  recoverAll(): void {
    const held = [...this.dead.keys()].sort((a, b) => Number(this.dead.get(b)?.held) - Number(this.dead.get(a)?.held));
    for (const id of held) {
      const death = this.dead.get(id);
      if (death === undefined) continue;
      takeOver(this.h, this.h.ps[id], death.held);
      this.dead.delete(id);
      if (death.believe !== undefined) this.later.push(death.believe);
    }
    for (const believe of this.later.splice(0)) believe();
  }
}

test('one heap survives many deaths while it collects', { timeout: 240_000 }, () => {
  const s = new Simulation();
  const { g, h } = s;
  for (let step = 0; step < STEPS; step++) {
    try {
      sleeping(
        () => s.recoverAll(),
        () => {
          s.work(30);
          // With the world stopped nobody goes on before the recovery.
          if (s.die() && !s.stopped() && s.rnd(3) === 0) {
            if (s.rnd(2) === 0) s.work(3);
            if (s.dead.size > 0 && s.die()) s.double++;
          }
          if (!s.stopped() && s.rnd(2) === 0) s.work(5);
        },
      );
      s.recoverAll();
      if (h.scalar(H_GC_PHASE) === GcPhase.off) expectQuiet(h, 'recovered');
      g.verify(s.p());
      g.prune();
      if (step % 25 !== 24) continue;
      new Collector(h, s.p()).collect(Why.forced);
      g.prune();
      gcCycle(h, s.p());
      expectQuiet(h, 'after two cycles');
      const extra = slots(h).others - g.needed().others;
      expect(extra).toBeGreaterThanOrEqual(0);
      expect(extra).toBeLessThanOrEqual(s.leaks);
    } catch (error) {
      throw new Error(`seed ${SEED}, step ${step}: ${(error as Error).stack}`);
    }
  }
  expect(s.deaths).toBeGreaterThan(STEPS / 3);
  console.log(
    `${s.deaths} deaths, ${s.double} of them before another's recovery; ` +
      `${h.scalar(H_NUM_GC)} cycles, ${h.scalar(H_ABANDONED)} abandoned`,
  );
});
