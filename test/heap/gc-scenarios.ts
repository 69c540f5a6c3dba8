/** What a thread may be doing when it dies, in every phase of a cycle, in a forest (forest.ts): for recover-gc.test.ts. P0 will die. */

import { expect } from 'vitest';
import { storePointer, writeBytes } from '../../src/gc/barrier.js';
import { Collector, type World } from '../../src/gc/collector.js';
import { drain, finishMark, gcCycle, isMarkDone, startMark } from '../../src/gc/cycle.js';
import { C_GC_PERCENT, C_MEMORY_LIMIT, MAX_INT64 } from '../../src/gc/pacer.js';
import { configure } from '../../src/gc/pacing.js';
import { bgScavenge, wakeScavenger } from '../../src/gc/scavenger.js';
import { gcSettings } from '../../src/gc/settings.js';
import { pacerOf, Why } from '../../src/gc/state.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import {
  G_MEMORY_LIMIT,
  G_SCAV_PERCENT_GOAL,
  H_GC_PERCENT,
  H_TRIGGER,
  type Heap,
  type P,
} from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { releaseAll } from '../../src/heap/mcache.js';
import { Found, resolve } from '../../src/heap/objects.js';
import { publish } from '../../src/heap/publish.js';
import { sweepAll, sweepOne } from '../../src/heap/sweep.js';
import { all, type Forest } from './forest.js';
import { addressIn, type Graph, high, low, type Node } from './graph.js';

export interface Scenario<T> {
  /** Brings the heap to where the operation is interesting; the mark may be on afterwards. */
  setup: (g: Graph, f: Forest) => T;
  /** The operation, on the view that dies. */
  run: (h: Heap, p0: P, x: T, world: World) => unknown;
  /** What the model is to believe of an operation that may have happened or not. */
  believe?: (g: Graph, x: T) => void;
  /** It runs with the world stopped throughout. */
  held?: boolean;
  /** Objects that may stay: one that was answered, and whose root the operation was about to drop. */
  leaks?: number;
}

const INFINITE = Number.POSITIVE_INFINITY;

/** Marks to the end, on P0. */
function mark(h: Heap, p: P): void {
  while (!isMarkDone(h)) drain(h, p, INFINITE, INFINITE, false);
}

/** Caches that were flushed by a cycle, and are warm again. */
function settled(g: Graph, f: Forest): void {
  gcCycle(g.h, g.h.ps[1]);
  g.prune();
  for (const p of g.h.ps) {
    g.link(p, f.own.root, p.id + 1, g.alloc(p, 48, [0, 5]));
    g.alloc(p, 64);
    g.alloc(p, 1024, [0, 127]);
    g.alloc(p, 5);
  }
}

/** A mark was begun, and both Ps have spans in their queues; roots were dropped and pointers moved since. */
function marking(g: Graph, f: Forest): void {
  const { h } = g;
  const [p0, p1] = h.ps;
  settled(g, f);
  startMark(h, p1, Why.forced);
  for (let i = 0; i < 3; i++) for (const p of h.ps) drain(h, p, 1, INFINITE, false);
  g.link(p1, f.hub, 14, f.chain[20]);
  g.link(p1, f.chain[19], 0, null);
  g.drop(p0, f.leaves[90]);
}

/** Everything was marked, and then something more. */
function marked(g: Graph, f: Forest): void {
  marking(g, f);
  mark(g.h, g.h.ps[0]);
}

/** A mark is over; nothing is swept. */
function unswept(g: Graph, f: Forest): void {
  marked(g, f);
  finishMark(g.h);
  g.prune();
}

interface Store {
  from: Node;
  word: number;
  to: Node | null;
  offset: number;
}

function believeStores(g: Graph, stores: readonly Store[]): void {
  for (const { from, word, to, offset } of stores) g.believeStore(from, word, to, offset);
}

function store(h: Heap, p: P, { from, word, to, offset }: Store): void {
  const address = to === null ? 0 : addressIn(to, offset);
  storePointer(h, p, from.word + word, low(address), high(address));
}

function write(h: Heap, p: P, stores: readonly Store[], decoy: number): void {
  const { from, word: first } = stores[0];
  const found = new Found();
  resolve(h, p, from.word, 0, found);
  const bytes = Buffer.alloc((stores[stores.length - 1].word - first + 1) * 8);
  bytes.fill(0);
  for (let i = 0; i < bytes.length; i += 8) bytes.writeBigUInt64LE(BigInt(decoy), i);
  for (const { word, to, offset } of stores) {
    bytes.writeBigUInt64LE(BigInt(to === null ? 0 : addressIn(to, offset)), (word - first) * 8);
  }
  writeBytes(h, p, found, first * 8, bytes);
}

