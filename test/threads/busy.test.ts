/** The clock of a thread's work, by hand: what counts, what does not, and when somebody is told. */

import { describe, expect, it } from 'vitest';
import { BusyClock, type Timers, whenBusyFor } from '../../src/threads/busy.js';

/** Time that a test moves, in ms. */
class Hand implements Timers {
  at = 0;
  private pending: { at: number; call: () => void } | null = null;

  readonly now = (): bigint => BigInt(this.at) * 1_000_000n;

  set(call: () => void, ms: number): unknown {
    this.pending = { at: this.at + ms, call };
    return this.pending;
  }

  clear(timer: unknown): void {
    if (timer === this.pending) this.pending = null;
  }

  get waits(): boolean {
    return this.pending !== null;
  }

  pass(ms: number): void {
    const end = this.at + ms;
    while (this.pending !== null && this.pending.at <= end) {
      const { at, call } = this.pending;
      this.at = at;
      this.pending = null;
      call();
    }
    this.at = end;
  }
}

describe('BusyClock', () => {
  it('counts work and leaves out rest', () => {
    const hand = new Hand();
    const clock = new BusyClock(undefined, hand.now);
    hand.pass(10);
    expect(clock.worked).toBe(0);
    clock.work();
    hand.pass(5);
    clock.work();
    expect(clock.worked).toBe(5);
    clock.rest();
    hand.pass(100);
    clock.rest();
    expect(clock.worked).toBe(5);
    clock.work();
    hand.pass(7);
    expect(clock.worked).toBe(12);
  });

  it('is read by others in the middle of the work', () => {
    const hand = new Hand();
    const mine = new BusyClock(undefined, hand.now);
    const theirs = new BusyClock(mine.shared, hand.now);
    theirs.work();
    hand.pass(3);
    expect(mine.worked).toBe(3);
    theirs.rest();
    hand.pass(3);
    expect(mine.worked).toBe(3);
  });
});

describe('whenBusyFor', () => {
  it('tells when the work is as long as it may be, whatever rest was between', () => {
    const hand = new Hand();
    const clock = new BusyClock(undefined, hand.now);
    let late = 0;
    whenBusyFor(clock, 1000, () => late++, hand);
    clock.work();
    hand.pass(900);
    clock.rest();
    hand.pass(1_000_000);
    expect(late).toBe(0);
    clock.work();
    hand.pass(99);
    expect(late).toBe(0);
    hand.pass(40);
    expect(late).toBe(1);
    expect(hand.waits).toBe(false);
  });

  it('ends with the watch', () => {
    const hand = new Hand();
    const clock = new BusyClock(undefined, hand.now);
    const stop = whenBusyFor(clock, 10, () => expect.unreachable(), hand);
    stop();
    clock.work();
    hand.pass(1000);
    expect(hand.waits).toBe(false);
  });
});
