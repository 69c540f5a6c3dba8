import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { brief, briefPath, MAX_QUOTE, quote } from '../../src/server/quote.js';

describe('quote', () => {
  test.each([
    ['x', '"x"'],
    ['a "b"', '"a \\"b\\""'],
    [12, '12'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [[1], 'an array'],
    [{ a: 1 }, 'an object'],
  ])('%j is %s', (value, text) => expect(quote(value)).toBe(text));

  it('is JSON of at most 100 characters, whatever the text', () => {
    const unit = fc.constantFrom('x', '"', '\\', '\u0001', 'ü', '\u{1f600}', '\ud800', '…');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 300 }), (text) => {
        const quoted = quote(text);
        expect(quoted.length).toBeLessThanOrEqual(MAX_QUOTE);
        const back = JSON.parse(quoted) as string;
        expect(back === text || (back.endsWith('…') && text.startsWith(back.slice(0, -1)))).toBe(true);
      }),
    );
  });

  it('says nested arrays in a word, however deep', () => {
    expect(quote(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))).toBe('an array');
  });
});

describe('brief', () => {
  it('leaves what is short', () => expect(brief('x'.repeat(100))).toBe('x'.repeat(100)));
  it('marks a cut', () => expect(brief('x'.repeat(101))).toBe(`${'x'.repeat(99)}…`));
  it('cuts no character in two', () => expect(brief('\u{1f600}'.repeat(100), 4)).toBe('\u{1f600}…'));
  it('of a path has no query', () => expect(briefPath('/a?b=c')).toBe('/a'));
});
