/**
 * Phases: a program that needs much memory, then none, then again, each time in other sizes.
 *
 * A phase grows to its full size, works there, lets go of everything, and is quiet for a while. What it leaves behind is idle memory: pages that
 * the scavenger returns slowly, because they may be needed again soon; and the next phase finds free pages, but no spans of its classes.
 */

import type { Batch } from '../batch.js';
import { Lane } from '../generator.js';

const SIZES: readonly (readonly [number, number])[] = [
  [512, 2048],
  [4096, 8192],
  [128, 512],
];

/** Seconds, counted in rounds. */
const WORK = 2;
const QUIET = 8;

export class Phases extends Lane {
  private readonly objects = this.newSet();
  private phase = 0;
  private state: 'grow' | 'work' | 'leave' | 'quiet' = 'grow';
  private since = 0;

  round(batch: Batch): void {
    this.since += this.plan.period;
    const [min, max] = SIZES[this.phase % SIZES.length];
    const size = (): number => this.rng.size(min, max);
    switch (this.state) {
      case 'grow':
        while (batch.room > 0) {
          const next = size();
          if (!this.fits(this.objects, next)) {
            this.enter('work');
            break;
          }
          batch.alloc(next, this.objects);
        }
        break;
      case 'work':
        this.churn(batch, this.objects, size, () => true);
        if (this.since >= WORK) this.enter('leave');
        break;
      case 'leave':
        this.freeAll(batch, this.objects);
        if (this.objects.length === 0) this.enter('quiet');
        break;
      case 'quiet': {
        // A little goes on, so that the collector notices.
        const leave = Math.floor(batch.limit * 0.6);
        while (batch.room >= leave + 2) batch.garbage(this.rng.size(1024, 4096));
        if (this.since >= QUIET) {
          this.phase++;
          this.enter('grow');
        }
      }
    }
  }

  private enter(state: Phases['state']): void {
    this.state = state;
    this.since = 0;
  }
}
