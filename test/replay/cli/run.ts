/**
 * `goheap replay` as a process, of what `npm run build` has made, or as a call of what that process
 * calls; and small recordings.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { called, type Ended } from '../../helper/command.js';

const CLI = new URL('../../../dist/src/cli.js', import.meta.url).pathname;

/** Runs it in a directory for temporary files of its own, and says what was left there. */
export function replay(
  args: readonly string[],
  options: { input?: Uint8Array; env?: Record<string, string> } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, 'replay', ...args], {
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...options.env },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input);
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
}

/** The same in this process: one at a time. */
export function replayHere(args: readonly string[], options: { env?: Record<string, string> } = {}): Promise<Ended> {
  const locale = { LANG: 'C.UTF-8', LC_ALL: undefined, LC_CTYPE: undefined };
  return called(['replay', ...args], { ...locale, ...options.env });
}

export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'goheap-replay-test-'));

  file(name: string, content?: string | Uint8Array): string {
    const path = join(this.path, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  }

  get names(): string[] {
    return readdirSync(this.path).sort();
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** mtrace of a program that keeps `live` objects of `size` bytes and replaces them `turns` times. */
export function mtrace(live: number, turns: number, size = 64): string {
  const lines = ['= Start'];
  const address = (i: number): string => `0x${(0x5500_0000 + i * 4096).toString(16)}`;
  for (let i = 0; i < live; i++) lines.push(`@ ./app:[0x1] + ${address(i)} 0x${size.toString(16)}`);
  for (let t = 0; t < turns; t++) {
    const i = (t * 7919) % live;
    lines.push(`@ ./app:[0x1] - ${address(i)}`, `@ ./app:[0x1] + ${address(i)} 0x${size.toString(16)}`);
  }
  lines.push('= End', '');
  return lines.join('\n');
}
