/**
 * A heap profile of a Go program, whatever it was written as, and sums over it.
 *
 * The runtime samples allocations and counts them in *buckets*: one for each pair of a stack and a size. Sizes are those of the slots
 * that were handed out (a size class, or whole pages), not of what was asked for. Two kinds of numbers: what was ever allocated, and what is in
 * use, that is, was found alive by the last completed collection. Values are estimates of the whole, not counts of samples: an object
 * is sampled with probability p = 1 - exp(-size / rate) and stands for 1 / p of its like.
 *
 * A tiny object that shares its 16-byte block with an earlier one is never sampled. So a profile has the program's bytes, but fewer objects than
 * the program allocated.
 */

import { ReplayInputError } from '../events.js';
import type { GoMemStats } from './memstats-text.js';

/** Function names at one place of the code, innermost first: several where calls were inlined. */
export type Location = readonly string[];

export interface ProfileBucket {
  /** Bytes of an object, the slot's. */
  readonly size: number;
  readonly allocObjects: number;
  readonly allocBytes: number;
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  /**
   * The stack by locations, innermost first; empty where the profile has none. Buckets share their
   * locations, so that a stack costs as many references as it has frames. Go 1.19 keeps 32 of them:
   * the outermost may be missing.
   */
  readonly stack: readonly Location[];
}

export interface HeapProfile {
  readonly form: 'profile.proto' | 'legacy text';
  /** MemProfileRate: bytes allocated for each sample, on average. 1: everything is sampled. */
  readonly rate: number;
  /** When it was written, Unix time in ns (to 256 ns), or null. */
  readonly timeNs: number | null;
  /** Of a profile over an interval (`?seconds=30`): its length; 0: since the program began. */
  readonly durationNs: number;
  readonly buckets: readonly ProfileBucket[];
  /** The legacy text ends with it. */
  readonly memStats: GoMemStats | null;
  /** Bytes of the file, and of what it decompresses to. */
  readonly bytes: number;
  readonly textBytes: number;
  readonly compression: 'none' | 'gzip';
}

/** Which samples count, as in `go tool pprof -focus -ignore`: regular expressions matched against each function of a stack. */
export interface Selection {
  readonly focus?: string;
  readonly ignore?: string;
}

/** What a profile says of one size. Objects are bytes / size, and need not be whole. */
export interface SizeSum {
  readonly size: number;
  allocObjects: number;
  inuseObjects: number;
}

export interface ProfileSums {
  /** In ascending order of size. */
  readonly sizes: SizeSum[];
  readonly allocObjects: number;
  readonly allocBytes: number;
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  /** One standard error of allocBytes and of allocObjects, as a share of each, from sampling alone: 0 at rate 1. */
  readonly samplingError: number;
  readonly samplingErrorObjects: number;
}

function pattern(text: string | undefined, name: string): RegExp | null {
  if (text === undefined) return null;
  try {
    return new RegExp(text);
  } catch (error) {
    throw new ReplayInputError('replay-profile-selection', `${name}: ${(error as Error).message}`);
  }
}

/** The buckets that a selection leaves. */
export function select(profile: HeapProfile, selection: Selection): readonly ProfileBucket[] {
  const focus = pattern(selection.focus, 'focus');
  const ignore = pattern(selection.ignore, 'ignore');
  if (focus === null && ignore === null) return profile.buckets;
  const focused = focus === null ? null : new Matcher(focus);
  const ignored = ignore === null ? null : new Matcher(ignore);
  return profile.buckets.filter(({ stack }) => (focused?.anyOf(stack) ?? true) && !ignored?.anyOf(stack));
}

/** Looks at each location once, however many stacks have it. */
class Matcher {
  private readonly pattern: RegExp;
  private readonly known = new Map<Location, boolean>();

  constructor(pattern: RegExp) {
    this.pattern = pattern;
  }

  anyOf(stack: readonly Location[]): boolean {
    return stack.some((location) => this.at(location));
  }

  private at(location: Location): boolean {
    let matches = this.known.get(location);
    if (matches === undefined) {
      matches = location.some((name) => this.pattern.test(name));
      this.known.set(location, matches);
    }
    return matches;
  }
}

export function sums(profile: HeapProfile, selection: Selection = {}): ProfileSums {
  const buckets = select(profile, selection);
  // Not a Map of sizes: whoever writes a profile can choose numbers that all have the same hash.
  const bySize = Array.from(buckets, (_, i) => i).sort((a, b) => buckets[a].size - buckets[b].size);
  const sizes: SizeSum[] = [];
  const sumOf = new Array<SizeSum>(buckets.length);
  for (const i of bySize) {
    const { size } = buckets[i];
    if (sizes.at(-1)?.size !== size) sizes.push({ size, allocObjects: 0, inuseObjects: 0 });
    sumOf[i] = sizes[sizes.length - 1];
  }
  let allocBytes = 0;
  let inuseBytes = 0;
  let variance = 0;
  let varianceObjects = 0;
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i];
    const sum = sumOf[i];
    const { size } = bucket;
    // From the bytes: objects are rounded to whole ones in each bucket, which weighs when they are few and large.
    sum.allocObjects += bucket.allocBytes / size;
    sum.inuseObjects += bucket.inuseBytes / size;
    allocBytes += bucket.allocBytes;
    inuseBytes += bucket.inuseBytes;
    if (profile.rate > 1) {
      // Not 1 - exp: of a small size at a large rate that is 0.
      const p = -Math.expm1(-size / profile.rate);
      // n objects seen with probability p each, and standing for 1 / p: variance n (1 - p) / p.
      const objects = ((bucket.allocBytes / size) * (1 - p)) / p;
      variance += objects * size * size;
      varianceObjects += objects;
    }
  }
  if (!Number.isSafeInteger(Math.round(allocBytes)) || !Number.isSafeInteger(Math.round(inuseBytes))) {
    throw new ReplayInputError(
      'replay-profile-implausible',
      `the profile says that ${allocBytes} bytes were allocated: no program does, the file is damaged`,
    );
  }
  const allocObjects = sizes.reduce((n, s) => n + s.allocObjects, 0);
  return {
    sizes,
    allocObjects,
    allocBytes,
    inuseObjects: sizes.reduce((n, s) => n + s.inuseObjects, 0),
    inuseBytes,
    samplingError: allocBytes === 0 ? 0 : Math.sqrt(variance) / allocBytes,
    samplingErrorObjects: allocObjects === 0 ? 0 : Math.sqrt(varianceObjects) / allocObjects,
  };
}
