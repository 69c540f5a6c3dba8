/** What the console says is what the server says: metrics, workloads, and numbers in Go's notation. */

import { describe, expect, it, test } from 'vitest';
import { bytes, count, goSize, parseGoSize, percent, seconds, short } from '../../console/src/format.js';
import { GUIDE } from '../../console/src/hands/workload-kinds.js';
import { HEATMAP, PLOTS } from '../../console/src/series/plots.js';
import { PROCESS_METRICS } from '../../src/telemetry/families-server.js';
import { HEAP_TABLE, SERVER_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';
import { DEFAULT_PROFILE } from '../../src/workloads/catalog.js';

describe('plots', () => {
  const exported = new Set(
    [...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE, ...PROCESS_METRICS].map(({ name }) => name),
  );
  const lines = [...PLOTS.flatMap((plot) => [...plot.lines]), ...HEATMAP.metrics];

  test.each(lines.map(({ metric }) => metric))('%s is a metric of the server', (metric) => {
    const name = /^rate\((\w+)\)$/.exec(metric)?.[1] ?? metric;
    expect(exported).toContain(name);
  });

  it('every plot and every line explains itself', () => {
    for (const { info, title } of [...PLOTS, HEATMAP]) expect(info.length, title).toBeGreaterThan(60);
    for (const { meaning, metric } of lines) expect(meaning.length, metric).toBeGreaterThan(10);
  });
});

describe('workloads', () => {
  it("the guide's first figure is what gcguide runs", () => {
    expect(JSON.parse(GUIDE)).toEqual(DEFAULT_PROFILE);
  });
});

describe('numbers', () => {
  test.each([
    [bytes(0), '0 B'],
    [bytes(1023), '1023 B'],
    [bytes(1024), '1.00 KiB'],
    [bytes(10 * 1024), '10.0 KiB'],
    [bytes(100 * 2 ** 20), '100 MiB'],
    [bytes(1023.99 * 2 ** 20), '1.00 GiB'],
    [bytes(null), '–'],
    [count(1234567), '1,234,567'],
    [short(999), '999'],
    [short(1234), '1.2k'],
    [short(123_456), '123k'],
    [short(4_200_000), '4.2M'],
    [seconds(0.0000125), '13 µs'],
    [seconds(0.0034), '3.40 ms'],
    [seconds(61), '61.0 s'],
    [seconds(245), '4 min 5 s'],
    [percent(0.004), '0.4%'],
    [percent(0.42), '42%'],
    [goSize(512 * 2 ** 20), '512MiB'],
    [goSize(2 ** 32), '4GiB'],
    [goSize(1000), '1000B'],
  ])('%s', (said, expected) => {
    expect(said).toBe(expected);
  });

  it("Go's notation of a size, both ways", () => {
    for (const text of ['1B', '4KiB', '512MiB', '3GiB']) expect(goSize(parseGoSize(text) as number)).toBe(text);
    expect(parseGoSize('off')).toBeUndefined();
  });
});
