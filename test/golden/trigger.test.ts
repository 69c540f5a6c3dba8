/**
 * trigger.json: with GODEBUG=gcstoptheworld=1, how much is allocated between two automatic cycles. 8 combinations of GOGC and live heap, 40
 * cycles each. The first cycle of each is where a program's start-up left the pacer; the 39 after it are predicted.
 *
 * A real heap on one thread, and a program like Go's: it allocates 8 KiB objects one by one, asks the collector after each, and keeps the
 * newest in a ring. Twice, as in goal.test.ts:
 *
 *      as ours are   nothing but these objects: the cycle begins at the very object that the formula says, from our own heapMarked
 *      as Go's was   with Go's start-up objects, stacks and globals: objects between cycles, live heap and goal are Go's own numbers
 *
 * No tolerance: the unit is the object, which is a page. Over HTTP: trigger-http.test.ts.
 *
 * In a large heap a cycle takes thousands of objects, and the last ones are like those before them,
 * so that they are left to `npm run test:long`.
 */

import { describe, expect, test } from 'vitest';
import { memStats } from '../../src/gc/memstats.js';
import { configure } from '../../src/gc/pacing.js';
import { cycleRecords } from '../../src/gc/record.js';
import { Why } from '../../src/gc/state.js';
import { effort } from '../helper/effort.js';
import { GoProgram } from './program.js';
import { distance, OBJECT, predict, type Scenario, scenarios } from './trigger.js';

const MiB = 2 ** 20;

class Program extends GoProgram {
  private readonly ring: number[];
  private at = 0;

  constructor(scenario: Scenario) {
    super({ stopTheWorld: 1 });
    this.ring = new Array((scenario.liveRingMiB * MiB) / OBJECT).fill(-1);
    configure(this.h, scenario.gogc, Number.POSITIVE_INFINITY);
  }

  /** One object. If a cycle begins, it does so before the object is put into the ring, in place of the oldest. */
  object(collect: () => void): void {
    const word = this.malloc(OBJECT, false);
    collect();
    if (this.ring.length === 0) {
      this.drop(word);
      return;
    }
    if (this.ring[this.at] >= 0) this.drop(this.ring[this.at]);
    this.ring[this.at] = word;
    this.at = (this.at + 1) % this.ring.length;
  }

  /** So many objects, and then a cycle at the last of them, due or not. */
  firstCycle(objects: number): void {
    for (let i = 1; i < objects; i++) this.object(() => {});
    this.object(() => this.collector.begin(Why.forced));
    this.p.attention = false;
    expect(this.numGC).toBe(1);
  }

  /** Objects until a cycle begins by itself. */
  untilCycle(): number {
    const before = this.numGC;
    let objects = 0;
    while (this.numGC === before) {
      this.object(() => {
        if (this.p.attention) this.collector.service();
      });
      objects++;
    }
    expect(this.numGC).toBe(before + 1);
    return objects;
  }
}

test('there are 8 scenarios of 40 cycles', () => {
  expect(scenarios.map(({ gogc, liveRingMiB, rows }) => [gogc, liveRingMiB, rows.length])).toEqual([
    [100, 0, 40],
    [100, 1, 40],
    [100, 8, 40],
    [50, 8, 40],
    [200, 8, 40],
    [100, 32, 40],
    [100, 64, 40],
    [25, 64, 40],
  ]);
});

describe.each(scenarios)('GOGC=$gogc, $liveRingMiB MiB live', (scenario) => {
  const { gogc, liveRingMiB, rows } = scenario;
  /** Enough to fill the ring, and for several that are like each other. */
  const cycles = liveRingMiB < 8 ? rows.length : gogc < 50 ? 25 : 14;

  test('the formula is what Go measured', () => {
    for (let i = 1; i < rows.length; i++) {
      const last = rows[i - 1];
      const roots = last.stackScan + last.globalsScan;
      expect(distance(gogc, last.liveAfter, roots), `cycle ${rows[i].cycle}`).toBe(
        rows[i].objectsAllocatedSincePreviousGC,
      );
      expect(predict(gogc, last.liveAfter, roots).goal).toBe(last.goalAfter);
      expect(rows[i].bytes).toBe(rows[i].objectsAllocatedSincePreviousGC * OBJECT);
    }
  });

  test('a heap of nothing but its objects', () => {
    const g = new Program(scenario);
    // Before the first cycle nothing was ever marked, and nothing is to be swept: 61/64 of the minimum.
    let expected = Math.ceil((((4 * MiB * gogc) / 100 / 64) * 61) / OBJECT);
    // Until nothing changes any more.
    for (let same = 0; same < 5; ) {
      const objects = g.untilCycle();
      expect(objects, `cycle ${g.numGC}`).toBe(expected);
      expect(memStats(g.h).NextGC).toBe(predict(gogc, g.marked, 0).goal);
      expected = distance(gogc, g.marked, 0);
      same = expected === objects && g.marked > liveRingMiB * MiB ? same + 1 : 0;
    }
    // Everything in the ring, and the object at which the cycle began.
    expect(g.marked).toBe(liveRingMiB * MiB + OBJECT);
    const [record] = cycleRecords(g.h, 1);
    expect(record).toMatchObject({ number: g.numGC, why: 'heap', forced: false, gomaxprocs: 1 });
    expect([record.heap.end, record.heap.marked]).toEqual([record.heap.start, g.marked]);
    expect(record.heap.start).toBeGreaterThanOrEqual(record.heap.trigger);
    expect(record.heap.start - OBJECT).toBeLessThan(record.heap.trigger);
    g.expectSound();
  });

  test("a heap with Go's start-up objects, stacks and globals", () => {
    const g = new Program(scenario);
    const [first] = rows;
    const kept = (objects: number): number => Math.min(objects, (liveRingMiB * MiB) / OBJECT + 1) * OBJECT;
    g.startUp(first.liveAfter - kept(first.objectsAllocatedSincePreviousGC));
    g.roots = first.stackScan + first.globalsScan;
    g.firstCycle(first.objectsAllocatedSincePreviousGC);
    const state = () => ({ liveAfter: g.marked, goalAfter: memStats(g.h).NextGC });
    expect(state()).toEqual({ liveAfter: first.liveAfter, goalAfter: first.goalAfter });
    for (const row of rows.slice(1, effort(cycles, rows.length))) {
      g.roots = row.stackScan + row.globalsScan;
      const objects = g.untilCycle();
      expect({ ...state(), objects }, `cycle ${row.cycle}`).toEqual({
        liveAfter: row.liveAfter,
        goalAfter: row.goalAfter,
        objects: row.objectsAllocatedSincePreviousGC,
      });
    }
    g.expectSound();
  });
});
