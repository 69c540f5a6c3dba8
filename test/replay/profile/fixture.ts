/** Profiles and logs of real Go programs, and a sink that checks an event stream while it counts. */

import { readFileSync } from 'node:fs';
import { KIND_SHIFT, Kind, OPERAND_MASK, RECORD_WORDS } from '../../../src/replay/events.js';
import type { HeapProfile } from '../../../src/replay/profile/heapprofile.js';
import { readProfile } from '../../../src/replay/profile/read.js';
import type { RecordSink } from '../../../src/replay/records.js';

const FOLDER = new URL('../../fixtures/replay/pprof/', import.meta.url);

export const PROGRAMS = ['json', 'gob', 'flate', 'goparser'] as const;
export const RATES = ['rate1', 'rate512k'] as const;

export function file(name: string): Buffer {
  return readFileSync(new URL(name, FOLDER));
}

export function text(name: string): string {
  return file(name).toString('utf8');
}

const profiles = new Map<string, HeapProfile>();

/** Each is read once: nobody changes it. */
export function profile(name: string): HeapProfile {
  const known = profiles.get(name) ?? readProfile(file(name));
  profiles.set(name, known);
  return known;
}

/** Follows a stream, and throws where it breaks the rules of events.ts. */
export class StreamChecker implements RecordSink {
  /** By slot: what was asked for, 0: empty. */
  private sizes = new Int32Array(1 << 20);
  liveObjects = 0;
  /** Events before which the program collects. */
  readonly collections: number[] = [];
  /** Objects allocated, by what was asked for. */
  readonly allocated = new Map<number, number>();
  events = 0;
  scan = 0;
  liveBytes = 0;
  /** FNV-1a over all words: two streams are the same if theirs are. */
  hash = 0x811c9dc5;
  /** Sum over events of live bytes, for the mean. */
  liveSum = 0;

  write(words: Int32Array, records: number, slots: number): void {
    for (let i = 0; i < records * RECORD_WORDS; i += RECORD_WORDS) {
      const kind = words[i] >>> KIND_SHIFT;
      const slot = words[i] & OPERAND_MASK;
      const size = words[i + 1] >>> 0;
      this.hash = Math.imul(this.hash ^ words[i], 0x01000193);
      this.hash = Math.imul(this.hash ^ words[i + 1], 0x01000193);
      if (kind === Kind.collect) {
        this.collections.push(this.events);
        continue;
      }
      if (slot >= slots) throw new Error(`slot ${slot} of ${slots}`);
      this.events++;
      if (kind === Kind.free) {
        if (!this.sizes[slot]) throw new Error(`free of empty slot ${slot}`);
        this.liveBytes -= this.sizes[slot];
        this.liveObjects--;
        this.sizes[slot] = 0;
      } else if (kind === Kind.alloc || kind === Kind.allocScan) {
        if (slot >= this.sizes.length) this.grow();
        if (this.sizes[slot] !== 0) throw new Error(`alloc into full slot ${slot}`);
        if (kind === Kind.allocScan) this.scan++;
        this.sizes[slot] = size;
        this.liveObjects++;
        this.liveBytes += size;
        this.allocated.set(size, (this.allocated.get(size) ?? 0) + 1);
      } else {
        throw new Error(`kind ${kind} in a stream of a profile`);
      }
      this.liveSum += this.liveBytes;
    }
  }

  /** Sizes of the objects that are live. */
  live(): number[] {
    return [...this.sizes.filter((size) => size !== 0)];
  }

  private grow(): void {
    const grown = new Int32Array(this.sizes.length * 2);
    grown.set(this.sizes);
    this.sizes = grown;
  }
}
