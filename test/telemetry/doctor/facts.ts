/** Facts of a heap that is well: two Ps, GOGC=100, 100 MiB alive, one second of work. Tests change what they are about. */

import type { CpuStats } from '../../../src/gc/cpustats.js';
import type { CycleRecord } from '../../../src/gc/record.js';
import type { MemStats } from '../../../src/heap/memstats.js';
import { CLASS_TO_SIZE, NUM_SIZE_CLASSES, NUM_SPAN_CLASSES } from '../../../src/heap/sizeclass.js';
import type { Facts, Snapshot } from '../../../src/telemetry/doctor/facts.js';

export const MiB = 2 ** 20;
/** 64-byte objects. */
export const CLASS = 6;
export const SPC = CLASS * 2 + 1;

const lock = () => ({ acquisitions: 0, contended: 0, waitSeconds: 0 });

/** ns of CPU time that the collector and sleep took so far. */
const cpu = (of: Partial<CpuStats> = {}): CpuStats => ({
  assist: 0,
  dedicated: 0,
  idleMark: 0,
  pause: 0,
  gc: 0,
  scavengeAssist: 0,
  scavengeBackground: 0,
  scavenge: 0,
  idle: 0,
  user: 0,
  total: 0,
  ...of,
});

const moment = (at: number): Snapshot => ({
  at,
  numGC: 0,
  cpu: cpu(),
  slotsAllocated: new Float64Array(NUM_SIZE_CLASSES),
  refills: new Float64Array(NUM_SPAN_CLASSES),
  centrals: Array.from({ length: NUM_SPAN_CLASSES }, lock),
  heapLock: lock(),
});

/** What happened in the window. */
export interface Happened {
  cycles: number;
  cpu: Partial<CpuStats>;
  /** Of 64-byte objects. */
  allocations: number;
  refills: number;
  /** Span classes that the refills are of: of 64-byte objects and so many others, a refill each. */
  classes: number;
  /** At their mcentral, or at the heap lock. */
  acquisitions: number;
  contended: number;
  waitSeconds: number;
  at: 'mcentral' | 'heap';
}

/** A cycle of which nothing but the bytes alive is of interest. */
export const cycle = (number: number, marked: number): CycleRecord =>
  ({
    number,
    at: number,
    heap: { start: 2 * marked, end: 2 * marked, marked, goal: 2 * marked, trigger: 0 },
  }) as CycleRecord;

export function facts(happened: Partial<Happened> = {}, changed: Partial<Facts> = {}): Facts {
  const seconds = changed.seconds ?? 1;
  const before = moment(10);
  const after = moment(10 + seconds);
  const { cycles = 1, allocations = 100_000, refills = 1000, classes = 1, at = 'mcentral', ...rest } = happened;
  after.slotsAllocated[CLASS] = allocations;
  after.refills[SPC] = refills - (classes - 1);
  for (let i = 1; i < classes; i++) after.refills[SPC + i] = 1;
  const { acquisitions = refills, contended = 0, waitSeconds = 0 } = rest;
  Object.assign(at === 'heap' ? after.heapLock : after.centrals[SPC], { acquisitions, contended, waitSeconds });
  // A cycle a second: a quarter of two Ps for 40 ms.
  const quiet = { assist: 1e6, dedicated: 20e6, pause: 1e6, idle: 0.5e9 * seconds };
  Object.assign(after, { numGC: cycles, cpu: cpu({ ...quiet, ...rest.cpu }) });
  const slots = new Float64Array(NUM_SPAN_CLASSES);
  const allocated = new Float64Array(NUM_SPAN_CLASSES);
  slots[SPC] = (150 * MiB) / CLASS_TO_SIZE[CLASS];
  allocated[SPC] = (100 * MiB) / CLASS_TO_SIZE[CLASS];
  const requested = new Float64Array(NUM_SIZE_CLASSES);
  const slotBytes = new Float64Array(NUM_SIZE_CLASSES);
  slotBytes[CLASS] = 1000 * MiB;
  requested[CLASS] = 900 * MiB;
  const spans = Array.from({ length: NUM_SPAN_CLASSES }, () => new Float64Array(8));
  spans[SPC][3] = (150 * MiB) / 8192;
  return {
    before,
    after,
    seconds,
    gomaxprocs: 2,
    gogc: 100,
    memoryLimit: Number.POSITIVE_INFINITY,
    mapped: 200 * MiB,
    limited: false,
    nextGC: 200 * MiB,
    mem: {
      TotalAlloc: 1000 * MiB,
      HeapAlloc: 100 * MiB,
      HeapInuse: 150 * MiB,
      HeapIdle: 50 * MiB,
      HeapReleased: 20 * MiB,
      PeakHeapInuse: 200 * MiB,
    } as MemStats,
    classes: { used: new Uint8Array(NUM_SPAN_CLASSES).fill(1), spans, allocated, slots, refills: after.refills },
    requested,
    slotBytes,
    oneObject: Array.from({ length: NUM_SPAN_CLASSES }, () => ({ spans: 0, bytes: 0 })),
    cycles: [100, 101, 99, 100].map((n, i) => cycle(40 - i, n * MiB)),
    ...changed,
  };
}
