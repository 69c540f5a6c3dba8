/**
 * Operations on a heap as a whole, on the M that holds the P: collect, sweep, scavenge, check, flush, settings, reachability.
 *
 * Their answers are JSON, written into the piece of the exchange that the request brought.
 */

import { checkCollector } from '../gc/check.js';
import type { Collector } from '../gc/collector.js';
import { droppedSinceMark } from '../gc/cycle.js';
import { withGC } from '../gc/memstats.js';
import { configure } from '../gc/pacing.js';
import { cycleRecords } from '../gc/record.js';
import { wakeScavenger } from '../gc/scavenger.js';
import { gcSettings } from '../gc/settings.js';
import { Why } from '../gc/state.js';
import { check } from '../heap/check.js';
import {
  GcPhase,
  H_GC_PHASE,
  H_PAGES_SWEPT_FREED,
  H_SCAVENGED_FORCED,
  type Heap,
  type P,
  T_SPANS_FREED,
  T_SPANS_SWEPT,
} from '../heap/heap.js';
import { flushedMemStats, readMemStats, sumStat } from '../heap/memstats.js';
import { scavengePages } from '../heap/scavenge.js';
import { PAGE_SIZE } from '../heap/sizeclass.js';
import { releaseMode } from '../memory/os.js';
import { reachAnswer } from './inspect-ops.js';
import { Change, Op } from './ops.js';
import { markRooted } from './rooted-op.js';
import type { Shared } from './shared.js';
import { takeSnapshot } from './snapshot-op.js';
import { startTheWorld, stopTheWorld } from './world.js';

const encoder = new TextEncoder();

export class Admin {
  private readonly h: Heap;
  private readonly p: P;
  private readonly k: Shared;
  private readonly gc: Collector;

  constructor(h: Heap, p: P, k: Shared, gc: Collector) {
    this.h = h;
    this.p = p;
    this.k = k;
    this.gc = gc;
  }

  /** Runs an operation whose arguments begin at `a` and whose results begin at `r`. */
  run(op: number, a: number, r: number): void {
    const { m } = this.k;
    switch (op) {
      case Op.sweep:
        this.answer(r, m[a + 1], m[a + 2], this.sweep(m[a]));
        break;
      case Op.gc:
        this.answer(r, m[a + 1], m[a + 2], this.collect(m[a]));
        break;
      case Op.scavenge:
        this.answer(r, m[a + 3], m[a + 4], this.scavenge(bytesOf(m[a], m[a + 1]), m[a + 2] === 1));
        break;
      case Op.check:
        this.check(r, m[a + 1], m[a + 2]);
        break;
      case Op.flush:
        this.answer(r, m[a + 1], m[a + 2], this.flush());
        break;
      case Op.settings:
        this.settings(m[a], m[a + 1], bytesOf(m[a + 2], m[a + 3]), m[a + 4]);
        break;
      case Op.snapshot:
        takeSnapshot(this.h, this.k, this.p, a, r);
        break;
      case Op.rooted:
        markRooted(this.h, this.k, this.p, a, r);
        break;
      default:
        break;
    }
  }

  /** What reaches an object, or what it reaches: the answer's length, or minus a Status. */
  reach(word: number, sub: number, kind: number, depth: number, limit: number, at: number, length: number): number {
    const answer = this.stopped(() => reachAnswer(this.h, this.p, word, sub, kind, depth, limit));
    return typeof answer === 'number' ? -answer : this.write(at, length, answer);
  }

  /** Does something with the world stopped. */
  private stopped<T>(work: () => T): T {
    stopTheWorld(this.h, this.k, this.p);
    try {
      return work();
    } finally {
      startTheWorld(this.k);
    }
  }

  private collect(why: number): object {
    const { h } = this;
    const began = h.now();
    const numGC = this.gc.collect(why);
    const record = cycleRecords(h).find((cycle) => cycle.number === numGC);
    return { ...record, seconds: (h.now() - began) / 1e9 };
  }

