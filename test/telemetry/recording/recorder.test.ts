/** The recorder alone: it is told of events in any order that two Ps can bring about, and read at any pace. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rooted } from '../../../src/gc/rooted.js';
import { Recorder } from '../../../src/telemetry/recording/recorder.js';
import { TextWriter } from '../../../src/telemetry/recording/text.js';
import { play } from '../../helper/recording.js';

const HI = 0xc0;
const PAGES = 4096;

function recorder(capacity?: number): Recorder {
  let ms = 0;
  const made = new Recorder(PAGES, capacity, () => ms++);
  made.begin(new Rooted(new Int32Array(0), PAGES));
  made.on(0);
  return made;
}

/** A text goes on where it was. */
const writers = new WeakMap<Recorder, TextWriter>();

/** All that the queue holds, and what is owed. */
function read(from: Recorder): string {
  const writer = writers.get(from) ?? new TextWriter();
  writers.set(from, writer);
  let text = '';
  for (;;) {
    writer.drain(from.queue);
    from.relieve();
    writer.drain(from.queue);
    const piece = writer.take();
    if (piece.length === 0) return text;
    text += piece.toString();
  }
}

describe('order', () => {
  it('is that in which it was told, where that can be', () => {
    const r = recorder();
    r.on(1);
    r.malloc(0x1000, HI, 24, false);
    r.malloc(0x1018, HI, 2 ** 33 + 5, true);
    r.on(0);
    r.free(0x1000, HI);
    r.malloc(0x1000, HI, 20, false);
    r.malloc(0xffff_fff8 | 0, HI, 7, false);
    expect(read(r)).toBe(
      [
        '1: malloc 0xc000001000 24 2000000 2000000',
        '1: malloc 0xc000001018 8589934597 2000000 2000000 # scan',
        '0: free 0xc000001000 3000000 3000000',
        '0: malloc 0xc000001000 20 3000000 3000000',
        '0: malloc 0xc0fffffff8 7 3000000 3000000',
        '',
      ].join('\n'),
    );
  });

  it('puts a malloc behind the free that made its address free', () => {
    const r = recorder();
    r.malloc(0x1000, HI, 24, false);
    r.on(1);
    r.malloc(0x1000, HI, 17, false);
    expect([r.mallocs, r.waiting]).toEqual([1, 1]);
    r.on(0);
    r.free(0x1000, HI);
    expect([r.mallocs, r.waiting]).toEqual([2, 0]);
    const { live } = play(read(r));
    expect([...live]).toEqual([['0xc000001000', { size: 17, scan: false, p: 1 }]]);
  });

  it('puts a free behind its malloc', () => {
    const r = recorder();
    r.free(0x1003, HI);
    expect([r.frees, r.waiting]).toEqual([0, 1]);
    r.malloc(0x1003, HI, 3, false);
    expect([r.frees, r.waiting]).toEqual([1, 0]);
    expect(play(read(r))).toMatchObject({ mallocs: 1, frees: 1 });
  });

  it('completes at the end what a death has swallowed', () => {
    const r = recorder();
    r.malloc(0x1000, HI, 24, false);
    for (const size of [1, 2]) r.malloc(0x1000, HI, size, false);
    r.free(0x2000, HI);
    r.close();
    expect([r.repaired, r.waiting]).toEqual([2, 0]);
    expect([...play(read(r)).live.values()].map(({ size }) => size)).toEqual([2]);
  });

  it('has no place for objects of 0 bytes, and no free of what it never knew', () => {
    const r = recorder();
    r.malloc(0xffff_fff0 | 0, HI - 1, 0, false);
    expect([r.zeros, r.mallocs, r.holds(0xffff_fff0 | 0, HI - 1)]).toEqual([1, 0, false]);
    const blind = new Recorder(PAGES);
    blind.begin(null);
    blind.free(0x1000, HI);
    expect([blind.older, blind.frees, blind.waiting]).toEqual([1, 0, 0]);
  });
});

