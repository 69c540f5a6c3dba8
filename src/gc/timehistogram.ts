/**
 * How long something took: Go's timeHistogram, and what client_golang makes of it for Prometheus.
 *
 * Forty buckets, each twice as wide as the one before, of four equal parts each: a resolution of 25% from 512 ns to 39
 * hours, and finding the part is one `clz32`. What is negative (clocks may disagree) and what is longer is counted
 * apart. In a region of doubles:
 *
 *     0          underflow
 *     1..160     bucket b, part s at 1 + 4 b + s     [BOUNDARIES[1 + 4 b + s], BOUNDARIES[2 + 4 b + s])
 *     161        overflow                            [2^47 ns, ...)
 *
 * Prometheus gets eight buckets, about powers of ten apart (`LE`). Its bounds are inclusive, Go's exclusive: hence each
 * is the largest double below Go's.
 *
 * A region has one writer at a time; to read one that is being written to is to see it a moment early or late.
 */

export const TIME_HISTOGRAM_WORDS = 168;
export const NUM_BUCKETS = 40;
export const NUM_SUB_BUCKETS = 4;
/** Counts of a region, underflow and overflow included. */
export const NUM_COUNTS = NUM_BUCKETS * NUM_SUB_BUCKETS + 2;

/** Bits of the first value that is not in bucket 0: 2^9. */
const MIN_BUCKET_BITS = 9;
const SUB_BUCKET_BITS = 2;
const MAX_NS = 2 ** (MIN_BUCKET_BITS + NUM_BUCKETS - 2);

/** Which count a duration belongs to. */
export function timeHistogramIndex(ns: number): number {
  if (ns < 0) return 0;
  if (ns >= MAX_NS) return NUM_COUNTS - 1;
  // Beyond 32 bits the low 16 do not matter.
  const low = ns < 2 ** 32 ? 0 : 16;
  const x = (low === 0 ? ns : ns / 2 ** 16) >>> 0;
  const bits = Math.max(MIN_BUCKET_BITS - 1, 32 + low - Math.clz32(x));
  // The first bucket is as wide as the second, from 0: its parts are read one bit higher.
  const top = Math.max(bits, MIN_BUCKET_BITS);
  const sub = (x >>> (top - 1 - SUB_BUCKET_BITS - low)) & (NUM_SUB_BUCKETS - 1);
  return 1 + (bits - MIN_BUCKET_BITS + 1) * NUM_SUB_BUCKETS + sub;
}

/** Counts a duration into the region at `at`, `TIME_HISTOGRAM_WORDS` doubles that were zeros at first. */
export function recordTime(f: Float64Array, at: number, ns: number): void {
  f[at + timeHistogramIndex(ns)]++;
}

/** runtime/metrics' boundaries, in seconds: count i lies in [i], inclusive, to [i + 1], exclusive. */
export const BOUNDARIES: readonly number[] = boundaries();

function boundaries(): number[] {
  const b = [Number.NEGATIVE_INFINITY];
  for (let bucket = 0; bucket < NUM_BUCKETS; bucket++) {
    const from = bucket === 0 ? 0 : 2 ** (MIN_BUCKET_BITS + bucket - 2);
    const width = 2 ** (MIN_BUCKET_BITS + Math.max(bucket, 1) - 2);
    for (let sub = 0; sub < NUM_SUB_BUCKETS; sub++) b.push((from + (sub * width) / NUM_SUB_BUCKETS) / 1e9);
  }
  b.push(MAX_NS / 1e9, Number.POSITIVE_INFINITY);
  return b;
}

/**
 * client_golang's choice among boundaries, for an exponential scheme: each at least `base` times the one before. The
 * bucket below 0 is joined to the first, and all above `max` to the last.
 */
export function rebucketExponentially(bounds: readonly number[], base: number, max: number): number[] {
  const from = bounds[0] === Number.NEGATIVE_INFINITY ? 1 : 0;
  const chosen = [bounds[from]];
  for (let i = from + 1; i < bounds.length - 1; i++) {
    if (bounds[i] < chosen[chosen.length - 1] * base) continue;
    if (bounds[i] > max) break;
    chosen.push(bounds[i]);
  }
  chosen.push(Number.POSITIVE_INFINITY);
  return chosen;
}

/** The largest double below a positive one. */
function below(x: number): number {
  const bits = new BigUint64Array([0n]);
  const f = new Float64Array(bits.buffer);
  f[0] = x;
  bits[0]--;
  return f[0];
}

/** The coarse boundaries in seconds: powers of ten apart, none above a second. */
const COARSE: readonly number[] = rebucketExponentially(BOUNDARIES, 10, 1);

/** The `le` of Prometheus' buckets, in seconds, but for +Inf. */
export const LE: readonly number[] = COARSE.slice(1, -1).map(below);

/** Which coarse bucket each count belongs to. */
const COARSE_OF: readonly number[] = Array.from({ length: NUM_COUNTS }, (_, i) =>
  COARSE.findLastIndex((lower) => lower <= Math.max(0, BOUNDARIES[i])),
);

/** Adds the region's counts to `out`: one for each of `LE`, and one for +Inf; each bucket for itself. */
export function rebucket(f: Float64Array, at: number, out: Float64Array): void {
  for (let i = 0; i < NUM_COUNTS; i++) out[COARSE_OF[i]] += f[at + i];
}

/** Prometheus' `_sum` in seconds, as client_golang estimates it: every duration at its coarse bucket's lower bound. */
export function lowerBoundSum(coarse: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < coarse.length; i++) sum += COARSE[i] * coarse[i];
  return sum;
}
