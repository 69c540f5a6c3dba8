/**
 * A storm of large objects: 8 KiB to 1 MiB, allocated and freed at random.
 *
 * Above 32 KiB every object is a span of its own, straight from the heap: pages are searched for, taken, zeroed, given back, and the
 * free ones fall to pieces. Below that a span holds one to four, so that the mcaches refill for nearly every object.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

export class Large extends Lane {
  private readonly objects = this.newSet();

  round(batch: Batch): void {
    this.churn(
      batch,
      this.objects,
      () => this.rng.size(8 << 10, 1 << 20),
      () => this.rng.chance(0.9),
    );
  }
}
