/**
 * The last events of a heap, so that a client which was away for a moment misses nothing.
 *
 * Samples come steadily and each stands for itself; collections and restarts are rare and each matters. So they have a ring
 * each, and a storm of one kind does not push the other out. Every event has a number; numbers only grow, and within a
 * ring events stand in their order. An event is text from the moment it is made: it is written once however many
 * clients read it.
 *
 * Invariant: at most `samples` + `others` events of at most 4 KB, whatever happens and whoever listens.
 */

export type EventType = 'sample' | 'gc' | 'restart';

export interface HeapEvent {
  readonly seq: number;
  readonly type: EventType;
  /** Milliseconds since 1970. */
  readonly t: number;
  /** JSON. */
  readonly data: string;
}

/** Index of the first event after `seq`. */
function firstAfter(events: readonly HeapEvent[], seq: number): number {
  let lo = 0;
  let hi = events.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (events[mid].seq > seq) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}

export class EventRing {
  private readonly samples: HeapEvent[] = [];
  private readonly others: HeapEvent[] = [];
  private readonly maxSamples: number;
  private readonly maxOthers: number;
  private last = 0;

  constructor(maxSamples: number, maxOthers: number) {
    this.maxSamples = maxSamples;
    this.maxOthers = maxOthers;
  }

  /** Number of the newest event, 0 before the first. */
  get newest(): number {
    return this.last;
  }

  push(type: EventType, t: number, data: string): void {
    const ring = type === 'sample' ? this.samples : this.others;
    if (ring.length === (type === 'sample' ? this.maxSamples : this.maxOthers)) ring.shift();
    ring.push({ seq: ++this.last, type, t, data });
  }

  /** The first collection or restart after `seq`. */
  otherAfter(seq: number): HeapEvent | undefined {
    return this.others[firstAfter(this.others, seq)];
  }

  /** The first sample after `seq` that is wanted. */
  sampleAfter(seq: number, wanted: (event: HeapEvent) => boolean): HeapEvent | undefined {
    for (let i = firstAfter(this.samples, seq); i < this.samples.length; i++) {
      if (wanted(this.samples[i])) return this.samples[i];
    }
    return undefined;
  }

  newestSample(): HeapEvent | undefined {
    return this.samples.at(-1);
  }
}
