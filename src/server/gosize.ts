/**
 * Byte sizes in Go's notation: what GOMEMLIMIT takes.
 *
 * The grammar is runtime.parseByteCount's: decimal digits, then nothing, `B`, `KiB`, `MiB`, `GiB` or `TiB`; powers of
 * 1024; no sign, no fraction, no space, no `MB`. A value above 2^63-1 is malformed, as in Go. Values that a JavaScript
 * number cannot hold exactly (above 2^53) are refused too, except where the caller reads "no limit" into them.
 *
 * Invariant: `parseGoSize(formatGoSize(n)) === n` for every safe integer n >= 0.
 */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const GRAMMAR = /^([0-9]+)(B|KiB|MiB|GiB|TiB)?$/;
/** Longer is no size: 2^63-1 has 19 digits, and nobody writes more zeros in front of it. */
export const MAX_GO_SIZE = 32;
const MAX_INT64 = 2n ** 63n - 1n;

/** The pattern as a JSON schema has it, and the words for people. */
export const GO_SIZE_PATTERN = GRAMMAR.source;
export const GO_SIZE_WORDS = 'a number of bytes, or digits followed by B, KiB, MiB, GiB or TiB';

/** The bytes, or undefined if the text is not a size. `Infinity` stands for a valid size above 2^53. */
export function parseGoSize(text: string): number | undefined {
  // First: a number of a million digits takes seconds to make.
  if (text.length > MAX_GO_SIZE) return undefined;
  const match = GRAMMAR.exec(text);
  if (match === null) return undefined;
  const power = BigInt(UNITS.indexOf((match[2] ?? 'B') as (typeof UNITS)[number]));
  const bytes = BigInt(match[1]) * 1024n ** power;
  if (bytes > MAX_INT64) return undefined;
  return bytes > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(bytes);
}

/** The shortest exact notation: 536870912 is `512MiB`, 1000 is `1000B`. */
export function formatGoSize(bytes: number): string {
  let n = bytes;
  let unit = 0;
  while (n > 0 && n % 1024 === 0 && unit < UNITS.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${n}${UNITS[unit]}`;
}
