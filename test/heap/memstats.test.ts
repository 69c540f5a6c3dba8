/** MemStats by hand: each number after each kind of event, reading with and without a flush, and identities that can fail. */

import { describe, expect, test } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { checkIdentities, flushedMemStats, type MemStats, readMemStats, recordPause } from '../../src/heap/memstats.js';
import { type Held, World } from './world.js';

const MiB = 2 ** 20;

test('a new heap', () => {
  const s = readMemStats(new World(2).h);
  for (const name of [
    'Alloc',
    'Mallocs',
    'Frees',
    'HeapSys',
    'HeapInuse',
    'HeapIdle',
    'GCSys',
    'MSpanInuse',
  ] as const) {
    expect(s[name], name).toBe(0);
  }
  expect(s.MCacheInuse).toBe(2 * 2296);
  expect(s.MCacheSys).toBe(16_072);
  expect(s.Sys).toBe(16_072);
  expect(s.BySize).toHaveLength(61);
  expect(s.BySize[60].Size).toBe(18_432);
  expect(s.PauseNs).toHaveLength(256);
  expect(checkIdentities(s)).toEqual([]);
});

test('one object of each kind', () => {
  const w = new World(1);
  const p = w.p(0);
  w.alloc(p, 100);
  let s = readMemStats(w.h);
  // A span of one page for 112-byte slots; the heap grew by 4 MiB, an arena was taken, one mspan chunk was allocated.
  expect(s).toMatchObject({ Mallocs: 1, Frees: 0, HeapObjects: 1, TotalAlloc: 112, HeapAlloc: 112, HeapInuse: 8192 });
  expect(s).toMatchObject({ HeapSys: 4 * MiB, HeapIdle: 4 * MiB - 8192, HeapReleased: 4 * MiB - 8192, GCSys: 69_648 });
  expect(s.MSpanSys).toBe(16_320);
  expect(s.BySize.find((b) => b.Size === 112)).toEqual({ Size: 112, Mallocs: 1, Frees: 0 });

  const a = w.alloc(p, 5) as Held;
  const b = w.alloc(p, 5) as Held;
  s = readMemStats(w.h);
  // Both share a block: two mallocs, of which one counts as freed.
  expect(s).toMatchObject({ Mallocs: 3, Frees: 1, HeapObjects: 2, TotalAlloc: 128, TinyAllocs: 1 });
  expect(s.BySize.find((x) => x.Size === 16)).toEqual({ Size: 16, Mallocs: 1, Frees: 0 });

  const large = w.alloc(p, 40_001) as Held;
  s = readMemStats(w.h);
  expect(s).toMatchObject({ Mallocs: 4, TotalAlloc: 128 + 40_960, HeapInuse: 2 * 8192 + 40_960, LargeMallocs: 1 });

  for (const o of [a, b, large]) w.free(p, o, false);
  // Frees are counted when they are swept.
  expect(readMemStats(w.h)).toMatchObject({ Frees: 1, HeapObjects: 3 });
  flushedMemStats(w.h); // gives up the current tiny block
  gcCycle(w.h, p);
  s = readMemStats(w.h);
  expect(s).toMatchObject({ Mallocs: 4, Frees: 3, HeapObjects: 1, HeapAlloc: 112, HeapInuse: 8192, LargeFrees: 1 });
  expect(s.HeapReleased).toBe(4 * MiB - 2 * 8192 - 40_960);
  expect(s.PeakHeapInuse).toBe(2 * 8192 + 40_960);
  expect(s).toMatchObject({ NumGC: 1, NumForcedGC: 1 });
  expect(checkIdentities(s)).toEqual([]);
  w.expectWhole();
});

test('reading says what a flush would, and changes nothing', () => {
  const w = new World(2);
  const [p0, p1] = w.h.ps;
  for (let i = 0; i < 500; i++) {
    w.alloc(i % 3 === 0 ? p1 : p0, [3, 16, 40, 700, 2000, 9000][i % 6], i % 2 === 0);
    if (i % 50 !== 0) continue;
    const before = readMemStats(w.h);
    expect(readMemStats(w.h)).toEqual(before);
    w.expectWhole();
  }
  const before = readMemStats(w.h);
  expect(flushedMemStats(w.h)).toEqual(before);
  expect(readMemStats(w.h)).toEqual(before);
  w.verify(p0);
});

test('pauses', () => {
  const w = new World(1);
  const p = w.p(0);
  let total = 0;
  for (let i = 1; i <= 300; i++) {
    gcCycle(w.h, p);
    recordPause(w.h, i * 1000, 1e9 + i);
    total += i * 1000;
    const s = readMemStats(w.h);
    expect(s.PauseNs[(s.NumGC + 255) % 256]).toBe(i * 1000);
    expect(s.PauseEnd[(s.NumGC + 255) % 256]).toBe(s.LastGC);
    expect(s.PauseTotalNs).toBe(total);
    if (i < 256) expect(s.PauseNs.reduce((a, b) => a + b, 0)).toBe(total);
  }
  expect(readMemStats(w.h).NumGC).toBe(300);
});

describe('an identity that does not hold is told', () => {
  const w = new World(1);
  w.alloc(w.p(0), 100);
  const good = readMemStats(w.h);
  test.each<keyof MemStats>([
    'Alloc',
    'HeapAlloc',
    'HeapSys',
    'HeapIdle',
    'HeapInuse',
    'HeapObjects',
    'Mallocs',
    'Frees',
    'Sys',
    'MSpanSys',
    'MCacheSys',
    'GCSys',
  ])('%s', (name) => {
    expect(checkIdentities(good)).toEqual([]);
    expect(checkIdentities({ ...good, [name]: (good[name] as number) + 8 })).not.toEqual([]);
  });
  test('HeapReleased', () => {
    expect(checkIdentities({ ...good, HeapReleased: good.HeapIdle + 1 })).not.toEqual([]);
  });
});
