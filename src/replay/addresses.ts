/**
 * The table from addresses to slots: what makes a recording's addresses into slots at the speed of the parser.
 *
 * Open addressing with linear probing over one Int32Array, three words an entry: the low and the high half of the address, and its state. No
 * Map, since that would make a string or a double of every address (those of arm64 have tags above 2^53) and an object of
 * every entry.
 *
 *      0           empty, the end of a probe
 *      DEAD        an address that was freed: passed by probes, and revived when the recorded allocator hands it out again
 *      FIRST + n   a live object in slot n
 *      | REUSED    with any of them: this address has been handed out again at least once
 *
 * Entries are never removed one by one. Allocators hand out the address that was freed last, so most allocations revive a dead entry in
 * place, and dead entries are also how reused addresses are counted. They cost memory that grows with the addresses that were ever
 * used, so beyond `MAX_DEAD` a rehash drops them, and the count becomes a lower bound.
 *
 * Whoever writes a recording chooses its addresses, and could choose them so that they all belong
 * at one place of a table whose hash is known: a million of them would take 10^12 steps. So each
 * table hashes with random numbers of its own. What comes out does not depend on them, since
 * nothing is told of the order of entries.
 *
 * Invariant: an address is in at most one entry. Entry indices are valid until the next `insert`. Owned by one reader.
 */

import { grown } from './grown.js';

export const DEAD = 1;
export const FIRST = 2;
export const REUSED = 1 << 30;
export const STATE_MASK = REUSED - 1;

const WORDS = 3;
const STATE = 2;
const MIN_CAPACITY = 1 << 12;
/** Dead entries that a rehash keeps: 48 MiB of them at most. */
export const MAX_DEAD = 1 << 20;

export class AddressTable {
  private entries = new Int32Array(MIN_CAPACITY * WORDS);
  private capacity = MIN_CAPACITY;
  private shift = 32 - 12;
  /** Entries that are not empty. */
  private used = 0;
  /** Dead entries were dropped: reuse of what they named goes unseen. */
  forgot = false;
  private readonly timesLo: number;
  private readonly timesHi: number;

  constructor() {
    const random = crypto.getRandomValues(new Int32Array(2));
    this.timesLo = random[0] | 1;
    this.timesHi = random[1] | 1;
  }

  /** Where the address is, or -1. */
  find(lo: number, hi: number): number {
    const e = this.entries;
    const end = e.length;
    let i = this.home(lo, hi);
    while (e[i + STATE] !== 0) {
      if (e[i] === lo && e[i + 1] === hi) return i;
      i += WORDS;
      if (i === end) i = 0;
    }
    return -1;
  }

  state(entry: number): number {
    return this.entries[entry + STATE];
  }

  setState(entry: number, state: number): void {
    this.entries[entry + STATE] = state;
  }

  /** Adds an address that `find` did not find. */
  insert(lo: number, hi: number, state: number): void {
    // Three quarters full at most.
    if (this.used >= this.capacity - (this.capacity >> 2)) this.rehash();
    this.used++;
    this.place(lo, hi, state);
  }

  private place(lo: number, hi: number, state: number): void {
    const e = this.entries;
    const end = e.length;
    let i = this.home(lo, hi);
    while (e[i + STATE] !== 0) {
      i += WORDS;
      if (i === end) i = 0;
    }
    e[i] = lo;
    e[i + 1] = hi;
    e[i + STATE] = state;
  }

  /**
   * Both halves times numbers that nobody knows, then Fibonacci hashing: addresses are multiples of
   * 16 next to each other, and the last product's high bits spread them.
   */
  private home(lo: number, hi: number): number {
    const h = Math.imul(lo, this.timesLo) ^ Math.imul(hi, this.timesHi);
    return (Math.imul(h ^ (h >>> 16), 0x9e3779b1) >>> this.shift) * WORDS;
  }

  private rehash(): void {
    const old = this.entries;
    let dead = 0;
    for (let i = STATE; i < old.length; i += WORDS) if ((old[i] & STATE_MASK) === DEAD) dead++;
    const keep = dead <= MAX_DEAD;
    if (!keep) this.forgot = true;
    this.used -= keep ? 0 : dead;
    while (this.used > this.capacity >> 1) {
      this.capacity *= 2;
      this.shift--;
    }
    this.entries = grown(new Int32Array(0), this.capacity * WORDS);
    for (let i = 0; i < old.length; i += WORDS) {
      const state = old[i + STATE];
      if (state !== 0 && (keep || (state & STATE_MASK) !== DEAD)) this.place(old[i], old[i + 1], state);
    }
  }

  /**
   * Steps from where the worst of the entries belongs to where it is: what a lookup may take. For
   * tests.
   */
  longestProbe(): number {
    const e = this.entries;
    let longest = 0;
    for (let i = 0; i < e.length; i += WORDS) {
      if (e[i + STATE] === 0) continue;
      const steps = (i - this.home(e[i], e[i + 1])) / WORDS;
      longest = Math.max(longest, steps < 0 ? steps + this.capacity : steps);
    }
    return longest;
  }
}
