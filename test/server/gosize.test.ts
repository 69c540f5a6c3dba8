import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { formatGoDuration, parseGoDuration } from '../../src/server/goduration.js';
import { formatGoSize, parseGoSize } from '../../src/server/gosize.js';

// The cases of runtime.TestParseByteCount, where they are not about values beyond 2^53.
const GOOD: [string, number][] = [
  ['0', 0],
  ['0B', 0],
  ['0KiB', 0],
  ['0TiB', 0],
  ['1', 1],
  ['1B', 1],
  ['100', 100],
  ['100B', 100],
  ['1KiB', 2 ** 10],
  ['05', 5],
  ['2MiB', 2 ** 21],
  ['512MiB', 2 ** 29],
  ['3GiB', 3 * 2 ** 30],
  ['99TiB', 99 * 2 ** 40],
];

const BAD = [
  '',
  'B',
  'iB',
  'KiB',
  'hello',
  '-1',
  '-1KiB',
  '+1',
  '1.5GiB',
  '1 GiB',
  '1K',
  '1KB',
  '1Ki',
  '1kib',
  '1PiB',
  '1MiBB',
  '0x10',
  '1_000',
  '9223372036854775808',
  '8388608TiB',
  '\u0661',
];

describe('parseGoSize', () => {
  test.each(GOOD)('%s is %d bytes', (text, bytes) => expect(parseGoSize(text)).toBe(bytes));
  test.each(BAD)('%j is malformed', (text) => expect(parseGoSize(text)).toBeUndefined());

  test.each([33, 1000, 20_000_000])('%d digits are malformed, and no number is made of them', (digits) => {
    expect(parseGoSize('9'.repeat(digits))).toBeUndefined();
    expect(parseGoSize(`${'0'.repeat(digits)}1MiB`)).toBeUndefined();
  });

  it('takes 2^63-1, which is how Go writes no limit', () => {
    expect(parseGoSize('9223372036854775807')).toBe(Number.POSITIVE_INFINITY);
  });

  it('is the inverse of formatGoSize', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (n) => parseGoSize(formatGoSize(n)) === n));
  });
});

describe('formatGoSize', () => {
  test.each([
    [0, '0B'],
    [1000, '1000B'],
    [1536, '1536B'],
    [2048, '2KiB'],
    [2 ** 29, '512MiB'],
    [2 ** 50, '1024TiB'],
  ])('%d is %s', (bytes, text) => expect(formatGoSize(bytes)).toBe(text));
});

describe('durations', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
  ])('%s is %d ms', (text, ms) => expect(parseGoDuration(text)).toBe(ms));
  test.each(['', '10', '-1s', '1d', 's', '1s ', '1m 30s'])('%j is malformed', (text) =>
    expect(parseGoDuration(text)).toBeUndefined(),
  );
  test.each(['1', '1m', '1.', '1m1'])('%j, many times, is malformed', (part) => {
    expect(parseGoDuration(part.repeat(1_000_000))).toBeUndefined();
  });
  it('formats what it parses', () => {
    fc.assert(fc.property(fc.nat(), (ms) => parseGoDuration(formatGoDuration(ms)) === ms));
  });
});
