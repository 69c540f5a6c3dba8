import { describe, expect, it } from 'vitest';
import {
  CPULimiter,
  L_ASSIST_POOL,
  L_CAPACITY,
  L_FILL,
  L_IDLE_POOL,
  L_LAST_UPDATE,
  L_NUM_GC,
  L_OVERFLOW,
  L_WORDS,
} from '../../src/gc/limiter.js';
import { golden } from '../heap/pagealloc-golden.js';

type Row = [
  op: 'update' | 'addAssistTime' | 'gcTransition' | 'resetCapacity',
  args: never[],
  fill: number,
  capacity: number,
  overflow: number,
  limiting: boolean,
];

const AT = 3;
const S = 1e9;

function limiter(procs: number): CPULimiter {
  const f = new Float64Array(new SharedArrayBuffer((AT + L_WORDS + 1) * 8)).fill(-7);
  f.fill(0, AT, AT + L_WORDS);
  const l = new CPULimiter(f, AT);
  l.resetCapacity(0, procs);
  return l;
}

const get = (l: CPULimiter, field: number): number => l.f[AT + field];

/** Full since 2 s, after a cycle that did nothing but assist on one P. */
function full(): CPULimiter {
  const l = limiter(1);
  l.addAssistTime(2 * S);
  l.update(2 * S);
  expect(l.limiting()).toBe(true);
  return l;
}

describe('CPULimiter', () => {
  const { sequences } = golden<{ sequences: { rows: Row[] }[] }>('gccpulimiter_vectors');

  it(`is Go 1.27's: ${sequences.length} sequences`, () => {
    let rows = 0;
    for (const [i, s] of sequences.entries()) {
      const l = limiter(s.rows[0][3] / S);
      for (const [j, [op, args, fill, capacity, overflow, limiting]] of s.rows.entries()) {
        if (op === 'update') l.update(args[0]);
        else if (op === 'addAssistTime') l.addAssistTime(args[0]);
        else if (op === 'resetCapacity') l.resetCapacity(args[0], args[1]);
        else {
          l.startGCTransition(args[0], args[1]);
          l.finishGCTransition(args[2]);
        }
        const got = [get(l, L_FILL), get(l, L_CAPACITY), get(l, L_OVERFLOW), l.limiting()];
        expect(got, `sequence ${i}, row ${j}, ${op}`).toStrictEqual([fill, capacity, overflow, limiting]);
        rows++;
      }
      expect([...l.f.slice(0, AT), l.f[AT + L_WORDS]]).toEqual([-7, -7, -7, -7]);
    }
    expect([sequences.length, rows]).toEqual([20, 2104]);
  });

  it('limits from a full bucket until the mutator drains it', () => {
    const l = limiter(2);
    l.addAssistTime(2 * S);
    l.update(2 * S); // 2 s of 4 s of CPU: even
    expect([get(l, L_FILL), l.limiting()]).toEqual([0, false]);
    l.addAssistTime(3 * S);
    l.update(4 * S); // 3 s of 4 s: 2 s more than the mutator
    expect([get(l, L_FILL), l.limiting(), get(l, L_OVERFLOW)]).toEqual([2 * S, true, 0]);
    l.addAssistTime(1 * S);
    l.update(4.5 * S); // all of it: over the brim
    expect([get(l, L_FILL), l.limiting(), get(l, L_OVERFLOW)]).toEqual([2 * S, true, 1 * S]);
    l.update(4.5 * S); // nothing happened
    expect(l.limiting()).toBe(true);
    l.update(4.6 * S);
    expect([get(l, L_FILL), l.limiting()]).toEqual([1.8 * S, false]);
  });

  it('knows the cycle in which it last began', () => {
    const l = limiter(1);
    expect(l.lastEnabledCycle()).toBe(0);
    l.f[AT + L_NUM_GC] = 6;
    l.addAssistTime(2 * S);
    l.update(2 * S);
    expect([l.limiting(), l.lastEnabledCycle()]).toEqual([true, 7]);
    // Still full in later cycles: it began in the seventh.
    l.f[AT + L_NUM_GC] = 9;
    l.addAssistTime(S);
    l.update(3 * S);
    expect([l.limiting(), l.lastEnabledCycle()]).toEqual([true, 7]);
  });

  it('counts idle time as nobody’s', () => {
    const l = limiter(4);
    l.addAssistTime(S);
    l.addIdleTime(3 * S);
    l.update(S);
    expect([get(l, L_FILL), get(l, L_IDLE_POOL)]).toEqual([S, 0]);
  });

  it('takes a quarter of the window for the workers while a mark is on, idle or not', () => {
    const l = limiter(4);
    l.startGCTransition(true, 0);
    l.finishGCTransition(0);
    l.addIdleTime(3 * S);
    l.update(S);
    expect(get(l, L_FILL)).toBe(S);
    l.update(2 * S);
    expect(get(l, L_FILL)).toBe(0);
  });

  it('with a stopped world, all time is the collector’s', () => {
    const l = limiter(4);
    l.startGCTransition(true, S);
    l.finishGCTransition(S + 100);
    expect([get(l, L_FILL), get(l, L_LAST_UPDATE)]).toEqual([400, S + 100]);
  });

  it('is due for an update after more than 10 ms', () => {
    const l = limiter(1);
    l.update(S);
    expect([l.needUpdate(S), l.needUpdate(S + 10e6), l.needUpdate(S + 10e6 + 1)]).toEqual([false, false, true]);
  });

  it('ignores an update from before the last one', () => {
    const l = limiter(1);
    l.update(S);
    l.addAssistTime(5);
    l.update(S - 1);
    expect([get(l, L_LAST_UPDATE), get(l, L_ASSIST_POOL), get(l, L_FILL)]).toEqual([S, 5, 0]);
  });

  it('fewer Ps make a full bucket of a fuller one, more Ps end it', () => {
    const l = limiter(4);
    l.addAssistTime(3 * S);
    l.update(0.75 * S);
    expect([get(l, L_FILL), l.limiting()]).toEqual([3 * S, false]);
    l.resetCapacity(0.75 * S, 2);
    expect([get(l, L_FILL), l.limiting(), l.lastEnabledCycle()]).toEqual([2 * S, true, 1]);
    l.resetCapacity(0.75 * S, 3);
    expect([get(l, L_FILL), l.limiting()]).toEqual([2 * S, false]);
  });

  it('refuses transitions out of turn', () => {
    const l = full();
    expect(() => l.finishGCTransition(3 * S)).toThrow('no transition to finish');
    expect(() => l.startGCTransition(false, 3 * S)).toThrow('same state');
    l.startGCTransition(true, 3 * S);
    expect(() => l.startGCTransition(true, 3 * S)).toThrow('same state');
  });
});
