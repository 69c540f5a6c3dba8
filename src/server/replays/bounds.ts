/**
 * What the threads of replays may take: memory of their JavaScript heaps, and time.
 *
 * Each of these threads has a JavaScript heap of its own, which V8 would let grow to gigabytes.
 * Legitimate work needs little of it: records, tables of addresses and objects, and simulated heaps
 * are typed arrays and shared memory, which are no part of that heap and are bounded by
 * GOHEAP_REPLAY_OBJECTS and its like. So the bounds here do not follow from those settings. They
 * are many times of what was measured: 8 MiB to parse and 16 MiB to simulate the largest recordings
 * of `examples/` and of the tests, and 8 MiB for either with 3 million objects live at once. A
 * thread that wants more was given something that is no recording. A profile at all the bounds of
 * `replay/profile/wire.ts` takes 250 MB in all.
 *
 * A report holds all results at once, so that its bound follows from their size; 64 MiB were enough
 * for 64 cells of together 26 MB.
 */

import { BusyClock } from '../../threads/busy.js';
import type { ThreadMemory, ThreadTime } from '../../threads/thread.js';
import type { Config } from '../config.js';
import { Problem } from '../problem.js';

export interface Bounds {
  readonly memory: ThreadMemory;
  /** Milliseconds. */
  readonly time: number;
}

/** MiB that V8 has for objects that were just made; its own default. */
const YOUNG = 48;

/** MiB of old objects. */
const OLD = { parser: 256, profile: 512, simulator: 256 } as const;

export function boundsOf(thread: keyof typeof OLD, { replayTime }: Pick<Config, 'replayTime'>): Bounds {
  return { memory: { old: OLD[thread], young: YOUNG }, time: replayTime };
}

/** MiB of old objects for a report without results, and for each MiB of results. */
const REPORT = 64;
const REPORT_EACH = 8;

/** Of the thread that writes a report. @param bytes of the results */
export function reportBounds(bytes: number, { replayTime }: Pick<Config, 'replayTime'>): Bounds {
  const old = REPORT + Math.ceil((bytes * REPORT_EACH) / 2 ** 20);
  return { memory: { old, young: YOUNG }, time: replayTime };
}

/** A clock for one thread, and what is said when it worked for too long. */
export function timeOf({ time }: Bounds, worked: string): ThreadTime {
  const late = (): Problem => new Problem('replay-timed-out', `${worked} for more than ${time / 1000} s.`);
  return { clock: new BusyClock(), limit: time, late };
}
