/**
 * A peak: everything that the workload may hold is allocated and let go of, a collection follows, and then hardly anything more.
 *
 * What is left are free pages. How long they stay depends on the settings: the scavenger keeps a tenth more than the next cycle
 * will need and gives the rest back; with GOGC=off and no memory limit it has no goal, and the pages stay for good. A program
 * that sorts its data at start-up, and collects only when it says so, does this.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

/** Seconds between two collections afterwards, counted in rounds. */
const REST = 60;

export class Peak extends Lane {
  private readonly objects = this.newSet();
  private state: 'grow' | 'leave' | 'quiet' = 'grow';
  private since = 0;

  round(batch: Batch): void {
    if (this.state === 'grow') {
      while (batch.room > 0) {
        const size = this.rng.size(1 << 10, 8 << 10);
        if (!this.fits(this.objects, size)) {
          this.state = 'leave';
          return;
        }
        batch.alloc(size, this.objects);
      }
    } else if (this.state === 'leave') {
      this.freeAll(batch, this.objects);
      if (this.objects.length > 0) return;
      this.gc = true;
      this.state = 'quiet';
    } else {
      batch.garbage(1024);
      this.since += this.plan.period;
      if (this.since < REST) return;
      this.gc = true;
      this.since = 0;
    }
  }
}
