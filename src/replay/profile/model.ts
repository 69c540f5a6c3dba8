/**
 * The rate model: what a heap profile says of a program, in a form that can be played.
 *
 * A profile knows how much of each size was allocated, and how much of it is in use. It does not know when, in which order, or for how
 * long anything lived. The model fills that in as simply as the numbers allow (docs/profile-model.md says why, and what it costs):
 *
 *      base      in use when the interval begins: allocated first, lives to the end
 *      growth    what the interval adds to it (or takes away), evenly
 *      young     everything else: allocated evenly, in random order, and dead after a lifetime that is exponential in bytes allocated,
 *                of mean `youngLife`
 *
 * From one profile, the interval is the program's whole life: base is what is in use, growth is nothing. From two, it is the time between
 * them, and base is what the first has in use.
 *
 * `youngLife` is also how many bytes of young objects are alive at any time (Little's law: bytes arrive at one per byte allocated, and stay
 * for youngLife), whatever the true distribution of lifetimes is. A profile does not tell it; calibrate.ts gets it from a gctrace log. Without
 * one it is 0: what is in use, as the last collection found it, is then taken to be all that a collection finds.
 *
 * Models are plain data; the functions here make new ones.
 */

import { ReplayInputError } from '../events.js';
import type { SimSettings } from '../settings.js';
import { type HeapProfile, type Selection, sums } from './heapprofile.js';

/** One size of slot. Objects need not be whole. */
export interface SizeRate {
  readonly size: number;
  readonly base: number;
  /** Negative: the interval ends with fewer. */
  readonly growth: number;
  readonly young: number;
}

/** A collection that the program asked for (runtime.GC). */
export interface ForcedMark {
  /** How much of the interval's allocation came before it, 0 to 1. */
  readonly at: number;
}

export interface RateModel {
  readonly from: 'one profile' | 'two profiles';
  readonly form: HeapProfile['form'];
  readonly sizes: readonly SizeRate[];
  /** MemProfileRate of the profile. */
  readonly rate: number;
  /** Length of the interval, or null: not known. */
  readonly seconds: number | null;
  /** Operations that the interval did, or null: not known. */
  readonly operations: number | null;
  /** Bytes and objects allocated in the interval (of one profile: base included). */
  readonly allocBytes: number;
  readonly allocObjects: number;
  /** Bytes of base and of growth. */
  readonly baseBytes: number;
  readonly growthBytes: number;
  /** One standard error of allocBytes from sampling, as a share of it. */
  readonly samplingError: number;
  /** Tiny objects that shared a block: profiles miss them. Null: not known (no MemStats beside the profile). */
  readonly tinyObjects: number | null;
  /** Mean lifetime of young objects, in bytes allocated. */
  readonly youngLife: number;
  /** In ascending order. */
  readonly forced: readonly ForcedMark[];
  /** GOMAXPROCS of the program, or null: not known. */
  readonly gomaxprocs: number | null;
  readonly bytes: number;
  readonly textBytes: number;
  readonly compression: HeapProfile['compression'];
  /** What was assumed, as sentences. */
  readonly notes: readonly string[];
}

export interface ModelOptions extends Selection {
  /** Length of the interval; of two profiles the time between them, unless given. */
  readonly seconds?: number;
  readonly operations?: number;
}

function positive(value: number | undefined, name: string): number | null {
  if (value === undefined) return null;
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new ReplayInputError('replay-profile-duration', `${name} has to be a positive number, not ${value}`);
  }
  return value;
}

function notEmpty(allocBytes: number, selection: Selection): void {
  if (allocBytes > 0) return;
  const chosen = selection.focus !== undefined || selection.ignore !== undefined;
  throw new ReplayInputError(
    'replay-profile-empty',
    chosen ? 'no sample of the profile is left by focus and ignore' : 'the profile has no allocations',
  );
}

/** Profile of a whole program, from its start. @throws ReplayInputError */
export function modelFromProfile(profile: HeapProfile, options: ModelOptions = {}): RateModel {
  const sum = sums(profile, options);
  notEmpty(sum.allocBytes, options);
  const notes: string[] = [];
  let seconds = positive(options.seconds, 'the duration');
  if (profile.durationNs > 0) {
    seconds ??= profile.durationNs / 1e9;
    notes.push(
      `The profile covers ${profile.durationNs / 1e9} s only: what was allocated before is not in it, and the live set is too small by that. ` +
        'Two whole profiles tell it.',
    );
  }
  if (sum.samplingError > 0.1) {
    notes.push(
      `Few samples: one standard error of the bytes allocated is ${(sum.samplingError * 100).toFixed(0)} %. A longer run, or a smaller MemProfileRate, tells more.`,
    );
  }
  const sizes = sum.sizes.map(({ size, allocObjects, inuseObjects }) => {
    const base = Math.min(inuseObjects, allocObjects);
    return { size, base, growth: 0, young: allocObjects - base };
  });
  const whole = options.focus === undefined && options.ignore === undefined;
  return {
    from: 'one profile',
    form: profile.form,
    sizes,
    rate: profile.rate,
    seconds,
    operations: positive(options.operations, 'the number of operations'),
    allocBytes: sum.allocBytes,
    allocObjects: sum.allocObjects,
    baseBytes: total(sizes, 'base'),
    growthBytes: 0,
    samplingError: sum.samplingError,
    tinyObjects: whole ? tinyObjects(profile, sum.allocBytes, sum.allocObjects) : null,
    youngLife: 0,
    forced: [],
    gomaxprocs: null,
    bytes: profile.bytes,
    textBytes: profile.textBytes,
    compression: profile.compression,
    notes,
  };
}

