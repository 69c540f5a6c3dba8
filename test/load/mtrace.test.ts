import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { MAX_LINE, MtraceReader } from '../../src/load/mtrace.js';
import { FREE, type IngestReport } from '../../src/load/slots.js';
import { inflate, openTrace, TraceError } from '../../src/load/source.js';

const examples = join(import.meta.dirname, '../../examples');
const scratch = mkdtempSync(join(tmpdir(), 'goheap-load-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Reading = { records: [slot: number, size: number][]; report: IngestReport };

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<Reading> {
  const reader = new MtraceReader();
  const records: [number, number][] = [];
  for await (const block of reader.read(chunks)) {
    for (let i = 0; i < block.length; i++) records.push([block.slots[i], block.sizes[i]]);
  }
  return { records, report: reader.report };
}

function readText(text: string, piece = 1 << 20): Promise<Reading> {
  return read(inPieces(Buffer.from(text), piece));
}

const whole = (...lines: string[]) => ['= Start', ...lines, '= End', ''].join('\n');

describe('the examples', () => {
  // The figures were counted by another program when the recordings were replayed on real Go.
  test.each([
    {
      file: 'jq.mtrace.gz',
      figures: { lines: 112_712, events: 112_709, mallocs: 56_354, frees: 56_354, reallocs: 1, zeroSizes: 1 },
      sums: { totalBytes: 9_133_361, peakLiveBytes: 7_937_668, slots: 48_035, liveBytes: 0, liveObjects: 0 },
    },
    {
      file: 'sqlite3.mtrace.gz',
      figures: { lines: 297_578, events: 285_675, mallocs: 136_887, frees: 136_887, reallocs: 11_901, zeroSizes: 0 },
      sums: { totalBytes: 46_410_967, peakLiveBytes: 2_435_731, slots: 15_276, liveBytes: 0, liveObjects: 0 },
    },
  ])('$file', async ({ file, figures, sums }) => {
    const { records, report } = await read(openTrace(join(examples, file)).chunks);
    expect(report).toMatchObject({ ...figures, ...sums, started: true, ended: true });
    expect(report).toMatchObject({ nilAllocs: 0, unknownFrees: 0, unknownReallocs: 0, implicitFrees: 0, badLines: 0 });
    expect(records).toHaveLength(report.events);
  });

  test('the records of a slot alternate, and never more objects live than there are slots', async () => {
    const { records, report } = await read(openTrace(join(examples, 'sqlite3.mtrace.gz')).chunks);
    const live = new Map<number, number>();
    let peak = 0;
    let bytes = 0;
    let highest = 0;
    for (const [slot, size] of records) {
      highest = Math.max(highest, slot);
      if (size === FREE) {
        expect(live.delete(slot)).toBe(true);
      } else {
        live.set(slot, size);
        bytes += size;
      }
      if (live.size > peak) peak = live.size;
    }
    expect(peak).toBe(report.slots);
    expect(highest).toBe(report.slots - 1);
    expect(bytes).toBe(report.totalBytes);
    expect(live.size).toBe(0);
  });

  test('plain text reads the same as gzip, whatever its name', async () => {
    const packed = readFileSync(join(examples, 'jq.mtrace.gz'));
    const path = join(scratch, 'plain.gz');
    writeFileSync(path, gunzipSync(packed));
    const plain = await read(openTrace(path).chunks);
    const gzip = await read(openTrace(join(examples, 'jq.mtrace.gz')).chunks);
    expect(plain).toEqual(gzip);
  });

  test('the pieces in which the bytes arrive do not matter', async () => {
    const text = gunzipSync(readFileSync(join(examples, 'jq.mtrace.gz'))).subarray(0, 20_000);
    const want = await read(inPieces(text, text.length));
    for (const size of [1, 2, 3, 17, 78, 4096]) expect(await read(inPieces(text, size))).toEqual(want);
  });
});

describe('the grammar', () => {
  const cases: { name: string; lines: string[]; records: [number, number][]; report?: Partial<IngestReport> }[] = [
    {
      name: 'malloc and free, with and without a location',
      lines: ['@ a.out:(main+1d)[0x1149] + 0x1000 0x10', '+ 0x2000 0x20', '@ [0x1150] - 0x1000', '- 0x2000'],
      records: [
        [0, 16],
        [1, 32],
        [0, FREE],
        [1, FREE],
      ],
    },
    {
      name: 'a location with spaces, and with text that looks like an event',
      lines: ['@ /opt/my app/bin + 0x1 0x2/run:(a b+c)[0x1] + 0x1000 0x10', '@ /opt/a - 0x1000:(f)[0x2] - 0x1000'],
      records: [
        [0, 16],
        [0, FREE],
      ],
    },
    {
      name: 'realloc in two lines keeps the slot, moved or not',
      lines: ['+ 0x1000 0x10', '< 0x1000', '> 0x3000 0x40', '< 0x3000', '> 0x3000 0x80', '- 0x3000'],
      records: [
        [0, 16],
        [0, 64],
        [0, 128],
        [0, FREE],
      ],
      report: { events: 4, reallocs: 2, totalBytes: 208, peakLiveBytes: 192 },
    },
    {
      name: 'realloc onto an address that another object has',
      lines: ['+ 0x1000 0x10', '+ 0x2000 0x20', '< 0x1000', '> 0x2000 0x30', '- 0x2000'],
      records: [
        [0, 16],
        [1, 32],
        [1, FREE],
        [0, 48],
        [0, FREE],
      ],
      report: { implicitFrees: 1, liveObjects: 0 },
    },
    {
      name: 'realloc of an unknown address is a malloc',
      lines: ['< 0x9000', '> 0x1000 0x10', '- 0x1000'],
      records: [
        [0, 16],
        [0, FREE],
      ],
      report: { reallocs: 1, unknownReallocs: 1 },
    },
    {
      name: 'a realloc without its second line, and one without its first',
      lines: ['+ 0x1000 0x10', '< 0x1000', '- 0x1000', '> 0x2000 0x20'],
      records: [
        [0, 16],
        [0, FREE],
        [0, 32],
      ],
      report: { badLines: 1, unknownReallocs: 1, liveObjects: 1 },
    },
    {
      name: 'a failed realloc changes nothing',
      lines: ['+ 0x1000 0x10', '! 0x1000 0x7fffffffffff0000', '! 0x1000 0x7fffffff0000', '- 0x1000'],
      records: [
        [0, 16],
        [0, FREE],
      ],
      // A size beyond 2^53 cannot be one.
      report: { failedReallocs: 1, badLines: 1 },
    },
    {
      name: '+ on a live address frees the old object first',
      lines: ['+ 0x1000 0x10', '+ 0x1000 0x20', '- 0x1000'],
      records: [
        [0, 16],
        [0, FREE],
        [0, 32],
        [0, FREE],
      ],
      report: { implicitFrees: 1, slots: 1 },
    },
    {
      name: 'a free of an unknown address is skipped and counted',
      lines: ['- 0x5000', '+ 0x1000 0x10'],
      records: [[0, 16]],
      report: { events: 2, frees: 1, unknownFrees: 1, liveBytes: 16, liveObjects: 1 },
    },
    {
      name: 'size zero, written 0 or 0x0',
      lines: ['+ 0x1000 0', '+ 0x2000 0x0', '- 0x1000'],
      records: [
        [0, 0],
        [1, 0],
        [0, FREE],
      ],
      report: { zeroSizes: 2, slots: 2 },
    },
    {
      name: 'a failed allocation puts nothing anywhere',
      lines: ['+ (nil) 0xffffffffffff0000', '+ 0x1000 0x10'],
      records: [[0, 16]],
      report: { nilAllocs: 1, events: 2 },
    },
    {
      name: 'freed slots come back, the oldest first',
      lines: ['+ 0x1000 0x1', '+ 0x2000 0x2', '- 0x2000', '- 0x1000', '+ 0x3000 0x3', '+ 0x4000 0x4', '+ 0x5000 0x5'],
      records: [
        [0, 1],
        [1, 2],
        [1, FREE],
        [0, FREE],
        [1, 3],
        [0, 4],
        [2, 5],
      ],
      report: { slots: 3 },
    },
    {
      name: 'CRLF, trailing blanks, empty lines',
      lines: ['+ 0x1000 0x10\r', '', '- 0x1000  '],
      records: [
        [0, 16],
        [0, FREE],
      ],
      report: { badLines: 0 },
    },
    {
      name: 'lines that are no event',
      lines: [
        'hello + 0x1 0x2',
        '+ 0x1000',
        '+ 0x1000 16',
        '+ 1000 0x10',
        '+ 0xzz 0x10',
        '- (nope)',
        '* 0x1 0x2',
        '= Middle',
        '@',
        '@ + 0x1 0x1 0x1',
        '+ 0x12345678901234567 0x1',
        '+ 0x1000 0x10',
      ],
      records: [[0, 16]],
      report: { badLines: 11, events: 1 },
    },
  ];

  test.each(cases)('$name', async ({ lines, records, report }) => {
    const reading = await readText(whole(...lines));
    expect(reading.records).toEqual(records);
    expect(reading.report).toMatchObject({ ended: true, ...report });
    expect(await readText(whole(...lines), 1)).toEqual(reading);
  });

  test('user addresses above 2^53 are kept apart', async () => {
    const reading = await readText(whole('+ 0xfffffffffffff0 0x1', '+ 0xffffffffffffe0 0x2', '- 0xfffffffffffff0'));
    expect(reading.records).toEqual([
      [0, 1],
      [1, 2],
      [0, FREE],
    ]);
  });
});

describe('bad input', () => {
  test('empty', async () => {
    await expect(readText('')).rejects.toThrow(/empty/);
    const path = join(scratch, 'empty');
    writeFileSync(path, '');
    await expect(read(openTrace(path).chunks)).rejects.toThrow(TraceError);
    await expect(read(inflate(inPieces(gzipSync(''), 100), 'x'))).rejects.toThrow(/empty/);
  });

  test('a start and an end with nothing between', async () => {
    await expect(readText(whole())).rejects.toThrow(/no events/);
  });

  test('missing file, directory', () => {
    expect(() => openTrace(join(scratch, 'missing'))).toThrow(/no such file/);
    expect(() => openTrace(scratch)).toThrow(/directory/);
  });

  test('binary garbage, short and endless', async () => {
    const noise = new Uint8Array(1 << 18).map((_, i) => (i * 2_654_435_761) >>> 24);
    await expect(read(inPieces(noise.subarray(0, 5000), 512))).rejects.toThrow(/not an mtrace recording/);
    let given = 0;
    async function* endless() {
      for (;;) {
        given++;
        yield noise;
      }
    }
    await expect(read(endless())).rejects.toThrow(/not an mtrace recording/);
    expect(given).toBeLessThan(10);
  });

  test('one byte, and half a gzip magic', async () => {
    await expect(read(inPieces(Buffer.from([0x1f]), 1))).rejects.toThrow(TraceError);
    await expect(read(inflate(inPieces(Buffer.from([0x1f]), 1), 'x'))).rejects.toThrow(TraceError);
  });

  test('a file cut off in the middle of a line loses only that line', async () => {
    const text = whole('+ 0x1000 0x10', '+ 0x2000 0x200');
    const reading = await readText(text.slice(0, text.indexOf('0x200\n') + 3));
    expect(reading.records).toEqual([[0, 16]]);
    expect(reading.report).toMatchObject({ ended: false, badLines: 1 });
  });

  test('a missing end marker, and one without its newline', async () => {
    expect((await readText('= Start\n+ 0x1000 0x10\n')).report).toMatchObject({ ended: false, badLines: 0, events: 1 });
    expect((await readText('= Start\n+ 0x1000 0x10\n= End')).report).toMatchObject({ ended: true, badLines: 0 });
  });

  test('a recording without its start', async () => {
    expect((await readText('+ 0x1000 0x10\n= End\n')).report).toMatchObject({ started: false, events: 1 });
  });

  test('a truncated gzip yields all that can be decoded, and is marked', async () => {
    const packed = readFileSync(join(examples, 'jq.mtrace.gz'));
    const { report } = await read(inflate(inPieces(packed.subarray(0, packed.length >> 1), 10_000), 'half'));
    expect(report.ended).toBe(false);
    expect(report.events).toBeGreaterThan(40_000);
    expect(report.events).toBeLessThan(80_000);
    expect(report.badLines).toBeLessThanOrEqual(1);
  });

  test('a damaged gzip is refused', async () => {
    const packed = Buffer.from(readFileSync(join(examples, 'jq.mtrace.gz')));
    packed.fill(0xff, 100_000, 100_200);
    await expect(read(inflate(inPieces(packed, 65_536), 'bad'))).rejects.toThrow(/damaged gzip/);
  });

  test('a line of 10 MB is dropped, in bounded memory, and the rest is read', async () => {
    async function* long() {
      yield Buffer.from('= Start\n+ 0x1000 0x10\n@ ');
      for (let i = 0; i < 160; i++) yield Buffer.alloc(64 * 1024, 'x');
      yield Buffer.from(' + 0x2000 0x20\n+ 0x3000 0x30\n= End\n');
    }
    global.gc?.();
    const before = process.memoryUsage().rss;
    const { records, report } = await read(long());
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
    expect(records).toEqual([
      [0, 16],
      [1, 48],
    ]);
    expect(report).toMatchObject({ overlongLines: 1, badLines: 1, ended: true });
  });

  test.each([
    ['just fits', MAX_LINE, 0],
    ['is one byte too long', MAX_LINE + 1, 1],
  ])('a line that %s', async (_, length, overlong) => {
    const tail = '/a:(f)[0x1] + 0x2000 0x20';
    const line = `@ ${'/'.repeat(length - tail.length - 2)}${tail}`;
    for (const piece of [1 << 20, 1000]) {
      const { report } = await readText(whole('+ 0x1000 0x10', line), piece);
      expect(report).toMatchObject({ overlongLines: overlong, events: 2 - overlong });
    }
  });

  test('an error of the file itself comes through', async () => {
    const source = inflate(createReadStream(join(scratch, 'gone')), 'gone');
    await expect(read(source)).rejects.toThrow(/no such file/);
  });

  test('a reader that stops early leaves nothing open', async () => {
    const source = openTrace(join(examples, 'sqlite3.mtrace.gz'));
    for await (const _ of new MtraceReader().read(source.chunks)) break;
    expect(source.bytesRead()).toBeLessThan(source.totalBytes);
  });
});
