/** The command line, as a process: what it prints and how it exits. Runs what `npm run build` has made. */

import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { VARIABLES } from '../../src/server/config.js';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;

/** Those of a test that failed go on otherwise. Tests run at once, so only the last may end them. */
const children: ChildProcess[] = [];

interface Ended {
  status: number | null;
  out: string;
  err: string;
}

function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ...env } });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  let closed = false;
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (status) => {
      closed = true;
      resolve({ status, out, err });
    });
  });
  const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(out);
      if (match !== null) return match;
      if (closed) throw new Error(`ended without ${pattern}: ${out}${err}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, ended, until };
}

afterAll(() => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
});

const goheap = (args: string[], env?: Record<string, string>) => start(args, env).ended;

describe.concurrent('goheap', () => {
  it('--version', async () => {
    expect(await goheap(['--version'])).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^goheap \d+\.\d+\.\d+ \(go1\.27\)\n$/),
    });
  });

  it('--help lists the commands and every variable', async () => {
    const { status, out } = await goheap(['--help']);
    expect(status).toBe(0);
    for (const word of ['serve', 'load', 'openapi', ...Object.values(VARIABLES).map(({ env }) => env)]) {
      expect(out).toMatch(new RegExp(`^ {2}${word} `, 'm'));
    }
  });

  it.each([[[]], [['dance']], [['toString']], [['serve', 'now']], [['openapi', 'x']]])(
    '%j is status 2',
    async (args) => {
      const { status, out, err } = await goheap(args);
      expect([status, out]).toEqual([2, '']);
      expect(err).toMatch(/^goheap.*\n$/);
    },
  );

  it('openapi prints the document', async () => {
    const { status, out } = await goheap(['openapi'], { GOGC: 'nonsense is of no interest here' });
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ openapi: '3.1.0', info: { title: 'goheap' } });
  });
});

describe.concurrent('goheap serve', () => {
  // What ends, ends by itself, and not because its time is over.
  const small = { PORT: '0', GOMAXPROCS: '1', GOHEAP_RESERVE: '64MiB', SHUTDOWN_GRACE: '1h' };

  it.each([
    ['GOGC', 'fast'],
    ['GOMEMLIMIT', '1GB'],
    ['PORT', '-1'],
    ['GOHEAP_RESERVE', '1'],
  ])('%s=%s is status 2 and one line', async (name, value) => {
    const { status, out, err } = await goheap(['serve'], { ...small, [name]: value });
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(new RegExp(`^goheap: ${name} is "?${value}.*must be .*\\n$`));
  });

  it('logs its configuration without the token, serves, and ends in order on SIGTERM', async () => {
    const { child, ended, until } = start(['serve'], { ...small, AUTH_TOKEN: 'hunter2', GOGC: '42' });
    const [, url] = await until(/listening on (http:[^"]+)/);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect((await fetch(`${url}/v1/heaps`)).status).toBe(401);
    const authorization = 'Bearer hunter2';
    const heap = await fetch(`${url}/v1/heaps/default`, { headers: { authorization } });
    expect(await heap.json()).toMatchObject({ settings: { gogc: 42, gomaxprocs: 1, reserve: '64MiB' } });
    child.kill('SIGTERM');
    const { status, out, err } = await ended;
    expect([status, err]).toEqual([0, '']);
    expect(out).not.toContain('hunter2');
    const log = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(log[0]).toMatchObject({ msg: 'starting', config: { GOGC: '42', AUTH_TOKEN: '[redacted]' } });
    expect(log.at(-1), out).toMatchObject({ msg: 'bye' });
  });

  it('warns when everyone can reach it', async () => {
    const { child, ended, until } = start(['serve'], { ...small, HOST: '0.0.0.0' });
    await until(/"level":40.*without AUTH_TOKEN/);
    await until(/listening on http/);
    child.kill('SIGINT');
    expect((await ended).status).toBe(0);
  });

  it('a port that is taken is status 1 and one line', async () => {
    const first = start(['serve'], small);
    const [, port] = await first.until(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
    const { status, err } = await goheap(['serve'], { ...small, PORT: port });
    expect([status, err]).toEqual([1, expect.stringMatching(/^goheap: cannot start: .*EADDRINUSE.*\n$/)]);
    first.child.kill('SIGTERM');
    await first.ended;
  });
});
