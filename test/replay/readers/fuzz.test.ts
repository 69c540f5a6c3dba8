/**
 * Whatever comes in: a stream that keeps its promises (support.ts checks them) or a
 * ReplayInputError that a client is told as one of bad input, never as a mistake of ours; and the
 * same for every way to cut the bytes into pieces.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { decompress } from '../../../src/replay/decompress.js';
import { newIngestReport, ReplayInputError } from '../../../src/replay/events.js';
import { DEFAULT_LIMITS } from '../../../src/replay/ingest.js';
import { replayProblem } from '../../../src/server/replays/problems.js';
import { effort } from '../../helper/effort.js';
import { zip } from '../zip.js';
import { conserved, firstDifference, inPieces, type Reading, read, recording } from './support.js';

vi.setConfig({ testTimeout: effort(120_000, 1_200_000) });

const FILES = [
  'jq-twitter.mtrace.zst',
  'jq-twitter.valgrind-trace-malloc.txt.zst',
  'jq-twitter.heaptrack.zst',
  'jq-small.ltrace.txt.zst',
  'jq-small.bpftrace.txt.zst',
  'go-json-bench.goalloc.txt.zst',
];
/** The first bytes of each recording: their lines are what is mutated. */
const texts = new Map<string, Buffer>();

beforeAll(async () => {
  for (const file of FILES) {
    const source = inPieces(readFileSync(recording(file)), 8192);
    for await (const text of decompress(source, DEFAULT_LIMITS, newIngestReport(''))) {
      texts.set(file, Buffer.from(text.subarray(0, 6000)));
      break;
    }
  }
  const numbers = ['', '0', '7', '4096', '18446744073709551616'];
  const lttng = numbers.map((n) => `[17.5] vm lttng_ust_libc:malloc: { vtid = 1 }, { size = ${n}, ptr = 0x55B0 }`);
  texts.set('lttng', Buffer.from([...lttng, ...lttng].join('\n')));
  texts.set('cs-app', Buffer.from('9\n3\n6\n1\na 0 1\na 1 2\nr 0 3\nf 1\na 2 4294967296\nf 0\n'));
  const scan = numbers.map((n) => `1: malloc 0x1${n} ${n} 8 ${n} # scan`);
  texts.set(
    'goheap',
    Buffer.from(['# goheap 0.1.0: heap x', ...scan, '1: free 0x10 4 4', '# end: now', ''].join('\n')),
  );
  const times = numbers.map((n) => `1: calloc 0x1${n} ${n} 8 17954160833683413${n} 17954160833683414${n}`);
  texts.set('aosp', Buffer.from(['1: malloc 0x10 8 1 2', ...times, ...times].join('\n')));
});

/** What came of it, as something that can be compared. */
async function outcome(
  bytes: Uint8Array,
  piece: number,
): Promise<Omit<Reading, 'events'> | { code: string; message: string }> {
  try {
    const { report, words } = await read(inPieces(bytes, piece));
    conserved(report);
    return { report, words };
  } catch (error) {
    if (!(error instanceof ReplayInputError)) throw error;
    expect(replayProblem(error), error.message).toMatchObject({ unexpected: false });
    return { code: error.code, message: error.message };
  }
}

async function sameInPieces(bytes: Uint8Array, piece: number): Promise<void> {
  const [cut, whole] = [await outcome(bytes, piece), await outcome(bytes, 0)];
  if ('words' in cut && 'words' in whole) {
    expect(cut.report).toEqual(whole.report);
    expect(firstDifference(cut.words, whole.words)).toBe(-1);
  } else expect(cut).toEqual(whole);
}

const pieces = fc.integer({ min: 1, max: 300 });

test('any bytes', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), pieces, sameInPieces), {
    numRuns: effort(150, 10_000),
  });
});

test('any bytes behind the magic of a packed file', async () => {
  const magic = fc.constantFrom(
    [0x1f, 0x8b, 8, 0],
    [0x28, 0xb5, 0x2f, 0xfd],
    [0x50, 0x4b, 3, 4],
    [0x50, 0x2a, 0x4d, 0x18],
  );
  await fc.assert(
    fc.asyncProperty(magic, fc.uint8Array({ maxLength: 200 }), async (head, rest) => {
      // What of damaged data is found out first depends on the pieces.
      await outcome(Uint8Array.from([...head, ...rest]), 0);
      await outcome(Uint8Array.from([...head, ...rest]), 5);
    }),
    { numRuns: effort(150, 10_000) },
  );
});

/** Bytes replaced, pieces of the file cut out, doubled or moved. */
const edits = fc.array(
  fc.record({
    at: fc.nat(6000),
    length: fc.nat(40),
    to: fc.nat(6000),
    kind: fc.constantFrom('byte', 'cut', 'double', 'digit'),
    byte: fc.nat(255),
  }),
  { minLength: 1, maxLength: 12 },
);

type Edit = typeof edits extends fc.Arbitrary<(infer E)[]> ? E : never;

function edited(original: Uint8Array, changes: readonly Edit[]): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (const { at, length, to, kind, byte } of changes) {
    const from = at % bytes.length;
    if (kind === 'byte') bytes[from] = byte;
    else if (kind === 'digit') bytes[from] = 48 + (byte % 10);
    else {
      const cut = bytes.subarray(from, from + length);
      const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)]);
      const target = to % (rest.length + 1);
      bytes =
        kind === 'cut'
          ? Buffer.concat([rest, Buffer.from('\n')])
          : Buffer.concat([bytes.subarray(0, target), cut, bytes.subarray(target)]);
    }
  }
  return bytes;
}

describe('mutated recordings', () => {
  test.each([...FILES, 'lttng', 'cs-app', 'aosp', 'goheap'])('%s', async (file) => {
    await fc.assert(
      fc.asyncProperty(edits, pieces, (changes, piece) => sameInPieces(edited(texts.get(file)!, changes), piece)),
      { numRuns: effort(30, 2000) },
    );
  });
});

describe('mutated files', () => {
  const packed: [string, () => Buffer][] = [
    ['zstd', () => readFileSync(recording('jq-small.bpftrace.txt.zst'))],
    ['gzip', () => gzipSync(texts.get('jq-twitter.mtrace.zst')!)],
    ['several members of gzip', () => Buffer.concat(['lttng', 'lttng'].map((name) => gzipSync(texts.get(name)!)))],
    ['zip', () => zip(texts.get('jq-twitter.mtrace.zst')!)],
    ['zip as a stream', () => zip(texts.get('jq-twitter.mtrace.zst')!, { streamed: true })],
    ['zip that is not packed', () => zip(texts.get('jq-twitter.mtrace.zst')!, { stored: true })],
  ];
  test.each(packed)('%s', async (_name, make) => {
    const original = make();
    await fc.assert(
      fc.asyncProperty(edits, pieces, async (changes, piece) => {
        const bytes = edited(original, changes);
        await outcome(bytes, 0);
        await outcome(bytes, piece);
      }),
      { numRuns: effort(30, 2000) },
    );
  });
});
