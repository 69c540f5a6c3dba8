/** What another implementation counted in the same recordings, figure by figure. */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type IngestReport, KIND_SHIFT, Kind, OPERAND_MASK, RECORD_WORDS } from '../../../src/replay/events.js';
import { ingest } from '../../../src/replay/ingest.js';
import type { RecordSink } from '../../../src/replay/records.js';
import { recording } from './support.js';

// Megabytes of text, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const NAMES: Partial<Record<keyof IngestReport, string>> = {
  lines: 'lines',
  events: 'events',
  mallocs: 'mallocs',
  frees: 'frees',
  reallocs: 'reallocs',
  movedReallocs: 'realloc_moved',
  zeroSizes: 'zero_size_allocs',
  nilAllocs: 'nil_allocs_skipped',
  unknownFrees: 'unknown_frees_skipped',
  unknownReallocs: 'unknown_realloc_treated_as_malloc',
  implicitFrees: 'alloc_at_live_address_implicit_free',
  badLines: 'bad_lines',
  threads: 'threads',
  threadSwitches: 'thread_switches',
  crossThreadFrees: 'cross_thread_frees',
  totalBytes: 'total_bytes_allocated',
  peakLiveBytes: 'peak_live_bytes',
  peakLiveAtEvent: 'peak_live_bytes_at_event',
  peakLiveObjects: 'peak_live_objects',
  liveBytes: 'end_live_bytes',
  liveObjects: 'end_live_objects',
  maxSize: 'max_size',
  slots: 'slots',
};

function golden(name: string): Record<string, number> {
  const path = join(import.meta.dirname, '../../fixtures/golden/replay', `${name}.json`);
  const { stats } = JSON.parse(readFileSync(path, 'utf8'));
  return Object.fromEntries(Object.entries(NAMES).map(([ours, theirs]) => [ours, stats[theirs]]));
}

function compare(name: string, report: IngestReport): void {
  const figures = Object.fromEntries(Object.keys(NAMES).map((key) => [key, report[key as keyof IngestReport]]));
  expect(figures).toEqual(golden(name));
  expect(report.truncated).toBe(false);
  expect(report.durationNs).toBeNull();
}

/**
 * Counts what is streamed, and checks the promises of events.ts on the way, as `Collected` does. It
 * keeps no list of records: they are hundreds of thousands.
 */
class Counted implements RecordSink {
  /** Records by kind. */
  readonly kinds = new Float64Array(1 << (32 - KIND_SHIFT));
  /** Sum of the sizes that were asked for. */
  bytes = 0;
  private live = new Uint8Array(1 << 10);
  private high = 0;

  write(words: Int32Array, records: number, slots: number): void {
    if (slots > this.live.length) {
      const grown = new Uint8Array(slots * 2);
      grown.set(this.live);
      this.live = grown;
    }
    for (let i = 0; i < records * RECORD_WORDS; i += RECORD_WORDS) {
      const kind = words[i] >>> KIND_SHIFT;
      const operand = words[i] & OPERAND_MASK;
      this.kinds[kind]++;
      if (kind === Kind.high) {
        this.high = operand * 2 ** 32;
        continue;
      }
      if (kind <= Kind.free) this.object(kind, operand, this.high + (words[i + 1] >>> 0), slots);
      this.high = 0;
    }
  }

  /** Events of the program, from `alloc` to `free`. */
  get events(): number {
    return this.kinds.subarray(0, Kind.free + 1).reduce((a, b) => a + b, 0);
  }

  private object(kind: number, slot: number, size: number, slots: number): void {
    const full = kind === Kind.realloc || kind === Kind.free ? 1 : 0;
    const ok = slot < slots && this.live[slot] === full && (kind === Kind.free ? size === 0 : size > 0);
    if (!ok) throw new Error(`event ${this.events} breaks the stream's rules`);
    this.live[slot] = kind === Kind.free ? 0 : 1;
    this.bytes += size;
  }
}

interface Reading {
  readonly report: IngestReport;
  readonly counted: Counted;
}

/** Each recording is read once. */
const readings = new Map<string, Promise<Reading>>();

function count(path: string): Promise<Reading> {
  const reading = readings.get(path) ?? read(path);
  readings.set(path, reading);
  return reading;
}

async function read(path: string): Promise<Reading> {
  const counted = new Counted();
  const report = await ingest(createReadStream(path, { highWaterMark: 256 * 1024 }), counted);
  return { report, counted };
}

describe('reports', () => {
  test.each([
    ['jq', 'examples/jq.mtrace.gz', 'mtrace'],
    ['sqlite3', 'examples/sqlite3.mtrace.gz', 'mtrace'],
    ['cc1', 'cc1.mtrace.zst', 'mtrace'],
    ['xmllint', 'xmllint.mtrace.zst', 'mtrace'],
    ['python-jsontool', 'python-jsontool.mtrace.zst', 'mtrace'],
    ['go-json-bench', 'go-json-bench.goalloc.txt.zst', 'goalloc'],
  ])('%s', async (name, file, format) => {
    const { report, counted } = await count(recording(file));
    compare(name, report);
    expect(report.format).toBe(format);
    expect(report.pairing).toBe('exact');
    expect(counted.events).toBe(report.streamed);
    expect(counted.bytes).toBe(report.totalBytes);
    // No format here has times or collections.
    expect([counted.kinds[Kind.time], counted.kinds[Kind.collect]]).toEqual([0, 0]);
  });

  const folder = process.env.GOHEAP_TRACES;
  const file = ['', 'aosp']
    .map((sub) => join(folder ?? '', sub, 'android-systemui.txt.gz'))
    .find((path) => existsSync(path));
  const android = folder === undefined ? undefined : file;
  const title = android ? 'android-systemui' : 'android-systemui: skipped, GOHEAP_TRACES names no folder that has it';
  test.runIf(android)(title, async () => {
    const { report, counted } = await count(android!);
    compare('android-systemui', report);
    expect(report.format).toBe('aosp');
    expect(counted.kinds[Kind.thread]).toBe(report.threadSwitches);
  });
});

test('what a Go program recorded tells which of its objects have pointers', async () => {
  const { counted } = await count(recording('go-json-bench.goalloc.txt.zst'));
  const { kinds } = counted;
  // 376,985 lines say `-`; 143 more name types of numbers.
  expect(kinds[Kind.allocNoscan]).toBeGreaterThan(376_985);
  expect(kinds[Kind.allocNoscan]).toBeLessThan(377_300);
  expect(kinds[Kind.allocScan]).toBeGreaterThan(80_000);
  expect(kinds[Kind.alloc] + kinds[Kind.allocScan] + kinds[Kind.allocNoscan]).toBe(502_555);
});
