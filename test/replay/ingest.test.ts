/** Files as they come: packed, cut off, damaged, hostile. */
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { crc32, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompress } from '../../src/replay/decompress.js';
import { newIngestReport } from '../../src/replay/events.js';
import { DEFAULT_LIMITS } from '../../src/replay/ingest.js';
import { effort } from '../helper/effort.js';
import { firstDifference, inPieces, type Reading, read, readFile, readText, recording } from './readers/support.js';
import { bomb, zip } from './zip.js';

const TEXT = '= Start\n+ 0x1000 0x10\n+ 0x2000 0x20\n- 0x1000\n= End\n';

async function unpacked(path: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const source = inPieces(readFileSync(path));
  for await (const piece of decompress(source, DEFAULT_LIMITS, newIngestReport(''))) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('packed by', () => {
  let plain: Reading;
  const same = (reading: Reading, compression: string) => {
    expect(firstDifference(reading.words, plain.words)).toBe(-1);
    expect(reading.report).toEqual({ ...plain.report, compression, bytes: reading.report.bytes });
  };

  test('gzip, zip and zstd, in pieces of any size', async () => {
    const zst = readFileSync(recording('jq-twitter.mtrace.zst'));
    const text = await unpacked(recording('jq-twitter.mtrace.zst'));
    plain = await read(inPieces(text));
    expect(plain.report).toMatchObject({ events: 58_826, compression: 'none', bytes: text.length });
    const gzip = gzipSync(text);
    const archive = zip(text);
    for (const piece of [0, 1000, 7]) {
      same(await read(inPieces(zst, piece)), 'zstd');
      same(await read(inPieces(gzip, piece)), 'gzip');
      same(await read(inPieces(archive, piece)), 'zip');
    }
    for (const archive of [zip(text, { streamed: true }), zip(text, { streamed: true, signed: false })]) {
      for (const piece of [0, 7, 999]) same(await read(inPieces(archive, piece)), 'zip');
    }
    same(await read(inPieces(zip(text, { stored: true }), 999)), 'zip');
  });

  test('several gzip members and zstd frames, and skippable ones', async () => {
    const half = TEXT.indexOf('- 0x1000');
    const parts = [TEXT.slice(0, half), TEXT.slice(half)].map((part) => Buffer.from(part));
    const whole = await readText(TEXT);
    expect((await read(inPieces(Buffer.concat(parts.map((part) => gzipSync(part))), 3))).words).toEqual(whole.words);
    const frame = (part: Buffer) => {
      // Single segment, one byte of size; one raw block, the last.
      const head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, part.length, 1 | (part.length << 3), part.length >> 5, 0];
      return Buffer.concat([Buffer.from(head), part]);
    };
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const frames = Buffer.concat([skippable, frame(parts[0]), skippable, frame(parts[1])]);
    const reading = await read(inPieces(frames, 2));
    expect(reading.words).toEqual(whole.words);
    expect(reading.report).toMatchObject({ compression: 'zstd', truncated: false });
  });
});

describe('cut off', () => {
  test.each(['examples/jq.mtrace.gz', 'jq-twitter.mtrace.zst'])('%s replays up to the cut', async (file) => {
    const packed = readFileSync(recording(file));
    const whole = await readFile(recording(file));
    const cut = await read(inPieces(packed.subarray(0, packed.length >> 1), 10_000));
    expect(cut.report.truncated).toBe(true);
    expect(cut.report.badLines).toBe(0);
    expect(cut.report.events).toBeGreaterThan(whole.report.events / 4);
    // A prefix of the whole stream, but for a time or skip record that the end flushes.
    expect(cut.words.slice(0, -2)).toEqual(whole.words.slice(0, cut.words.length - 2));
  });

  test('every cut of a small file is a report or a clear error', async () => {
    const packed = gzipSync(TEXT);
    for (let length = 0; length < packed.length; length++) {
      const reading = read(inPieces(packed.subarray(0, length)));
      const outcome = await reading.then(
        ({ report }) => report.truncated,
        (error) => error.code,
      );
      expect([true, 'replay-empty', 'replay-format']).toContain(outcome);
    }
  });

  test('text', async () => {
    const { report, events } = await readText(TEXT.slice(0, TEXT.indexOf('20\n') + 1));
    expect(events).toEqual([['alloc', 0, 16]]);
    expect(report.truncated).toBe(true);
  });
});

