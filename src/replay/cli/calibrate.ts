/**
 * `--calibrate`: how fast this machine is, beside the one that the default costs are of.
 *
 * The benchmark, "reference loop", is the simulator's own: a fixed stream of random mallocs and frees among 20,000 slots (sizes 8 to 2,048 bytes, half of
 * the objects with pointers), played under GOGC=100 on one P. It is memory-bound in the way that an allocator and a collector are: bitmaps, span
 * records and slots all over the place. The best of several rounds counts, since whatever disturbs a round makes it slower. Its ns per event
 * over REFERENCE_NS is the factor by which every cost is multiplied.
 *
 * What it cannot see is how much slower or faster Go's own code is than this on another machine: the factor is one number for all costs.
 */

import { DEFAULT_SETTINGS } from '../defaults.js';
import { CHUNK_RECORDS, KIND_SHIFT, Kind, RECORD_WORDS } from '../events.js';
import type { Calibration } from '../report/document.js';
import { Simulator } from '../sim/simulator.js';

/** ns per event on the machine that DEFAULT_COSTS are of. */
export const REFERENCE_NS = 103;
const SLOTS = 20_000;
const CHUNKS = 6;
const ROUNDS = 9;

export function calibrateMachine(rounds = ROUNDS): Calibration {
  const best = referenceLoop(rounds);
  return { benchmark: `reference loop, ${best.toFixed(1)} ns per event`, factor: best / REFERENCE_NS };
}

/** ns per event, the best of `rounds`. */
export function referenceLoop(rounds = ROUNDS): number {
  const chunks = referenceStream();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const sim = new Simulator({ ...DEFAULT_SETTINGS, reserve: 2 ** 30 }, { events: null, slots: null });
    const begun = process.hrtime.bigint();
    for (const words of chunks) sim.run(words, words.length / RECORD_WORDS);
    const ns = Number(process.hrtime.bigint() - begun);
    best = Math.min(best, ns / sim.events);
  }
  return best;
}

/** The same on every machine: xorshift32 from a fixed seed. */
export function referenceStream(): Int32Array[] {
  const full = new Uint8Array(SLOTS);
  let random = 0x2545_f491;
  const next = (): number => {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return random >>> 0;
  };
  return Array.from({ length: CHUNKS }, () => {
    const words = new Int32Array(CHUNK_RECORDS * RECORD_WORDS);
    for (let i = 0; i < words.length; i += RECORD_WORDS) {
      const slot = next() % SLOTS;
      const kind = full[slot] === 1 ? Kind.free : (next() & 1) === 1 ? Kind.allocScan : Kind.allocNoscan;
      full[slot] ^= 1;
      // 8 to 2,048 bytes, small ones more often.
      const bytes = 8 + (next() % (1 << (3 + (next() % 9))));
      words[i] = (kind << KIND_SHIFT) | slot;
      words[i + 1] = kind === Kind.free ? 0 : bytes;
    }
    return words;
  });
}
