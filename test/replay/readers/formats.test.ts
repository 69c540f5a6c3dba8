/** The grammars of the formats other than mtrace, on lines as their tools print them. */
import { describe, expect, test } from 'vitest';
import { Kind } from '../../../src/replay/events.js';
import { kindOfType } from '../../../src/replay/readers/gotypes.js';
import { type Event, readFile, readLines, readText, recording } from './support.js';

const TWO: Event[] = [
  ['alloc', 0, 24],
  ['free', 0],
];

describe('AOSP', () => {
  test('all operations, with threads', async () => {
    const { report, events } = await readLines([
      '202: malloc 0xb4827400 24',
      '202: calloc 0xb4827500 4 256',
      '203: realloc 0xb4829000 0xb4827400 2048',
      '203: memalign 0xb482a000 16 100',
      '203: free 0xb4827500',
      '202: free 0x0',
      '203: realloc 0xb482b000 0x0 7',
      '203: realloc 0x0 0xb482b000 0',
      '203: realloc 0x0 0xb482a000 99999',
      '202: thread_done 0x0',
    ]);
    expect(events).toEqual([
      ['alloc', 0, 24],
      ['alloc', 1, 1024],
      ['thread', 1],
      ['realloc', 0, 2048],
      ['alloc', 2, 100],
      ['free', 1],
      ['alloc', 1, 7],
      ['free', 1],
    ]);
    expect(report).toMatchObject({ format: 'aosp', threads: 2, threadSwitches: 1, crossThreadFrees: 1 });
    expect(report).toMatchObject({
      mallocs: 4,
      frees: 2,
      reallocs: 1,
      failedReallocs: 1,
      badLines: 0,
      durationNs: null,
    });
  });

  test('times, of an epoch that a double cannot hold, do not step back', async () => {
    const { report, events } = await readLines([
      '1: malloc 0x10 24 1795416083368341389 1795416083368341400',
      '2: malloc 0x20 8 1795416083368341380 1795416083368341500',
      '1: free 0x10 1795416088368341391 1795416088368341392',
      '2: free 0x20 1795416088368341391 1795416088368341401',
    ]);
    expect(events).toEqual([
      ['alloc', 0, 24],
      ['thread', 1],
      ['alloc', 1, 8],
      ['thread', 0],
      ['time', 5_000_000_002],
      ['free', 0],
      ['thread', 1],
      ['free', 1],
      ['time', 10],
    ]);
    expect(report.durationNs).toBe(5_000_000_012);
  });

  test('comments tell what has pointers, times may stand before them', async () => {
    const { report, events } = await readLines([
      '# gc',
      '1: malloc 0x10 24 # 24 -',
      '1: malloc 0x20 24 7 8 # 24 *runtime.g',
      '1: malloc 0x30 24 # 24 runtime.m',
      '1: free 0x10 # 24',
    ]);
    expect(events).toEqual([
      ['noscan', 0, 24],
      ['scan', 1, 24],
      ['alloc', 2, 24],
      ['free', 0],
      ['time', 1],
    ]);
    expect(report).toMatchObject({ format: 'goalloc', badLines: 0 });
  });

  test('bpftrace', async () => {
    const { report, events } = await readLines([
      'Attaching 4 probes...',
      '7: malloc 0x10 24',
      '7: free 0x10',
      'Lost 33 events',
      '',
    ]);
    expect(events).toEqual(TWO);
    expect(report).toMatchObject({ format: 'bpftrace', badLines: 0 });
    expect(report.cannotTell.join(' ')).toContain('lost 33 events');
  });

  test('bad lines', async () => {
    const bad = [
      '1: malloc 0x10',
      '1: malloc 16 24',
      '1: mallox 0x10 24',
      '1 malloc 0x10 24',
      '1: malloc 0x10 24 7',
      '1: free',
      'x',
    ];
    const { report } = await readLines(['1: malloc 0x10 24', ...bad]);
    expect(report).toMatchObject({ badLines: bad.length, events: 1 });
  });

  test('a product that cannot be', async () => {
    const reading = readLines(['1: malloc 0x10 24', '1: calloc 0x20 4294967296 4294967296']);
    await expect(reading).rejects.toMatchObject({ code: 'replay-size', message: expect.stringMatching(/^line 2: /) });
  });

  test.each([
    ['int', Kind.allocNoscan],
    ['uint8', Kind.allocNoscan],
    ['[19]uint8', Kind.allocNoscan],
    ['[0]string', Kind.allocNoscan],
    ['string', Kind.allocScan],
    ['[]uint32', Kind.allocScan],
    ['*json.All', Kind.allocScan],
    ['map[string]int', Kind.allocScan],
    ['[1]interface {}', Kind.allocScan],
    ['struct { F uintptr; wg *sync.WaitGroup }', Kind.allocScan],
    ['struct { F uintptr; n struct { a int; b bool } }', Kind.allocNoscan],
    ['struct { F uintptr; t json.T }', Kind.alloc],
    ['struct { f func(int) (string, error); n json.T }', Kind.allocScan],
    ['json.codeNode', Kind.alloc],
    ['map.bucket[string]int', Kind.alloc],
  ])('type %s', (name, kind) => {
    expect(kindOfType(name)).toBe(kind);
  });
});