/** Stores of a kind each: overwrite, clear, into what is not marked yet, of what is not marked yet, into a large object. */
const STORES: Record<string, (f: Forest) => Store> = {
  'over another': (f) => ({ from: f.chain[10], word: 0, to: f.chain[30], offset: 8 }),
  'null over one': (f) => ({ from: f.chain[36], word: 0, to: null, offset: 0 }),
  'over null in a large object': (f) => ({ from: f.big, word: 4999, to: f.chain[39], offset: 0 }),
  'into an object with a header': (f) => ({ from: f.sized[8], word: 0, to: f.huge, offset: 299_999 }),
};

/** Allocations of a kind each: small, with pointers, with a header, large, tiny; in the cached span, and beyond it. */
const ALLOCS: Record<string, (h: Heap, p: P) => unknown> = {
  'no pointers': (h, p) => mallocNoscan(h, p, 64),
  'with pointers': (h, p) => mallocScan(h, p, 48),
  'with a header': (h, p) => mallocScan(h, p, 1024),
  'first of a span class': (h, p) => mallocScan(h, p, 3000),
  'first of a class without pointers': (h, p) => mallocNoscan(h, p, 5000),
  tiny: (h, p) => mallocNoscan(h, p, 5),
  'new tiny block': (h, p) => mallocNoscan(h, p, 13),
  large: (h, p) => mallocNoscan(h, p, 50_000),
  'large with pointers': (h, p) => mallocScan(h, p, 50_000),
  'many, through groups and spans': (h, p) => {
    // Answered one by one, as the executor does it; nobody keeps them.
    for (let i = 0; i < 200; i++) {
      const word = mallocScan(h, p, 48);
      publish(h, p, word);
      dropRoot(h, p, word, 0);
    }
  },
};

const FREES: Record<string, (g: Graph, f: Forest) => Node> = {
  'in the cached span': (g) => g.alloc(g.h.ps[0], 64),
  'in a listed span': (_, f) => f.leaves[10],
  'of another P': (_, f) => f.own.leaves[39],
  'with pointers': (_, f) => f.hub,
  large: (g) => g.alloc(g.h.ps[0], 60_000, [1, 7000]),
  'the last tiny object of a block': (g) => [14, 12, 15].map((n) => g.alloc(g.h.ps[0], n))[1],
};

const PHASES: Record<string, (g: Graph, f: Forest) => void> = { mark: marking, sweep: unswept };

export const SCENARIOS: Record<string, Scenario<unknown>> = {};

function add<T>(name: string, scenario: Scenario<T>): void {
  SCENARIOS[name] = scenario as Scenario<unknown>;
}

// The steps of a cycle.

add('sweep termination and start of a mark', {
  setup: (g, f) => settled(g, f),
  run: (h, p) => startMark(h, p, Why.forced),
  held: true,
});
add('start of a mark with everything left to sweep', {
  setup: unswept,
  run: (h, p) => startMark(h, p, Why.periodic),
  held: true,
});
add('root marking', {
  setup: (g, f) => {
    settled(g, f);
    startMark(g.h, g.h.ps[1], Why.heap);
  },
  run: (h, p) => drain(h, p, 1, INFINITE, false),
});
add('marking', { setup: marking, run: mark });
add('marking in pieces', {
  setup: marking,
  run: (h, p) => {
    while (!isMarkDone(h)) drain(h, p, 64, INFINITE, true);
  },
});
add('mark termination', { setup: marked, run: (h) => finishMark(h), held: true });
add('a whole cycle', { setup: (g, f) => settled(g, f), run: (h, p) => gcCycle(h, p), held: true });
add('sweep of one span', { setup: unswept, run: (h, p) => sweepOne(h, p) });
add('sweep of everything', { setup: unswept, run: (h, p) => sweepAll(h, p) });

// What the program does meanwhile.

for (const [phase, setup] of Object.entries(PHASES)) {
  for (const [name, store1] of Object.entries(STORES)) {
    add(`${phase}: pointer ${name}`, {
      setup: (g, f) => {
        setup(g, f);
        return store1(f);
      },
      run: store,
      believe: (g, x) => believeStores(g, [x]),
    });
  }
  add(`${phase}: bytes over pointers`, {
    setup: (g, f) => {
      setup(g, f);
      const to = [f.chain[5], null, f.huge, f.chain[39], f.hub, null];
      return { decoy: g.decoy, stores: to.map((node, i) => ({ from: f.hub, word: i + 2, to: node, offset: 0 })) };
    },
    run: (h, p, { stores, decoy }) => write(h, p, stores, decoy),
    believe: (g, { stores }) => believeStores(g, stores),
  });
  for (const [name, run] of Object.entries(ALLOCS)) {
    add(`${phase}: allocation ${name}`, { setup, run, leaks: name.startsWith('many') ? 1 : 0 });
  }
  for (const size of [48, 1024]) {
    add(`${phase}: reuse of a slot of ${size} bytes`, {
      setup: (g, f) => {
        setup(g, f);
        g.drop(g.h.ps[0], g.alloc(g.h.ps[0], size, [0]), true);
      },
      run: (h, p) => mallocScan(h, p, size),
    });
  }
  for (const [name, pick] of Object.entries(FREES)) {
    const scenario = (run: typeof freeNow): Scenario<Node> => ({
      setup: (g, f) => {
        setup(g, f);
        return pick(g, f);
      },
      run: (h, p, o) => run(h, p, o.word, o.sub),
      believe: (g, o) => g.believeDrop(g.h.ps[0], o),
    });
    add(`${phase}: immediate free ${name}`, scenario(freeNow));
    add(`${phase}: drop of a root ${name}`, scenario(dropRoot));
  }
  add(`${phase}: immediate free that flushes the stack`, {
    setup: (g, f) => {
      const mine = all(150).map(() => g.alloc(g.h.ps[0], 64));
      setup(g, f);
      for (const o of [...mine.slice(0, 12), ...mine.slice(130)]) g.drop(g.h.ps[0], o, true);
      return mine[50];
    },
    run: (h, p, o) => freeNow(h, p, o.word, o.sub),
    believe: (g, o) => g.believeDrop(g.h.ps[0], o),
  });
  add(`${phase}: flush of the mcache`, { setup, run: (h, p) => releaseAll(h, p), held: true });
}

