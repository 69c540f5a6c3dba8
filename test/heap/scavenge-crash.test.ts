/**
 * What happens while memory is being released, with the heap lock dropped: others allocate and free; they die, with the lock held, and a
 * recovery makes the bitmaps anew; or the scavenger itself dies, at any write. Afterwards the heap is whole, every object has
 * its bytes, and no page is lost: all that is free can still be released.
 */

import { afterEach, describe, expect, test, vi } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { bgScavenge, SC_AWAKE, SC_WOKEN, SCAV_AT, wakeScavenger } from '../../src/gc/scavenger.js';
import { check } from '../../src/heap/check.js';
import {
  G_MEMORY_LIMIT,
  G_SCAV_PERCENT_GOAL,
  H_PAGES_FREE,
  H_PAGES_RELEASED,
  H_SCAVENGED_BG,
  H_SCAVENGED_EAGER,
  H_SCAVENGED_FORCED,
  H_SCAVENGER,
  type Heap,
  type P,
  P_PAGE_CACHE,
} from '../../src/heap/heap.js';
import { mallocNoscan } from '../../src/heap/malloc.js';
import { mappedReady } from '../../src/heap/memstats.js';
import { pageCachePages } from '../../src/heap/pagecache.js';
import { recover } from '../../src/heap/recover.js';
import { scavengeAll, scavengePages } from '../../src/heap/scavenge.js';
import { PAGE_SIZE, PAGE_WORDS } from '../../src/heap/sizeclass.js';
import { lockOwner } from '../../src/memory/lock.js';
import { releaseMode } from '../../src/memory/os.js';
import { effort } from '../helper/effort.js';
import { dieAt, fragile, sleeping, snapshot } from './crash.js';
import { type Held, key, World } from './world.js';

/** ms: for what hangs. All deaths of a scenario take up to half a minute of a processor. */
const timeout = 900_000;

/** What happens while memory is being released. */
let during: (page: number, npages: number) => void = () => {};
vi.mock('../../src/memory/os.js', async (original) => {
  const os = await original<typeof import('../../src/memory/os.js')>();
  const release: typeof os.release = (buffer, offset, length) => {
    during(offset / 8192, length / 8192);
    return os.release(buffer, offset, length);
  };
  return { ...os, release };
});
afterEach(() => {
  during = () => {};
});

const many = (w: World, p: P, n: number, size: number): Held[] =>
  Array.from({ length: n }, () => w.alloc(p, size) as Held);

/** Two Ps with objects, free dirty pages between them, some seen by the background scavenger. P0 is the one that dies. */
function littered(): World {
  const w = new World(2);
  const [p0, p1] = w.h.ps;
  const objects = [
    ...many(w, p0, 60, 8192),
    ...many(w, p1, 9, 200_000),
    ...many(w, p0, 6, 50_000),
    ...many(w, p1, 90, 512),
  ];
  objects.forEach((o, i) => {
    if (i % 5 !== 0) w.free(w.p(i & 1), o, i % 2 === 0);
  });
  gcCycle(w.h, p0);
  gcCycle(w.h, p0);
  w.h.f[w.h.gcStats + G_SCAV_PERCENT_GOAL] = Number.POSITIVE_INFINITY;
  w.expectWhole('before');
  return w;
}

/** No page is lost: what is neither in use nor in a page cache can be released. */
function expectAllReleasable(w: World, p: P, context: string): void {
  const { h } = w;
  scavengeAll(h, p);
  let cached = 0;
  for (const each of h.ps) cached += pageCachePages(h.m, each.at + P_PAGE_CACHE);
  expect(h.scalar(H_PAGES_FREE), context).toBeLessThanOrEqual(cached);
  w.expectWhole(`${context}, all released`);
}

/** Both Ps work on, in all of the heap. */
function expectAlive(w: World, context: string): void {
  const [p0, p1] = w.h.ps;
  w.verify(p1);
  for (const p of [p0, p1]) for (const size of [64, 3, 2048, 8192, 40_000, 300_000]) w.alloc(p, size);
  w.expectWhole(`${context}, after allocating`);
  w.verify(p0);
  gcCycle(w.h, p1);
  expectAllReleasable(w, p1, context);
  w.verify(p0);
}

/** Puts a heap and what its clients believe back to how they are now. */
function keep(w: World): () => void {
  const back = snapshot(w.h);
  const held = [...w.held.values()].map((o) => ({ ...o }));
  return () => {
    back();
    w.held.clear();
    for (const o of held) w.held.set(key(o), { ...o });
  };
}

