/**
 * What a scrape costs the main thread, for a small heap and for a full one of 4 GiB.
 *
 * The full heap has as many spans as there can be: 524,288 of 8 KiB, each one object of 8,192 bytes whose bytes are
 * never touched; with 64 MiB arenas, and with 4 MiB ones, of which there are 1,024. A third has 64 Ps. A figure is the
 * median of many scrapes, after some to warm up; beside it the worst, which tells more of the machine than of the code,
 * and the very first of that heap.
 * The goal is at most 5 ms for any page of any heap.
 *
 *     node dist/bench/scrape.js [scrapes]
 */

import { Heap } from '../src/heap/heap.js';
import { mallocNoscan } from '../src/heap/malloc.js';
import { readMemStats } from '../src/heap/memstats.js';
import type { HostStats } from '../src/sched/host-api.js';
import { type HeapPage, heapText } from '../src/telemetry/table.js';
import type { Scraped } from '../src/telemetry/view.js';

const MIB = 1 << 20;
const GOAL_MS = 5;
const scrapes = Number(process.argv[2] ?? 300);

function scraped(heap: Heap): Scraped {
  const n = heap.ps.length;
  const each = new Array<number>(n).fill(1);
  const stats: HostStats = {
    inFlight: 0,
    ran: each,
    stolen: each,
    queued: each,
    globalQueued: 0,
    restarts: 0,
    stops: 0,
    stoppedSeconds: 0,
    worldLock: { acquisitions: 0, contended: 0, waitSeconds: 0 },
    ps: each.map((m) => ({ status: 'idle', m })),
  };
  return { heap, settings: { gogc: 100, gomemlimit: 'off' }, stats: () => stats };
}

/** A heap in which every span class is in use, and then full of 8 KiB spans if it is to be. */
function build(reserve: number, arenaSize: number, procs: number, full: boolean): Heap {
  const heap = Heap.create({ reserve, arenaSize, procs });
  for (const p of heap.ps)
    for (let size = 1; size <= 32_768; size = Math.ceil(size * 1.12)) mallocNoscan(heap, p, size);
  if (full) while (mallocNoscan(heap, heap.ps[0], 8192) >= 0);
  return heap;
}

function measure(source: Scraped, page: HeapPage): { first: number; median: number; worst: number; bytes: number } {
  const times: number[] = [];
  let bytes = 0;
  for (let i = 0; i < scrapes; i++) {
    const t = performance.now();
    // As bytes, as it is sent: only then is the text one string.
    bytes = Buffer.from(heapText(page, source)).length;
    times.push(performance.now() - t);
  }
  const first = times[0];
  const warm = times.slice(20).sort((a, b) => a - b);
  return { first, median: warm[warm.length >> 1], worst: warm[warm.length - 1], bytes };
}

const HEAPS: [name: string, heap: () => Heap][] = [
  ['4 GiB, full, 64 MiB arenas', () => build(4096 * MIB, 64 * MIB, 1, true)],
  ['4 GiB, full, 4 MiB arenas', () => build(4096 * MIB, 4 * MIB, 1, true)],
  ['4 GiB, full, 64 Ps', () => build(4096 * MIB, 64 * MIB, 64, true)],
  ['64 MiB, nearly empty', () => build(64 * MIB, 64 * MIB, 1, false)],
];

let missed = false;
console.log('heap                          spans  page        ms  worst  first      bytes');
for (const [name, make] of HEAPS) {
  const heap = make();
  const spans = readMemStats(heap).MSpanInuse / 160;
  const source = scraped(heap);
  for (const page of ['go', 'spans'] as const) {
    const { first, median, worst, bytes } = measure(source, page);
    missed ||= median > GOAL_MS;
    const figures = [median, worst, first].map((ms) => ms.toFixed(2).padStart(6)).join(' ');
    console.log(
      `${name.padEnd(27)} ${String(spans).padStart(7)}  ${page.padEnd(5)} ${figures} ${String(bytes).padStart(10)}`,
    );
  }
}
console.log(`goal: at most ${GOAL_MS} ms: ${missed ? 'MISSED' : 'reached'}`);
if (missed) process.exitCode = 1;