test('a bit of a packed file is another: it is refused, or nothing has changed', async () => {
  const zst = readFileSync(recording('jq-small.bpftrace.txt.zst'));
  const whole = await unpacked(recording('jq-small.bpftrace.txt.zst'));
  const part = whole.subarray(0, whole.lastIndexOf('\n', effort(60_000, whole.length)) + 1);
  const cases: [packed: Buffer, text: Buffer][] = [
    [zst, whole],
    [gzipSync(part), part],
    [zip(part), part],
    [zip(part, { streamed: true }), part],
    [zip(part, { stored: true }), part],
  ];
  for (const [packed, text] of cases) {
    const plain = await read(inPieces(text));
    let refused = 0;
    // Headers and the end, and places between.
    const step = Math.ceil(packed.length / 150);
    const places = Array.from({ length: 150 }, (_, i) => i * step).concat([1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 18]);
    for (const at of places.filter((place) => place < packed.length)) {
      const damaged = Buffer.from(packed);
      damaged[at] ^= 1 << (at & 7);
      try {
        const { report, words } = await read(inPieces(damaged));
        if (!report.truncated && report.compression !== 'none')
          expect(firstDifference(words, plain.words), `byte ${at}`).toBe(-1);
      } catch (error) {
        expect(error, `byte ${at}`).toMatchObject({ name: 'ReplayInputError' });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  }
});

describe('refused', () => {
  const rejects = (reading: Promise<unknown>, code: string, message: RegExp) =>
    expect(reading).rejects.toMatchObject({ name: 'ReplayInputError', code, message: expect.stringMatching(message) });

  test('empty', async () => {
    await rejects(readText(''), 'replay-empty', /empty/);
    await rejects(read(inPieces(gzipSync(''))), 'replay-empty', /empty/);
    await rejects(readText('= Start\n= End\n'), 'replay-empty', /no allocations/);
    await rejects(readText('- 0x10\n= End\n'), 'replay-empty', /no allocations/);
  });

  test('what is no recording', async () => {
    await rejects(readText('hello\nworld\n'), 'replay-format', /begins with "hello".*known are glibc mtrace/);
    const noise = new Uint8Array(1 << 18).map((_, i) => (i * 2_654_435_761) >>> 24);
    await rejects(read(inPieces(noise)), 'replay-format', /binary/);
    await rejects(read(inPieces(Buffer.from([0x1f]))), 'replay-format', /known/);
  });

  test('endless noise, after its first 64 KiB', async () => {
    let given = 0;
    async function* endless() {
      for (;;) {
        given++;
        yield Buffer.alloc(10_000, 'noise\n');
      }
    }
    await rejects(read(endless()), 'replay-format', /noise/);
    expect(given).toBeLessThan(10);
  });

  test('damaged', async () => {
    const gz = Buffer.from(readFileSync(recording('examples/jq.mtrace.gz')));
    gz.fill(0xff, 100_000, 100_200);
    await rejects(read(inPieces(gz, 65_536)), 'replay-damaged', /damaged gzip data/);
    const zst = Buffer.from(readFileSync(recording('jq-twitter.mtrace.zst')));
    zst.fill(0xff, 40_000, 40_200);
    await rejects(read(inPieces(zst, 65_536)), 'replay-damaged', /damaged zstd data/);
    const trailing = Buffer.from('what is this, then?');
    for (const file of ['examples/jq.mtrace.gz', 'jq-twitter.mtrace.zst']) {
      const packed = readFileSync(recording(file));
      await rejects(read(inPieces(Buffer.concat([packed, trailing]))), 'replay-damaged', /header|frame/);
    }
  });

  test('text that is another than its checksum says', async () => {
    const text = Buffer.from(TEXT.repeat(50));
    const wrong = { crc: crc32(text) ^ 1 };
    for (const piece of [0, 1, 100]) {
      await rejects(read(inPieces(zip(text, wrong), piece)), 'replay-damaged', /CRC/);
      await rejects(read(inPieces(zip(text, { ...wrong, stored: true }), piece)), 'replay-damaged', /CRC/);
      await rejects(read(inPieces(zip(text, { ...wrong, streamed: true }), piece)), 'replay-damaged', /CRC/);
      const unsigned = zip(text, { ...wrong, streamed: true, signed: false });
      await rejects(read(inPieces(unsigned, piece)), 'replay-damaged', /CRC/);
    }
    const gz = gzipSync(text);
    gz[gz.length - 8] ^= 1;
    await rejects(read(inPieces(gz)), 'replay-damaged', /data check/);
    gz[gz.length - 8] ^= 1;
    gz[gz.length - 4] ^= 1;
    await rejects(read(inPieces(gz)), 'replay-damaged', /length check/);
    const zst = Buffer.from(readFileSync(recording('jq-small.bpftrace.txt.zst')));
    zst[zst.length - 1] ^= 1;
    await rejects(read(inPieces(zst)), 'replay-damaged', /checksum/);
  });

  test('zip archives that cannot be read as they stream by', async () => {
    await rejects(read(inPieces(zip(Buffer.from(TEXT), { flags: 1 }))), 'replay-zip', /encrypted/);
    await rejects(read(inPieces(zip(Buffer.from(TEXT), { method: 93 }))), 'replay-zip', /method 93/);
  });

  test('a zstd window of gigabytes', async () => {
    const huge = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    await rejects(read(inPieces(huge)), 'replay-zstd-window', /window of 2147483648 bytes/);
  });

  test('bombs, by their ratio and by their size, before they are unpacked', async () => {
    const packed = bomb(TEXT, 300, '\0');
    await rejects(read(inPieces(packed, 1 << 16)), 'replay-bomb', /500 times/);
    const small = { limits: { textBytes: 1000 } };
    await rejects(read(inPieces(packed, 1 << 16), small), 'replay-too-large', /more than 1000 bytes/);
    // RLE blocks of zstd: 128 KiB of each four bytes.
    const header = (type: number, size: number) => {
      const word = (size << 3) | (type << 1);
      return Buffer.from([word & 0xff, (word >> 8) & 0xff, word >> 16]);
    };
    const blocks = Array(3000).fill(Buffer.concat([header(1, 131_072), Buffer.from('\n')]));
    const begin = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58]), header(0, TEXT.length), Buffer.from(TEXT)];
    const frames = Buffer.concat([...begin, ...blocks]);
    await rejects(read(inPieces(frames, 1 << 16)), 'replay-bomb', /500 times/);
  });

  test('more than is allowed', async () => {
    await rejects(read(inPieces(Buffer.from(TEXT)), { limits: { bytes: 10 } }), 'replay-too-large', /10 bytes/);
    await rejects(read(inPieces(Buffer.from(TEXT)), { limits: { events: 2 } }), 'replay-too-many-events', /2 events/);
    await rejects(read(inPieces(Buffer.from(TEXT)), { limits: { slots: 1 } }), 'replay-too-many-objects', /1 objects/);
  });

  test('an input that fails', async () => {
    const failing = Readable.from(
      (async function* () {
        yield Buffer.from(TEXT);
        throw new Error('the cable');
      })(),
    );
    await expect(read(failing)).rejects.toThrow('the cable');
  });
});

test('a line of 10 MB is dropped, and the rest is read', async () => {
  async function* long() {
    yield Buffer.from('= Start\n+ 0x1000 0x10\n@ ');
    for (let i = 0; i < 160; i++) yield Buffer.alloc(64 * 1024, 'x');
    yield Buffer.from(' + 0x2000 0x20\n+ 0x3000 0x30\n= End\n');
  }
  const { report, events } = await read(long());
  expect(events).toEqual([
    ['alloc', 0, 16],
    ['alloc', 1, 48],
  ]);
  expect(report).toMatchObject({ badLines: 1, lines: 5, truncated: false });
  expect(report.bad[0]).toMatchObject({ at: 3, text: `@ ${'x'.repeat(118)}`, why: 'longer than 65536 bytes' });
});

test('progress, and giving up', async () => {
  const told: number[] = [];
  const stop = new AbortController();
  const reading = read(inPieces(readFileSync(recording('jq-twitter.mtrace.zst')), 4096), {
    signal: stop.signal,
    onProgress: ({ bytes, events }) => {
      told.push(bytes);
      if (events > 10_000) stop.abort(new Error('enough'));
    },
  });
  await expect(reading).rejects.toThrow('enough');
  expect(told.length).toBeGreaterThan(1);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
});