describe('while memory is being released', () => {
  test.skipIf(releaseMode() === 'accounted')('others take the heap lock, and none of its pages', () => {
    const w = littered();
    const { h } = w;
    const [p0, p1] = h.ps;
    let times = 0;
    during = (page, n) => {
      expect(lockOwner(h.m, h.heapLock)).toBe(-1);
      times++;
      for (const size of [30_000, 140_000, 8192]) {
        const o = w.alloc(p1, size);
        if (o === null) continue;
        const first = o.word / PAGE_WORDS;
        expect(first + size / PAGE_SIZE <= page || first >= page + n).toBe(true);
        if (times % 2 === 0) w.free(p1, o, true);
      }
    };
    scavengeAll(h, p0);
    expect(times).toBeGreaterThan(5);
    during = () => {};
    w.expectWhole();
    w.verify(p0);
    expectAlive(w, 'afterwards');
  });

  test.skipIf(releaseMode() === 'accounted')('two Ps release side by side', () => {
    const w = littered();
    const { h } = w;
    const [p0, p1] = h.ps;
    const free = h.scalar(H_PAGES_FREE);
    let others = 0;
    during = () => {
      const again = during;
      during = () => {};
      others += scavengePages(h, p1, 5, true, H_SCAVENGED_FORCED);
      during = again;
    };
    const mine = scavengePages(h, p0, 60, true, H_SCAVENGED_FORCED);
    expect(others).toBeGreaterThan(0);
    expect(h.scalar(H_PAGES_FREE)).toBe(free - mine - others);
    expect(h.scalar(H_SCAVENGED_FORCED)).toBe(mine + others);
    w.expectWhole();
    w.verify(p0);
  });

  test.skipIf(releaseMode() === 'accounted')('another P dies at any write, and its pages are taken', () => {
    const w = littered();
    const { h } = w;
    const [p0, p1] = h.ps;
    const bad = fragile(h.memory);
    const reset = keep(w);
    const work = (): number => mallocNoscan(bad, bad.ps[0], 250_000);
    const { writes } = dieAt(Number.POSITIVE_INFINITY, work);
    let lost = 0;
    for (let n = 0; n < writes; n += effort(3, 1)) {
      reset();
      const context = `died at write ${n}`;
      let died = false;
      let recovered = false;
      // P1 is the scavenger. While it has dropped the lock, P0 dies, perhaps with the lock taken, on which P1 then sleeps.
      during = () => {
        if (died) return;
        died = true;
        expect(dieAt(n, work).lived).toBe(false);
      };
      const repair = (): void => {
        recovered = true;
        recover(h, p0, false);
        expect(check(h, { hands: [1] }), `${context}, P1 asleep`).toEqual([]);
        // Somebody takes all there is before P1 gets the lock, what it held included.
        for (const size of [1_000_000, 200_000, 50_000, 8192]) while (w.alloc(p0, size) !== null);
        lost++;
      };
      let released = 0;
      sleeping(repair, () => {
        released = scavengePages(h, p1, 40, true, H_SCAVENGED_FORCED);
      });
      during = () => {};
      if (recovered) expect([released, h.scalar(H_PAGES_FREE)], context).toEqual([0, 0]);
      else recover(h, p0, false);
      w.expectWhole(context);
      w.verify(p1);
      if (!recovered) expectAlive(w, context);
      else {
        for (const o of [...w.held.values()]) if (o.size >= 8192) w.free(p0, o, false);
        gcCycle(h, p1);
        expectAlive(w, context);
      }
    }
    expect(lost).toBeGreaterThan(effort(0, 3));
  });
});

/** What P0 does when it dies. */
const SCENARIOS: Record<string, { setup?: (w: World) => void; run: (h: Heap, p: P) => unknown }> = {
  'a few pages in the background': { run: (h, p) => scavengePages(h, p, 8, false, H_SCAVENGED_BG) },
  'many pages, forced': { run: (h, p) => scavengePages(h, p, 150, true, H_SCAVENGED_FORCED) },
  everything: { run: scavengeAll },
  'an allocation under a memory limit': {
    setup: (w) => {
      w.h.f[w.h.gcStats + G_MEMORY_LIMIT] = mappedReady(w.h) - 20 * PAGE_SIZE;
    },
    run: (h, p) => mallocNoscan(h, p, 300_000),
  },
  'a small allocation under a memory limit': {
    setup: (w) => {
      w.h.f[w.h.gcStats + G_MEMORY_LIMIT] = 1;
    },
    run: (h, p) => mallocNoscan(h, p, 6000),
  },
  'an allocation that grows the heap past its goal': {
    setup: (w) => {
      w.h.f[w.h.gcStats + G_SCAV_PERCENT_GOAL] = 1;
    },
    run: (h, p) => mallocNoscan(h, p, 4_000_000),
  },
  'a round of the background scavenger': {
    setup: (w) => {
      w.h.f[w.h.gcStats + G_SCAV_PERCENT_GOAL] = 1;
      wakeScavenger(w.h);
    },
    run: bgScavenge,
  },
};

