/**
 * What a profile.proto would take to decode, counted before anything is decoded.
 *
 * The decoder makes an object of every message and a string of every entry, and of a kilobyte that
 * was packed well there are tens of millions. So the bytes are walked once by protobuf's wire form,
 * without making anything: each message and number is counted, and the first count past its bound
 * ends it. The walk is also stricter than the decoder, which takes a length that leads out of its
 * message for what is left, and reads numbers of any length in quadratic time. What was counted may
 * be cut into pieces (`eachField`, `without`), for the decoder to be given a few at a time.
 *
 * The bounds are far above what there is. Go's runtime keeps a bucket for each stack and size: the
 * largest profile of the tests, of a parser with every allocation sampled, has 24,048 of them, of
 * 23 frames on average, 616 locations and 287 strings. Allowed are 131,072 samples of 64 frames on
 * average; Go keeps 32 frames of a stack up to version 1.22, and 128 since. A profile at all bounds
 * at once is read in 4 s, with 250 MB.
 */

import { ReplayInputError } from '../events.js';

/** What is counted, how it is called, and how many there may be. */
export const PROFILE_BOUNDS = {
  sampleTypes: { most: 64, what: 'sample types' },
  samples: { most: 1 << 17, what: 'samples' },
  /** Of all samples together: their stacks' depths added up. */
  frames: { most: 1 << 23, what: 'frames in the stacks of its samples' },
  values: { most: 1 << 19, what: 'values of samples' },
  labels: { most: 1 << 18, what: 'labels' },
  mappings: { most: 1 << 16, what: 'mappings' },
  locations: { most: 1 << 17, what: 'locations' },
  lines: { most: 1 << 18, what: 'lines of locations' },
  functions: { most: 1 << 17, what: 'functions' },
  strings: { most: 1 << 17, what: 'strings' },
  stringBytes: { most: 1 << 24, what: 'bytes of strings' },
  comments: { most: 1 << 16, what: 'comments' },
  /** Numbers from 2^28 on, which the decoder makes BigInts of: sizes and addresses. */
  large: { most: 1 << 20, what: 'numbers above 2^28' },
  /** Fields of all messages, and numbers that are packed into one. */
  numbers: { most: 1 << 24, what: 'fields' },
} as const;

export type Counted = keyof typeof PROFILE_BOUNDS;
export type ProfileCounts = Record<Counted, number>;

/** Bytes of a string. The engine tells longer ones apart by their length alone. */
export const MAX_STRING = 16_000;

/** What field numbers of a message mean: a message, text, or numbers (alone or packed). */
interface Field {
  readonly counts?: Counted;
  readonly message?: Message;
  readonly text?: true;
}
type Message = Readonly<Record<number, Field>>;

const NUMBER: Field = {};
const NUMBERS_ONLY: Message = {};
const SAMPLE: Message = {
  1: { counts: 'frames' },
  2: { counts: 'values' },
  3: { counts: 'labels', message: NUMBERS_ONLY },
};
const LOCATION: Message = { 4: { counts: 'lines', message: NUMBERS_ONLY } };
const PROFILE: Message = {
  1: { counts: 'sampleTypes', message: NUMBERS_ONLY },
  2: { counts: 'samples', message: SAMPLE },
  3: { counts: 'mappings', message: NUMBERS_ONLY },
  4: { counts: 'locations', message: LOCATION },
  5: { counts: 'functions', message: NUMBERS_ONLY },
  6: { counts: 'strings', text: true },
  11: { message: NUMBERS_ONLY },
  13: { counts: 'comments' },
};

const VARINT = 0;
const LENGTH_DELIMITED = 2;
/** Bytes of a 64-bit number at most, and of one that is read as a BigInt at least. */
const LONGEST = 10;
const LARGE = 5;

/**
 * Throws ReplayInputError where the bytes are no Profile message, or one of more than the bounds.
 */
export function countProfile(bytes: Uint8Array): ProfileCounts {
  const walk = new Walk(bytes);
  walk.message(PROFILE, bytes.length);
  return walk.counts;
}

