/** What another implementation counted in the same recordings, figure by figure. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { IngestReport } from '../../../src/replay/events.js';
import { readFile, recording } from './support.js';

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

describe('reports', () => {
  test.each([
    ['jq', 'examples/jq.mtrace.gz', 'mtrace'],
    ['sqlite3', 'examples/sqlite3.mtrace.gz', 'mtrace'],
    ['cc1', 'cc1.mtrace.zst', 'mtrace'],
    ['xmllint', 'xmllint.mtrace.zst', 'mtrace'],
    ['python-jsontool', 'python-jsontool.mtrace.zst', 'mtrace'],
    ['go-json-bench', 'go-json-bench.goalloc.txt.zst', 'goalloc'],
  ])('%s', async (name, file, format) => {
    const { report, events } = await readFile(recording(file));
    compare(name, report);
    expect(report.format).toBe(format);
    expect(report.pairing).toBe('exact');
    const records = events.filter(([kind]) => kind !== 'thread' && kind !== 'skip');
    expect(records).toHaveLength(report.streamed);
    let bytes = 0;
    for (const [, , size] of records) bytes += size ?? 0;
    expect(bytes).toBe(report.totalBytes);
  });

  const folder = process.env.GOHEAP_TRACES;
  const file = ['', 'aosp']
    .map((sub) => join(folder ?? '', sub, 'android-systemui.txt.gz'))
    .find((path) => existsSync(path));
  const android = folder === undefined ? undefined : file;
  const title = android ? 'android-systemui' : 'android-systemui: skipped, GOHEAP_TRACES names no folder that has it';
  test.runIf(android)(title, async () => {
    const { report, events } = await readFile(android!);
    compare('android-systemui', report);
    expect(report.format).toBe('aosp');
    expect(events.filter(([kind]) => kind === 'thread')).toHaveLength(report.threadSwitches);
  });
});

test('what a Go program recorded tells which of its objects have pointers', async () => {
  const { events } = await readFile(recording('go-json-bench.goalloc.txt.zst'));
  const count = (name: string) => events.filter(([kind]) => kind === name).length;
  // 376,985 lines say `-`; 143 more name types of numbers.
  expect(count('noscan')).toBeGreaterThan(376_985);
  expect(count('noscan')).toBeLessThan(377_300);
  expect(count('scan')).toBeGreaterThan(80_000);
  expect(count('alloc') + count('scan') + count('noscan')).toBe(502_555);
});
