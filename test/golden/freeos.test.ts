/**
 * freeos.json: 64 MiB in 8 KiB objects, dropped and collected, debug.FreeOSMemory, and 1 MiB out of the released memory.
 *
 * Go's stacks and work buffers live in the same pages but are taken out of HeapSys and HeapInuse: 28 and, until the collection, 4
 * pages. Besides its objects the process took 36 pages for itself before them and 2 more meanwhile. As many are taken here.
 *
 * Compared: HeapInuse, HeapIdle and HeapSys in every row; HeapReleased in all but the first, where Go had freed three pages
 * already; idle memory that is not released (none, but between the collection and FreeOSMemory); NumGC and NumForcedGC as
 * deltas. Not compared: counts of objects, which contain Go's own; its other tables; NextGC (GOGC=off).
 */

import { expect, test } from 'vitest';
import { H_SCAVENGED_FORCED } from '../../src/heap/heap.js';
import { scavengeAll } from '../../src/heap/scavenge.js';
import { Golden, golden } from './support.js';

interface Row {
  at: string;
  idleMinusReleased: number;
  stat: Record<string, number>;
}

const { rows } = golden<{ rows: Row[] }>('freeos');
/** Pages that Go's work buffers take until the first collection gives them back. */
const WORK_BUFFERS = 4;

test('FreeOSMemory releases all that is idle', () => {
  expect(rows.length).toBe(5);
  const g = new Golden();
  const stacks = rows[0].stat.StackInuse;
  const first = g.stats();
  const objects = (bytes: number): number[] =>
    Array.from({ length: bytes / 8192 }, () => {
      const word = g.malloc(8192, false);
      const { w } = g.h;
      for (let i = word; i < word + 1024; i++) if (!Object.is(w[i], 0)) throw new Error(`word ${i} is not zero`);
      w.fill(1.5, word, word + 1024);
      return word;
    });
  const compare = (row: Row, buffers: number, released: boolean): void => {
    const { HeapSys, HeapInuse, HeapIdle, HeapReleased, NumGC, NumForcedGC } = g.stats();
    const own = stacks + buffers * 8192;
    expect(row.stat.StackInuse, row.at).toBe(stacks);
    expect({ HeapSys, HeapInuse, HeapIdle }, row.at).toEqual({
      HeapSys: row.stat.HeapSys + own,
      HeapInuse: row.stat.HeapInuse + own,
      HeapIdle: row.stat.HeapIdle,
    });
    if (released) {
      expect(HeapReleased, row.at).toBe(row.stat.HeapReleased);
      expect(HeapIdle - HeapReleased, row.at).toBe(row.idleMinusReleased);
    }
    expect(NumGC - first.NumGC, row.at).toBe(row.stat.NumGC - rows[0].stat.NumGC);
    expect(NumForcedGC - first.NumForcedGC, row.at).toBe(row.stat.NumForcedGC - rows[0].stat.NumForcedGC);
  };

  const buffers = objects(WORK_BUFFERS * 8192);
  g.filler((rows[0].stat.HeapInuse + stacks) / 8192);
  compare(rows[0], WORK_BUFFERS, false);

  g.filler((rows[1].stat.HeapInuse - rows[0].stat.HeapInuse) / 8192 - 8192);
  const all = objects(64 << 20);
  compare(rows[1], WORK_BUFFERS, true);

  for (const word of [...all, ...buffers]) g.drop(word);
  g.gc();
  compare(rows[2], 0, true);

  // debug.FreeOSMemory.
  g.gc();
  expect(scavengeAll(g.h, g.p)).toBe(8192 + WORK_BUFFERS);
  expect(g.h.scalar(H_SCAVENGED_FORCED)).toBe(8192 + WORK_BUFFERS);
  compare(rows[3], 0, true);
  g.expectSound();

  objects(1 << 20);
  compare(rows[4], 0, true);
  g.expectSound();
});
