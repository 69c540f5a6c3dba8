/**
 * xmalloc: producers and consumers. What one P allocates, the next one frees.
 *
 * Objects of 8 KiB, of which a span holds one: every allocation gives a span back to its mcentral and asks it for another, all Ps the same one,
 * and what the consumer frees comes back there and not to an mcache. The lock of that mcentral is where it shows.
 */

import type { Batch } from '../batch.js';
import { type Generator, Lane, type Plan } from '../generator.js';
import type { Objects } from '../objects.js';

class Producer extends Lane {
  readonly queue = this.newSet();

  round(batch: Batch): void {
    const half = batch.limit >> 1;
    while (batch.room > half) {
      const size = 8192 - this.rng.below(1024);
      if (!this.fits(this.queue, size)) return;
      batch.alloc(size, this.queue);
    }
  }

  /** Half of the queue stays full: a consumer is behind its producer. */
  consume(batch: Batch): void {
    while (batch.room > 0 && this.queue.bytes > this.share / 2) {
      batch.free(this.queue, this.rng.below(this.queue.length));
    }
  }
}

export class Xmalloc implements Generator {
  private readonly producers: Producer[];

  constructor(plan: Plan) {
    this.producers = Array.from({ length: plan.lanes }, (_, lane) => new Producer(plan, lane));
  }

  get sets(): readonly (readonly Objects[])[] {
    const n = this.producers.length;
    return this.producers.map((_, lane) => this.producers[(lane + n - 1) % n].sets);
  }

  round(batches: readonly Batch[]): void {
    const n = this.producers.length;
    for (let lane = 0; lane < n; lane++) this.producers[lane].round(batches[lane]);
    for (let lane = 0; lane < n; lane++) this.producers[lane].consume(batches[(lane + 1) % n]);
  }
}
