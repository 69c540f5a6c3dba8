/**
 * Thrash: a live heap just below the memory limit, and traffic on top of it.
 *
 * The limit leaves hardly any room for garbage, so one collection follows the other, each of which marks the whole live heap to win
 * little. The objects have pointers, so that marking costs something. What Go's limiter is for: from half of the CPU on, the heap
 * may go above the limit.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

export class Thrash extends Lane {
  private readonly live = this.newSet();

  round(batch: Batch): void {
    while (batch.room >= 2) {
      const size = this.rng.size(512, 4096);
      if (this.fits(this.live, size)) batch.alloc(size, this.live, false);
      else batch.garbage(size);
    }
  }
}
