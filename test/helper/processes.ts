/**
 * What a process of Linux holds: descriptors, threads, memory. Elsewhere there is no /proc, and
 * nothing to compare.
 */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

export const HAS_PROC = existsSync('/proc/self/fd');

export function threadsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}

/** What each descriptor refers to, numbers of sockets and pipes left out. */
export function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).replace(/\[\d+\]$/, '');
    } catch {
      return undefined; // closed meanwhile
    }
  });
  return targets.filter((target) => target !== undefined).sort();
}

/** Bytes of resident memory. */
export function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
