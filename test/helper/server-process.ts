/**
 * A server as a process of its own, for tests that attack it: what it logs and writes is kept, and
 * its end is noticed.
 *
 * Runs what `npm run build` has made, on a port that the system chooses, with a data directory that
 * goes with it. Nothing of the test's environment reaches it but PATH. Only the process that was
 * started here is ever signalled.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CLI = join(import.meta.dirname, '../../dist/src/cli.js');
/** Of pino. */
const ERROR_LEVEL = 50;

export interface LogEntry {
  level: number;
  msg?: string;
  [name: string]: unknown;
}

export class ServerProcess {
  readonly port: number;
  readonly log: LogEntry[];
  readonly #child: ChildProcess;
  readonly #text: { err: string; rest: string };
  readonly #folder: string;
  /** It has ended, and all that it wrote has been read. */
  readonly #gone: Promise<unknown>;

  private constructor(
    child: ChildProcess,
    port: number,
    log: LogEntry[],
    text: { err: string; rest: string },
    folder: string,
  ) {
    this.#child = child;
    this.port = port;
    this.log = log;
    this.#text = text;
    this.#folder = folder;
    this.#gone = new Promise((resolve) => child.once('close', resolve));
  }

  static async start(env: Record<string, string> = {}): Promise<ServerProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'goheap-test-server-'));
    const own = { PATH: process.env.PATH, PORT: '0', GOHEAP_DATA_DIR: folder, SHUTDOWN_GRACE: '1s' };
    const child = spawn(process.execPath, [CLI, 'serve'], {
      env: { ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log: LogEntry[] = [];
    const text = { err: '', rest: '' };
    child.stderr.setEncoding('utf8').on('data', (piece) => {
      text.err += piece;
    });
    const port = await new Promise<number>((resolve, reject) => {
      // Not when it exits: what it said last is read then.
      child.once('close', (code) => reject(new Error(`the server ended with ${code}: ${text.rest}${text.err}`)));
      child.stdout.setEncoding('utf8').on('data', (piece: string) => {
        const lines = (text.rest + piece).split('\n');
        text.rest = lines.pop() as string;
        for (const line of lines) {
          log.push(JSON.parse(line) as LogEntry);
          const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
          if (found !== undefined) resolve(Number(found));
        }
      });
    });
    return new ServerProcess(child, port, log, text, folder);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * What nobody should ever see: log entries of level error and worse, and whatever went to
   * standard error.
   */
  get complaints(): string[] {
    const logged = this.log.filter(({ level }) => level >= ERROR_LEVEL).map((entry) => JSON.stringify(entry));
    return this.#text.err === '' ? logged : [...logged, this.#text.err];
  }

  /** Ends it as `kill -9` does, and leaves its data directory. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#gone;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
