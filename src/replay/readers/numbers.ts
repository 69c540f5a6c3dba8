/**
 * Numbers in the bytes of a line: addresses and sizes of up to 64 bits, as two int32 halves, since a double has 53 bits and BigInt is slow.
 *
 * One object for a reader's whole life: the methods answer with a position (or -1: no number there) and leave the value in `lo` and `hi`.
 */

import { ReplayInputError } from '../events.js';
import { SPACE } from './reader.js';

const ZERO = 48;
const NINE = 57;
const LOWER_X = 120;
const TWO32 = 0x1_0000_0000;

export class Numbers {
  lo = 0;
  hi = 0;

  /** `0x1f`, `0` or `(nil)` that ends at `end` and begins b[start, end) or follows a blank: where it begins. */
  hexBack(b: Uint8Array, start: number, end: number): number {
    let lo = 0;
    let hi = 0;
    let shift = 0;
    let i = end - 1;
    for (; i >= start; i--) {
      const digit = hexDigit(b[i]);
      if (digit < 0) break;
      if (shift < 32) lo |= digit << shift;
      else if (shift < 64) hi |= digit << (shift - 32);
      else return -1;
      shift += 4;
    }
    this.lo = lo;
    this.hi = hi;
    if (shift > 0 && i > start && b[i] === LOWER_X && b[i - 1] === ZERO) {
      i--;
    } else if (shift === 4 && lo === 0) {
      // `%#lx` writes zero without its prefix.
      i++;
    } else if (shift === 0 && isNil(b, end - 5, start, end)) {
      i = end - 5;
    } else {
      return -1;
    }
    return i === start || b[i - 1] === SPACE ? i : -1;
  }

  /** `0x1f`, `0` or `(nil)` at `at`: where it ends. */
  pointer(b: Uint8Array, at: number, end: number): number {
    if (b[at] === ZERO && at + 1 < end && b[at + 1] === LOWER_X) return this.hex(b, at + 2, end);
    this.lo = 0;
    this.hi = 0;
    if (b[at] === ZERO && at < end) return at + 1;
    return isNil(b, at, at, end) ? at + 5 : -1;
  }

  /** Hex digits at `at`: where they end. */
  hex(b: Uint8Array, at: number, end: number): number {
    let lo = 0;
    let hi = 0;
    let i = at;
    for (; i < end; i++) {
      const digit = hexDigit(b[i]);
      if (digit < 0) break;
      if (hi >>> 28 !== 0) return -1;
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.lo = lo;
    this.hi = hi;
    return i > at ? i : -1;
  }

  /** Decimal digits at `at`: where they end. */
  decimal(b: Uint8Array, at: number, end: number): number {
    let value = 0;
    let i = at;
    for (; i < end && i < at + 15; i++) {
      const digit = b[i] - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    let hi = value < TWO32 ? 0 : Math.floor(value / TWO32);
    let lo = hi === 0 ? value : value - hi * TWO32;
    for (; i < end && b[i] >= ZERO && b[i] <= NINE; i++) {
      const low = lo * 10 + (b[i] - ZERO);
      const carry = Math.floor(low / TWO32);
      lo = low - carry * TWO32;
      hi = hi * 10 + carry;
      if (hi >= TWO32) return -1;
    }
    this.lo = lo | 0;
    this.hi = hi | 0;
    return i > at ? i : -1;
  }

  /** Decimal or, after 0x, hex digits at `at`: where they end. */
  either(b: Uint8Array, at: number, end: number): number {
    return at + 1 < end && b[at] === ZERO && b[at + 1] === LOWER_X
      ? this.hex(b, at + 2, end)
      : this.decimal(b, at, end);
  }

  get isZero(): boolean {
    return this.lo === 0 && this.hi === 0;
  }

  /** The value as a double, rounded above 2^53. */
  get value(): number {
    return this.hi === 0 ? this.lo >>> 0 : (this.hi >>> 0) * TWO32 + (this.lo >>> 0);
  }
}

/** Refuses a size that no allocator can have handed out. The product of a calloc counts as one. */
export function checkSize(size: number, line: number): void {
  if (size <= Number.MAX_SAFE_INTEGER) return;
  throw new ReplayInputError(
    'replay-size',
    `line ${line}: an allocation of ${size} bytes succeeded; sizes are below 2^53, so this is no recording of a real program`,
  );
}

function hexDigit(c: number): number {
  if (c >= ZERO && c <= NINE) return c - ZERO;
  if (c >= 97 && c <= 102) return c - 87;
  if (c >= 65 && c <= 70) return c - 55;
  return -1;
}

/** Is `(nil)` at `at`, inside b[start, end)? */
function isNil(b: Uint8Array, at: number, start: number, end: number): boolean {
  return (
    at >= start &&
    at + 5 <= end &&
    b[at] === 40 &&
    b[at + 1] === 110 &&
    b[at + 2] === 105 &&
    b[at + 3] === 108 &&
    b[at + 4] === 41
  );
}
