/**
 * Holes: spans that are full but for two slots, the same ones again and again.
 *
 * Many spans of small objects are filled to the last slot. Then, round and round, two objects of each span die, a collection finds
 * them, and as many are allocated anew. What an mcache gets from its mcentral is a span with two free slots: it asks for the next
 * one after two allocations, so that nearly every one takes a lock and sweeps a span. A cache whose entries expire evenly over everything
 * that was ever stored does this to its heap.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

const SIZE = 64;
/** Of the 128 slots of a span, every so many-th is one that dies. */
const EVERY = 64;
/** Seconds between two collections at least, counted in rounds. */
const REST = 1;

export class Holes extends Lane {
  private readonly solid = this.newSet();
  private readonly loose = this.newSet();
  /** Objects that the second set shall have, known when the spans are full. */
  private wanted = 0;
  private state: 'fill' | 'die' | 'refill' = 'fill';
  private filled = 0;
  private since = 0;

  round(batch: Batch): void {
    this.since += this.plan.period;
    if (this.gc) return;
    switch (this.state) {
      case 'fill':
        while (batch.room > 0) {
          const full = this.held + SIZE > this.share || this.objects >= this.most;
          if (full) {
            this.wanted = this.loose.promisedObjects;
            this.state = 'die';
            return;
          }
          batch.alloc(SIZE, this.filled++ % EVERY === 0 ? this.loose : this.solid);
        }
        break;
      case 'die':
        this.freeAll(batch, this.loose);
        if (this.loose.length > 0 || this.since < REST) return;
        this.gc = true;
        this.since = 0;
        this.state = 'refill';
        break;
      case 'refill':
        while (batch.room > 0 && this.loose.promisedObjects < this.wanted) batch.alloc(SIZE, this.loose);
        if (this.loose.promisedObjects >= this.wanted) this.state = 'die';
    }
  }

  private get held(): number {
    return this.solid.promised + this.loose.promised;
  }

  private get objects(): number {
    return this.solid.promisedObjects + this.loose.promisedObjects;
  }
}
