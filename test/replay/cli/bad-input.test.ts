/**
 * Input of every bad kind, through the command line: one clear line and exit status 2 where it cannot be used, a report that says what was tolerated
 * where it can, and nothing left behind.
 */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { bomb } from '../zip.js';
import { mtrace, replay, replayHere, Scratch } from './run.js';

const scratch = new Scratch();
const temporary = join(scratch.path, 'tmp');
mkdirSync(temporary);
const env = { TMPDIR: temporary };
afterEach(() => {
  expect(readdirSync(temporary)).toEqual([]);
});
afterAll(() => scratch.remove());

const good = scratch.file('good.mtrace', mtrace(500, 5000));
const FEW = ['--gogc', '100,200', '--variations', '1'];

/** Runs, and expects one line and status 2. */
async function refused(args: string[], message: RegExp, how = replayHere): Promise<void> {
  const { status, out, err } = await how(args, { env });
  expect(err).toMatch(message);
  expect(err.trimEnd().split('\n'), err).toHaveLength(1);
  expect(err).toMatch(/^goheap replay: /);
  expect([status, out]).toEqual([2, '']);
}

describe('a recording that cannot be used', () => {
  const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 2654435761) >>> 24));
  const packed = gzipSync(mtrace(500, 5000));
  const cases: [string, string | Uint8Array, RegExp][] = [
    ['empty', '', /empty\.bad: the recording is empty/],
    ['binary', noise, /binary\.bad: not a recording of any known format: it is binary; known are /],
    [
      'prose',
      'Dear Sir or Madam,\nplease find enclosed.\n'.repeat(50),
      /prose\.bad: not a recording of any known format: it begins with "Dear Sir/,
    ],
    ['nothing', '= Start\n= End\n', /nothing\.bad: the recording .*has no allocations/],
    [
      'damaged',
      Buffer.concat([packed.subarray(0, 3000), noise.subarray(0, 500), packed.subarray(3500)]),
      /damaged\.bad: .*(damaged|gzip|data|block|code|distance)/,
    ],
  ];
  test.each(cases)('%s', async (name, content, message) => {
    await refused([scratch.file(`${name}.bad`, content), ...FEW], message);
  });

  test('says so as a process, too', async () => {
    const [[name, content, message]] = cases;
    await refused([scratch.file(`${name}.bad`, content), ...FEW], message, replay);
  });

  test('missing, a directory, unreadable words', async () => {
    await refused([join(scratch.path, 'no-such-file'), ...FEW], /no-such-file: no such file/);
    await refused([scratch.path, ...FEW], /is a directory/);
  });

  test('a gzip bomb ends at a bound', async () => {
    // A thousand to one, of more than the 256 MiB from which on the ratio counts.
    const file = scratch.file('bomb.gz', bomb(mtrace(100, 100), 400, '\0'));
    await refused([file, ...FEW], /bomb\.gz: .*(ratio|times|bomb|unpack|expands)/);
  });

  test('--time recorded of a format without times, --from behind the end', async () => {
    await refused([good, ...FEW, '--time', 'recorded'], /--time recorded: good\.mtrace \(mtrace\) has no times/);
    await refused([good, ...FEW, '--from', '1000000'], /--from 1000000 is past the recording's end/);
  });

  test('logs that are none', async () => {
    await refused([good, ...FEW, '--gctrace', good], /good\.mtrace: no gctrace line/);
    await refused([good, ...FEW, '--memstats', good], /good\.mtrace: no MemStats/);
    await refused([good, ...FEW, '--gctrace', join(scratch.path, 'none.log')], /none\.log: no such file/);
  });

  test('URLs that answer nothing', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await refused([`http://127.0.0.1:${port}/debug/pprof/heap`, ...FEW], /\/debug\/pprof\/heap: ECONNREFUSED/);
  });
});

