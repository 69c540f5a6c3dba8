/**
 * Times as tracers write them: `1795416083.368341389` (seconds of an epoch) and `17:28:03.368341389` (of a day), to a nanosecond at best.
 */

import type { SlotTable } from '../slots.js';
import type { Numbers } from './numbers.js';

const DOT = 46;
const COLON = 58;
const TWO32 = 0x1_0000_0000;

/** Reads a time with a fraction at `at`, left in `n` as ns: where it ends, or -1. */
export function clockTime(n: Numbers, b: Uint8Array, at: number, end: number): number {
  let i = n.decimal(b, at, end);
  let seconds = n.value;
  for (let parts = 1; i >= 0 && b[i] === COLON && parts < 3; parts++) {
    i = n.decimal(b, i + 1, end);
    seconds = seconds * 60 + n.value;
  }
  if (i < 0 || b[i] !== DOT) return -1;
  const digits = i + 1;
  i = n.decimal(b, digits, end);
  if (i < 0 || i - digits > 9 || seconds > 2 ** 34) return -1;
  const ns = n.value * 10 ** (9 - (i - digits));
  // seconds × 10^9 + ns in two halves: 10^9 = 2^9 × 1953125 keeps every product below 2^53.
  const low = (seconds % 65536) * 1e9 + ns;
  const high = Math.floor(seconds / 65536) * 1e9;
  const lo = low + (high % 65536) * 65536;
  n.hi = (Math.floor(high / 65536) + Math.floor(lo / TWO32)) | 0;
  n.lo = lo | 0;
  return i;
}

/** Tells the table of the time that was read. A relative one, which -r writes, is none: false. */
export function setClockTime(n: Numbers, table: SlotTable): boolean {
  if (n.value < 10e9) return false;
  table.setTime(n.lo, n.hi);
  return true;
}
