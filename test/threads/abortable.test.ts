/** Reading that can be given up, from streams that move, stall, fail and end. */

import { getEventListeners } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { abortable } from '../../src/threads/abortable.js';

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const piece of stream) out.push(piece);
  return out;
}

async function* of(...pieces: number[]): AsyncGenerator<number> {
  yield* pieces;
}

describe('abortable', () => {
  it('passes the pieces on, and leaves no listener', async () => {
    const { signal } = new AbortController();
    expect(await all(abortable(of(1, 2, 3), signal))).toEqual([1, 2, 3]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('gives a stalled stream up, with the reason', async () => {
    const abort = new AbortController();
    const stream = new PassThrough();
    stream.write('first');
    const pieces = abortable<Buffer>(stream, abort.signal);
    expect(String((await pieces.next()).value)).toBe('first');
    const stalled = pieces.next();
    abort.abort(new Error('enough'));
    await expect(stalled).rejects.toThrow('enough');
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    stream.destroy();
  });

  it('does not begin, nor go on, after that', async () => {
    await expect(all(abortable(of(1), AbortSignal.abort(new Error('before'))))).rejects.toThrow('before');
    const abort = new AbortController();
    const pieces = abortable(of(1, 2), abort.signal);
    await pieces.next();
    abort.abort(new Error('between'));
    await expect(pieces.next()).rejects.toThrow('between');
  });

  it('tells the stream when its reader stops early', async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<number> {
      try {
        for (;;) yield 1;
      } finally {
        closed = true;
      }
    }
    const { signal } = new AbortController();
    for await (const _ of abortable(endless(), signal)) break;
    await expect.poll(() => closed).toBe(true);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('hands on the error of the stream', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield 1;
      throw new Error('broken');
    }
    await expect(all(abortable(broken(), new AbortController().signal))).rejects.toThrow('broken');
  });
});
