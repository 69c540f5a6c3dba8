/** `goheap replay` on real recordings and profiles: its outputs, their shapes, and that they are the same twice. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { calibrateMachine, REFERENCE_NS, referenceStream } from '../../../src/replay/cli/calibrate.js';
import { mtrace, replay, replayHere, Scratch } from './run.js';

const EXAMPLES = new URL('../../../examples/', import.meta.url).pathname;
const FIXTURES = new URL('../../fixtures/replay/', import.meta.url).pathname;
const JQ = `${EXAMPLES}jq.mtrace.gz`;
const scratch = new Scratch();
const env = { TMPDIR: scratch.path };
afterAll(() => scratch.remove());

// biome-ignore lint/suspicious/noExplicitAny: documents are looked at by what stands in them.
const json = (text: string): any => JSON.parse(text);

describe('a recording', () => {
  test('makes a report, with nothing but one line on standard error', async () => {
    const { status, out, err } = await replay([JQ, '--gogc', '50,100,200'], { env });
    expect(
      [status, err.match(/^replay: 9 simulations, 1\.01M events in .* s \(.* events\/s\)\n$/) !== null],
      err,
    ).toEqual([0, true]);
    expect(out).toContain('jq.mtrace.gz: mtrace, gzip, 337 KiB');
    expect(out).toMatch(/^ {2}Set: GOGC=\d+$/m);
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
  });

  test('gives the same document to the byte twice', async () => {
    const grid = ['--gogc', '50,200', '--memlimit', 'off,16MiB', '--procs', '1,4', '--to', '20000'];
    const args = [JQ, ...grid, '--variations', '2', '--json'];
    const [a, b] = await Promise.all([replay(args, { env }), replayHere([...args, '--workers', '1'], { env })]);
    expect([a.status, b.status]).toEqual([0, 0]);
    expect(a.out === b.out).toBe(true);
    const document = json(a.out);
    expect(Object.keys(document)).toEqual([
      'version',
      'name',
      'hash',
      'ingest',
      'caveats',
      'variations',
      'cells',
      'advice',
      'limit',
      'overlay',
      'overlayCell',
      'profile',
      'calibration',
      'results',
    ]);
    expect(document.results).toHaveLength(8);
    expect(document.results[0].settings).toMatchObject({ gogc: 50, memoryLimit: null, gomaxprocs: 1 });
    for (const [i, cell] of document.cells.entries()) {
      const [min, max] = cell.ranges.peakRetained;
      const own = document.results[i].headline.peakRetained;
      expect(min <= own && own <= max).toBe(true);
    }
  });

  test('is read from standard input too', async () => {
    const { status, out, err } = await replay(['-', '--gogc', '100', '--variations', '1', '--json'], {
      input: readFileSync(JQ),
      env,
    });
    expect(status, err).toBe(0);
    expect(json(out)).toMatchObject({ name: 'standard input', ingest: { events: 112_709 } });
  });

  test('settings reach the simulation', async () => {
    const file = scratch.file('app.mtrace', mtrace(1000, 5000));
    const one = async (...args: string[]) => {
      const { status, out, err } = await replayHere([file, '--gogc', '100', '--variations', '1', '--json', ...args], {
        env,
      });
      expect(status, err).toBe(0);
      return json(out).results[0];
    };
    const settings = (
      await one(
        '--scan',
        '30%',
        '--frees',
        'immediate',
        '--realloc',
        'fit',
        '--roots',
        'exact',
        '--time',
        '25ns',
        '--from',
        '10',
        '--to',
        '8000',
        '--loops',
        '1',
        '--threads',
        'modulo',
        '--arena',
        '4MiB',
        '--clock',
        'stw',
        '--seed',
        '7',
        '--baseline',
        '1MiB',
        '--reserve',
        '1GiB',
        '--samples',
        'gc:10',
      )
    ).settings;
    expect(settings).toMatchObject({
      scan: 30,
      frees: 'immediate',
      realloc: 'fit',
      rootsTable: 'exact',
      timeBase: { kind: 'nsPerEvent', ns: 25 },
      from: 10,
      to: 8_000,
      threads: 'modulo',
      arenaSize: 4 * 2 ** 20,
      clock: 'stw',
      seed: 7,
      baseline: 2 ** 20,
      reserve: 2 ** 30,
      forcedGCs: 10,
    });
    expect((await one('--to', '500')).headline.events).toBe(500);
    expect((await one('--loops', '3')).headline.events).toBe(3 * 11_000);
    expect((await one('--samples', 'memstats:7')).samples).toHaveLength(7);
    expect((await one('--time', '100MB/s')).headline.seconds).toBeGreaterThan((6_000 * 64) / 100e6);
  });

  test('the smallest limit is found, and was simulated', async () => {
    const file = scratch.file('limit.mtrace', mtrace(5000, 10_000, 1024));
    const { status, out, err } = await replayHere(
      [file, '--gogc', '100', '--under', '10%', '--variations', '1', '--json'],
      { env },
    );
    expect(status, err).toBe(0);
    const { limit } = json(out);
    expect(limit.smallest).not.toBeNull();
    const at = limit.curve.find((p: { limit: number }) => p.limit === limit.smallest);
    expect(at.gcCpu[1]).toBeLessThanOrEqual(0.1);
    // Less is a death spiral.
    expect(limit.curve[0].gcCpu[1]).toBeGreaterThan(0.1);
  });
});

describe('two recordings', () => {
  test('are compared', async () => {
    const a = scratch.file('old.mtrace', mtrace(2000, 20_000));
    const b = scratch.file('new.mtrace', mtrace(2000, 20_000, 128));
    const { status, out, err } = await replayHere([a, b, '--gogc', '100', '--html', scratch.file('two.html')], { env });
    expect(status, err).toBe(0);
    expect(out).toContain('TWO RECORDINGS');
    expect(out).toMatch(/allocated in all +\S+ MiB +\S+ MiB +\+/);
    expect(readFileSync(scratch.file('two.html'), 'utf8')).toContain('old.mtrace and new.mtrace');
    const again = [a, b, '--gogc', '100', '--variations', '1'];
    const { out: document } = await replayHere([...again, '--json'], { env });
    expect(Object.keys(json(document))).toEqual(['version', 'documents', 'comparison']);
    const { out: csv } = await replayHere([...again, '--csv'], { env });
    expect(
      csv
        .trimEnd()
        .split('\n')
        .map((line) => line.split(',')[0]),
    ).toEqual(['recording', 'old.mtrace', 'new.mtrace']);
  });
});

describe('a Go program', () => {
  const profile = `${FIXTURES}pprof/goparser.rate512k.pb.gz`;
  const log = `${FIXTURES}pprof/goparser.gctrace-bench.txt`;

  test('a profile with its gctrace log: reality beside the prediction', async () => {
    const { status, out, err } = await replayHere(
      [profile, '--gctrace', log, '--gogc', '100', '--variations', '1', '--ops', '100', '--max-events', '300000'],
      { env },
    );
    expect(status, err).toBe(0);
    expect(out).toContain('REALITY');
    expect(out).toMatch(/^ {2}cycles +\d+ +34 +[+−]\d/m);
    expect(out.replace(/\s+/g, ' ')).toMatch(/\d+ operations of \S+ [KM]iB and [\d,]+ allocations each/);
  });

  test('two profiles are the ends of an interval', async () => {
    const { status, out, err } = await replayHere([profile, profile, '--gogc', '100', '--json'], { env });
    // Nothing was allocated in between: that is said, not simulated.
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain('the profile has no allocations');
  });

  test('a profile is fetched from a URL', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/debug/pprof/heap') response.end(readFileSync(profile));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const found = await replayHere(
      [
        `${url}/debug/pprof/heap`,
        '--gogc',
        '100',
        '--variations',
        '1',
        '--json',
        '--duration',
        '30s',
        '--max-events',
        '100000',
      ],
      { env },
    );
    const missing = await replayHere([`${url}/heap`, '--gogc', '100'], { env });
    server.close();
    expect(found.status, found.err).toBe(0);
    const document = json(found.out);
    expect(document.profile.seconds).toBe(30);
    expect(document.results[0].settings.timeBase.kind).toBe('bytesPerSecond');
    expect(missing.status).toBe(2);
    expect(missing.err).toBe(`goheap replay: ${url}/heap answers 404 Not Found\n`);
  });

  test('a recording of allocfreetrace beside its log', async () => {
    const trace = `${FIXTURES}go-json-bench.goalloc.txt.zst`;
    const { status, out, err } = await replayHere(
      [
        trace,
        '--gctrace',
        `${FIXTURES}go-json-bench.gogc100.gctrace.txt`,
        '--gogc',
        '100',
        '--variations',
        '1',
        '--csv',
        '--table',
        'cycles',
        '--to',
        '100000',
      ],
      { env },
    );
    expect(status, err).toBe(0);
    const [header, first] = out.split('\n');
    expect(header).toBe(
      'recording,cell,base,gogc,gomemlimit,gomaxprocs,arena_size,number,event,seconds,forced,start,end,marked,goal,trigger,pause,mark,assist',
    );
    expect(first).toMatch(/^go-json-bench\.goalloc\.txt\.zst,GOGC=100,1,100,off,1,67108864,1,/);
  });
});

test('ASCII where the locale is not UTF-8, or when asked for', async () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the range of ASCII.
  const ascii = /^[\x00-\x7f]*$/;
  const file = scratch.file('ascii.mtrace', mtrace(100, 1000));
  const run = async (args: string[], lang: string) =>
    (await replayHere([file, '--gogc', '100,200', ...args], { env: { ...env, LANG: lang } })).out;
  expect(await run([], 'C')).toMatch(ascii);
  expect(await run(['--ascii'], 'C.UTF-8')).toMatch(ascii);
  expect(await run([], 'C.UTF-8')).not.toMatch(ascii);
});

test('the reference loop is the same stream on every machine, and calibration says its factor', () => {
  const [chunk] = referenceStream();
  let hash = 0x811c9dc5;
  for (const word of chunk) hash = Math.imul(hash ^ word, 0x01000193);
  expect(hash >>> 0).toBe(4_181_659_179);
  const { benchmark, factor } = calibrateMachine(1);
  expect(benchmark).toMatch(/^reference loop, \d+\.\d ns per event$/);
  expect(factor * REFERENCE_NS).toBeCloseTo(Number(benchmark.match(/[\d.]+/)?.[0]), 0);
});

test('no temporary file is left behind', () => {
  expect(scratch.names.filter((name) => !/\.(mtrace|html)$/.test(name))).toEqual([]);
});