describe('gaps', () => {
  const SMALL = 1 << 15;

  it('drop pairs, and frees come late', () => {
    const r = recorder(SMALL);
    const most = r.queue.room - 1;
    for (let i = 0; i < most; i++) r.malloc(i * 8, HI, 8, false);
    expect([r.mallocs, r.gaps]).toEqual([most - 1, 1]);
    // One whose malloc was swallowed, one that the reader has, one whose address is taken again.
    r.free((most - 1) * 8, HI);
    r.free(0, HI);
    r.free(8, HI);
    r.malloc(8, HI, 8, false);
    expect(r).toMatchObject({ dropped: 4, frees: 0, gaps: 1 });
    const played = play(read(r));
    expect(played).toMatchObject({ mallocs: most - 1, frees: 1 });
    expect(played.live.has('0xc000000000')).toBe(false);
    expect(played.live.has('0xc000000008')).toBe(true);
    expect(r).toMatchObject({ frees: 1, late: 1 });
    r.malloc(0, HI, 8, false);
    expect(play(read(r))).toMatchObject({ mallocs: 1 });
  });

  it('leave room for what is owed, however much it is', () => {
    const r = recorder(SMALL);
    const text = [];
    for (let i = 0; i < 50_000; i++) {
      r.malloc(i * 8, HI, 8, false);
      if (i % 8192 === 0) text.push(read(r));
    }
    text.push(read(r));
    for (let i = 0; i < 50_000; i++) r.free(i * 8, HI);
    text.push(read(r));
    expect(r).toMatchObject({ dropped: 0, gaps: 1 });
    expect(r.late).toBeGreaterThan(30_000);
    expect(play(text.join(''))).toMatchObject({ mallocs: 50_000, frees: 50_000 });
  });
});

it('pairs whatever happens, in whatever order it is told, at whatever pace it is read', () => {
  // A history: each step allocates or frees one of a few addresses, on one of three lanes. Lanes are told in order, and in turns.
  const step = fc.record({ address: fc.nat(11), lane: fc.nat(2), size: fc.integer({ min: 1, max: 500 }) });
  const plan = fc.record({
    steps: fc.array(step, { maxLength: 120 }),
    turns: fc.infiniteStream(fc.nat(2)),
    crowd: fc.infiniteStream(fc.nat(9)),
  });
  fc.assert(
    fc.property(plan, ({ steps, turns, crowd }) => {
      const r = recorder(1 << 15);
      const live = new Map<number, number>();
      const lanes: [address: number, size: number][][] = [[], [], []];
      for (const { address, lane, size } of steps) {
        if (live.delete(address)) lanes[lane].push([address, 0]);
        else {
          live.set(address, size);
          lanes[lane].push([address, size]);
        }
      }
      const text: string[] = [];
      // Other objects fill the queue.
      let other = 4096;
      while (lanes.some((lane) => lane.length > 0)) {
        const p = turns.next().value as number;
        const next = lanes[p].shift();
        if (next === undefined) continue;
        const [address, size] = next;
        r.on(p);
        // Four words and eight tiny objects.
        const lo = address < 4 ? address * 8 : 64 + address - 4;
        if (size === 0) r.free(lo, HI);
        else r.malloc(lo, HI, size, false);
        const what = crowd.next().value as number;
        if (what === 0) text.push(read(r));
        else if (what === 1) for (let i = 0; i < 9000; i++) r.malloc((other += 8), HI, 8, false);
      }
      expect(r.waiting).toBe(0);
      r.close();
      text.push(read(r));
      const played = play(text.join(''));
      expect(played.mallocs).toBe(r.mallocs);
      expect(played.frees).toBe(r.frees);
      expect(r.repaired).toBe(0);
      if (r.gaps === 0) expect(played.live.size).toBe(live.size + (other - 4096) / 8);
      // Nothing that is gone is live in the text.
      for (let address = 0; address < 12; address++) {
        const lo = address < 4 ? address * 8 : 64 + address - 4;
        const name = `0xc0${lo.toString(16).padStart(8, '0')}`;
        if (!live.has(address)) expect(played.live.has(name)).toBe(false);
        else if (r.gaps === 0) expect(played.live.has(name)).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});