describe('valgrind', () => {
  test('all operations, amid other text', async () => {
    const { report, events } = await readLines([
      '==5== Memcheck, a memory error detector',
      '--5-- malloc(24) = 0x4A2A040',
      'the program prints malloc(7) = 0x1',
      '--5-- REDIR: 0x4c9b0e0 (libc.so.6:malloc) redirected to 0x48407b4 (malloc)',
      '--5-- free(0x4A2A040)',
      '--5-- calloc(4,313) = 0x4C09090',
      '--5-- realloc(0x4C09090,64) = 0x4C0AAA0',
      '--5-- realloc(0x0,8)malloc(8) = 0x4C0A750',
      '--5-- realloc(0x4C0A750,0)free(0x4C0A750)',
      '--5--  = 0x0',
      '--5-- memalign(al 16, size 65) = 0x4C0B040',
      '--5-- _Znwm(30) = 0x4C0B0A0',
      '--5-- _ZnamSt11align_val_t(size 31, al 64) = 0x4C0B0C0',
      '--5-- _ZdlPv(0x4C0B0A0)',
      '--5-- _ZdaPvm(0x4C0B0C0)',
      '--5-- malloc_usable_size(0x4C0B040) = 65',
      '--5-- free(0x0)',
      '--6-- malloc(99) = 0x4C0F000',
    ]);
    expect(events).toEqual([
      ...TWO,
      ['alloc', 0, 1252],
      ['realloc', 0, 64],
      ['alloc', 1, 8],
      ['free', 1],
      ['alloc', 1, 65],
      ['alloc', 2, 30],
      ['alloc', 3, 31],
      ['free', 2],
      ['free', 3],
    ]);
    expect(report).toMatchObject({ format: 'valgrind', badLines: 0, reallocs: 1, mallocs: 6, frees: 4 });
    expect(report.cannotTell.join(' ')).toContain('Only process 5');
  });

  test('bad lines', async () => {
    const bad = [
      '--5-- malloc(24)',
      '--5-- malloc(24',
      '--5-- calloc(4) = 0x10',
      '--5-- free()',
      '--5-- malloc() = 0x10',
    ];
    const { report } = await readLines(['--5-- malloc(24) = 0x20', ...bad]);
    expect(report).toMatchObject({ badLines: bad.length, events: 1 });
  });
});

describe('heaptrack', () => {
  const head = [
    'v 10400 3',
    'X prog',
    'I 1000 5e298f',
    's 4 main',
    'i 7fb 1',
    't 1 0',
    'a 18 1',
    'a 100000001 1',
    'a 0 1',
  ];

  test.each([1, 2, 3])('version %i; the newest object of an info is freed first', async (version) => {
    const { report, events } = await readLines([
      `v 10400 ${version}`,
      ...head.slice(1),
      '+ 0',
      '+ 0',
      'c 1f',
      '+ 1',
      '- 0',
      '- 0',
      '- 0',
      '+ 2',
      '- 2',
      'c 20',
      '# strings: 74',
    ]);
    expect(events).toEqual([
      ['alloc', 0, 24],
      ['alloc', 1, 24],
      ['alloc', 2, 0x100000001],
      ['free', 1],
      ['free', 0],
      ['skip', 2],
      ['time', 1e6],
    ]);
    expect(report).toMatchObject({ formatVersion: String(version), unknownFrees: 1, zeroSizes: 1, durationNs: 1e6 });
    expect(report).toMatchObject({ pairing: 'approximate', badLines: 0, mallocs: 4, frees: 3 });
  });

  test('bad lines', async () => {
    const bad = ['+ 9', '- zz', '+', 'a', 'a 10', 'c', 'q 1'];
    const { report } = await readLines([...head, '+ 0', ...bad]);
    expect(report).toMatchObject({ badLines: bad.length, events: 1 });
  });

  test('what cannot be read', async () => {
    await expect(readLines(['v 10400 4', 'a 1 1', '+ 0'])).rejects.toMatchObject({ code: 'replay-heaptrack-version' });
    await expect(readLines(['v 10400 3', 'x /bin/prog', '+ 18 1 7f00'])).rejects.toMatchObject({
      code: 'replay-heaptrack-raw',
      message: expect.stringContaining('heaptrack --interpret'),
    });
  });
});

