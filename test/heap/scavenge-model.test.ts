/**
 * Scavenging against the books, in random programs of allocations, frees, cycles, releases of every kind, and limits that come and go, with
 * real madvise and without: what was released is what moved, live objects keep their bytes, new ones read zero, check() finds
 * nothing.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import {
  G_MEMORY_LIMIT,
  G_SCAV_PERCENT_GOAL,
  H_PAGES_FREE,
  H_PAGES_RELEASED,
  H_SCAVENGED_BG,
  type P,
} from '../../src/heap/heap.js';
import { mappedReady } from '../../src/heap/memstats.js';
import { scavengeAll, scavengePages } from '../../src/heap/scavenge.js';
import { PAGE_SIZE } from '../../src/heap/sizeclass.js';
import { sweepOne } from '../../src/heap/sweep.js';
import { effort } from '../helper/effort.js';
import { type Held, World } from './world.js';

/** One step of a program, and what fast-check calls it in a failure. */
type Step = (w: World, p: P) => void;
const named = (name: string, run: Step): Step => Object.assign(run, { [fc.toStringMethod]: () => name });
const pick = (w: World, n: number): Held => [...w.held.values()][n % w.held.size];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(3, 24, 100, 512, 1024, 2048, 8192, 33_000, 70_000, 300_000, 3_000_000), fc.nat(30))
      .map(([size, times]) =>
        named(`alloc ${times} of ${size}`, (w, p) => {
          for (let i = 0; i <= Math.min(times, 1e6 / size); i++) w.alloc(p, size, i % 3 !== 2);
        }),
      ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(1 << 20), fc.nat(40), fc.boolean()).map(([n, times, now]) =>
      named(`free ${times} from ${n}${now ? ' now' : ''}`, (w, p) => {
        for (let i = 0; i < times && w.held.size > 0; i++) w.free(p, pick(w, n + i * 13), now);
      }),
    ),
  },
  { weight: 2, arbitrary: fc.constant(named('gc', (w, p) => gcCycle(w.h, p))) },
  { weight: 1, arbitrary: fc.constant(named('sweep one', (w, p) => void sweepOne(w.h, p))) },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 300 }), fc.boolean()).map(([n, force]) =>
      named(`scavenge ${n}${force ? ' forced' : ''}`, (w, p) => {
        const before = [w.h.scalar(H_PAGES_FREE), w.h.scalar(H_PAGES_RELEASED)];
        const released = scavengePages(w.h, p, n, force, H_SCAVENGED_BG);
        const after = [w.h.scalar(H_PAGES_FREE), w.h.scalar(H_PAGES_RELEASED)];
        expect(after).toEqual([before[0] - released, before[1] + released]);
        // Less than was asked for means that nothing is left, and more that a huge page was kept whole.
        if (force && released < n) expect(scavengePages(w.h, p, 1, true, H_SCAVENGED_BG)).toBe(0);
        expect(released).toBeLessThan(n + 256);
      }),
    ),
  },
  { weight: 1, arbitrary: fc.constant(named('scavenge all', (w, p) => void scavengeAll(w.h, p))) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(600), fc.boolean()).map(([n, off]) =>
      named(off ? 'limits off' : `limits ${n} pages above`, (w) => {
        const { h } = w;
        const bytes = off ? Number.POSITIVE_INFINITY : mappedReady(h) + (n - 300) * PAGE_SIZE;
        h.f[h.gcStats + G_MEMORY_LIMIT] = bytes;
        h.f[h.gcStats + G_SCAV_PERCENT_GOAL] = bytes;
      }),
    ),
  },
  { weight: 1, arbitrary: fc.constant(named('check', (w) => w.expectWhole('on the way'))) },
);

test.each(['released', 'accounted'])('random programs, pages %s', (how) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (program) => {
      const w = new World(1, 16 << 20);
      if (how === 'accounted') Object.assign(w.h, { releases: false });
      for (const run of program) run(w, w.p(0));
      w.verify(w.p(0));
      w.expectWhole('at the end');
      gcCycle(w.h, w.p(0));
      scavengeAll(w.h, w.p(0));
      w.verify(w.p(0));
      w.expectWhole('released');
    }),
    { numRuns: Number(process.env.MODEL_RUNS ?? effort(12, 200)) },
  );
});
