/**
 * The heap profile in pprof's own format (gzipped profile.proto), so that `go tool pprof` opens it.
 *
 * Samples come from heap/profile.ts. As Go's runtime does, what was sampled is scaled up to what was allocated: an object of a
 * size is sampled with probability 1 - exp(-size / rate), so a bucket's counts are divided by that of its average size.
 *
 * The stack of a sample is the site that the client named, `outermost;…;innermost`; allocations without one stand under
 * `(no site)`. Labels: the size class (`bytes`) and the P.
 */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Function as Fn, Label, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format';
import { H_PROFILE_RATE, type Heap } from '../heap/heap.js';
import { type ProfileBucket, profileBuckets } from '../heap/profile.js';
import { CLASS_TO_SIZE } from '../heap/sizeclass.js';

/** Which values a viewer shows first. */
export type ProfileKind = 'heap' | 'allocs';

const NO_SITE = '(no site)';

/** Name and unit of each value of a sample, in the order of Go's heap profiles. */
const VALUES = [
  ['alloc_objects', 'count'],
  ['alloc_space', 'bytes'],
  ['inuse_objects', 'count'],
  ['inuse_space', 'bytes'],
] as const;

/** What was allocated, by what of it was sampled. */
export function scale(count: number, bytes: number, rate: number): [count: number, bytes: number] {
  if (count === 0 || bytes === 0 || rate <= 1) return [count, bytes];
  const factor = 1 / (1 - Math.exp(-bytes / count / rate));
  return [Math.round(count * factor), Math.round(bytes * factor)];
}

/** The profile as an object. `siteName`: the name of a site by its number. */
export function buildProfile(h: Heap, kind: ProfileKind, siteName: (id: number) => string | undefined): Profile {
  const strings = new StringTable();
  const functions: Fn[] = [];
  const locations: Location[] = [];
  const locationOf = new Map<string, number>();
  const rate = h.scalar(H_PROFILE_RATE);
  const location = (name: string): number => {
    const known = locationOf.get(name);
    if (known !== undefined) return known;
    const id = locations.length + 1;
    const text = strings.dedup(name);
    functions.push(new Fn({ id, name: text, systemName: text, filename: strings.dedup('') }));
    locations.push(new Location({ id, line: [new Line({ functionId: id })] }));
    locationOf.set(name, id);
    return id;
  };
  const sample = (b: ProfileBucket): Sample => {
    const frames = (siteName(b.site) ?? '').split(';').filter((frame) => frame !== '');
    if (frames.length === 0) frames.push(NO_SITE);
    const [allocs, allocBytes] = scale(b.allocs, b.allocBytes, rate);
    const [inuse, inuseBytes] = scale(b.allocs - b.frees, b.allocBytes - b.freeBytes, rate);
    const label = [new Label({ key: strings.dedup('p'), num: b.p })];
    const size = b.sizeClass === 0 ? Math.round(b.allocBytes / b.allocs) : CLASS_TO_SIZE[b.sizeClass];
    label.push(new Label({ key: strings.dedup('bytes'), num: size, numUnit: strings.dedup('bytes') }));
    label.push(new Label({ key: strings.dedup('size class'), str: strings.dedup(String(b.sizeClass)) }));
    // Innermost first.
    return new Sample({
      locationId: frames.reverse().map(location),
      value: [allocs, allocBytes, inuse, inuseBytes],
      label,
    });
  };
  return new Profile({
    stringTable: strings,
    sampleType: VALUES.map(([type, unit]) => new ValueType({ type: strings.dedup(type), unit: strings.dedup(unit) })),
    sample: profileBuckets(h).map(sample),
    location: locations,
    function: functions,
    timeNanos: BigInt(Date.now()) * 1_000_000n,
    periodType: new ValueType({ type: strings.dedup('space'), unit: strings.dedup('bytes') }),
    period: rate,
    defaultSampleType: strings.dedup(kind === 'heap' ? 'inuse_space' : 'alloc_space'),
  });
}

const compress = promisify(gzip);

/** The profile as a file. */
export async function encodeProfile(
  h: Heap,
  kind: ProfileKind,
  siteName: (id: number) => string | undefined,
): Promise<Buffer> {
  return compress(await buildProfile(h, kind, siteName).encodeAsync());
}
