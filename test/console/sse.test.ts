/** The parser of server-sent events, by the rules of the HTML standard. */

import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { EventParser } from '../../console/src/sse.js';

const parse = (...pieces: string[]) => {
  const parser = new EventParser();
  return { parser, events: pieces.flatMap((piece) => parser.push(piece)) };
};

describe('events', () => {
  test.each([
    [
      'an event with everything',
      'id: 7\nevent: sample\ndata: {"a":1}\n\n',
      [{ id: '7', event: 'sample', data: '{"a":1}' }],
    ],
    ['no name is "message"', 'data: x\n\n', [{ id: undefined, event: 'message', data: 'x' }]],
    ['lines of data are joined', 'data: a\ndata: b\n\n', [{ id: undefined, event: 'message', data: 'a\nb' }]],
    ['one space after the colon is dropped', 'data:  a\n\n', [{ id: undefined, event: 'message', data: ' a' }]],
    ['a field without a colon', 'data\n\n', [{ id: undefined, event: 'message', data: '' }]],
    ['a comment is nothing', ': heartbeat\n\n', []],
    ['an event without data is nothing', 'event: x\n\n', []],
    [
      'CR and CR LF end lines too',
      'data: a\r\n\r\ndata: b\r\rdata: c\n\n',
      ['a', 'b', 'c'].map((data) => ({ id: undefined, event: 'message', data })),
    ],
  ])('%s', (_name, text, events) => {
    expect(parse(text).events).toEqual(events);
  });

  it('the id stays until another one comes', () => {
    const { events, parser } = parse('id: a-1\ndata: x\n\ndata: y\n\n');
    expect(events.map(({ id }) => id)).toEqual(['a-1', 'a-1']);
    expect(parser.lastId).toBe('a-1');
  });

  it('an unfinished event is not given, and retry is read', () => {
    const { events, parser } = parse('retry: 2000\ndata: x\n');
    expect(events).toEqual([]);
    expect(parser.retry).toBe(2000);
  });

  it('where the pieces are cut does not matter', () => {
    const text = 'id: 1\r\nevent: gc\r\ndata: a\r\ndata: b\r\n\r\n: c\n\nid: 2\ndata: z\n\n';
    const whole = parse(text).events;
    expect(whole).toHaveLength(2);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: text.length }), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, i) => text.slice(at[i], end));
        expect(parse(...pieces).events).toEqual(whole);
      }),
    );
  });

  it('an event without end is cut off', () => {
    const parser = new EventParser();
    expect(() => {
      for (let i = 0; i < 5000; i++) parser.push(`data: ${'x'.repeat(1000)}\n`);
    }).toThrow(/too large/);
  });
});
