import { expect, test } from 'vitest';
import { parseMemStats } from '../../../src/replay/profile/memstats-text.js';
import { text } from './fixture.js';

test('the lines that end a legacy profile', () => {
  const stats = parseMemStats(text('records.second.txt'));
  expect(stats).toMatchObject({ NumForcedGC: 2, Lookups: 0 });
  // `# Stack = inuse / sys`
  expect(stats.StackInuse).toBeGreaterThan(0);
  expect(stats.MSpanSys).toBeGreaterThanOrEqual(stats.MSpanInuse ?? Number.NaN);
  expect(stats.MCacheInuse).toBe(2 * 2296);
  expect(stats.PauseNs).toHaveLength(256);
  expect(stats.PauseNs?.filter((ns) => ns > 0)).toHaveLength(stats.NumGC ?? -1);
  expect(stats.HeapSys).toBe((stats.HeapInuse ?? 0) + (stats.HeapIdle ?? 0));
  expect(stats).not.toHaveProperty('MaxRSS');
});

test('JSON, alone or in /debug/vars', () => {
  const memstats = { HeapAlloc: 5, NumGC: 3, PauseNs: [1, 0], GCCPUFraction: 0.25, EnableGC: true };
  const wanted = { HeapAlloc: 5, NumGC: 3, PauseNs: [1, 0], GCCPUFraction: 0.25 };
  expect(parseMemStats(JSON.stringify(memstats))).toEqual(wanted);
  expect(parseMemStats(JSON.stringify({ cmdline: ['x'], memstats }))).toEqual(wanted);
});

test('values that are none are passed over', () => {
  expect(parseMemStats('# HeapAlloc = 5\n# HeapSys = -1\n# NumGC = many\n# PauseNs = [1 x 2]\n')).toEqual({
    HeapAlloc: 5,
    PauseNs: [1, 2],
  });
});
