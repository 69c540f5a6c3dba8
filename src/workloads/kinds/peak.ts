/**
 * A peak: everything that the workload may hold is allocated and let go of, a collection follows, and then hardly anything more.
 *
 * What is left are free pages. How long they stay depends on the settings: the scavenger keeps a tenth more than the heap had in use at the
 * last cycle but one, and there is one every two minutes. With GOGC=off and no memory limit there is none, after the first cycle
 * it has no goal yet, and the pages stay. A program that sorts its data at start-up, collects once and turns its collector off does this.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

/** Bytes of what goes on afterwards. */
const TRICKLE = 16;

export class Peak extends Lane {
  private readonly objects = this.newSet();
  private state: 'grow' | 'leave' | 'quiet' = 'grow';

  round(batch: Batch): void {
    if (this.gc) return;
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
    } else batch.garbage(TRICKLE);
  }
}