describe('what can be tolerated is, and is told', () => {
  const report = async (name: string, content: string | Uint8Array, ...args: string[]): Promise<string> => {
    const { status, out, err } = await replayHere([scratch.file(name, content), ...FEW, ...args], { env });
    expect(status, err).toBe(0);
    return out.replace(/\s+/g, ' ');
  };

  test('cut off in the middle', async () => {
    const packed = gzipSync(mtrace(500, 5000));
    expect(await report('cut.gz', packed.subarray(0, packed.length / 2))).toContain(
      'cut off in the middle: it counts up to there',
    );
  });

  test('double frees, frees of unknown addresses, a malloc at a live address, a realloc of null', async () => {
    const text = [
      '= Start',
      '@ [0x1] + 0x1000 0x20',
      '@ [0x1] - 0x1000',
      '@ [0x1] - 0x1000',
      '@ [0x1] - 0x9990',
      '@ [0x1] + 0x2000 0x20',
      '@ [0x1] + 0x2000 0x40',
      '@ [0x1] < (nil)',
      '@ [0x1] > 0x3000 0x30',
      '= End',
      '',
    ].join('\n');
    const out = await report('misuse.mtrace', text);
    expect(out).toContain('2 frees of unknown addresses (double frees among them)');
    expect(out).toContain('1 mallocs at addresses still in use');
  });

  test('a line of 10 MB', async () => {
    const lines = mtrace(500, 5000).split('\n');
    lines.splice(1000, 0, 'x'.repeat(10_000_000));
    const out = await report('long.mtrace', lines.join('\n'));
    expect(out).toMatch(/Tolerated: 1 bad lines/);
    expect(out).toContain('line 1,001: ');
  });

  test('objects that do not fit the address space', async () => {
    const text = `= Start\n${Array.from({ length: 40 }, (_, i) => `@ [0x1] + 0x${(i + 1).toString(16)}000 0x4000000`).join('\n')}\n= End\n`;
    const out = await report('huge.mtrace', text, '--reserve', '1GiB');
    expect(out).toContain('! The heap was full at event 1');
    expect(out).toContain('of 67,108,864 bytes did not fit 1 GiB of address space');
    expect(out).toContain('No setting can be recommended');
  });
});

describe('a command line that cannot be meant', () => {
  const cases: [string[], RegExp][] = [
    [[], /no recording is named/],
    [[good, good, good], /at most two recordings/],
    [['-', '-'], /standard input can be read once/],
    [[good, '--gogc', '50,many'], /--gogc "50,many": has to be off, or a whole number/],
    [[good, '--gogc', ''], /--gogc "": has to be off/],
    [[good, '--memlimit', '512MB'], /--memlimit "512MB": has to be a number of bytes, or digits followed by/],
    [[good, '--procs', '0'], /--procs "0": has to be a whole number from 1 to 1024/],
    [[good, '--arena', '8MiB'], /--arena "8MiB": has to be 64MiB or 4MiB/],
    [[good, '--base', 'gogc=75'], /--base names settings that are not in the grid/],
    [[good, '--base', 'speed=9'], /--base "speed=9": has only gogc, memlimit, procs and arena/],
    [[good, '--clock', 'fast'], /--clock "fast": has to be one of stw, concurrent/],
    [[good, '--scan', '130%'], /--scan "130%": has to be recorded, none, all, or per cent/],
    [[good, '--time', '0MB/s'], /--time "0MB\/s": has to be costs, recorded/],
    [[good, '--under', '80%'], /--under "80%": has to be per cent of the CPU, more than 0 and at most 50/],
    [[good, '--from', '10', '--to', '10'], /--to has to be more than --from/],
    [[good, '--samples', '10'], /--samples "10": has to be gc:N or memstats:N/],
    [[good, '--focus', '('], /--focus "\(": /],
    [[good, '--json', '--csv'], /--json and --csv exclude each other/],
    [[good, '--table', 'grid'], /--table belongs to --csv/],
    [[good, '--csv', '--table', 'cake'], /--table "cake": has to be one of grid, timeline/],
    [[good, '--gogc', Array.from({ length: 1001 }, (_, i) => i).join(',')], /the grid has 1001 settings/],
    [[good, '--reserve', '100MiB'], /--reserve "100MiB": has to be a multiple of 64MiB/],
    [[good, '--nonsense'], /nonsense/],
  ];
  test.each(cases)('%#: %j', async (args, message) => {
    await refused(args, message);
  });

  test('is refused by the process, too', async () => {
    await refused([], /no recording is named/, replay);
  });

  test('--help is no error', async () => {
    const { status, out, err } = await replay(['--help'], { env });
    expect([status, err]).toEqual([0, '']);
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
  });
});

