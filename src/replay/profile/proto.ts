/**
 * Heap profiles as profile.proto: what `/debug/pprof/heap` serves and `go test -memprofile` writes, decoded by the package pprof-format.
 *
 * The decoder trusts its input; this file does not. Whatever it throws at damaged bytes becomes one clear error, and every number is checked
 * before it is used: 64-bit values come unsigned, so a negative one is a huge one.
 */

import { Profile } from 'pprof-format';
import { ReplayInputError } from '../events.js';
import type { HeapProfile, ProfileBucket } from './heapprofile.js';

/** The values of a sample that make a heap profile, in our order. */
const VALUES = ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'] as const;

/** Fields of a Profile message that are messages or strings (wire type 2), and those that are numbers (0, or packed: 2). */
const LENGTH_FIELDS = new Set([1, 2, 3, 4, 5, 6, 11, 13]);
const NUMBER_FIELDS = new Set([7, 8, 9, 10, 12, 14, 15]);

type Numeric = number | bigint;

/**
 * Is this the beginning of a Profile message? A message has no magic number, so its first fields are walked: their numbers and wire types
 * must be a Profile's, and one of them a sample type of two small numbers.
 */
export function isProfileProto(head: Uint8Array): boolean {
  let at = 0;
  let sampleType = false;
  for (let fields = 0; fields < 8 && at < head.length; fields++) {
    const field = head[at] >> 3;
    const wire = head[at] & 7;
    at++;
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift > 63) return false;
      // The head ends inside a number: what was seen decides.
      if (at >= head.length) return sampleType;
      value += (head[at] & 0x7f) * 2 ** shift;
      if (head[at++] < 0x80) break;
    }
    if (wire === 0 ? !NUMBER_FIELDS.has(field) : wire !== 2 || !(LENGTH_FIELDS.has(field) || field === 13))
      return false;
    if (wire !== 2) continue;
    // ValueType{type, unit}: two string indices, or one when the other is 0.
    if (field === 1) {
      if (value < 2 || value > 12 || (head[at] !== 0x08 && head[at] !== 0x10)) return false;
      sampleType = true;
    }
    at += value;
  }
  return sampleType;
}

/** A signed 64-bit number as a double. */
function signed(value: Numeric): number {
  return typeof value === 'bigint' ? Number(BigInt.asIntN(64, value)) : value;
}

function damaged(why: string): ReplayInputError {
  return new ReplayInputError('replay-damaged', `not a whole profile.proto: ${why}`);
}

function decode(content: Uint8Array): Profile {
  try {
    return Profile.decode(content);
  } catch (error) {
    throw damaged((error as Error).message);
  }
}

/** Reads `what` of a sample: a count, which has to be one. */
function count(value: Numeric | undefined, what: string, sample: number): number {
  if (value === undefined) throw damaged(`sample ${sample} has no ${what}`);
  const n = signed(value);
  if (n < 0) {
    throw new ReplayInputError(
      'replay-profile-negative',
      `${what} of sample ${sample} is ${n}: this is the difference of two profiles (?seconds=…, pprof -base); give the two themselves`,
    );
  }
  if (n > Number.MAX_SAFE_INTEGER) {
    throw new ReplayInputError(
      'replay-profile-implausible',
      `${what} of sample ${sample} is ${n}: the file is damaged`,
    );
  }
  return n;
}

class ProtoReader {
  private readonly p: Profile;
  private readonly strings: readonly string[];
  /** Function names of a location, innermost first, by its id. */
  private readonly frames = new Map<string, readonly string[]>();

  constructor(p: Profile) {
    this.p = p;
    this.strings = p.stringTable.strings;
    const functions = new Map<string, string>();
    for (const f of p.function) functions.set(String(f.id), this.text(f.name));
    for (const location of p.location) {
      const names = location.line.map((line) => functions.get(String(line.functionId)) ?? '');
      this.frames.set(String(location.id), names);
    }
  }

  text(index: Numeric): string {
    const text = this.strings[Number(index)];
    if (text === undefined) throw damaged(`it names string ${index} of ${this.strings.length}`);
    return text;
  }

  /** Where each of VALUES stands in a sample. */
  columns(): number[] {
    const types = this.p.sampleType.map((t) => this.text(t.type));
    const columns = VALUES.map((name) => types.indexOf(name));
    if (columns.includes(-1)) {
      throw new ReplayInputError(
        'replay-profile-kind',
        `not a heap profile: it has ${types.length === 0 ? 'no sample types' : types.join(', ')}; ` +
          `wanted is one with ${VALUES.join(', ')} (/debug/pprof/heap or /allocs, go test -memprofile)`,
      );
    }
    return columns;
  }

  rate(): number {
    const rate = signed(this.p.period);
    if (rate <= 0 || !Number.isSafeInteger(rate)) {
      throw new ReplayInputError(
        'replay-profile-period',
        `the profile's period (MemProfileRate) is ${rate}: without a positive one its samples stand for nothing`,
      );
    }
    return rate;
  }

  buckets(columns: number[]): ProfileBucket[] {
    const out: ProfileBucket[] = [];
    const stacks = new Map<string, readonly string[]>();
    this.p.sample.forEach((sample, i) => {
      const [allocObjects, allocBytes, inuseObjects, inuseBytes] = columns.map((column, v) =>
        count(sample.value[column], VALUES[v], i),
      );
      if (allocBytes === 0 && inuseBytes === 0) return;
      const label = sample.label.find((l) => this.text(l.key) === 'bytes');
      const size = label === undefined ? Math.round(allocBytes / allocObjects) : signed(label.num);
      if (!(size >= 1) || !Number.isSafeInteger(size)) {
        throw damaged(`sample ${i} has no size of its objects (label "bytes": ${label === undefined ? 'none' : size})`);
      }
      const key = sample.locationId.join();
      let stack = stacks.get(key);
      if (stack === undefined) {
        stack = sample.locationId.flatMap((id) => this.frames.get(String(id)) ?? []);
        stacks.set(key, stack);
      }
      out.push({ size, allocObjects, allocBytes, inuseObjects, inuseBytes, stack });
    });
    return out;
  }
}

/** @param content decompressed @throws ReplayInputError */
export function readProfileProto(content: Uint8Array): Omit<HeapProfile, 'bytes' | 'textBytes' | 'compression'> {
  const p = decode(content);
  const reader = new ProtoReader(p);
  const columns = reader.columns();
  const rate = reader.rate();
  const time = signed(p.timeNanos);
  const duration = signed(p.durationNanos);
  return {
    form: 'profile.proto',
    rate,
    timeNs: time > 0 ? time : null,
    durationNs: duration > 0 ? duration : 0,
    buckets: reader.buckets(columns),
    memStats: null,
  };
}
