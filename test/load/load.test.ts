import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../../src/load/cli.js';
import { newTotals } from '../../src/load/driver.js';
import { Progress } from '../../src/load/progress.js';
import { busiest, bytes, type LoadReport, renderReport, slotBytes, slotBytesByRule } from '../../src/load/report.js';
import { FakeServer } from './fake-server.js';

const examples = join(import.meta.dirname, '../../examples');
const scratch = mkdtempSync(join(tmpdir(), 'goheap-load-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let server: FakeServer;
let out = '';
let err = '';
beforeEach(async () => {
  server = new FakeServer();
  await server.listen();
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.close();
});

function load(...args: string[]): Promise<number> {
  return main(['--url', server.url, ...args]);
}

function trace(name: string, ...lines: string[]): string {
  const path = join(scratch, name);
  writeFileSync(path, ['= Start', ...lines, '= End', ''].join('\n'));
  return path;
}

/** `n` objects allocated, then freed in the same order. */
function plain(n: number): string {
  const lines: string[] = [];
  for (let i = 1; i <= n; i++) lines.push(`+ 0x${(i * 16).toString(16)} 0x${(1 + (i % 200)).toString(16)}`);
  for (let i = 1; i <= n; i++) lines.push(`- 0x${(i * 16).toString(16)}`);
  return trace(`plain-${n}`, ...lines);
}

describe('a whole run', () => {
  test.each([
    { args: ['--connections', '1'], connections: 1 },
    { args: ['--connections', '4'], connections: 4 },
    { args: ['--connections', '7', '--batch', '333', '--reuse', 'immediate', '--scan'], connections: 7 },
    { args: ['--connections', '3', '--format', 'binary'], connections: 3 },
    { args: ['--connections', '5', '--format', 'binary', '--reuse', 'immediate', '--scan'], connections: 5 },
  ])('jq with $args', async ({ args, connections }) => {
    expect(await load('--trace', join(examples, 'jq.mtrace.gz'), '--json', ...args)).toBe(0);
    const report = JSON.parse(out) as LoadReport;
    expect(server.complaints).toEqual([]);
    expect(server.sockets.size).toBe(connections);
    expect(server.largestBatch).toBeLessThanOrEqual(report.run.batch);
    // The one object of no bytes is none to Go; the one realloc is an alloc and a free.
    expect(report.run).toMatchObject({
      allocs: 56_354,
      frees: 56_354,
      operations: 112_708,
      errors: 0,
      skippedFrees: 0,
    });
    expect(report.run.operationsPerSecond).toBeCloseTo(report.run.operations / report.run.seconds);
    expect(report.trace).toMatchObject({ events: 112_709, peakLiveBytes: 7_937_668 });
    expect(report.memory!.peakLiveBytes).toBe(7_937_668);
    expect(report.memory!.internalFragmentation.requestedBytes).toBe(9_133_361);
    expect(report.memory!.internalFragmentation.ratio).toBeGreaterThan(0);
    expect(report.memory!.internalFragmentation.ratio).toBeLessThan(0.5);
    expect(report.memory!.heapInusePeak).toBeGreaterThan(0);
    expect(report.sizeClasses).toHaveLength(10);
    expect(report.check).toMatchObject({ ok: true });
    expect(report.ok).toBe(true);
    // Its own heap is gone.
    expect(report.server.heap).toMatch(/^load-[0-9a-f]{8}$/);
    expect(server.deleted).toEqual([report.server.heap]);
    expect(server.heaps.size).toBe(0);
    expect(new Set(server.ps)).toEqual(connections > 1 ? new Set([0, 1]) : new Set([0]));
    const ops = server.ops.flat();
    expect(new Set(ops.filter((op) => op.op === 'free').map((op) => op.reuse))).toEqual(new Set([report.run.reuse]));
    expect(ops.filter((op) => op.op === 'alloc').every((op) => op.noscan === !report.run.scan)).toBe(true);
    if (report.run.scan) expect(ops.every((op) => op.op === 'free' || op.size! % 8 === 0)).toBe(true);
  });

  test('sqlite3, whose reallocs are an alloc and a free each', async () => {
    expect(await load('--trace', join(examples, 'sqlite3.mtrace.gz'), '--json')).toBe(0);
    const report = JSON.parse(out) as LoadReport;
    expect(server.complaints).toEqual([]);
    expect(report.run).toMatchObject({ allocs: 136_887 + 11_901, frees: 136_887 + 11_901, errors: 0 });
  });

  test('the table', async () => {
    expect(await load('--trace', plain(3000))).toBe(0);
    for (const word of [
      'operations/s',
      'errors',
      'peak live bytes',
      'HeapInuse, peak',
      'internal fragm.',
      'external',
    ]) {
      expect(out).toContain(word);
    }
    expect(out).toMatch(/errors +0\n/);
    expect(out).toMatch(/operations +6,000 \(3,000 allocs, 3,000 frees\)/);
    expect(out).toMatch(/check: ok\nresult: ok\n$/);
  });

  test('--loops, with objects that the program never freed', async () => {
    const file = trace('leaky', '+ 0x10 0x20', '+ 0x20 0x20', '- 0x10', '+ 0x30 0', '+ 0x40 0x9000');
    expect(await load('--trace', file, '--loops', '3', '--json', '--connections', '2')).toBe(0);
    const report = JSON.parse(out) as LoadReport;
    expect(report.run).toMatchObject({ loops: 3, allocs: 9, errors: 0 });
    expect(report.trace).toMatchObject({ liveObjects: 3 });
    expect(server.complaints).toEqual([]);
  });

  test('--heap uses a heap that exists, leaves it, and leaves nothing in it', async () => {
    const before = await fetch(`${server.url}/v1/heaps/mine`, { method: 'PUT' });
    expect(before.status).toBe(201);
    const file = trace('leaky2', '+ 0x10 0x20', '+ 0x20 0x20', '- 0x10');
    expect(await load('--trace', file, '--heap', 'mine')).toBe(0);
    expect(server.deleted).toEqual([]);
    expect(server.heaps.get('mine')).toMatchObject({ mallocs: 2, frees: 2, alloc: 0, sweeps: 1 });
  });

  test('--keep leaves the heap as the program left it', async () => {
    const file = trace('leaky3', '+ 0x10 0x20', '+ 0x20 0x20', '- 0x10');
    expect(await load('--trace', file, '--keep')).toBe(0);
    expect(server.deleted).toEqual([]);
    expect([...server.heaps.values()][0].live.size).toBe(1);
  });

  test.each([
    ['valgrind', 'jq-twitter.valgrind-trace-malloc.txt.zst', 29_414],
    ['heaptrack', 'jq-twitter.heaptrack.zst', 29_415],
    ['mtrace, in zstd', 'jq-twitter.mtrace.zst', 29_413],
  ])('any format: %s', async (_, file, allocs) => {
    const path = join(import.meta.dirname, '../fixtures/replay', file);
    expect(await load('--trace', path, '--json')).toBe(0);
    const report = JSON.parse(out) as LoadReport;
    expect(server.complaints).toEqual([]);
    expect(report.run).toMatchObject({ allocs, frees: allocs, errors: 0, skippedFrees: 0 });
    expect(report.trace.pairing).toBe(file.includes('heaptrack') ? 'approximate' : 'exact');
  });

  test('batches of one operation', async () => {
    expect(await load('--trace', plain(40), '--batch', '1', '--connections', '3')).toBe(0);
    expect(server.complaints).toEqual([]);
    expect(server.largestBatch).toBe(1);
  });

  test('a trace that was cut off is driven to its end and noted', async () => {
    const packed = readFileSync(join(examples, 'jq.mtrace.gz'));
    const path = join(scratch, 'half');
    writeFileSync(path, packed.subarray(0, packed.length >> 1));
    expect(await load('--trace', path)).toBe(0);
    expect(out).toContain('it was cut off');
    expect(server.complaints).toEqual([]);
  });

  test('as a program, with the trace on standard input', () => {
    const built = join(import.meta.dirname, '../../dist/src/load/cli.js');
    const code = `import(${JSON.stringify(built)}).then(async (m) => process.exit(await m.main(process.argv.slice(1))))`;
    const input = gzipSync(readFileSync(plain(10)));
    const result = spawnSync(process.execPath, ['-e', code, '--', '--trace', '-', '--url', 'http://127.0.0.1:9'], {
      input,
    });
    expect(result.stderr.toString()).toContain('no server answers');
    expect(result.status).toBe(1);
  });
});

describe('failures', () => {
  test('operations that fail are counted by code, and their objects are never freed', async () => {
    server.faults = { alloc: (size) => (size === 100 ? 'out-of-memory' : undefined) };
    expect(await load('--trace', plain(3000), '--json')).toBe(1);
    const report = JSON.parse(out) as LoadReport;
    expect(report.run.errorsByCode).toEqual({ 'out-of-memory': 15 });
    expect(report.run).toMatchObject({ errors: 15, skippedFrees: 15, allocs: 2985, frees: 2985 });
    expect(report.ok).toBe(false);
    expect(server.deleted).toHaveLength(1);
  });

  test('the same in the binary format, whose statuses become the same codes', async () => {
    server.faults = { alloc: (size) => (size === 100 ? 'reservation-exhausted' : undefined) };
    expect(await load('--trace', plain(3000), '--json', '--format', 'binary', '--batch', '5000')).toBe(1);
    const report = JSON.parse(out) as LoadReport;
    expect(report.run.errorsByCode).toEqual({ 'reservation-exhausted': 15 });
    expect(report.run).toMatchObject({ errors: 15, skippedFrees: 15, allocs: 2985, frees: 2985 });
  });

  test('a batch answered 503 is lost, the run goes on', async () => {
    server.faults = { batch: (n) => (n === 1 ? { status: 503, code: 'm-died' } : undefined) };
    expect(await load('--trace', plain(3000), '--json', '--connections', '1')).toBe(1);
    const report = JSON.parse(out) as LoadReport;
    expect(report.run.errorsByCode).toEqual({ 'm-died': 1000 });
    expect(report.run).toMatchObject({ allocs: 2000, frees: 2000, skippedFrees: 1000 });
  });

  test('429 is waited out', async () => {
    server.faults = { batch: (n) => (n < 2 ? { status: 429, code: 'rate-limited', retryAfter: 0 } : undefined) };
    expect(await load('--trace', plain(100))).toBe(0);
    expect(server.complaints).toEqual([]);
  });

  test('a server that only fails is given up', async () => {
    server.faults = { batch: () => ({ status: 500, code: 'internal' }) };
    expect(await load('--trace', plain(30_000), '--batch', '100')).toBe(1);
    expect(server.batches).toBeLessThan(30);
    expect(out).toMatch(/stopped +500 internal/);
    expect(out).toContain('result: FAILED');
    expect(server.deleted).toHaveLength(1);
  });

  test('a server that refuses the batches is given up at once', async () => {
    server.faults = { batch: () => ({ status: 413, code: 'body-too-large' }) };
    expect(await load('--trace', plain(3000))).toBe(1);
    expect(out).toContain('body-too-large');
    expect(server.batches).toBeLessThanOrEqual(4);
  });

  test.each(['hang up', 'garbage'] as const)('a server that answers with a %s', async (fault) => {
    server.faults = { batch: (n) => (n === 2 ? fault : undefined) };
    expect(await load('--trace', plain(3000))).toBe(1);
    expect(out).toMatch(/stopped/);
    expect(server.deleted).toHaveLength(1);
  });

  test('a check that fails fails the run', async () => {
    server.faults = { checkFails: true };
    expect(await load('--trace', plain(10))).toBe(1);
    expect(out).toContain('check: FAILED');
  });

  test('no server', async () => {
    expect(await main(['--trace', plain(10), '--url', 'http://127.0.0.1:9'])).toBe(1);
    expect(err).toContain('no server answers');
  });

  test('no such heap', async () => {
    expect(await load('--trace', plain(10), '--heap', 'nobody')).toBe(1);
    expect(err).toContain('is there a heap named nobody');
  });

  test('the token', async () => {
    server.faults = { token: 'secret' };
    expect(await load('--trace', plain(10))).toBe(1);
    expect(err).toContain('--token');
    expect(await load('--trace', plain(10), '--token', 'secret')).toBe(0);
  });

  test('an interrupt ends the run with a report and without a heap', async () => {
    server.faults = {
      batch: (n) => {
        if (n === 3) process.emit('SIGINT');
        return undefined;
      },
    };
    expect(await load('--trace', join(examples, 'sqlite3.mtrace.gz'))).toBe(1);
    expect(out).toMatch(/stopped +interrupted/);
    expect(server.deleted).toHaveLength(1);
  });
});

describe('bad usage', () => {
  test.each([
    [[]],
    [['--trace']],
    [['--trace', 'x', '--connections', '0']],
    [['--trace', 'x', '--connections', '1.5']],
    [['--trace', 'x', '--batch', '-1']],
    [['--trace', 'x', '--batch', 'many']],
    [['--trace', 'x', '--format', 'xml']],
    [['--trace', 'x', '--reuse', 'never']],
    [['--trace', 'x', '--loops', '1e3']],
    [['--trace', '-', '--loops', '2']],
    [['--trace', 'x', '--url', 'nonsense']],
    [['--trace', 'x', '--url', 'ftp://host/']],
    [['--trace', 'x', '--frobnicate']],
    [['x']],
  ])('%j', async (args) => {
    expect(await main(args)).toBe(2);
    expect(err).toContain('Usage: goheap load');
  });

  test('--help', async () => {
    expect(await main(['--help'])).toBe(0);
    expect(out).toContain('--trace FILE');
  });

  test.each([
    ['missing', undefined, /no such file/],
    ['empty', '', /empty/],
    ['noise', Buffer.alloc(5000, 0xee), /not a recording of any known format/],
    ['nothing', '= Start\n= End\n', /no allocations/],
  ])('a trace that is %s', async (name, content, message) => {
    const path = join(scratch, `bad-${name}`);
    if (content !== undefined) writeFileSync(path, content);
    expect(await load('--trace', path)).toBe(2);
    expect(err).toMatch(message);
    expect(server.heaps.size).toBe(0);
  });

  test('a gzip that is damaged in the middle', async () => {
    const packed = Buffer.from(readFileSync(join(examples, 'jq.mtrace.gz')));
    packed.fill(0xff, 200_000, 200_100);
    const path = join(scratch, 'damaged');
    writeFileSync(path, packed);
    expect(await load('--trace', path)).toBe(2);
    expect(err).toContain('damaged gzip');
    expect(server.heaps.size).toBe(0);
  });
});

describe('the parts', () => {
  test('progress: a line every two seconds, or a bar on a terminal', () => {
    vi.useFakeTimers();
    const state = { fraction: 0.5, operations: 1_000_000, errors: 0 };
    const log = new PassThrough();
    const lines = new Progress(log, () => state);
    vi.advanceTimersByTime(4100);
    lines.stop();
    const text = String(log.read());
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toMatch(/^load: 50% {2}1,000,000 ops/);

    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 100 });
    const bar = new Progress(terminal, () => state);
    vi.advanceTimersByTime(250);
    bar.stop();
    expect(String(terminal.read())).toMatch(/^\r 50% \[#+\.+\] 1,000,000 ops {2}[\d,]+\/s {2}\d+ s left/);
    vi.useRealTimers();
  });

  test('the busiest classes, by what was asked for, beside the slots that the heap counted', () => {
    const totals = newTotals();
    totals.allocs = 200;
    totals.allocsBySize = new Map([
      [0, 10],
      [7, 60],
      [16, 20],
      [33, 100],
      [40_000, 10],
    ]);
    const classes = (tiny: number, other: number) => [
      { size: 8, mallocs: 0 },
      { size: 16, mallocs: tiny },
      { size: 48, mallocs: other },
      { size: 32_768, mallocs: 0 },
    ];
    expect(busiest(totals, false, classes(5, 5), classes(45, 105))).toEqual([
      { size: 48, allocs: 100, share: 0.5, slots: 100 },
      { size: 16, allocs: 80, share: 0.4, slots: 40 },
    ]);
    expect(busiest(totals, true, classes(5, 5), classes(45, 105))[1]).toMatchObject({ size: 8, allocs: 60 });
    expect(slotBytesByRule(totals, false)).toBe(80 * 16 + 100 * 48 + 10 * 40_960);
  });

  test.each([
    [0, false, 0],
    [1, false, 16],
    [1, true, 8],
    [512, true, 512],
    [513, true, 576],
    [1024, false, 1024],
    [1024, true, 1152],
    [32_760, false, 32_768],
    [32_768, false, 32_768],
    [32_769, false, 40_960],
  ])('an object of %i bytes (scan: %s) takes %i', (size, scan, want) => {
    expect(slotBytes(size, scan)).toBe(want);
  });

  test('bytes', () => {
    expect([0, 1023, 1024, 8_388_608, 5 * 2 ** 30].map(bytes)).toEqual([
      '0 B',
      '1023 B',
      '1.00 KiB',
      '8.00 MiB',
      '5.00 GiB',
    ]);
  });

  test('a report without figures still renders', async () => {
    server.faults = { batch: () => ({ status: 413, code: 'body-too-large' }) };
    await load('--trace', plain(10), '--json');
    const report = JSON.parse(out) as LoadReport;
    delete report.memory;
    delete report.check;
    expect(renderReport(report)).toContain('result: FAILED');
  });
});
