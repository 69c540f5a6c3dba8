/**
 * Lines that make a reader start over at every byte. Every reader looks at each byte of a line a
 * few times at most: counted, not measured. What cannot be counted (names of types are read as
 * strings, heads by regular expressions) runs in a thread of its own, with a bound that only a hang
 * reaches.
 */

import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { AddressTable } from '../../src/replay/addresses.js';
import { Kind, newIngestReport, ReplayInputError } from '../../src/replay/events.js';
import { Parser } from '../../src/replay/ingest.js';
import { FORMATS } from '../../src/replay/readers/formats.js';
import { kindOfType } from '../../src/replay/readers/gotypes.js';
import { MAX_THREADS, SlotTable } from '../../src/replay/slots.js';
import { replayProblem } from '../../src/server/replays/problems.js';
import { effort } from '../helper/effort.js';
import { HOSTILE_LINES } from '../oracle/hostile-lines.js';

const sink = { write() {} };

/** Bytes that count how often they are looked at. */
class Watched {
  looks = 0;
  readonly bytes: Uint8Array;

  constructor(text: string) {
    const plain = Buffer.from(text);
    this.bytes = new Proxy(new Uint8Array(plain), {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (typeof value === 'function') {
          // A copy of some of them.
          return (...args: number[]) => {
            const copy = value.apply(target, args);
            this.looks += copy.length;
            return copy;
          };
        }
        this.looks++;
        return value;
      },
    });
  }
}

function looksAt(format: string, head: readonly string[], line: string): number {
  const reader = FORMATS.find(({ name }) => name === format)!.create(new SlotTable(newIngestReport(format), sink));
  for (const text of head) reader.line(Buffer.from(text), 0, text.length, 1);
  const watched = new Watched(line);
  reader.line(watched.bytes, 0, line.length, 2);
  return watched.looks;
}

describe('a reader looks at each byte of a line a few times at most', () => {
  test.each(HOSTILE_LINES)('$format: $shape', ({ format, head, line }) => {
    for (const length of [600, 6000, 60_000]) {
      const text = line(length);
      // Twenty names of functions are compared where a call may begin.
      expect(looksAt(format, head, text), `of ${text.length} bytes`).toBeLessThan(40 * text.length + 1000);
    }
  });
});

/** Runs in a thread; rejects where that hangs. */
async function inThread(code: string, bound = 100_000): Promise<unknown> {
  const worker = new Worker(`import('node:worker_threads').then(async ({ parentPort }) => { ${code} })`, {
    eval: true,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
      timer = setTimeout(() => reject(new Error(`still running after ${bound} ms`)), bound);
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

const dist = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);

const LINES = effort(20, 100);

test(`${LINES} lines of 64 KB of every kind are read, and as heads`, async () => {
  const read = await inThread(`
    const { HOSTILE_LINES } = await import(${dist('test/oracle/hostile-lines.js')});
    const { Parser } = await import(${dist('src/replay/ingest.js')});
    const { recognise } = await import(${dist('src/replay/readers/formats.js')});
    let lines = 0;
    for (const { head, line } of HOSTILE_LINES) {
      const parser = new Parser({ write() {} });
      parser.push(Buffer.from(head.join('\\n') + '\\n'));
      parser.push(Buffer.from(Array.from({ length: ${LINES} }, (_, i) => line(65000, i + 1) + '\\n').join('')));
      lines += parser.end().lines - head.length;
      for (const length of [100, 4000, 65000]) {
        const bytes = Buffer.from((line(length) + '\\n').repeat(Math.ceil(65536 / length)));
        try { recognise(bytes); } catch (error) { if (error.code !== 'replay-format') throw error; }
      }
    }
    parentPort.postMessage(lines);
  `);
  expect(read).toBe(HOSTILE_LINES.length * LINES);
});

test('types nest as deep as a line is long', () => {
  const deep = (open: string, middle: string, close = '') => open.repeat(6000) + middle + close.repeat(6000);
  expect(kindOfType(deep('struct { a ', 'int', ' }'))).toBe(Kind.allocNoscan);
  expect(kindOfType(deep('struct { a ', '*T', ' }'))).toBe(Kind.allocScan);
  expect(kindOfType(deep('struct { a ', 'pkg.T', ' }'))).toBe(Kind.alloc);
  expect(kindOfType(deep('[1]', 'int'))).toBe(Kind.allocNoscan);
  expect(kindOfType(deep('[1]', '*T'))).toBe(Kind.allocScan);
  expect(kindOfType(deep('struct { a [0]', '*T', ' }'))).toBe(Kind.allocNoscan);
  expect(kindOfType(deep('struct { a ', ''))).toBe(Kind.alloc);
});

describe('addresses and threads are chosen by who writes the recording', () => {
  /**
   * 2^14 addresses that a table with the multiplier of Fibonacci hashing alone put at one place.
   */
  function colliding(): [lo: number, hi: number][] {
    const out: [number, number][] = [];
    for (let hi = 1; hi <= 1 << 14; hi++) out.push([0x1000 ^ Math.imul(hi, 0x85ebca6b), hi]);
    return out;
  }

  test('what collides in one table does not in another', () => {
    const table = new AddressTable();
    for (const [lo, hi] of colliding()) table.insert(lo, hi, 2);
    expect(table.longestProbe()).toBeLessThan(1000);
    for (const [lo, hi] of colliding()) expect(table.find(lo, hi)).toBeGreaterThanOrEqual(0);
  });

  test('addresses next to each other, of a page each, and of one low half', () => {
    for (const step of [16, 4096, 1 << 20]) {
      const table = new AddressTable();
      for (let i = 1; i <= 100_000; i++) table.insert(Math.imul(i, step), Math.floor((i * step) / 2 ** 32), 2);
      expect(table.longestProbe(), `step ${step}`).toBeLessThan(1000);
    }
    const table = new AddressTable();
    for (let i = 1; i <= 100_000; i++) table.insert(0x10, i, 2);
    expect(table.longestProbe()).toBeLessThan(1000);
  });

  test('more threads than a system has', () => {
    const table = new SlotTable(newIngestReport(''), sink);
    let error: unknown;
    try {
      for (let id = 0; id <= MAX_THREADS; id++) table.setThread(id * 4099);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(ReplayInputError);
    const { problem, unexpected } = replayProblem(error);
    expect([problem.code, problem.status, unexpected]).toEqual(['replay-too-large', 413, false]);
  });
});

test('heaptrack was attached a thousand times: the report says so once', () => {
  const parser = new Parser(sink);
  parser.push(Buffer.from(`v 10400 3\na 10 1\n${'A\n'.repeat(100_000)}+ 0\n`));
  const report = parser.end();
  expect(report.cannotTell.filter((sentence) => sentence.includes('attached'))).toHaveLength(1);
  expect(JSON.stringify(report).length).toBeLessThan(4096);
});
