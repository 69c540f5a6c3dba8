/**
 * A leak: of five objects one is never freed, until the workload holds what it may; then only the traffic goes on.
 *
 * The heap after each collection is larger than the one before, though the traffic is the same: a leak shows in what is marked, not in
 * what is allocated. The four that die are what makes the collections come often enough to see a line.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

export class Leak extends Lane {
  private readonly leaked = this.newSet();

  round(batch: Batch): void {
    while (batch.room >= 9) {
      const size = this.rng.size(256, 4096);
      if (this.fits(this.leaked, size)) batch.alloc(size, this.leaked, this.rng.chance(0.5));
      for (let i = 0; i < 4; i++) batch.garbage(this.rng.size(256, 4096));
    }
  }
}
