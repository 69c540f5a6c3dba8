/**
 * Virtual time.
 *
 *      wall = recorded time + the program's own work + what the heap's work cost on the program's P + pauses
 *
 * The program is one sequence of events, in the order in which they were recorded, on one P at a time. Work of the heap is read off its own
 * counters (bytes scanned, objects marked, spans swept, pages released) and priced by the cost model, so that no code of the collector
 * knows that its clock is a simulated one. What the other Ps do meanwhile (`behind`) costs them their time, and the program none.
 *
 * Everything is a sum of doubles in a fixed order: the same input gives the same times to the bit.
 */

import {
  H_RECLAIMED_PAGES,
  H_SCAVENGED_BG,
  H_SCAVENGED_EAGER,
  H_SCAVENGED_FORCED,
  type Heap,
  T_GLOBALS_WORK,
  T_OBJECTS_SCANNED,
  T_ROOT_SPANS,
  T_ROOTS_MARKED,
  T_SCAN_WORK,
  T_SHADED,
  T_SPANS_SWEPT,
} from '../../heap/heap.js';
import type { CostModel, TimeBase } from '../settings.js';

/** What the program did so far. Written by the simulator's loop before anything looks at the clock. */
export class Work {
  events = 0;
  allocs = 0;
  /** Bytes of the slots that were handed out. */
  bytes = 0;
  /** Recorded ns that have passed. */
  recorded = 0;
}

export class Clock {
  private readonly h: Heap;
  private readonly costs: CostModel;
  private readonly work: Work;
  private readonly perEvent: number;
  private readonly perAlloc: number;
  private readonly perByte: number;
  private readonly perRecorded: number;
  /** Marking while the world is stopped is done by all Ps at once. */
  private readonly share: number;
  /** Pauses, and what the heap's work on the program's P took before `mark`. */
  private offset = 0;
  private spent = 0;
  /** During a slice of another P: wall time when it began, and the price of all work until then. */
  private behindSince = -1;
  private behindCost = 0;
  private behindOffset = 0;

  constructor(h: Heap, work: Work, costs: CostModel, base: TimeBase, stopTheWorld: boolean) {
    this.h = h;
    this.work = work;
    this.costs = costs;
    const rate = base.kind === 'bytesPerSecond';
    this.perEvent = base.kind === 'nsPerEvent' ? base.ns : rate || base.kind === 'recorded' ? 0 : costs.perEvent;
    this.perAlloc = rate || base.kind === 'recorded' ? 0 : costs.perAlloc;
    this.perByte =
      base.kind === 'bytesPerSecond' ? 1e9 / base.bytes : base.kind === 'recorded' ? 0 : costs.perAllocByte;
    this.perRecorded = base.kind === 'recorded' ? 1 : 0;
    this.share = stopTheWorld ? 1 / h.ps.length : 1;
    this.reset();
  }

  /** From here on: 0. */
  reset(): void {
    this.offset = 0;
    this.spent = 0;
    this.offset = -this.wall();
  }

  /** ns since the simulation began, on the P that is at work. */
  now(): number {
    return this.behindSince < 0
      ? this.wall()
      : this.behindSince + this.price() - this.behindCost + this.offset - this.behindOffset;
  }

  /** Both pauses of a cycle have a fixed part. */
  pause(): void {
    this.offset += this.costs.perPause;
  }

  /** A mark has begun. */
  cycle(): void {
    this.offset += this.costs.perCycle;
  }

  /** Another P is at work from here on, beside the program. */
  begin(): void {
    this.behindSince = this.wall();
    this.behindCost = this.price();
    this.behindOffset = this.offset;
  }

  /** It has stopped; answers the ns that it took. The program's clock stands where it stood. */
  end(): number {
    const took = this.price() - this.behindCost;
    this.behindSince = -1;
    this.spent += took;
    return took;
  }

  private wall(): number {
    const { work } = this;
    const program =
      work.events * this.perEvent +
      work.allocs * this.perAlloc +
      work.bytes * this.perByte +
      work.recorded * this.perRecorded;
    return this.offset + program + this.price() - this.spent;
  }

  /** What all of the heap's work so far costs. */
  private price(): number {
    const { h, costs } = this;
    const { f, m, mheap } = h;
    let mark = 0;
    let swept = 0;
    for (const p of h.ps) {
      const at = p.stats;
      mark +=
        (f[at + T_SCAN_WORK] + f[at + T_GLOBALS_WORK]) * costs.perScanByte +
        (f[at + T_ROOTS_MARKED] + f[at + T_OBJECTS_SCANNED] + f[at + T_SHADED]) * costs.perMark +
        f[at + T_ROOT_SPANS] * costs.perRootSpan;
      swept += f[at + T_SPANS_SWEPT];
    }
    const released = m[mheap + H_SCAVENGED_BG] + m[mheap + H_SCAVENGED_EAGER] + m[mheap + H_SCAVENGED_FORCED];
    return (
      mark * this.share +
      swept * costs.perSweep +
      released * costs.perRelease +
      m[mheap + H_RECLAIMED_PAGES] * costs.perFault
    );
  }
}
