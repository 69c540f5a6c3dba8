/**
 * What the doctor knows of a heap: counters at two moments, the state at the second, and the history of cycles.
 *
 * A counter since the heap was made says little about what goes on now, so rates are taken over a window: the doctor looks, waits, and looks
 * again. Everything is read from shared memory, on the main thread, without stopping anything. The one thing that visits spans is
 * the count of those with a single object, which goes through them a bounded number a turn of the event loop.
 */

import { type CpuStats, cpuStats } from '../../gc/cpustats.js';
import { pacerView } from '../../gc/pacing.js';
import { type CycleRecord, cycleRecords } from '../../gc/record.js';
import { gcSettings } from '../../gc/settings.js';
import { H_LIMITED, H_SPAN_NEXT, type Heap, T_LARGE_ALLOC, T_LARGE_REQUESTED } from '../../heap/heap.js';
import { mcentralAt } from '../../heap/mcentral.js';
import { type MemStats, mappedReady, sumStat } from '../../heap/memstats.js';
import { S_ALLOC_COUNT, S_NELEMS, S_NPAGES, S_SPANCLASS, S_STATE, SpanState, spanAt } from '../../heap/mspan.js';
import { CLASS_TO_SIZE, NUM_SPAN_CLASSES, PAGE_SIZE } from '../../heap/sizeclass.js';
import { type LockStats, lockStats } from '../../memory/lock.js';
import { HeapView, requestedBytes, reusedSlots, type Scraped, type SpanClasses } from '../view.js';

/** Counters at one moment. */
export interface Snapshot {
  /** Seconds since the heap was made. */
  readonly at: number;
  readonly numGC: number;
  readonly cpu: CpuStats;
  /** By size class. */
  readonly slotsAllocated: Float64Array;
  /** By span class. */
  readonly refills: Float64Array;
  readonly centrals: readonly LockStats[];
  readonly heapLock: LockStats;
}

/** Spans of one span class that hold one object where more have room. */
export interface OneObjectSpans {
  spans: number;
  bytes: number;
}

export interface Facts {
  readonly before: Snapshot;
  readonly after: Snapshot;
  /** Seconds between the two. */
  readonly seconds: number;
  readonly gomaxprocs: number;
  readonly gogc: number | 'off';
  /** Bytes; Infinity when off. */
  readonly memoryLimit: number;
  /** Memory that counts towards the limit. */
  readonly mapped: number;
  /** Whether the CPU limiter holds the collector back. */
  readonly limited: boolean;
  readonly nextGC: number;
  readonly mem: MemStats;
  readonly classes: SpanClasses;
  /** By size class, large objects in 0, since the heap was made: bytes asked for, and bytes of the slots that served them. */
  readonly requested: Float64Array;
  readonly slotBytes: Float64Array;
  /** By span class. */
  readonly oneObject: readonly OneObjectSpans[];
  /** Newest first. */
  readonly cycles: readonly CycleRecord[];
}

/** Spans that one turn of the walk looks at. */
const SPANS_A_TURN = 20_000;
/** A span of fewer slots that holds one object is not remarkable. */
const FEW_SLOTS = 4;

export function snapshot(h: Heap, view: HeapView): Snapshot {
  return {
    at: h.now() / 1e9,
    numGC: view.mem.NumGC,
    cpu: cpuStats(h),
    slotsAllocated: view.slots.allocs,
    refills: view.spanClasses.refills,
    centrals: Array.from({ length: NUM_SPAN_CLASSES }, (_, spc) => lockStats(h.m, mcentralAt(h, spc))),
    heapLock: lockStats(h.m, h.heapLock),
  };
}

/** Counts spans with one object, a turn at a time. Spans come and go meanwhile: the count is as good as that. */
export async function oneObjectSpans(h: Heap): Promise<OneObjectSpans[]> {
  const out = Array.from({ length: NUM_SPAN_CLASSES }, () => ({ spans: 0, bytes: 0 }));
  const { m } = h;
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); ) {
    const end = Math.min(id + SPANS_A_TURN, h.scalar(H_SPAN_NEXT));
    for (; id < end; id++) {
      const s = spanAt(h, id);
      if (m[s + S_STATE] !== SpanState.inUse || m[s + S_ALLOC_COUNT] !== 1 || m[s + S_NELEMS] < FEW_SLOTS) continue;
      const of = out[m[s + S_SPANCLASS]];
      of.spans++;
      of.bytes += m[s + S_NPAGES] * PAGE_SIZE;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return out;
}

function slotBytes(h: Heap, slots: Float64Array): Float64Array {
  const reused = reusedSlots(h);
  const out = slots.map((n, c) => (n + reused[c]) * CLASS_TO_SIZE[c]);
  out[0] = sumStat(h, T_LARGE_ALLOC);
  return out;
}

/** Looks at a heap before and after something: `meanwhile` is called between, and its promise waited for. */
export async function gather(source: Scraped, meanwhile: () => Promise<unknown>): Promise<Facts> {
  const h = source.heap;
  const before = snapshot(h, new HeapView(source));
  const waited = meanwhile();
  const oneObject = await oneObjectSpans(h);
  await waited;
  const view = new HeapView(source);
  const after = snapshot(h, view);
  const requested = requestedBytes(h);
  requested[0] = sumStat(h, T_LARGE_REQUESTED);
  const settings = gcSettings(h);
  return {
    before,
    after,
    seconds: Math.max(1e-3, after.at - before.at),
    gomaxprocs: h.ps.length,
    gogc: settings.gcPercent < 0 ? 'off' : settings.gcPercent,
    memoryLimit: settings.memoryLimit,
    mapped: mappedReady(h),
    limited: h.scalar(H_LIMITED) !== 0,
    nextGC: pacerView(h).heapGoal(),
    mem: view.mem,
    classes: view.spanClasses,
    requested,
    slotBytes: slotBytes(h, view.slots.allocs),
    oneObject,
    cycles: cycleRecords(h, 32),
  };
}
