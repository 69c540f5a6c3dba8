/** A real server, as a process, for the tests that compare it with Go over HTTP. Runs what `npm run build` has made. */

import { type ChildProcess, spawn } from 'node:child_process';
import { expect } from 'vitest';
import { BATCH_TYPE } from '../../src/server/batch/binary.js';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;

export class Server {
  private readonly child: ChildProcess;
  private readonly url: string;
  private readonly text: { err: string };

  private constructor(child: ChildProcess, url: string, text: { err: string }) {
    this.child = child;
    this.url = url;
    this.text = text;
  }

  static async start(env: Record<string, string>): Promise<Server> {
    const child = spawn(process.execPath, [CLI, 'serve'], { env: { PATH: process.env.PATH, PORT: '0', ...env } });
    const text = { err: '' };
    let out = '';
    child.stderr.setEncoding('utf8').on('data', (piece) => {
      text.err += piece;
    });
    const url = await new Promise<string>((resolve, reject) => {
      child.on('exit', () => reject(new Error(`the server ended: ${out}${text.err}`)));
      child.stdout.setEncoding('utf8').on('data', (piece) => {
        out += piece;
        const match = /listening on (http:[^"]+)/.exec(out);
        if (match !== null) resolve(match[1]);
      });
    });
    return new Server(child, url, text);
  }

  /** What it wrote to standard error so far. */
  get stderr(): string {
    return this.text.err;
  }

  /** A request about the heap `default`, or another; its answer must be JSON and a success. */
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
  async json(method: string, path: string, body?: object, heap = 'default'): Promise<any> {
    const headers = body === undefined ? undefined : { 'content-type': 'application/json' };
    const answer = await fetch(`${this.url}/v1/heaps/${heap}${path}`, { method, headers, body: JSON.stringify(body) });
    const value = await answer.json();
    expect(answer.ok, JSON.stringify(value)).toBe(true);
    return value;
  }

  /** A binary batch, pinned to P 0; its results as pairs of int32 (sched/ops.ts). */
  async batch(records: Int32Array, heap = 'default'): Promise<Int32Array> {
    const answer = await fetch(`${this.url}/v1/heaps/${heap}/batch?p=0`, {
      method: 'POST',
      headers: { 'content-type': BATCH_TYPE },
      body: records as Int32Array<ArrayBuffer>,
    });
    expect(answer.status).toBe(200);
    return new Int32Array(await answer.arrayBuffer());
  }

  /** Ends a test with a heap. */
  async check(heap = 'default'): Promise<void> {
    expect((await this.json('POST', '/check', {}, heap)).differences).toEqual([]);
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await gone;
  }
}
