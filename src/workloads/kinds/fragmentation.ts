/**
 * Fragmentation: fill many spans with small objects, keep one in k, go on with another size.
 *
 * The survivors lie scattered: nearly every span of the wave holds one, so that none can be given back, and the next wave
 * is of another size class and cannot use their free slots. In the end the spans take many times the bytes of the objects
 * that live in them. Go does not move objects: only freeing the survivors helps.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

/** One size class a wave. */
const SIZES = [64, 128, 96, 256, 48, 192, 80, 384];

export class Fragmentation extends Lane {
  private readonly wave = this.newSet();
  private readonly kept = this.newSet();
  private waves = 0;
  private filling = true;

  round(batch: Batch): void {
    while (batch.room > 0 && this.waves < SIZES.length) {
      const before = batch.room;
      if (this.filling) this.fill(batch);
      else this.cull(batch);
      if (batch.room === before && !this.filling) return;
    }
    // Traffic, so that collections go on. Whole spans of it come and go.
    while (batch.room >= 2) batch.garbage(4096);
  }

  private fill(batch: Batch): void {
    const size = SIZES[this.waves];
    while (batch.room > 0 && this.fits(this.wave, size, this.share / SIZES.length)) batch.alloc(size, this.wave);
    // What is full and answered is culled, in the next round.
    if (batch.room > 0) this.filling = false;
  }

  /** From the last to the first, so that those before keep their places, which are those in their spans. */
  private cull(batch: Batch): void {
    // What this round asked for is not there yet.
    if (this.wave.promisedObjects > this.wave.length) return;
    for (let i = this.wave.length - 1; i >= 0 && batch.room > 0; i--) {
      if (i % this.plan.k === 0) this.wave.give(i, this.kept);
      else batch.free(this.wave, i);
    }
    if (this.wave.length > 0) return;
    this.waves++;
    this.filling = true;
  }
}
