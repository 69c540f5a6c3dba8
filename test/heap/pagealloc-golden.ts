/** Shapes and readers of the golden files under test/fixtures/golden/internals; see the `encoding` inside each. */

import { readFileSync } from 'node:fs';

/** Reads one golden file. */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/golden/internals/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** Go's 512-bit bitmap: eight 64-bit words in hex, the lowest first. */
export type Hex512 = string[];

/** Writes a bitmap as sixteen int32 words at `m[b..]`. */
export function putBits(m: Int32Array, b: number, words: Hex512): void {
  words.forEach((hex, i) => {
    m[b + 2 * i] = Number.parseInt(hex.slice(8), 16) | 0;
    m[b + 2 * i + 1] = Number.parseInt(hex.slice(0, 8), 16) | 0;
  });
}

/** Sixteen int32 words as Go prints them. */
export function hexBits(m: Int32Array, b: number): Hex512 {
  return Array.from({ length: 8 }, (_, i) => hex64(m[b + 2 * i], m[b + 2 * i + 1]));
}

/** Two halves as sixteen hex digits. */
export function hex64(lo: number, hi: number): string {
  return [hi, lo].map((x) => (x >>> 0).toString(16).padStart(8, '0')).join('');
}
