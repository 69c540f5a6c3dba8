/**
 * Child processes for the benchmarks: a goheap server, its bare counterpart, whatever else has to
 * run beside. Each side of a comparison is a process of its own on a port of its own, and every one
 * of them is ended with this process.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** `dist/bench`. */
export const HERE = import.meta.dirname;
/** The repository, whether this runs compiled or from its sources. */
export const ROOT = HERE.endsWith(join('dist', 'bench')) ? join(HERE, '../..') : join(HERE, '..');

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Milliseconds for a child to be ready, which only one that hangs does not keep. */
const READY_MS = 110_000;

/**
 * Waits until a URL is answered by a 2xx.
 *
 * @returns false where the child ended before that, as it does where another process was faster to take its port
 */
export async function ready(url: string, child: ChildProcess): Promise<boolean> {
  const began = performance.now();
  while (child.exitCode === null && child.signalCode === null) {
    if ((await fetch(url).catch(() => undefined))?.ok) return true;
    if (performance.now() - began > READY_MS) throw new Error(`no answer from ${url} within ${READY_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

export function start(command: string, args: string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
  children.add(child);
  child.once('exit', () => children.delete(child));
  child.once('error', () => children.delete(child));
  return child;
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

/** Runs a script of `dist/bench` to its end and answers with the JSON that it prints. */
export function runScript<T>(script: string, argument: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = start(process.execPath, [join(HERE, script), JSON.stringify(argument)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout!.on('data', (chunk) => {
      text += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text) as T);
      else reject(new Error(`${script} ended with ${code}`));
    });
  });
}

export interface Running {
  url: string;
  port: number;
  child: ChildProcess;
}

/** A server of this repository: the settings that both sides of a comparison share are in here. */
export async function startServer(script: string, args: string[] = []): Promise<Running> {
  const port = await freePort();
  const child = start(process.execPath, [join(HERE, script), ...args], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'warn', NODE_ENV: 'production' },
  });
  const url = `http://127.0.0.1:${port}`;
  if (!(await ready(`${url}/readyz`, child))) throw new Error(`${script} ended with ${child.exitCode}`);
  return { url, port, child };
}

export function startGoheap(): Promise<Running> {
  return startServer('../src/cli.js', ['serve']);
}

export async function request(url: string, method: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(url, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 300)}`);
  return text === '' ? {} : JSON.parse(text);
}

/** Whether a program can be run, found by asking for its version. */
export function available(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).error === undefined;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** `--name value` from the command line. */
export function option(name: string, byDefault: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? byDefault : Number(process.argv[at + 1]);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a positive number`);
  return value;
}

export function number(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export function verdict(ratio: number, target: number, atLeast: boolean): string {
  const met = atLeast ? ratio >= target : ratio <= target;
  return `${ratio.toFixed(2)} (target ${atLeast ? '>=' : '<='} ${target}: ${met ? 'met' : 'MISSED'})`;
}