describe('ltrace', () => {
  test('a real recording', async () => {
    const { report } = await readFile(recording('jq-small.ltrace.txt.zst'));
    expect(report).toMatchObject({ format: 'ltrace', badLines: 0, mallocs: 27_553, reallocs: 2, truncated: false });
  });

  test('libraries, threads, calls that are interrupted, times', async () => {
    const { report, events } = await readLines([
      '698 1795416083.000001 libjq.so.1->malloc(24) = 0x5560',
      '698 1795416083.000003 libjq.so.1->free(0x5560) = <void>',
      '698 1795416083.000003 malloc(8 <unfinished ...>',
      '699 1795416083.000004 calloc(2, 8) = 0x6000',
      '698 1795416083.000005 <... malloc resumed> )  = 0x5560',
      '699 1795416083.000006 realloc(0x6000, 99 <unfinished ...>',
      '699 1795416083.000006 <... realloc resumed> ) = 0x7000',
      '699 1795416083.000006 malloc(18446744073709551615) = nil',
      '698 1795416083.000006 --- SIGCHLD (Child exited) ---',
      '698 +++ exited (status 0) +++',
    ]);
    expect(events).toEqual([
      ['alloc', 0, 24],
      ['time', 2000],
      ['free', 0],
      ['thread', 1],
      ['time', 1000],
      ['alloc', 0, 16],
      ['thread', 0],
      ['time', 1000],
      ['alloc', 1, 8],
      ['thread', 1],
      ['time', 1000],
      ['realloc', 0, 99],
    ]);
    expect(report).toMatchObject({ format: 'ltrace', badLines: 0, nilAllocs: 1, threads: 2 });
  });

  test('without threads, with clock times and relative ones', async () => {
    const lines = [
      'malloc(24) = 0x5560',
      '12:00:01.5 free(0x5560) = <void>',
      '0.000012 malloc(24) = 0x5560',
      'p->_Znwm(0x18, 1, 2) = 0x70',
    ];
    const { report, events } = await readLines(lines);
    expect(events).toEqual([...TWO, ['alloc', 0, 24], ['alloc', 1, 24]]);
    expect(report.badLines).toBe(0);
  });
});

test('LTTng', async () => {
  const event = (ns: string, tid: number, text: string) =>
    `[1795416083.${ns}] vm lttng_ust_libc:${text.replace('{', `{ cpu_id = 0 }, { vtid = ${tid} }, {`)}`;
  const { report, events } = await readLines([
    event('368341389', 26032, 'malloc: { size = 24, ptr = 0x55B0 }'),
    event('368341390', 26032, 'free: { ptr = 0x55B0 }'),
    event('368341391', 26033, 'calloc: { nmemb = 4, size = 313, ptr = 0x55B0 }'),
    event('368341391', 26033, 'realloc: { in_ptr = 0x55B0, size = 64, ptr = 0x56C0 }'),
    event('368341391', 26033, 'posix_memalign: { out_ptr = 0x57C0, alignment = 16, size = 65, result = 0 }'),
    event('368341391', 26033, 'posix_memalign: { out_ptr = 0x0, alignment = 16, size = 65, result = 12 }'),
    event('368341391', 26033, 'memalign: { alignment = 16, size = 66, ptr = 0x58C0 }'),
    event('368341391', 26033, 'malloc: { ptr = 0x58C0 }'),
  ]);
  expect(events).toEqual([
    ['alloc', 0, 24],
    ['time', 1],
    ['free', 0],
    ['thread', 1],
    ['time', 1],
    ['alloc', 0, 1252],
    ['realloc', 0, 64],
    ['alloc', 1, 65],
    ['alloc', 2, 66],
  ]);
  expect(report).toMatchObject({ format: 'lttng', badLines: 1, nilAllocs: 1, threads: 2, durationNs: 2 });
});

describe('CS:APP', () => {
  const head = ['20000', '2', '5', '1'];

  test('all operations; the header tells when the file is whole, with or without its last newline', async () => {
    const lines = [...head, 'a 0 512', 'a 1 128', 'r 0 640', 'f 1', 'f 0'];
    const reading = await readLines(lines);
    expect(reading.events).toEqual([
      ['alloc', 0, 512],
      ['alloc', 1, 128],
      ['realloc', 0, 640],
      ['free', 1],
      ['free', 0],
    ]);
    expect(reading.report).toMatchObject({ format: 'cs-app', truncated: false, badLines: 0, movedReallocs: 0 });
    const text = lines.join('\n');
    const whole = { ...reading.report, bytes: text.length, textBytes: text.length };
    expect((await readText(text)).report).toEqual(whole);
    expect((await readLines(lines.slice(0, -1))).report.truncated).toBe(true);
  });

  test('bad lines', async () => {
    const bad = ['a 2', 'a x 1', 'f 0 1', 'b 0 1', 'a 1 12 9'];
    expect((await readLines([...head, 'a 0 512', ...bad])).report).toMatchObject({ badLines: bad.length, events: 1 });
  });
});
