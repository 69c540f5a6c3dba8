/** A server as a process of its own, as people run it, that a test can end and start again on the same port. */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const CLI = join(import.meta.dirname, '../../dist/src/cli.js');

export class Server {
  port = 0;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;

  constructor(env: Record<string, string> = {}) {
    this.#env = env;
  }

  get base(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Of the process. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    const limits = { GOMAXPROCS: '2', GOHEAP_RESERVE: '256MiB', SHUTDOWN_GRACE: '200ms' };
    const env = { PATH: process.env.PATH, ...limits, ...this.#env, PORT: String(this.port) };
    const child = spawn(process.execPath, [CLI, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    let out = '';
    await new Promise<void>((resolve, reject) => {
      child.on('exit', (status) => reject(new Error(`the server ended with ${status}: ${out}`)));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text;
        const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(out)?.[1];
        if (port === undefined) return;
        this.port = Number(port);
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  /** Asks the API about the default heap, with a JSON body where one is given. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const json = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const init = { method, ...(body === undefined ? {} : json) };
    const response = await fetch(`${this.base}/v1/heaps/default${path === '' ? '' : `/${path}`}`, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}
