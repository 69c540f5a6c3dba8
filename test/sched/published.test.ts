/** A slot that one P uses again lies in a span that another P allocates from: what that one has answered stays answered, and survives its death. */

import { expect, test } from 'vitest';
import { Collector } from '../../src/gc/collector.js';
import { gcCycle } from '../../src/gc/cycle.js';
import { check } from '../../src/heap/check.js';
import { HEAP_BASE, Heap } from '../../src/heap/heap.js';
import { Found, resolve, Status } from '../../src/heap/objects.js';
import { Executor } from '../../src/sched/exec.js';
import { Flag, Op } from '../../src/sched/ops.js';
import { F_ARGS, F_OP, F_RESULTS, newSchedMemory, Shared } from '../../src/sched/shared.js';
import { dieAt, fragile, takeOver } from '../heap/crash.js';

/** Two Ps and what their Ms do. P0's writes are counted. */
function world() {
  const h = Heap.create({ reserve: 4 << 20, arenaSize: 4 << 20, procs: 2 });
  const bad = fragile(h.memory);
  const k = new Shared(newSchedMemory(2));
  const views = [bad, h];
  const executors = views.map((view, p) => new Executor(view, view.ps[p], k, new Collector(view, view.ps[p])));
  const run = (p: number, op: number, args: number[]): [lo: number, hi: number] => {
    const frame = k.frame(p);
    k.m[frame + F_OP] = op;
    for (let i = 0; i < 8; i++) k.m[frame + F_ARGS + i] = args[i] ?? 0;
    executors[p].run(frame);
    return [k.m[frame + F_RESULTS], k.m[frame + F_RESULTS + 1]];
  };
  const alloc = (p: number): number => {
    const [lo, hi] = run(p, Op.alloc, [64, 0, Flag.noscan]);
    expect((hi >>> 16) & 255).toBe(Status.ok);
    return ((hi & 0xffff) * 2 ** 32 + (lo >>> 0) - HEAP_BASE) / 8;
  };
  const freeNow = (p: number, word: number): void => {
    const address = HEAP_BASE + word * 8;
    const [, hi] = run(p, Op.free, [address | 0, Math.floor(address / 2 ** 32), Flag.immediate]);
    expect((hi >>> 16) & 255).toBe(Status.ok);
  };
  const isThere = (word: number): boolean => resolve(h, h.ps[0], word, 0, new Found()) === Status.ok;
  return { h, alloc, freeNow, isThere };
}

test('an object stays, whenever the other P uses a slot beside it again', () => {
  let writes = 1;
  for (let n = 0; n < writes; n++) {
    const { h, alloc, freeNow, isThere } = world();
    const first = alloc(1);
    freeNow(0, first);
    let second = -1;
    let third = -1;
    const counted = dieAt(
      Number.POSITIVE_INFINITY,
      () => {
        second = alloc(0);
      },
      (at) => {
        if (at === n) third = alloc(1);
      },
    );
    writes = counted.writes;
    expect(second, 'P0 uses the slot in the span of P1').toBe(first);
    takeOver(h, h.ps[1], false);
    expect(check(h)).toEqual([]);
    gcCycle(h, h.ps[0]);
    expect([isThere(second), isThere(third)], `P1 allocated before write ${n}`).toEqual([true, true]);
  }
  expect(writes).toBeGreaterThan(4);
});
