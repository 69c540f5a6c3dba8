/**
 * XXH64 of bytes that stream by: the checksum of zstd's frames (github.com/Cyan4973/xxHash,
 * doc/xxhash_spec.md).
 *
 * Only Node's decoder looks at the checksum, and versions before 22.15 have none; fzstd, which
 * stands in for it, does not. The hash has 64 bits, a double 53, and BigInt is three times slower
 * at best. So a lane is two int32, and the product of two words is put together from halves. The
 * four lanes do not depend on each other: each goes over all of a piece at once, in local
 * variables. What is left of the end, less than 32 bytes, and mixing the lanes are done once a
 * frame, by BigInt.
 */

const STRIPE = 32;
const LANES = 4;

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const MASK = (1n << 64n) - 1n;

/** P1 and P2 as words, and the halves of their low words. */
const P1_LO = 0x85ebca87 | 0;
const P1_HI = 0x9e3779b1 | 0;
const P1_0 = 0xca87;
const P1_1 = 0x85eb;
const P2_LO = 0x27d4eb4f | 0;
const P2_HI = 0xc2b2ae3d | 0;
const P2_0 = 0xeb4f;
const P2_1 = 0x27d4;

export class Xxh64 {
  /** Low and high words of the lanes. */
  private readonly lo = new Int32Array(LANES);
  private readonly hi = new Int32Array(LANES);
  /** Bytes that do not fill a stripe yet. */
  private readonly rest = new Uint8Array(STRIPE);
  private kept = 0;
  private total = 0;

  constructor() {
    [(P1 + P2) & MASK, P2, 0n, -P1 & MASK].forEach((lane, i) => {
      this.lo[i] = Number(lane & 0xffffffffn) | 0;
      this.hi[i] = Number(lane >> 32n) | 0;
    });
  }

  update(bytes: Uint8Array): void {
    this.total += bytes.length;
    let at = 0;
    if (this.kept > 0) {
      at = Math.min(bytes.length, STRIPE - this.kept);
      this.rest.set(bytes.subarray(0, at), this.kept);
      this.kept += at;
      if (this.kept < STRIPE) return;
      this.stripes(this.rest, 0, STRIPE);
      this.kept = 0;
    }
    const whole = at + (bytes.length - at - ((bytes.length - at) % STRIPE));
    this.stripes(bytes, at, whole);
    this.rest.set(bytes.subarray(whole));
    this.kept = bytes.length - whole;
  }

  /** The low 32 bits of the hash, unsigned: what zstd keeps of it. */
  low32(): number {
    return Number(this.digest() & 0xffffffffn);
  }

  digest(): bigint {
    const lanes = Array.from(this.lo, (lo, i) => (BigInt(this.hi[i] >>> 0) << 32n) | BigInt(lo >>> 0));
    let h = P5;
    if (this.total >= STRIPE) {
      h = (rotate(lanes[0], 1n) + rotate(lanes[1], 7n) + rotate(lanes[2], 12n) + rotate(lanes[3], 18n)) & MASK;
      for (const lane of lanes) h = ((h ^ round(0n, lane)) * P1 + P4) & MASK;
    }
    h = (h + BigInt(this.total)) & MASK;
    const view = new DataView(this.rest.buffer);
    let at = 0;
    for (; at + 8 <= this.kept; at += 8) {
      h = (rotate(h ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4) & MASK;
    }
    if (at + 4 <= this.kept) {
      h = (rotate(h ^ ((BigInt(view.getUint32(at, true)) * P1) & MASK), 23n) * P2 + P3) & MASK;
      at += 4;
    }
    for (; at < this.kept; at++) h = (rotate(h ^ ((BigInt(this.rest[at]) * P5) & MASK), 11n) * P1) & MASK;
    h = ((h ^ (h >> 33n)) * P2) & MASK;
    h = ((h ^ (h >> 29n)) * P3) & MASK;
    return h ^ (h >> 32n);
  }

  /**
   * Each lane's words of b[from, to), which are whole stripes: lane = rotate(lane + word × P2, 31)
   * × P1.
   */
  private stripes(b: Uint8Array, from: number, to: number): void {
    const view = new DataView(b.buffer, b.byteOffset, b.length);
    for (let lane = 0; lane < LANES; lane++) {
      let lo = this.lo[lane];
      let hi = this.hi[lane];
      for (let at = from + 8 * lane; at < to; at += STRIPE) {
        const wordLo = view.getInt32(at, true);
        const wordHi = view.getInt32(at + 4, true);
        const low = Math.imul(wordLo, P2_LO);
        const sum = (lo + low) | 0;
        const carry = sum >>> 0 < low >>> 0 ? 1 : 0;
        const high = high32(wordLo, P2_0, P2_1) + Math.imul(wordHi, P2_LO) + Math.imul(wordLo, P2_HI);
        hi = (hi + high + carry) | 0;
        const turnedLo = (sum << 31) | (hi >>> 1);
        const turnedHi = (hi << 31) | (sum >>> 1);
        lo = Math.imul(turnedLo, P1_LO);
        hi = (high32(turnedLo, P1_0, P1_1) + Math.imul(turnedHi, P1_LO) + Math.imul(turnedLo, P1_HI)) | 0;
      }
      this.lo[lane] = lo;
      this.hi[lane] = hi;
    }
  }
}

/** The high word of the product of two words, the second of them in halves. */
function high32(a: number, b0: number, b1: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const other = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (middle >>> 16) + (other >>> 16)) | 0;
}

function rotate(x: bigint, by: bigint): bigint {
  return ((x << by) | (x >> (64n - by))) & MASK;
}

function round(lane: bigint, word: bigint): bigint {
  return (rotate((lane + word * P2) & MASK, 31n) * P1) & MASK;
}
