/** Texts of results are JSON.stringify's, whatever their size. */

import { expect, it, test } from 'vitest';
import { encode, PARTS, partsOf } from '../../../src/server/replays/parts.js';

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i * 1.5);

test.each<[string, unknown]>([
  ['nothing', null],
  ['a number', 1.5],
  ['what JSON has no number for', [Number.POSITIVE_INFINITY, Number.NaN]],
  ['a list at the edge of a portion', numbers(2048)],
  ['and past it', numbers(2049)],
  ['a long list of rows', numbers(5000).map((x) => ({ x, text: '"\u2028' }))],
  ['an object of lists', { a: numbers(9000), b: { min: numbers(3000), max: [] }, c: 'x', d: {} }],
  ['fields without a value', { a: undefined, b: [undefined], c: 1 }],
  ['a list of lists', [numbers(3000), []]],
])('%s', async (_what, value) => {
  expect(await encode(value)).toBe(JSON.stringify(value));
});

it('names parts in their own order, once', () => {
  expect(partsOf(undefined, [])).toEqual([]);
  expect(partsOf('all', [])).toEqual(PARTS);
  expect(partsOf('samples,timeline,samples', PARTS)).toEqual(['timeline', 'samples']);
});
