/**
 * Timers that fire when a test says so, and never by the clock.
 *
 * For a bound in time that lies inside the product, and that a slow machine would reach at another
 * moment than a fast one. Only timers of exactly the given number of milliseconds are held, so a
 * test asks for a number that nothing else uses.
 */

import { vi } from 'vitest';

export interface HeldTimers {
  /** Fires the one that was set last. */
  fire(): void;
  /** Gives `setTimeout` back; what was held never fires. */
  release(): void;
}

export function holdTimers(ms: number): HeldTimers {
  const real = globalThis.setTimeout;
  let last: (() => void) | undefined;
  const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((
    call: () => void,
    after?: number,
    ...args: []
  ) => {
    if (after !== ms) return real(call, after, ...args);
    last = call;
    return real(() => {}, 0);
  }) as typeof setTimeout);
  return {
    fire: () => {
      if (last === undefined) throw new Error(`nobody has set a timer of ${ms} ms`);
      last();
    },
    release: () => spy.mockRestore(),
  };
}
