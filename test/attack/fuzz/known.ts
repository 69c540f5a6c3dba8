/**
 * Faults that are known and being mended elsewhere: the only place where the fuzzer is tolerant.
 *
 * Each entry names what to remove it with. An empty list is the goal; an entry that nothing needs
 * any more is to go.
 */

import type { Fault } from './judge.js';

export interface KnownFault {
  /** What mends it. */
  until: string;
  covers(fault: Fault): boolean;
}

export const KNOWN: readonly KnownFault[] = [];

export const known = (fault: Fault): boolean => KNOWN.some((each) => each.covers(fault));