// The collector, which stops the world itself.

const collector = (h: Heap, p: P, world: World): Collector => new Collector(h, p, world);

add('collector: begins', { setup: settled, run: (h, p, _, world) => collector(h, p, world).begin(Why.periodic) });
add('collector: begins with sweeping left to do', {
  setup: unswept,
  run: (h, p, _, world) => collector(h, p, world).begin(Why.forced),
});
add('collector: ends', { setup: marked, run: (h, p, _, world) => collector(h, p, world).end() });
add('collector: collects', { setup: settled, run: (h, p, _, world) => collector(h, p, world).collect(Why.forced) });
add('collector: collects after a mark that is on', {
  setup: marking,
  run: (h, p, _, world) => collector(h, p, world).collect(Why.forced),
});
add('collector: collects with the world stopped', {
  setup: settled,
  run: (h, p, _, world) => new Collector(h, p, world, { stopTheWorld: 2 }).collect(Why.forced),
});
add('collector: sweeps and waits', {
  setup: unswept,
  run: (h, p, _, world) => collector(h, p, world).sweepEverything(),
});
for (const turn of ['idle', 'share', 'between'] as const) {
  for (const [phase, setup] of Object.entries({ ...PHASES, 'end of the mark': marked })) {
    add(`collector: ${turn}, ${phase}`, { setup, run: (h, p, _, world) => collector(h, p, world)[turn]() });
  }
}
add('collector: an assist', {
  setup: (g, f) => {
    marking(g, f);
    g.alloc(g.h.ps[0], 100_000);
  },
  run: (h, p, _, world) => collector(h, p, world).service(),
});
add('collector: an assist that ends the mark', {
  setup: (g, f) => {
    marked(g, f);
    g.alloc(g.h.ps[0], 100_000);
  },
  run: (h, p, _, world) => collector(h, p, world).service(),
});
add('collector: an allocation crossed the trigger', {
  setup: (g, f) => {
    settled(g, f);
    configure(g.h, 5, INFINITE);
  },
  run: (h, p, _, world) => collector(h, p, world).service(),
});
add('collector: restarts a cycle', {
  setup: (g, f) => {
    settled(g, f);
    g.restart(Why.periodic);
  },
  run: (h, p, _, world) => collector(h, p, world).share(),
});
add('settings', {
  setup: settled,
  run: (h) => configure(h, 40, 3 << 20),
  believe: ({ h }) => {
    const { f, at } = pacerOf(h);
    // All of it happened, or nothing; and everybody goes by the same.
    const { gcPercent, memoryLimit } = gcSettings(h);
    expect([
      [-1, INFINITE],
      [40, 3 << 20],
    ]).toContainEqual([gcPercent, memoryLimit]);
    expect([f[at + C_GC_PERCENT], f[at + C_MEMORY_LIMIT]]).toEqual([
      gcPercent,
      memoryLimit === INFINITE ? MAX_INT64 : memoryLimit,
    ]);
    const is = [h.scalar(H_GC_PERCENT), h.f[h.gcStats + G_MEMORY_LIMIT], h.scalar(H_TRIGGER)];
    configure(h, gcPercent, memoryLimit);
    expect(is).toEqual([gcPercent, memoryLimit, h.scalar(H_TRIGGER)]);
  },
  held: true,
});
add('background scavenging', {
  setup: (g, f) => {
    const big = g.alloc(g.h.ps[0], 900_000);
    settled(g, f);
    g.drop(g.h.ps[0], big);
    gcCycle(g.h, g.h.ps[1]);
    gcCycle(g.h, g.h.ps[1]);
    g.h.f[g.h.gcStats + G_SCAV_PERCENT_GOAL] = 0;
    wakeScavenger(g.h);
  },
  run: (h, p) => bgScavenge(h, p),
});