/** Two profiles of one program, in either order if they have times. @throws ReplayInputError */
export function modelFromTwo(a: HeapProfile, b: HeapProfile, options: ModelOptions = {}): RateModel {
  const swap = a.timeNs !== null && b.timeNs !== null && a.timeNs > b.timeNs;
  const [first, second] = swap ? [b, a] : [a, b];
  if (first.rate !== second.rate) {
    throw new ReplayInputError(
      'replay-profile-pair',
      `the two profiles have different rates (${first.rate} and ${second.rate}): they are not of one program`,
    );
  }
  const before = sums(first, options);
  const after = sums(second, options);
  const old = new Map(before.sizes.map((s) => [s.size, s]));
  const still = new Set(after.sizes.map((s) => s.size));
  for (const s of before.sizes) {
    if (!still.has(s.size)) after.sizes.push({ size: s.size, allocObjects: 0, inuseObjects: 0 });
  }
  const sizes = after.sizes
    .sort((x, y) => x.size - y.size)
    .map(({ size, allocObjects, inuseObjects }): SizeRate => {
      const was = old.get(size);
      const allocated = allocObjects - (was?.allocObjects ?? 0);
      // What the runtime counted only grows; the scaling rounds each bucket to whole objects.
      if (allocated * size < -(1 + 0.001 * (was?.allocObjects ?? 0)) * size) {
        throw new ReplayInputError(
          'replay-profile-pair',
          `the later profile has fewer allocations of ${size} bytes than the earlier one: they are not of one run of one program`,
        );
      }
      const base = was?.inuseObjects ?? 0;
      const growth = Math.min(inuseObjects - base, Math.max(0, allocated));
      return { size, base, growth, young: Math.max(0, allocated - Math.max(0, growth)) };
    });
  const allocBytes = total(sizes, 'young') + sizes.reduce((n, s) => n + Math.max(0, s.growth) * s.size, 0);
  notEmpty(allocBytes, options);
  let seconds = positive(options.seconds, 'the duration');
  if (seconds === null && first.timeNs !== null && second.timeNs !== null && second.timeNs > first.timeNs) {
    seconds = (second.timeNs - first.timeNs) / 1e9;
  }
  // The difference of two sums of samples rests on the samples between them.
  const variance = (after.samplingError * after.allocBytes) ** 2 - (before.samplingError * before.allocBytes) ** 2;
  const samplingError = Math.sqrt(Math.max(0, variance)) / allocBytes;
  return {
    from: 'two profiles',
    form: second.form,
    sizes,
    rate: second.rate,
    seconds,
    operations: positive(options.operations, 'the number of operations'),
    allocBytes,
    allocObjects: sizes.reduce((n, s) => n + s.young + Math.max(0, s.growth), 0),
    baseBytes: total(sizes, 'base'),
    growthBytes: total(sizes, 'growth'),
    samplingError,
    tinyObjects: null,
    youngLife: 0,
    forced: [],
    gomaxprocs: null,
    bytes: first.bytes + second.bytes,
    textBytes: first.textBytes + second.textBytes,
    compression: second.compression,
    notes: swap
      ? ['The second profile given is the earlier one, by its time: they were taken in the other order.']
      : [],
  };
}

function total(sizes: readonly SizeRate[], part: 'base' | 'growth' | 'young'): number {
  return sizes.reduce((n, s) => n + s[part] * s.size, 0);
}

/** From the MemStats that a legacy profile ends with: the objects that the runtime counted and the profile could not see. */
function tinyObjects(profile: HeapProfile, allocBytes: number, allocObjects: number): number | null {
  const stats = profile.memStats;
  if (stats?.Mallocs === undefined || stats.TotalAlloc === undefined || stats.TotalAlloc === 0) return null;
  // The profile's volume is an estimate: its objects are brought to the volume that was counted.
  return Math.max(0, stats.Mallocs - (allocObjects * stats.TotalAlloc) / allocBytes);
}

/** As `go test -benchmem` prints them; null where the number of operations is not known. */
export function perOperation(model: RateModel): { bytes: number; objects: number } | null {
  if (model.operations === null) return null;
  return {
    bytes: model.allocBytes / model.operations,
    objects: (model.allocObjects + (model.tinyObjects ?? 0)) / model.operations,
  };
}

/** Bytes a second that the program allocates, or null: no duration is known. */
export function allocationRate(model: RateModel): number | null {
  return model.seconds === null ? null : model.allocBytes / model.seconds;
}

/**
 * Settings that suit a model's stream, to be spread over the defaults. A profile has every object of the program, those that hold others included,
 * so there is no table of roots besides. Which objects have pointers it does not tell; all is the careful answer, since marking then costs most.
 */
export function suggestedSettings(model: RateModel): Partial<SimSettings> {
  const rate = allocationRate(model);
  return {
    scan: 'all',
    rootsTable: 'none',
    ...(rate === null ? {} : { timeBase: { kind: 'bytesPerSecond', bytes: rate } }),
    ...(model.gomaxprocs === null ? {} : { gomaxprocs: model.gomaxprocs }),
  };
}
