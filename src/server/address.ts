/**
 * Addresses between JSON and the scheduler: `"0xc000012040"` outside, two int32 halves inside.
 *
 * The halves of the last parse are left in `lo` and `hi`, so that the hot paths make no object. Sixteen hexadecimal
 * digits exceed what a double holds exactly; halves do not care.
 */

import { HEAP_BASE } from '../heap/heap.js';

/** Halves of the address that `parseAddress` read last. */
export let lo = 0;
export let hi = 0;

/** Reads `0x` and 1 to 16 lower-case hexadecimal digits into `lo` and `hi`; false if the value is anything else. */
export function parseAddress(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const n = value.length;
  if (n < 3 || n > 18 || value.charCodeAt(0) !== 48 || value.charCodeAt(1) !== 120) return false;
  let l = 0;
  let h = 0;
  for (let i = 2; i < n; i++) {
    const c = value.charCodeAt(i);
    let d: number;
    if (c >= 48 && c <= 57) d = c - 48;
    else if (c >= 97 && c <= 102) d = c - 87;
    else return false;
    h = (h << 4) | (l >>> 28);
    l = (l << 4) | d;
  }
  lo = l;
  hi = h;
  return true;
}

/** Puts other halves in their place. */
export function set(l: number, h: number): void {
  lo = l;
  hi = h;
}

const HEX2 = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** `0xc000012040` from halves. `h` is positive: every address of a heap is above 2^32. */
export function formatHalves(l: number, h: number): string {
  const high = h < 256 ? HEX2[h] : h.toString(16);
  return `0x${high}${HEX2[l >>> 24]}${HEX2[(l >>> 16) & 255]}${HEX2[(l >>> 8) & 255]}${HEX2[l & 255]}`;
}

/** Word address in the reservation of an address given as halves; far outside for anything that cannot be one. */
export function wordOfHalves(l: number, h: number): number {
  const word = Math.floor(((h >>> 0) * 2 ** 32 + (l >>> 0) - HEAP_BASE) / 8);
  return word < -2 || word >= 2 ** 31 ? -1 : word;
}