describe.each(Object.entries(SCENARIOS))('%s', (_name, { setup, run }) => {
  const totals = (h: Heap): number =>
    h.scalar(H_SCAVENGED_BG) + h.scalar(H_SCAVENGED_EAGER) + h.scalar(H_SCAVENGED_FORCED);
  const prepare = () => {
    const w = littered();
    setup?.(w);
    const bad = fragile(w.h.memory);
    let t = 0;
    bad.now = () => (t += 100_000);
    const reset = keep(w);
    const { writes } = dieAt(Number.POSITIVE_INFINITY, () => run(bad, bad.ps[0]));
    expect(writes).toBeGreaterThan(10);
    expect(totals(w.h)).toBeGreaterThan(0);
    // With CRASH_POINTS=some, about forty of them.
    const stride = process.env.CRASH_POINTS === 'some' ? Math.ceil(writes / 40) : 1;
    const deaths = Array.from({ length: writes }, (_, n) => n).filter((n) => n % stride === 0);
    const kill = (n: number): string => {
      reset();
      expect(dieAt(n, () => run(bad, bad.ps[0])).lived).toBe(false);
      return `died at write ${n}`;
    };
    /** What whoever recovers does for this P. */
    const repair = (): void => {
      recover(w.h, w.p(0), false);
      w.h.m[w.h.mheap + H_SCAVENGER] = 0;
    };
    /** What setup changed would change what follows. */
    const settle = (): void => {
      w.h.f[w.h.gcStats + G_MEMORY_LIMIT] = Number.POSITIVE_INFINITY;
      w.h.f[w.h.gcStats + G_SCAV_PERCENT_GOAL] = Number.POSITIVE_INFINITY;
    };
    return { w, deaths, kill, repair, settle };
  };

  test('dies at every write', { timeout }, () => {
    const { w, deaths, kill, repair, settle } = prepare();
    for (const n of deaths) {
      const context = kill(n);
      repair();
      w.expectWhole(context);
      settle();
      expectAlive(w, context);
    }
  });

  test('dies at every write while the other P works on', { timeout }, () => {
    const { w, deaths, kill, repair, settle } = prepare();
    const p1 = w.p(1);
    for (const n of deaths) {
      const context = kill(n);
      let recovered = false;
      sleeping(
        () => {
          expect(recovered, context).toBe(false);
          recovered = true;
          repair();
          expect(check(w.h, { hands: [1] }), `${context}, P1 asleep`).toEqual([]);
        },
        () => {
          many(w, p1, 4, 50_000);
          if (n % 2 === 0) scavengePages(w.h, p1, 12, true, H_SCAVENGED_FORCED);
          w.alloc(p1, 700_000);
          if (n % 3 === 0) bgScavenge(w.h, p1);
          many(w, p1, 130, 64);
        },
      );
      if (!recovered) repair();
      w.expectWhole(context);
      settle();
      expectAlive(w, context);
    }
  });
});

test('the background scavenger is due at once after the death of its thread', () => {
  const w = littered();
  const { h } = w;
  const bad = fragile(h.memory);
  // How long it sleeps follows from how long it worked: here a millisecond from one look to the next.
  let ns = 0;
  h.now = bad.now = () => (ns += 1e6);
  h.f[h.gcStats + G_SCAV_PERCENT_GOAL] = 1;
  wakeScavenger(h);
  // It sleeps, is woken, and dies: neither its old sleep counts, nor need anybody wake it again.
  expect(bgScavenge(h, w.p(1))).toBeGreaterThan(1e8);
  wakeScavenger(h);
  expect(dieAt(12, () => bgScavenge(bad, bad.ps[0])).lived).toBe(false);
  const at = h.pacer + SCAV_AT;
  expect([h.f[at + SC_AWAKE], h.f[at + SC_WOKEN]]).toEqual([1, 0]);
  recover(h, w.p(0), false);
  h.m[h.mheap + H_SCAVENGER] = 0;
  h.pageAlloc.index.nextGen();
  const before = h.scalar(H_PAGES_RELEASED);
  bgScavenge(h, w.p(1));
  expect(h.scalar(H_PAGES_RELEASED)).toBeGreaterThan(before);
  w.expectWhole();
});
