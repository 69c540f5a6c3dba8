/** One run of jq, recorded by three tools: what they agree on is the program's, what they differ in is the tool's. */
import { beforeAll, expect, test } from 'vitest';
import { type Event, type Reading, readFile, recording } from './support.js';

const readings: Record<string, Reading> = {};

beforeAll(async () => {
  for (const [tool, file] of [
    ['mtrace', 'jq-twitter.mtrace.zst'],
    ['valgrind', 'jq-twitter.valgrind-trace-malloc.txt.zst'],
    ['heaptrack', 'jq-twitter.heaptrack.zst'],
  ]) {
    readings[tool] = await readFile(recording(file));
    expect(readings[tool].report).toMatchObject({ format: tool, badLines: 0, unknownFrees: 0, truncated: false });
  }
});

/** Sizes that were asked for, in order. */
function sizes(events: Event[]): number[] {
  return events.filter((event) => event.length === 3 && event[0] !== 'time').map(([, , size]) => size!);
}

test('valgrind sees one object more, before mtrace begins; the rest is the same stream', () => {
  const { mtrace, valgrind } = readings;
  // valgrind: malloc(1), free, and then what the program does.
  expect(valgrind.events.slice(0, 2)).toEqual([
    ['alloc', 0, 1],
    ['free', 0],
  ]);
  expect(valgrind.events.slice(2)).toEqual(mtrace.events);
  expect(valgrind.report.events).toBe(mtrace.report.events + 2);
  expect(valgrind.report.peakLiveBytes).toBe(mtrace.report.peakLiveBytes);
});

test('heaptrack: the same sizes, behind what libstdc++ and it allocate first', () => {
  const { valgrind, heaptrack } = readings;
  const [pool, ...rest] = sizes(heaptrack.events);
  expect(pool).toBe(72_704);
  expect(rest).toEqual(sizes(valgrind.events));
  expect(heaptrack.report).toMatchObject({ pairing: 'approximate', formatVersion: '3', compression: 'zstd' });
  expect(heaptrack.report.totalBytes).toBe(valgrind.report.totalBytes + 72_704);
  // 0x23 ms is the last of its times.
  expect(heaptrack.report.durationNs).toBe(35e6);
});

test('heaptrack: live bytes after each allocation are what valgrind has', () => {
  const liveAfterAllocs = (events: Event[]) => {
    const live: number[] = [];
    const bySlot = new Map<number, number>();
    let sum = 0;
    for (const [kind, slot, size] of events) {
      if (kind === 'time' || kind === 'skip') continue;
      sum += (size ?? 0) - (bySlot.get(slot) ?? 0);
      bySlot.set(slot, size ?? 0);
      if (size !== undefined) live.push(sum);
    }
    return live;
  };
  const ours = liveAfterAllocs(readings.heaptrack.events).slice(1);
  const theirs = liveAfterAllocs(readings.valgrind.events);
  expect(ours.map((bytes) => bytes - 72_704)).toEqual(theirs);
});
