/**
 * Go's older form of a heap profile, for people: `/debug/pprof/heap?debug=1`, and what the Go compiler's -memprofile writes.
 *
 *     heap profile: 5: 240 [95: 1003776] @ heap/1048576          in use [allocated] @ twice the rate
 *     1: 48 [1: 48] @ 0x553f45 0x5543be                          a bucket: its counts, its stack's addresses
 *     #	0x553f44	main.build+0x44		main.go:21      the same stack in words, where symbols are known
 *
 *     # runtime.MemStats
 *     # Alloc = 4903856
 *
 * Unlike profile.proto it holds what was sampled, unscaled: the scaling is ours, and the same as
 * `go tool pprof`'s, by the mean size of a bucket. The text is read line by line, and what it may
 * hold is bounded as in profile.proto. Other allocators' profilers write the same first line with
 * another word after the @, and mean other things.
 */

import { ReplayInputError } from '../events.js';
import type { HeapProfile, Location, ProfileBucket } from './heapprofile.js';
import { type NumberedLine, numberedLines } from './lines.js';
import { parseMemStatsLines } from './memstats-text.js';
import { MAX_STRING, PROFILE_BOUNDS, tooMany } from './wire.js';

const MAGIC = 'heap profile: ';
const COUNTS = String.raw`(\d{1,19}): (-?\d{1,19}) \[(\d{1,19}): (-?\d{1,19})\] @`;
const HEADER = new RegExp(`^heap profile: +${COUNTS} ?([a-z_0-9]*)(?:/(\\d{1,19}))?$`);
const BUCKET = new RegExp(`^ *(-?)${COUNTS}`);
/** `#	0x4d0e4b	main.build+0x44		/src/main.go:21`; what was inlined has no offset. */
const FRAME = /^#\t0x[0-9a-f]+\t(\S+?)(?:\+0x[0-9a-f]+)?\t/;

export function isLegacyProfile(head: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(head.subarray(0, MAGIC.length)) === MAGIC;
}

function wrong(line: number, text: string, why: string): ReplayInputError {
  return new ReplayInputError('replay-damaged', `line ${line} of the profile: ${why}: ${text.slice(0, 120)}`);
}

/** @returns MemProfileRate */
function header(line: string): number {
  const match = HEADER.exec(line);
  if (match === null) throw wrong(1, line, 'not "heap profile: n: bytes [n: bytes] @ heap/number"');
  const [, , , , , kind, number] = match;
  if (kind !== 'heap') {
    throw new ReplayInputError(
      'replay-profile-kind',
      `a heap profile of another allocator (@ ${kind}): Go's says @ heap/number, twice its MemProfileRate`,
    );
  }
  const rate = Number(number) / 2;
  if (!(rate >= 0.5) || rate > Number.MAX_SAFE_INTEGER) {
    throw new ReplayInputError(
      'replay-profile-period',
      `the profile's rate is heap/${number}: without a positive one its samples stand for nothing`,
    );
  }
  return rate;
}

/** Buckets as they are built: the stack follows its counts. */
interface Open {
  counts: number[];
  stack: Location[];
}

function bucket({ counts, stack }: Open, rate: number): ProfileBucket | null {
  const [inuseObjects, inuseBytes, allocObjects, allocBytes] = counts;
  if (allocObjects === 0) return null;
  const size = Math.max(1, Math.round(allocBytes / allocObjects));
  const factor = rate > 1 ? 1 / (1 - Math.exp(-size / rate)) : 1;
  return {
    size,
    allocObjects: allocObjects * factor,
    allocBytes: allocBytes * factor,
    inuseObjects: inuseObjects * factor,
    inuseBytes: inuseBytes * factor,
    stack,
  };
}

/** Reads the lines up to the MemStats, and leaves those. */
class LegacyReader {
  readonly buckets: ProfileBucket[] = [];
  private readonly lines: Iterator<NumberedLine, undefined>;
  private readonly rate: number;
  private count = 0;
  /** By name: one location for all frames of it. */
  private readonly locations = new Map<string, Location>();
  private open: Open | null = null;

  constructor(lines: Iterator<NumberedLine, undefined>, rate: number) {
    this.lines = lines;
    this.rate = rate;
  }

  read(): void {
    for (let next = this.lines.next(); !next.done; next = this.lines.next()) {
      const { text } = next.value;
      if (text.startsWith('# runtime.MemStats')) break;
      // What cgo programs on Linux have after the profile: /proc/self/maps.
      if (text.startsWith('MAPPED_LIBRARIES:') || text.startsWith('--- Memory map: ---')) break;
      if (text.startsWith('#')) this.frame(text);
      else {
        this.close();
        this.open = this.counts(next.value);
      }
    }
    this.close();
  }

  private close(): void {
    const done = this.open === null ? null : bucket(this.open, this.rate);
    if (done !== null) this.buckets.push(done);
    this.open = null;
  }

  private frame(text: string): void {
    const name = FRAME.exec(text)?.[1];
    if (name === undefined || this.open === null) return;
    let location = this.locations.get(name);
    if (location === undefined) {
      const { functions } = PROFILE_BOUNDS;
      if (this.locations.size === functions.most) throw tooMany(functions.what, functions.most);
      if (name.length > MAX_STRING) throw tooMany('characters in the name of a function', MAX_STRING);
      location = [name];
      this.locations.set(name, location);
    }
    this.open.stack.push(location);
  }

  private counts({ text, number }: NumberedLine): Open {
    const { samples } = PROFILE_BOUNDS;
    if (this.count++ === samples.most) throw tooMany(samples.what, samples.most);
    const match = BUCKET.exec(text);
    if (match === null) throw wrong(number, text, 'not "n: bytes [n: bytes] @ addresses"');
    const counts = match.slice(2, 6).map(Number);
    if (match[1] !== '' || counts.some((n) => n < 0)) {
      throw new ReplayInputError(
        'replay-profile-negative',
        `line ${number} of the profile has negative counts: this is the difference of two profiles; give the two themselves`,
      );
    }
    if (counts.some((n) => n > Number.MAX_SAFE_INTEGER)) {
      throw new ReplayInputError(
        'replay-profile-implausible',
        `line ${number} of the profile says ${Math.max(...counts)}: the file is damaged`,
      );
    }
    return { counts, stack: [] };
  }
}

/** @param content decompressed, beginning with "heap profile: " @throws ReplayInputError */
export function readLegacyProfile(content: Uint8Array): Omit<HeapProfile, 'bytes' | 'textBytes' | 'compression'> {
  const lines = numberedLines(content);
  const rate = header(lines.next().value?.text ?? '');
  const reader = new LegacyReader(lines, rate);
  reader.read();
  return {
    form: 'legacy text',
    rate,
    timeNs: null,
    durationNs: 0,
    buckets: reader.buckets,
    memStats: parseMemStatsLines(texts(lines)),
  };
}

function* texts(lines: Iterable<NumberedLine>): Generator<string> {
  for (const { text } of lines) yield text;
}
