/**
 * The hash that zstd keeps 32 bits of: known values, in pieces of any size, and the checksums of
 * real files.
 */
import { expect, test } from 'vitest';
import { Xxh64 } from '../../src/replay/xxh64.js';

function hash(bytes: Uint8Array, piece = bytes.length): bigint {
  const h = new Xxh64();
  for (let at = 0; at < bytes.length; at += piece) h.update(bytes.subarray(at, at + piece));
  return h.digest();
}

/** What xxhsum's own tests hash (XSUM_generateData): bytes of a 64-bit multiplicative sequence. */
function sanity(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 2654435761n;
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(state >> 56n);
    state = (state * 11400714785074694797n) & ((1n << 64n) - 1n);
  }
  return bytes;
}

test.each([
  [Buffer.from(''), 0xef46db3751d8e999n],
  [Buffer.from('a'), 0xd24ec4f1a98c6e5bn],
  [Buffer.from('abc'), 0x44bc2cf5ad770999n],
  [sanity(1), 0xe934a84adb052768n],
  [sanity(4), 0x9136a0dca57457een],
  [sanity(14), 0x8282dcc4994e35c8n],
  [sanity(222), 0xb641ae8cb691c174n],
])('known value %#', (bytes, expected) => {
  expect(hash(bytes)).toBe(expected);
});

test('the same in pieces of any size, from any place of a buffer', () => {
  const all = sanity(1000);
  for (const length of [31, 32, 33, 64, 100, 999]) {
    const bytes = all.subarray(1, 1 + length);
    const whole = hash(Buffer.from(bytes));
    for (const piece of [1, 7, 31, 32, 33, 64]) expect(hash(bytes, piece), `${length} by ${piece}`).toBe(whole);
  }
});
