import { describe, expect, test } from 'vitest';
import type { IngestReport } from '../../../src/replay/events.js';
import { MAX_LINE } from '../../../src/replay/readers/reader.js';
import { type Event, readLines, readText } from './support.js';

const whole = (lines: string[]) => ['= Start', ...lines, '= End'];

const cases: { name: string; lines: string[]; events: Event[]; report?: Partial<IngestReport> }[] = [
  {
    name: 'malloc and free, with and without a location',
    lines: ['@ a.out:(main+1d)[0x1149] + 0x1000 0x10', '+ 0x2000 0x20', '@ [0x1150] - 0x1000', '- 0x2000'],
    events: [
      ['alloc', 0, 16],
      ['alloc', 1, 32],
      ['free', 0],
      ['free', 1],
    ],
  },
  {
    name: 'a location with spaces, and with text that looks like an event',
    lines: ['@ /opt/my app/bin + 0x1 0x2/run:(a b+c)[0x1] + 0x1000 0x10', '@ /opt/a - 0x1000:(f)[0x2] - 0x1000'],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
    ],
  },
  {
    name: 'realloc in two lines keeps the slot, moved or not',
    lines: ['+ 0x1000 0x10', '< 0x1000', '> 0x3000 0x40', '< 0x3000', '> 0x3000 0x80', '- 0x3000'],
    events: [
      ['alloc', 0, 16],
      ['realloc', 0, 64],
      ['realloc', 0, 128],
      ['free', 0],
    ],
    report: { events: 4, reallocs: 2, movedReallocs: 1, totalBytes: 208, peakLiveBytes: 192, peakLiveAtEvent: 2 },
  },
  {
    name: 'realloc onto an address that another object has',
    lines: ['+ 0x1000 0x10', '+ 0x2000 0x20', '< 0x1000', '> 0x2000 0x30', '- 0x2000'],
    events: [
      ['alloc', 0, 16],
      ['alloc', 1, 32],
      ['free', 1],
      ['realloc', 0, 48],
      ['free', 0],
    ],
    report: { implicitFrees: 1, liveObjects: 0, liveBytes: 0 },
  },
  {
    name: 'realloc of an unknown address is a malloc',
    lines: ['< 0x9000', '> 0x1000 0x10', '- 0x1000'],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
    ],
    report: { reallocs: 1, unknownReallocs: 1, mallocs: 0 },
  },
  {
    name: 'a realloc without its second line, and one without its first',
    lines: ['+ 0x1000 0x10', '< 0x1000', '- 0x1000', '> 0x2000 0x20'],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
      ['alloc', 0, 32],
    ],
    report: { badLines: 1, unknownReallocs: 1, liveObjects: 1 },
  },
  {
    name: 'a failed realloc changes nothing, whatever its size',
    lines: ['+ 0x1000 0x10', '! 0x1000 0x7fffffffffff0000', '- 0x1000'],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
    ],
    report: { failedReallocs: 1, events: 2, badLines: 0 },
  },
  {
    name: '+ on a live address frees the old object first',
    lines: ['+ 0x1000 0x10', '+ 0x1000 0x20', '- 0x1000'],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
      ['alloc', 0, 32],
      ['free', 0],
    ],
    report: { implicitFrees: 1, slots: 1, events: 3, streamed: 4, frees: 1 },
  },
  {
    name: 'frees of unknown addresses, and a second free, are skipped and counted',
    lines: ['- 0x5000', '+ 0x1000 0x10', '- 0x1000', '- 0x1000'],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
    ],
    report: { events: 2, frees: 1, unknownFrees: 2 },
  },
  {
    name: 'an object of no bytes, written 0 or 0x0, has a slot and no record',
    lines: ['+ 0x1000 0', '+ 0x2000 0x0', '+ 0x3000 0x8', '- 0x1000', '< 0x2000', '> 0x2000 0x18'],
    events: [
      ['skip', 2],
      ['alloc', 2, 8],
      ['skip', 1],
      ['alloc', 1, 24],
    ],
    report: { zeroSizes: 2, slots: 3, events: 5, streamed: 2, unknownFrees: 0, peakLiveObjects: 3, liveObjects: 2 },
  },
  {
    name: 'a failed allocation puts nothing anywhere',
    lines: ['+ (nil) 0xffffffffffff0000', '+ 0x1000 0x10'],
    events: [['alloc', 0, 16]],
    report: { nilAllocs: 1, events: 1 },
  },
  {
    name: 'freed slots come back, the newest first, and so do addresses',
    lines: [
      '+ 0x1000 0x1',
      '+ 0x2000 0x2',
      '- 0x2000',
      '- 0x1000',
      '+ 0x2000 0x3',
      '+ 0x4000 0x4',
      '- 0x2000',
      '+ 0x2000 0x5',
    ],
    events: [
      ['alloc', 0, 1],
      ['alloc', 1, 2],
      ['free', 1],
      ['free', 0],
      ['alloc', 0, 3],
      ['alloc', 1, 4],
      ['free', 0],
      ['alloc', 0, 5],
    ],
    report: { slots: 2, reusedAddresses: 1 },
  },
  {
    name: 'sizes of 4 GiB and more',
    lines: ['+ 0x1000 0xffffffff', '+ 0x2000 0x123456789a', '+ 0x3000 0x1fffffffffffff'],
    events: [
      ['alloc', 0, 0xffffffff],
      ['alloc', 1, 0x123456789a],
      ['alloc', 2, 2 ** 53 - 1],
    ],
    report: { maxSize: 2 ** 53 - 1 },
  },
  {
    name: 'CRLF, trailing blanks, empty lines',
    lines: ['+ 0x1000 0x10\r', '', '- 0x1000  '],
    events: [
      ['alloc', 0, 16],
      ['free', 0],
    ],
    report: { badLines: 0, lines: 5 },
  },
  {
    name: 'addresses above 2^53, in one half and in both',
    lines: ['+ 0xb400007bdbbff0f1 0x1', '+ 0xb400007bdbbff0f0 0x2', '+ 0xb500007bdbbff0f1 0x3', '- 0xb400007bdbbff0f1'],
    events: [
      ['alloc', 0, 1],
      ['alloc', 1, 2],
      ['alloc', 2, 3],
      ['free', 0],
    ],
  },
];