class Walk {
  readonly counts = Object.fromEntries(Object.keys(PROFILE_BOUNDS).map((key) => [key, 0])) as ProfileCounts;
  private readonly b: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.b = bytes;
  }

  message(fields: Message, end: number): void {
    while (this.at < end) {
      const tag = this.b[this.at++];
      if (tag >= 0x80 || tag < 8) throw this.damaged('a field that no message of a profile has');
      const field = fields[tag >> 3] ?? NUMBER;
      const wire = tag & 7;
      this.count('numbers', 1);
      if (wire === VARINT) {
        if (field.message !== undefined || field.text) throw this.damaged('a number in the place of a message');
        if (field.counts !== undefined) this.count(field.counts, 1);
        this.skipNumber(end);
      } else if (wire === LENGTH_DELIMITED) {
        const inside = this.length(end);
        if (field.message !== undefined) {
          if (field.counts !== undefined) this.count(field.counts, 1);
          this.message(field.message, inside);
        } else if (field.text) {
          this.text(inside);
        } else {
          this.packed(field, inside);
        }
      } else {
        throw this.damaged(`a field of wire type ${wire}`);
      }
    }
  }

  private text(end: number): void {
    const bytes = end - this.at;
    if (bytes > MAX_STRING) throw tooMany('bytes of one string', MAX_STRING);
    this.count('strings', 1);
    this.count('stringBytes', bytes);
    this.at = end;
  }

  private packed(field: Field, end: number): void {
    while (this.at < end) {
      this.count('numbers', 1);
      if (field.counts !== undefined) this.count(field.counts, 1);
      this.skipNumber(end);
    }
  }

  private skipNumber(end: number): void {
    const from = this.at;
    while (this.at < end && this.b[this.at] >= 0x80) this.at++;
    this.at++;
    if (this.at > end) throw this.damaged('a number that does not end');
    const bytes = this.at - from;
    if (bytes > LONGEST) throw this.damaged(`a number of ${bytes} bytes`);
    if (bytes >= LARGE) this.count('large', 1);
  }

  /** Where what begins after the length that is here ends. */
  private length(end: number): number {
    const from = this.at;
    this.skipNumber(end);
    let value = 0;
    for (let i = this.at - 1; i >= from; i--) value = value * 128 + (this.b[i] & 0x7f);
    if (value > end - this.at) throw this.damaged(`a length of ${value} where ${end - this.at} bytes are left`);
    return this.at + value;
  }

  private count(what: Counted, n: number): void {
    this.counts[what] += n;
    const bound = PROFILE_BOUNDS[what];
    if (this.counts[what] > bound.most) throw tooMany(bound.what, bound.most);
  }

  private damaged(why: string): ReplayInputError {
    return new ReplayInputError('replay-damaged', `not a whole profile.proto: ${why}, at byte ${this.at}`);
  }
}

/**
 * The fields of a message that was counted, one by one: its bytes begin at `from`, and those of its
 * value are [start, end).
 */
export function eachField(
  b: Uint8Array,
  message: { readonly from: number; readonly to: number },
  visit: (field: number, from: number, start: number, end: number) => void,
): void {
  for (let at = message.from; at < message.to; ) {
    const from = at;
    const tag = b[at++];
    let value = 0;
    let start = at;
    for (let scale = 1; ; scale *= 128) {
      value += (b[at] & 0x7f) * scale;
      if (b[at++] < 0x80) break;
    }
    if ((tag & 7) === LENGTH_DELIMITED) {
      start = at;
      at += value;
    }
    visit(tag >> 3, from, start, at);
  }
}

/**
 * The fields of a message but those of some numbers, as a message of their own. Fields that are
 * next to each other are not copied.
 */
export function without(
  b: Uint8Array,
  message: { readonly from: number; readonly to: number },
  fields: readonly number[],
): Uint8Array {
  const pieces: Uint8Array[] = [];
  let begun = -1;
  const close = (at: number): void => {
    if (begun >= 0) pieces.push(b.subarray(begun, at));
    begun = -1;
  };
  eachField(b, message, (field, from) => {
    if (fields.includes(field)) close(from);
    else if (begun < 0) begun = from;
  });
  close(message.to);
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}

export function tooMany(what: string, most: number): ReplayInputError {
  return new ReplayInputError(
    'replay-too-large',
    `the profile has more than ${most} ${what}: no program's heap profile does`,
  );
}
