/**
 * Where the page goes: a file that appears whole or not at all.
 *
 * It is opened before anything is simulated, so that a path that cannot be written is told at once, under a name beside the wanted one. A device or a
 * pipe is written as it is.
 */

import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { UsageError } from './options.js';

export class OutputFile {
  private readonly path: string;
  private readonly temporary: string | undefined;
  private readonly fd: number;
  private open = true;

  constructor(path: string) {
    this.path = path;
    this.temporary = isSpecial(path) ? undefined : `${path}.${process.pid}.tmp`;
    try {
      this.fd = openSync(this.temporary ?? path, this.temporary === undefined ? 'w' : 'wx');
    } catch (error) {
      throw new UsageError(`${path} cannot be written: ${reason(error)}`);
    }
  }

  /** Writes all of it. Throws UsageError where the disk does not take it. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done);
      if (this.temporary !== undefined) {
        fsyncSync(this.fd);
        this.close();
        renameSync(this.temporary, this.path);
      } else this.close();
    } catch (error) {
      throw new UsageError(`${this.path} cannot be written: ${reason(error)}`);
    }
  }

  /** Leaves nothing behind of what was not finished. */
  discard(): void {
    if (!this.open) return;
    this.close();
    if (this.temporary !== undefined) rmSync(this.temporary, { force: true });
  }

  private close(): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.fd);
  }
}

function isSpecial(path: string): boolean {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new UsageError(`${path} cannot be written: it is a directory`);
    return !stat.isFile();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return false;
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'no such directory',
  ENOTDIR: 'no such directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
};

export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code !== undefined && REASONS[code]) || message;
}
