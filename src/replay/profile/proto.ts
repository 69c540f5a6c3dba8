/**
 * Heap profiles as profile.proto: what `/debug/pprof/heap` serves and `go test -memprofile` writes, decoded by the package pprof-format.
 *
 * The decoder trusts its input; this file does not. What there is to decode is counted first
 * (wire.ts). Whatever the decoder throws at damaged bytes becomes one clear error, and every number
 * is checked before it is used: 64-bit values come unsigned, so a negative one is a huge one.
 *
 * Nearly all of a profile is samples, and nearly all of those is stacks. So each sample is decoded
 * by itself and let go, without its stack; that is decoded when somebody asks for it (`focus` and
 * `ignore` do), of locations that all stacks share. Locations times lines is never written out.
 */

import { Profile, Sample } from 'pprof-format';
import { ReplayInputError } from '../events.js';
import type { HeapProfile, Location, ProfileBucket } from './heapprofile.js';
import { countProfile, eachField, without } from './wire.js';

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

function decode<T>(message: Uint8Array, by: (message: Uint8Array) => T): T {
  try {
    return by(message);
  } catch (error) {
    throw damaged((error as Error).message);
  }
}

/** Fields of Profile that are taken apart here, and of Sample the one that is left for later. */
const SAMPLE = 2;
const STRING = 6;
const LOCATION_ID = 1;

interface Range {
  readonly from: number;
  readonly to: number;
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
  private readonly content: Uint8Array;
  /** All of it but samples and strings. */
  readonly p: Profile;
  private readonly samples: Range[] = [];
  private readonly strings: string[] = [];
  private known: Map<string, Location> | undefined;

  constructor(content: Uint8Array) {
    countProfile(content);
    const whole = { from: 0, to: content.length };
    const text = Buffer.from(content.buffer, content.byteOffset, content.length);
    eachField(content, whole, (field, _from, start, end) => {
      if (field === SAMPLE) this.samples.push({ from: start, to: end });
      else if (field === STRING) this.strings.push(text.toString('utf8', start, end));
    });
    this.content = content;
    this.p = decode(without(content, whole, [SAMPLE, STRING]), (bytes) => Profile.decode(bytes));
    for (const f of this.p.function) this.text(f.name);
  }

  /**
   * Locations by id. The keys are words, as numbers can be chosen so that they all have the same
   * hash.
   */
  private get locations(): Map<string, Location> {
    if (this.known !== undefined) return this.known;
    const functions = new Map<string, string>();
    for (const f of this.p.function) functions.set(`f${f.id}`, this.text(f.name));
    const known = new Map<string, Location>();
    for (const location of this.p.location) {
      known.set(
        `l${location.id}`,
        location.line.map((line) => functions.get(`f${line.functionId}`) ?? ''),
      );
    }
    this.known = known;
    return known;
  }

  stack(sample: Range): Location[] {
    const { locations } = this;
    const { locationId } = decode(this.content.subarray(sample.from, sample.to), (bytes) => Sample.decode(bytes));
    return locationId.flatMap((id) => {
      const location = locations.get(`l${id}`);
      return location === undefined ? [] : [location];
    });
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
      const has = types.slice(0, 8).map((type) => type.slice(0, 40));
      throw new ReplayInputError(
        'replay-profile-kind',
        `not a heap profile: it has ${has.length === 0 ? 'no sample types' : has.join(', ')}; ` +
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
    this.samples.forEach((range, i) => {
      const sample = decode(without(this.content, range, [LOCATION_ID]), (bytes) => Sample.decode(bytes));
      const [allocObjects, allocBytes, inuseObjects, inuseBytes] = columns.map((column, v) =>
        count(sample.value[column], VALUES[v], i),
      );
      if (allocBytes === 0 && inuseBytes === 0) return;
      const label = sample.label.find((l) => this.text(l.key) === 'bytes');
      const size = label === undefined ? Math.round(allocBytes / allocObjects) : signed(label.num);
      if (!(size >= 1) || !Number.isSafeInteger(size)) {
        throw damaged(`sample ${i} has no size of its objects (label "bytes": ${label === undefined ? 'none' : size})`);
      }
      out.push(new Bucket(this, range, size, allocObjects, allocBytes, inuseObjects, inuseBytes));
    });
    return out;
  }
}

class Bucket implements ProfileBucket {
  readonly size: number;
  readonly allocObjects: number;
  readonly allocBytes: number;
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  private readonly reader: ProtoReader;
  private readonly sample: Range;

  constructor(reader: ProtoReader, sample: Range, size: number, ...counts: [number, number, number, number]) {
    this.reader = reader;
    this.sample = sample;
    this.size = size;
    [this.allocObjects, this.allocBytes, this.inuseObjects, this.inuseBytes] = counts;
  }

  get stack(): readonly Location[] {
    return this.reader.stack(this.sample);
  }
}

/** @param content decompressed @throws ReplayInputError */
export function readProfileProto(content: Uint8Array): Omit<HeapProfile, 'bytes' | 'textBytes' | 'compression'> {
  const reader = new ProtoReader(content);
  const { p } = reader;
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
