/**
 * goal.json: the heap goal after runtime.GC(), for 6 values of GOGC and 9 live heaps of 8 KiB objects (54 rows).
 *
 * Real heaps, not formulas (those: test/gc/pacer.test.ts). Twice:
 *
 *      as ours are   nothing but the objects. NextGC is Go's formula with our heapMarked and without stacks and globals. Where the same
 *                    term of it decides here and in Go, the two goals differ by exactly what Go's stacks, globals and start-up
 *                    objects add to that term.
 *      as Go's was   with as many bytes of start-up objects as Go had, and its stacks and globals told to the pacer. NextGC is Go's own
 *                    number, in all 54 rows.
 *
 * The formula's last term is in force at every row: Go reads NextGC after runtime.GC(), whose sweep is over by then, but it was not when the
 * goal was derived at mark termination, and nothing derives it anew. So the least goal is 1 MiB above what the mark found.
 */

import { expect, test } from 'vitest';
import { memStats } from '../../src/gc/memstats.js';
import { configure } from '../../src/gc/pacing.js';
import { Why } from '../../src/gc/state.js';
import { GoProgram } from './program.js';
import { golden } from './support.js';

interface Row {
  gogc: number;
  liveMiBOf8KObjects: number;
  heapMarked: number;
  stackScan: number;
  globalsScan: number;
  goal: number;
}

const MiB = 2 ** 20;
const { rows } = golden<{ rows: Row[] }>('goal');
const startUp = (row: Row): number => row.heapMarked - row.liveMiBOf8KObjects * MiB;

/** The file's formula: its three terms. All products are integers below 2^53. */
function terms(gogc: number, marked: number, roots: number) {
  return {
    percent: marked + Math.floor(((marked + roots) * gogc) / 100),
    minimum: Math.floor((4 * MiB * gogc) / 100),
    sweep: marked + MiB,
  };
}

type Term = keyof ReturnType<typeof terms>;

function goal(of: ReturnType<typeof terms>): { bytes: number; term: Term } {
  const bytes = Math.max(of.percent, of.minimum, of.sweep);
  return { bytes, term: (['percent', 'minimum', 'sweep'] as const).find((term) => of[term] === bytes)! };
}

/** A program like Go's: it keeps so and so many 8 KiB objects, and calls runtime.GC(). */
class Program extends GoProgram {
  private readonly objects: number[] = [];

  keep(objects: number): void {
    while (this.objects.length > objects) this.drop(this.objects.pop()!);
    while (this.objects.length < objects) this.objects.push(this.malloc(8192, false));
  }

  collect(): { marked: number; nextGC: number } {
    this.collector.collect(Why.forced);
    const { NextGC } = memStats(this.h);
    // Reading it again, with the sweep long over, gives the same: nothing derives the goal anew.
    expect(memStats(this.h).NextGC).toBe(NextGC);
    return { marked: this.marked, nextGC: NextGC };
  }
}

test('the formula is what Go measured', () => {
  expect(rows.length).toBe(54);
  for (const row of rows) {
    const { bytes } = goal(terms(row.gogc, row.heapMarked, row.stackScan + row.globalsScan));
    expect(bytes, JSON.stringify(row)).toBe(row.goal);
  }
});

test('NextGC of a heap of nothing but its objects', () => {
  const g = new Program();
  const decided: Record<Term, number> = { percent: 0, minimum: 0, sweep: 0 };
  const comparable: Record<Term, number> = { percent: 0, minimum: 0, sweep: 0 };
  for (const row of rows) {
    const what = JSON.stringify(row);
    configure(g.h, row.gogc, Number.POSITIVE_INFINITY);
    g.keep(row.liveMiBOf8KObjects * 128);
    const { marked, nextGC } = g.collect();
    expect(marked, what).toBe(row.liveMiBOf8KObjects * MiB);
    const ours = terms(row.gogc, marked, 0);
    expect(nextGC, what).toBe(goal(ours).bytes);
    const { term } = goal(ours);
    decided[term]++;
    const theirs = terms(row.gogc, row.heapMarked, row.stackScan + row.globalsScan);
    if (goal(theirs).term !== term) continue;
    comparable[term]++;
    // What Go's goal has more: its start-up objects, and GOGC percent of these, its stacks and its globals (and of the last remainder).
    const more = startUp(row) + row.stackScan + row.globalsScan;
    const rest = (marked * row.gogc) % 100;
    const explained = {
      percent: startUp(row) + Math.floor((more * row.gogc + rest) / 100),
      minimum: 0,
      sweep: startUp(row),
    };
    expect(row.goal - nextGC, what).toBe(explained[term]);
  }
  expect(decided).toEqual({ percent: 34, minimum: 13, sweep: 7 });
  expect(comparable).toEqual({ percent: 34, minimum: 10, sweep: 7 });
  g.expectSound();
});

test('NextGC of a heap with all that Go had to scan is the number that Go measured', () => {
  const g = new Program();
  for (const row of rows) {
    configure(g.h, row.gogc, Number.POSITIVE_INFINITY);
    g.keep(row.liveMiBOf8KObjects * 128);
    g.startUp(startUp(row));
    g.roots = row.stackScan + row.globalsScan;
    expect(g.collect(), JSON.stringify(row)).toEqual({ marked: row.heapMarked, nextGC: row.goal });
  }
  g.expectSound();
});