  private sweep(mode: number): object {
    const { h, gc } = this;
    const started = performance.now();
    const before = readMemStats(h);
    const spansBefore = sumStat(h, T_SPANS_SWEPT);
    const freedBefore = sumStat(h, T_SPANS_FREED);
    const pagesBefore = h.scalar(H_PAGES_SWEPT_FREED);
    const marked = mode === 2 || (mode === 0 && droppedSinceMark(h));
    if (marked) gc.collect(Why.forced);
    // While a mark is on nothing is left to sweep.
    else if (h.m[h.mheap + H_GC_PHASE] === GcPhase.off) gc.sweepEverything();
    const after = readMemStats(h);
    const cycle = marked ? cycleRecords(h, 1)[0] : undefined;
    const pauses = cycle === undefined ? 0 : cycle.pauses.sweepTermination + cycle.pauses.markTermination;
    return {
      marked,
      pauseMilliseconds: round(pauses * 1000),
      milliseconds: round(performance.now() - started),
      spansSwept: sumStat(h, T_SPANS_SWEPT) - spansBefore,
      spansFreed: sumStat(h, T_SPANS_FREED) - freedBefore,
      pagesFreedBySweep: h.scalar(H_PAGES_SWEPT_FREED) - pagesBefore,
      objectsFreed: after.Frees - before.Frees,
      heapInuseBefore: before.HeapInuse,
      heapInuse: after.HeapInuse,
      heapAlloc: after.HeapAlloc,
      numGC: after.NumGC,
    };
  }

  private scavenge(bytes: number, collect: boolean): object {
    const { h, p, gc } = this;
    const began = h.now();
    if (collect) gc.collect(Why.forced);
    const before = readMemStats(h);
    const pages = Math.min(h.pages, Math.ceil(bytes / PAGE_SIZE));
    const released = scavengePages(h, p, pages, true, H_SCAVENGED_FORCED) * PAGE_SIZE;
    const after = readMemStats(h);
    return {
      release: releaseMode(),
      collected: collect,
      releasedBytes: released,
      heapIdle: after.HeapIdle,
      heapReleasedBefore: before.HeapReleased,
      heapReleased: after.HeapReleased,
      heapSys: after.HeapSys,
      seconds: (h.now() - began) / 1e9,
    };
  }

  private check(r: number, at: number, length: number): void {
    const differences = this.stopped(() => [...check(this.h), ...checkCollector(this.h)]);
    this.k.m[r + 1] = differences.length;
    this.answer(r, at, length, {
      ok: differences.length === 0,
      differences: differences.slice(0, 200),
      found: differences.length,
    });
  }

  private flush(): object {
    return this.stopped(() => withGC(this.h, flushedMemStats(this.h)));
  }

  /** What is not to change stays what it is at that moment, whoever else is changing it. */
  private settings(which: number, gcPercent: number, limit: number, ticket: number): void {
    const { h } = this;
    this.stopped(() => {
      const now = gcSettings(h);
      const percent = (which & Change.gcPercent) !== 0 ? gcPercent : now.gcPercent;
      configure(h, percent, (which & Change.memoryLimit) !== 0 ? limit : now.memoryLimit, ticket);
    });
    wakeScavenger(this.h);
    // The new goal may be behind us already.
    this.p.attention = true;
  }

  private answer(r: number, at: number, length: number, value: object): void {
    this.k.m[r] = this.write(at, length, value);
  }

  private write(at: number, length: number, value: object): number {
    // encodeInto refuses shared memory: encode, then copy.
    const bytes = encoder.encode(JSON.stringify(value));
    if (bytes.length > length) throw new Error(`answer of ${bytes.length} bytes for a piece of ${length}`);
    this.k.exchange.set(bytes, at);
    return bytes.length;
  }
}

/** A number of bytes from two halves; -1 and -1 is Infinity. */
function bytesOf(lo: number, hi: number): number {
  return hi < 0 ? Number.POSITIVE_INFINITY : hi * 2 ** 32 + (lo >>> 0);
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;
