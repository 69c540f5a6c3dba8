/**
 * The workload of Go's "Guide to the Go Garbage Collector", from the same JSON as its interactive figures:
 *
 *     duration          seconds of the stage
 *     allocRate         MiB allocated a second
 *     scanRate          MiB that the collector scans in a CPU second
 *     newSurvivalRate   share of what was allocated since the last cycle that survives the next
 *     oldDeathRate      share of what survived earlier cycles that dies in each
 *
 * The guide simulates; here the heap is real, and so are its cycles: what shall not survive is let go of at once, and with each cycle that is
 * seen to end, the new become old and a share of the old is let go. How fast a real collector scans cannot be chosen: scanRate decides instead how
 * much of the memory has pointers, all of it at 512 MiB a second and less, half at 1,024.
 *
 * The cycles are the one thing beside the seed that the sequence depends on.
 */

import type { Batch } from '../batch.js';
import { type GuideStage, Lane } from '../generator.js';

const MiB = 2 ** 20;
const SCAN_ALL = 512;
/** MiB a second up to which objects have their usual sizes; faster means larger objects, not more. */
const USUAL = 40;

export class GcGuide extends Lane {
  private readonly young = this.newSet();
  private readonly old = this.newSet();
  private cycle = this.plan.numGC();
  private stage = 0;
  private stageSeconds = 0;
  /** Bytes that this stage owes, to be allocated, and to be freed. */
  private toAlloc = 0;
  private toFree = 0;

  round(batch: Batch): void {
    const stage = this.next();
    if (this.plan.numGC() !== this.cycle) {
      this.cycle = this.plan.numGC();
      while (this.young.length > 0) this.young.give(this.young.length - 1, this.old);
      this.toFree = this.old.bytes * stage.oldDeathRate;
    }
    this.toAlloc += (stage.allocRate * MiB * this.plan.period) / this.plan.lanes;
    const scale = Math.max(1, stage.allocRate / USUAL);
    const scannable = Math.min(1, SCAN_ALL / Math.max(1, stage.scanRate));
    while (batch.room >= 2 && (this.toFree > 0 || this.toAlloc > 0)) {
      if (this.toFree > 0 && this.old.length > 0) {
        const i = this.rng.below(this.old.length);
        this.toFree -= this.old.size(i);
        batch.free(this.old, i);
      } else this.toFree = 0;
      if (this.toAlloc > 0 && batch.room >= 2) {
        const size = Math.round(this.rng.size(128, 4096) * scale);
        this.toAlloc -= size;
        const noscan = !this.rng.chance(scannable);
        const survives = this.rng.chance(stage.newSurvivalRate);
        const room = this.old.promised + this.young.promised + size <= this.share;
        if (survives && room && this.fits(this.young, size)) batch.alloc(size, this.young, noscan);
        else batch.garbage(size, noscan);
      }
    }
    // What a round has no room for is not made up for later: the rate is what the server bears.
    this.toAlloc = Math.min(this.toAlloc, 0);
  }

  /** The stage of this round; the last one goes on. */
  private next(): GuideStage {
    const { profile, period } = this.plan;
    if (this.stageSeconds >= profile[this.stage].duration && this.stage < profile.length - 1) {
      this.stage++;
      this.stageSeconds = 0;
    }
    this.stageSeconds += period;
    return profile[this.stage];
  }
}