describe('output that cannot be written', () => {
  test('is told before anything is simulated', async () => {
    await refused(
      [good, ...FEW, '--html', join(scratch.path, 'no', 'such', 'r.html')],
      /r\.html cannot be written: no such directory/,
    );
    await refused([good, ...FEW, '--html', scratch.path], /cannot be written: it is a directory/);
  });

  test.skipIf(!existsSync('/dev/full'))('a full disk', async () => {
    await refused([good, ...FEW, '--html', '/dev/full'], /\/dev\/full cannot be written: the disk is full/);
    const child = spawnSync(
      'sh',
      [
        '-c',
        `"$0" "$@" > /dev/full`,
        process.execPath,
        join(import.meta.dirname, '../../../dist/src/cli.js'),
        'replay',
        good,
        ...FEW,
      ],
      { encoding: 'utf8', env: { ...process.env, ...env } },
    );
    expect(child.stderr).toMatch(/standard output cannot be written: the disk is full/);
    expect(child.status).toBe(2);
  });

  test('a page that was there stays when the recording is bad', async () => {
    const page = scratch.file('kept.html', 'before');
    const before = scratch.names;
    await refused([scratch.file('empty.bad', ''), ...FEW, '--html', page], /the recording is empty/);
    expect(readFileSync(page, 'utf8')).toBe('before');
    expect(scratch.names).toEqual(before);
  });

  test('a reader that has had enough is no failure', async () => {
    const child = spawnSync(
      'sh',
      [
        '-c',
        `"$0" "$@" --json | head -c 10; exit $?`,
        process.execPath,
        join(import.meta.dirname, '../../../dist/src/cli.js'),
        'replay',
        good,
        ...FEW,
      ],
      { encoding: 'utf8', env: { ...process.env, ...env } },
    );
    expect(child.stdout).toHaveLength(10);
    expect(child.stderr).not.toMatch(/EPIPE|Error/);
  });
});

test('an interrupt ends one whose standard input stalls', async () => {
  const cli = join(import.meta.dirname, '../../../dist/src/cli.js');
  const child = spawn(process.execPath, [cli, 'replay', '-', '--html', scratch.file('s.html')], {
    env: { PATH: process.env.PATH, ...env },
  });
  child.stdin.on('error', () => {}).write('= Start\n');
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await expect.poll(() => scratch.names.some((name) => name.startsWith('s.html'))).toBe(true);
  child.kill('SIGINT');
  expect(await ended).toBe(1);
});

test('an interrupt ends it with status 1, and leaves nothing', async () => {
  const file = scratch.file('long.mtrace', mtrace(1000, 10_000));
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '../../../dist/src/cli.js'),
      'replay',
      file,
      // Hours of work.
      '--loops',
      '1000000',
      '--html',
      scratch.file('i.html'),
    ],
    { env: { PATH: process.env.PATH, ...env } },
  );
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  // Its page is begun: it is at work.
  await expect.poll(() => scratch.names.some((name) => name.startsWith('i.html'))).toBe(true);
  child.kill('SIGINT');
  expect(await ended).toBe(1);
  expect(err).toBe('goheap replay: interrupted\n');
  expect(scratch.names.filter((name) => name.startsWith('i.html'))).toEqual([]);
});

const root = process.getuid?.() === 0;
if (!root) console.warn('Spooling to a full disk is not tested: mounting a small one takes root.');

describe.skipIf(!root)('a recording that spools to a disk', () => {
  test('says that the disk is full', async (t) => {
    const small = join(scratch.path, 'small');
    mkdirSync(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]);
    if (mounted.status !== 0) t.skip('nothing can be mounted here');
    try {
      // 61,000 events: 477 KiB of records.
      const file = scratch.file('spool.mtrace', mtrace(1000, 30_000));
      const { status, err, out } = await replay([file, ...FEW, '--memory', '0'], { env: { TMPDIR: small } });
      expect(err).toMatch(/^goheap replay: .*its temporary file cannot be written: the disk is full\n$/);
      expect([status, out]).toEqual([2, '']);
      expect(readdirSync(small)).toEqual([]);
      // With room it goes well.
      const well = await replayHere([file, ...FEW, '--memory', '0', '--json'], { env });
      expect(well.status, well.err).toBe(0);
      writeFileSync(join(small, 'room'), 'the space was given back');
    } finally {
      spawnSync('umount', [small]);
    }
  });
});
