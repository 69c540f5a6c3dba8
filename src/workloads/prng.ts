/**
 * The chance in a workload: small, fast, and the same for a seed on every machine (Mulberry32; 2^32 numbers, good enough to
 * choose sizes and victims).
 */

export class Prng {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
    // Neighbouring seeds begin alike otherwise.
    this.next();
  }

  /** 0 ≤ x < 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number 0 ≤ n < `below`. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  /** A whole number from `min` to `max`, small ones as likely as large ones by their magnitude. */
  size(min: number, max: number): number {
    return Math.min(max, Math.floor(min * ((max + 1) / min) ** this.next()));
  }
}
