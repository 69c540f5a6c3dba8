/**
 * What sweeping a span costs.
 *
 * A round fills 64 MiB with objects, drops some of their roots, marks, and then sweeps everything on one thread; only the last is
 * timed. Each figure is the median of its rounds after warm-up, per span swept and per page of them. A span that comes out
 * empty includes its pages' return to the page allocator. Target: a fully free span of 8 KiB at most 1 microsecond.
 *
 *     node dist/bench/sweep.js [--rounds 15]
 */

import { gcCycle } from '../src/gc/cycle.js';
import { dropRoot } from '../src/heap/free.js';
import { H_PAGES_SWEPT, type Heap, T_SPANS_FREED, T_SPANS_SWEPT } from '../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../src/heap/malloc.js';
import { sweepAll } from '../src/heap/sweep.js';
import { heapFor, markPhase } from './mark.js';
import { median, option, verdict } from './processes.js';

const BYTES = 64 * 2 ** 20;
const WARM_UP = 4;
const TARGET = 1;

interface Case {
  readonly name: string;
  readonly size: number;
  readonly scan?: boolean;
  /** Of the objects, those whose root is dropped before the mark. */
  readonly dropped: (i: number) => boolean;
  /** Whether the spans come out empty. */
  readonly frees: boolean;
  readonly target?: number;
}

const all = (): boolean => true;
const none = (): boolean => false;
const everyOther = (i: number): boolean => (i & 1) === 1;

const CASES: Case[] = [
  { name: 'free, 16 B objects', size: 16, dropped: all, frees: true, target: TARGET },
  { name: 'free, 64 B objects', size: 64, dropped: all, frees: true, target: TARGET },
  { name: 'free, 64 B with pointers', size: 64, scan: true, dropped: all, frees: true, target: TARGET },
  { name: 'free, one object of 8 KiB', size: 8192, dropped: all, frees: true, target: TARGET },
  { name: 'half free, 64 B objects', size: 64, dropped: everyOther, frees: false },
  { name: 'full, 64 B objects', size: 64, dropped: none, frees: false },
  { name: 'free, large of 64 KiB', size: 65536, dropped: all, frees: true },
  { name: 'live, large of 64 KiB', size: 65536, dropped: none, frees: false },
];

const rounds = option('rounds', 15);
for (const c of CASES) measure(c);

function measure(c: Case): void {
  const h = heapFor(BYTES * 1.5);
  const p = h.ps[0];
  const words = new Int32Array(BYTES / c.size);
  const perSpan: number[] = [];
  const perPage: number[] = [];
  for (let round = 0; round < WARM_UP + rounds; round++) {
    for (let i = 0; i < words.length; i++) {
      words[i] = c.scan === true ? mallocScan(h, p, c.size) : mallocNoscan(h, p, c.size);
    }
    if (words[words.length - 1] < 0) throw new Error('reservation exhausted');
    for (let i = 0; i < words.length; i++) if (c.dropped(i)) dropRoot(h, p, words[i], 0);
    markPhase(h, p);
    const before = counts(h);
    const began = performance.now();
    sweepAll(h, p);
    const ns = (performance.now() - began) * 1e6;
    const after = counts(h);
    const spans = after.swept - before.swept;
    // The mark may have swept a cached span or two on its way.
    if (after.freed - before.freed !== (c.frees ? spans : 0))
      throw new Error(`${c.name}: not the spans it was meant for`);
    if (round >= WARM_UP) {
      perSpan.push(ns / spans);
      perPage.push(ns / (after.pages - before.pages));
    }
    for (let i = 0; i < words.length; i++) if (!c.dropped(i)) dropRoot(h, p, words[i], 0);
    gcCycle(h, p);
  }
  const us = median(perSpan) / 1000;
  console.log(
    `${c.name.padEnd(26)} ${us.toFixed(3)} us a span  ${(median(perPage) / 1000).toFixed(3)} us a page${c.target === undefined ? '' : `  goal ${verdict(us, c.target, false)}`}`,
  );
}

function counts(h: Heap): { swept: number; freed: number; pages: number } {
  const { stats } = h.ps[0];
  return { swept: h.f[stats + T_SPANS_SWEPT], freed: h.f[stats + T_SPANS_FREED], pages: h.scalar(H_PAGES_SWEPT) };
}