describe('the grammar', () => {
  test.each(cases)('$name', async ({ lines, events, report }) => {
    const reading = await readLines(whole(lines));
    expect(reading.events).toEqual(events);
    expect(reading.report).toMatchObject({ format: 'mtrace', truncated: false, ...report });
    expect(await readLines(whole(lines), 1)).toEqual(reading);
  });

  test('lines that are no event, each told with its number', async () => {
    const bad = [
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
      '+0x1 0x1',
    ];
    const { report, events } = await readLines(whole(['+ 0x1000 0x10', ...bad]));
    expect(events).toEqual([['alloc', 0, 16]]);
    expect(report.badLines).toBe(bad.length);
    expect(report.bad).toHaveLength(10);
    expect(report.bad[0]).toMatchObject({ at: 3, unit: 'line', text: 'hello + 0x1 0x2' });
    expect(report.bad.map(({ text }) => text)).toEqual(bad.slice(0, 10));
  });

  test('a size that cannot be', async () => {
    const reading = readLines(whole(['+ 0x1000 0x10', '+ 0x2000 0x20000000000000']));
    await expect(reading).rejects.toMatchObject({ code: 'replay-size', message: expect.stringMatching(/^line 3: /) });
  });
});

describe('where it ends', () => {
  test('no end marker, as of a program that never calls muntrace', async () => {
    const { report } = await readText('= Start\n+ 0x1000 0x10\n');
    expect(report).toMatchObject({ truncated: false, badLines: 0, events: 1 });
    expect(report.cannotTell.join(' ')).toContain('no "= End"');
  });

  test('an end marker without its newline', async () => {
    expect((await readText('= Start\n+ 0x1000 0x10\n= End')).report).toMatchObject({ truncated: false, lines: 3 });
  });

  test('a line that was cut off is not believed', async () => {
    const { report, events } = await readText('= Start\n+ 0x1000 0x10\n+ 0x2000 0x2');
    expect(events).toEqual([['alloc', 0, 16]]);
    expect(report).toMatchObject({ truncated: true, badLines: 0, lines: 3 });
  });

  test('a recording without its start', async () => {
    expect((await readText('+ 0x1000 0x10\n= End\n')).report).toMatchObject({ truncated: false, events: 1 });
  });
});

test.each([
  ['just fits', MAX_LINE, 0],
  ['is one byte too long', MAX_LINE + 1, 1],
])('a line that %s', async (_, length, overlong) => {
  const tail = '/a:(f)[0x1] + 0x2000 0x20';
  const line = `@ ${'/'.repeat(length - tail.length - 2)}${tail}`;
  for (const piece of [0, 1000, 65_537]) {
    const { report } = await readLines(whole(['+ 0x1000 0x10', line]), piece);
    expect(report).toMatchObject({ badLines: overlong, events: 2 - overlong, lines: 4 });
    if (overlong) expect(report.bad[0]).toMatchObject({ at: 3, text: line.slice(0, 120) });
  }
});
