/** What is seen of a cell while it is simulated stays short, however long that takes. */

import { expect, it } from 'vitest';
import { MOMENTS, Moments } from '../../../src/server/replays/replay.js';

const at = (events: number) => ({
  cell: 0,
  state: 'running' as const,
  events,
  seconds: events / 1e6,
  cycles: events >> 8,
  inuse: events * 2,
  live: events * 3,
});

it('thins out evenly as it grows', () => {
  const moments = new Moments();
  let longest = 0;
  for (let i = 1; i <= 100_000; i++) {
    moments.add(at(i));
    // Nothing new.
    moments.add(at(i));
    longest = Math.max(longest, moments.event.length);
  }
  expect(longest).toBe(MOMENTS - 1);
  const { event, seconds, cycles, inuse, live } = moments.toJSON();
  expect(event.length).toBeGreaterThanOrEqual(MOMENTS / 2);
  const gaps = event.slice(1).map((e, i) => e - event[i]);
  expect(Math.max(...gaps)).toBe(Math.min(...gaps));
  expect(100_000 - event[event.length - 1]).toBeLessThanOrEqual(gaps[0]);
  event.forEach((e, i) => {
    expect([seconds[i], cycles[i], inuse[i], live[i]]).toEqual([e / 1e6, e >> 8, e * 2, e * 3]);
  });
});

it('does not begin before the simulation does', () => {
  const moments = new Moments();
  moments.add(at(0));
  expect(moments.event).toEqual([]);
});
