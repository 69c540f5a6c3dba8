/** The collector against a plain graph (graph-driver.ts), in random programs. */

import fc from 'fast-check';
import { describe, test } from 'vitest';
import { drain } from '../../src/gc/cycle.js';
import { configure } from '../../src/gc/pacing.js';
import { Why } from '../../src/gc/state.js';
import { H_SCAVENGED_FORCED, type P } from '../../src/heap/heap.js';
import { flushedMemStats } from '../../src/heap/memstats.js';
import { scavengePages } from '../../src/heap/scavenge.js';
import { sweepOne } from '../../src/heap/sweep.js';
import { effort } from '../helper/effort.js';

import { type Config, Driver, type Step } from './graph-driver.js';

const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 15 }) },
  { weight: 6, arbitrary: fc.constantFrom(8, 16, 24, 32, 48, 64, 112, 256, 512) },
  { weight: 4, arbitrary: fc.integer({ min: 16, max: 1024 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1025, max: 32_768 }) },
  { weight: 3, arbitrary: fc.integer({ min: 32_700, max: 100_000 }) },
);
const layout = fc.oneof(
  fc.constant('noscan' as const),
  fc.constant(undefined),
  fc.array(fc.nat(100), { minLength: 1, maxLength: 12 }),
);

/** A step that does something `times` times. */
const repeated = (words: string, most: number, run: (d: Driver, p: P) => void): fc.Arbitrary<Step> =>
  fc.integer({ min: 1, max: most }).map((times) => ({
    words: `${words} ×${times}`,
    run: (d, p) => {
      for (let i = 0; i < times; i++) run(d, p);
    },
  }));
const once = (words: string, run: (d: Driver, p: P) => void, waits = false): fc.Arbitrary<Step> =>
  fc.constant({ words, run, waits });

const allocStep: fc.Arbitrary<Step> = fc
  .tuple(size, layout, fc.integer({ min: 1, max: 40 }), fc.nat(3))
  .map(([bytes, mask, times, rooted]) => ({
    words: `alloc ${times} of ${bytes} ${mask === 'noscan' ? mask : mask === undefined ? 'all' : `[${mask}]`}, 1 of ${rooted + 1} rooted`,
    run: (d, p) => {
      const n = Math.min(times, Math.ceil(150_000 / bytes));
      for (let i = 0; i < n; i++)
        d.alloc(p, bytes, mask === 'noscan', mask === 'noscan' ? undefined : mask, i % (rooted + 1) === 0);
    },
  }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: allocStep },
  { weight: 8, arbitrary: repeated('link', 40, (d, p) => d.link(p)) },
  { weight: 4, arbitrary: repeated('unlink', 20, (d, p) => d.unlink(p)) },
  { weight: 5, arbitrary: repeated('drop', 30, (d, p) => d.drop(p)) },
  { weight: 4, arbitrary: repeated('free now', 12, (d, p) => d.freeNow(p)) },
  { weight: 1, arbitrary: once('free many now', (d, p) => d.freeMany(p)) },
  { weight: 4, arbitrary: repeated('allocate again', 12, (d, p) => d.again(p)) },
  { weight: 3, arbitrary: repeated('write', 12, (d, p) => d.write(p)) },
  { weight: 6, arbitrary: once('begin', (d, p) => d.gcs[p.id].begin(Why.forced)) },
  {
    weight: 14,
    arbitrary: fc.integer({ min: 1, max: 3000 }).map((budget) => ({
      words: `drain ${budget}`,
      run: (d: Driver, p: P) => {
        if (d.marking) drain(d.h, p, budget, Number.POSITIVE_INFINITY, true);
      },
    })),
  },
  { weight: 5, arbitrary: once('end', (d, p) => d.end(p)) },
  { weight: 2, arbitrary: once('service', (d, p) => d.gcs[p.id].service()) },
  { weight: 2, arbitrary: once('share', (d, p) => d.gcs[p.id].share()) },
  { weight: 1, arbitrary: once('idle', (d, p) => d.gcs[p.id].idle()) },
  { weight: 1, arbitrary: once('between', (d, p) => d.gcs[p.id].between()) },
  { weight: 5, arbitrary: repeated('sweep one', 8, (d, p) => sweepOne(d.h, p)) },
  { weight: 1, arbitrary: once('gc', (d, p) => d.gcs[p.id].collect(Why.forced), true) },
  { weight: 1, arbitrary: repeated('scavenge', 300, (d, p) => scavengePages(d.h, p, 1, true, H_SCAVENGED_FORCED)) },
  { weight: 1, arbitrary: once('flush', (d) => flushedMemStats(d.h)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(-1, 10, 25, 100), fc.constantFrom(Number.POSITIVE_INFINITY, 1 << 20, 20 << 20))
      .map(([percent, limit]) => ({
        words: `GOGC ${percent}, limit ${limit}`,
        run: (d: Driver, p: P) => {
          configure(d.h, percent, limit);
          p.attention = true;
        },
      })),
  },
  { weight: 1, arbitrary: once('check', (d) => d.expectWhole('on the way')) },
  { weight: 1, arbitrary: once('verify', (d, p) => d.verify(p)) },
);

const config: fc.Arbitrary<Config> = fc.record({
  seed: fc.integer({ min: 1, max: 1 << 30 }),
  clobberFree: fc.boolean(),
  stopTheWorld: fc.constantFrom(0, 0, 0, 0, 0, 1, 2),
  tick: fc.constantFrom(100, 10_000, 1_000_000),
  interleave: fc.constantFrom(0, 2, 5, 20),
});

const RUNS = Number(process.env.MODEL_RUNS ?? effort(25, 200));

describe('random graphs', () => {
  test.each([1, 4])('on %i P', { timeout: 120_000 + RUNS * 5000 }, (procs) => {
    const program = fc.array(
      fc.tuple(
        step.map((s) => Object.assign(s, { [fc.toStringMethod]: () => s.words })),
        fc.nat(3),
      ),
      { minLength: 1, maxLength: 120, size: 'max' },
    );
    fc.assert(
      fc.property(config, program, (settings, steps) => new Driver(procs, settings).run(steps)),
      { numRuns: RUNS },
    );
  });
});
