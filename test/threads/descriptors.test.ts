/**
 * Asking for descriptors before a thread is started: refused in time, and cheap for many threads at
 * once.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Descriptors, EACH, spareDescriptors } from '../../src/threads/descriptors.js';

/** A system with so many descriptors. */
function system(free: number): { spare: (wanted: number) => number; opened: number; free: number } {
  const s = {
    free,
    opened: 0,
    spare: (wanted: number): number => {
      const got = Math.min(wanted, s.free);
      s.opened += got;
      return got;
    },
  };
  return s;
}

describe('Descriptors', () => {
  it('counts those that threads on their way up may still take', async () => {
    const s = system(3 * EACH + 1);
    const d = new Descriptors(s.spare);
    expect([d.take(), d.take(), d.take(), d.take()]).toEqual([true, true, true, false]);
    await turn();
    // One is up, and has taken fewer than it might.
    d.up();
    s.free -= 5;
    expect(d.take()).toBe(false);
    d.up();
    expect([d.take(), d.take()]).toEqual([true, false]);
  });

  it('believes nothing of an earlier turn', async () => {
    const s = system(100 * EACH);
    const d = new Descriptors(s.spare);
    expect(d.take()).toBe(true);
    await turn();
    s.free = EACH;
    expect(d.take()).toBe(false);
  });

  it('looks at a few for each of many threads', () => {
    const s = system(1e6);
    const d = new Descriptors(s.spare);
    for (let i = 0; i < 1024; i++) expect(d.take()).toBe(true);
    expect(s.opened / 1024).toBeLessThan(4 * EACH);
  });
});

it('finds descriptors where there are some, and gives them back', () => {
  expect(spareDescriptors(5)).toBe(5);
  expect(spareDescriptors(0)).toBe(0);
});
