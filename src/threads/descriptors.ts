/**
 * Whether the process has file descriptors left for another thread, asked before one is started.
 *
 * A worker needs a handful to come up. One that gets some of them and not the rest fails, which
 * would be no harm; but libuv, giving up an event loop half made, keeps the descriptor of its epoll
 * for ever (seen with Node 20.20: 10 failed starts, 10 descriptors). A server at its limit would
 * lose its last ones by asking for threads. So descriptors are opened and closed again first, for
 * this thread and for those that are on their way up and may not have theirs yet.
 *
 * Within one turn of the event loop nobody else opens files on this thread, so that what was found
 * free is not looked for again: starting many threads costs a few opens each. Other threads may
 * still be faster; that window is small.
 */

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { isScarcity } from './scarcity.js';

/** Of a thread that comes up; 5 were enough. */
export const EACH = 8;
/** Looked for at a time. */
const PORTION = 4 * EACH;

/** How many of `wanted` descriptors can be opened now. */
export function spareDescriptors(wanted: number): number {
  const opened: number[] = [];
  try {
    while (opened.length < wanted) opened.push(openSync(devNull, 'r'));
    return wanted;
  } catch (error) {
    // Where that file cannot be opened for another reason, nothing is known: the thread will say.
    return isScarcity(error) ? opened.length : wanted;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

export class Descriptors {
  private readonly spare: (wanted: number) => number;
  /** Threads that are on their way up. */
  private coming = 0;
  /** Descriptors that were found free in this turn; 0: nobody looked. */
  private free = 0;

  constructor(spare = spareDescriptors) {
    this.spare = spare;
  }

  /**
   * Whether there are enough for another thread. If so, it counts as one that comes up until `up`
   * is called for it.
   */
  take(): boolean {
    const wanted = EACH * (this.coming + 1);
    if (this.free < wanted) {
      if (this.free === 0) setImmediate(() => (this.free = 0));
      this.free = this.spare(Math.max(PORTION, 2 * wanted));
      if (this.free < wanted) return false;
    }
    this.coming++;
    return true;
  }

  /** A thread has come up, or is gone. */
  up(): void {
    this.coming--;
  }
}
