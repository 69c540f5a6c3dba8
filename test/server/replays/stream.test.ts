/** One client of a replay: what it is told in which order, fast or slow. */

import { expect, it, vi } from 'vitest';
import { DEFAULT_SETTINGS } from '../../../src/replay/defaults.js';
import type { Headline } from '../../../src/replay/result.js';
import { doneWith, Replay } from '../../../src/server/replays/replay.js';
import { LAST_ID, ReplayStream } from '../../../src/server/replays/stream.js';

interface Sent {
  event: string;
  id?: string;
  data: string;
}

/** A client that takes an event when it is told to. */
function client() {
  const sent: Sent[] = [];
  let take: (() => void) | undefined;
  let refuse: ((error: Error) => void) | undefined;
  let destroyed = 0;
  return {
    sent,
    names: () => sent.map(({ event }) => event),
    take: async () => {
      take?.();
      await Promise.resolve();
      await Promise.resolve();
    },
    leave: async () => {
      refuse?.(new Error('gone'));
      await Promise.resolve();
      await Promise.resolve();
    },
    destroyed: () => destroyed,
    sink: {
      send: (message: Sent) => {
        sent.push(message);
        return new Promise<void>((resolve, reject) => {
          take = resolve;
          refuse = reject;
        });
      },
      destroy: () => void destroyed++,
    },
  };
}

const settings = [50, 100, 200].map((gogc) => ({ ...DEFAULT_SETTINGS, gogc }));
const newReplay = (): Replay =>
  new Replay({ id: 'abcdefghijkl', name: 'x', source: 'upload', settings, variations: 1 });
const headline = (events: number) => ({ events, seconds: 1, cycles: 2 }) as Headline;

function finishCell(replay: Replay, cell: number): void {
  doneWith(replay.cells[cell], headline(cell));
  replay.tell({ kind: 'result', cell });
}

it('has one event on its way at most, and of progress only the newest', async () => {
  const replay = newReplay();
  const { sink, sent, names, take } = client();
  new ReplayStream(replay, sink, { gap: 0, stall: 1000 });
  for (let i = 1; i <= 100; i++) {
    replay.cells[0].events = i;
    replay.tell({ kind: 'progress' });
  }
  expect(names()).toEqual(['hello']);
  await take();
  expect(names()).toEqual(['hello', 'progress']);
  expect(JSON.parse(sent[1].data).cells[0].events).toBe(100);
  await take();
  expect(names()).toHaveLength(2);
});

it('tells every result, and the end last, also to who was slow', async () => {
  const replay = newReplay();
  const { sink, sent, names, take } = client();
  const stream = new ReplayStream(replay, sink, { gap: 0, stall: 1000 });
  for (const cell of [2, 0, 1]) finishCell(replay, cell);
  replay.end('cancelled');
  for (let i = 0; i < 5; i++) await take();
  await stream.done;
  expect(names()).toEqual(['hello', 'result', 'result', 'result', 'cancelled']);
  expect(sent.slice(1, 4).map(({ data }) => JSON.parse(data))).toEqual(
    [2, 0, 1].map((cell) => ({ cell, headline: headline(cell) })),
  );
  expect(sent[4].id).toBe(LAST_ID);
  expect(replay.listeners.size).toBe(0);
});

it('keeps its distance between two progress, but not before a result', async () => {
  vi.useFakeTimers();
  try {
    const replay = newReplay();
    const { sink, names, take } = client();
    const stream = new ReplayStream(replay, sink, { gap: 200, stall: 60_000 });
    vi.advanceTimersByTime(1000);
    await take();
    replay.tell({ kind: 'progress' });
    await take();
    for (let i = 0; i < 10; i++) replay.tell({ kind: 'progress' });
    vi.advanceTimersByTime(199);
    expect(names()).toEqual(['hello', 'progress']);
    finishCell(replay, 0);
    expect(names()).toEqual(['hello', 'progress', 'result']);
    await take();
    vi.advanceTimersByTime(1);
    expect(names()).toEqual(['hello', 'progress', 'result', 'progress']);
    stream.end();
    vi.advanceTimersByTime(10_000);
    expect(names()).toHaveLength(4);
  } finally {
    vi.useRealTimers();
  }
});

it('cuts off who takes nothing for long', async () => {
  vi.useFakeTimers();
  try {
    const replay = newReplay();
    const { sink, destroyed } = client();
    const stream = new ReplayStream(replay, sink, { gap: 0, stall: 1000 });
    vi.advanceTimersByTime(999);
    expect(destroyed()).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(destroyed()).toBe(1);
    await stream.done;
    expect(replay.listeners.size).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it('ends with its client', async () => {
  const replay = newReplay();
  const { sink, names, leave } = client();
  const stream = new ReplayStream(replay, sink, { gap: 0, stall: 1000 });
  await leave();
  await stream.done;
  replay.tell({ kind: 'progress' });
  expect(names()).toEqual(['hello']);
  expect(replay.listeners.size).toBe(0);
});
