/**
 * What it saves that the mark never looks into objects without pointers.
 *
 * 1 GiB of live objects, twice: without pointers, and of the same size and number with nothing but pointers, each word of an object
 * pointing at the next object. All are rooted in both. A collector that knows the difference marks the first kind at
 * the speed of its bitmaps, the second at the speed of memory and lookups. Peer: the scan case of the same run, in alternating
 * forced cycles of one thread; a figure is the median after warm-up. Target: per byte marked, at least 20 times as fast.
 *
 * Takes about 3 GiB of memory.
 *
 *     node dist/bench/noscan.js [--rounds 7] [--mib 1024]
 */

import { addressOf, type Heap } from '../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../src/heap/malloc.js';
import { releaseWhole } from '../src/memory/os.js';
import { type Cycle, expectObjects, FOLLOWS_POINTERS, forcedCycles, heapFor, medians } from './mark.js';
import { option, verdict } from './processes.js';

const SIZES = [64 * 1024, 64];
const TARGET = 20;
const WARM_UP = 2;
const rounds = option('rounds', 7);
const bytes = option('mib', 1024) * 2 ** 20;

if (!FOLLOWS_POINTERS) console.log('goheap does not follow pointers: the ratios say nothing');
for (const size of SIZES) await compare(size);

async function compare(size: number): Promise<void> {
  const count = bytes / size;
  const sides = { noscan: noscanHeap(size, count), scan: scanHeap(size, count) };
  const cycles: Record<keyof typeof sides, Cycle[]> = { noscan: [], scan: [] };
  for (let round = 0; round < WARM_UP + rounds; round++) {
    for (const kind of ['noscan', 'scan'] as const) {
      const cycle = forcedCycles(sides[kind], sides[kind].ps[0]);
      if (round >= WARM_UP) cycles[kind].push(cycle);
    }
  }
  for (const h of Object.values(sides)) {
    expectObjects(h, count);
    await releaseWhole(h.memory.reservation);
  }
  const noscan = medians(cycles.noscan);
  const scan = medians(cycles.scan);
  const name = size < 1024 ? `${size} B` : `${size / 1024} KiB`;
  for (const figure of ['mark', 'whole'] as const) {
    const ratio = scan[figure] / noscan[figure];
    const parts = [
      `${name.padStart(6)} x ${count.toLocaleString('en')} ${figure === 'mark' ? 'mark ' : 'cycle'}`,
      `noscan ${perByte(noscan[figure])}`,
      `scan ${perByte(scan[figure])}`,
      `ratio ${figure === 'mark' && FOLLOWS_POINTERS ? verdict(ratio, TARGET, true) : ratio.toFixed(1)}`,
    ];
    console.log(parts.join('  '));
  }
}

function perByte(ms: number): string {
  return `${ms.toFixed(2)} ms (${((ms * 1e6) / (bytes / 1024)).toFixed(2)} ns a KiB)`;
}

function noscanHeap(size: number, count: number): Heap {
  const h = heapFor(bytes);
  for (let i = 0; i < count; i++) allocated(mallocNoscan(h, h.ps[0], size));
  return h;
}

function scanHeap(size: number, count: number): Heap {
  const h = heapFor(bytes);
  const first = allocated(mallocScan(h, h.ps[0], size));
  let last = first;
  for (let i = 1; i < count; i++) {
    const next = allocated(mallocScan(h, h.ps[0], size));
    fill(h, last, size / 8, next);
    last = next;
  }
  fill(h, last, size / 8, first);
  return h;
}

/** Makes every word of an object point at another. */
function fill(h: Heap, word: number, words: number, target: number): void {
  const address = addressOf(target);
  const lo = address | 0;
  const hi = Math.floor(address / 2 ** 32);
  for (let i = word * 2; i < (word + words) * 2; i += 2) {
    h.w32[i] = lo;
    h.w32[i + 1] = hi;
  }
}

function allocated(word: number): number {
  if (word < 0) throw new Error('reservation exhausted');
  return word;
}
