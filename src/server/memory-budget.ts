/**
 * The memory budget: whether the process may start the threads of one more heap.
 *
 * A reservation costs nothing until it is touched, but a thread costs at once: an M has a JavaScript heap, a stack and its share of V8, some 10 MiB
 * before it has run anything. Sixteen heaps of 64 Ps, each within its own limits, would together take 10 GB, and the system ends a
 * process that takes more than there is, with every heap in it. So a heap is refused when what is in use and what its threads
 * will take exceed what the process may use.
 *
 * In use is the larger of two figures: what the operating system says (RSS), which sees everything but threads that are only starting, and
 * what can be counted: the process itself, the threads of all heaps and of the replays, and the memory that heaps have taken and not
 * released. A heap that grows later is not refused anything: how far it may is its reservation.
 */

import { totalmem } from 'node:os';
import { formatGoSize } from './gosize.js';
import { Problem } from './problem.js';

const MiB = 2 ** 20;

/** An M at rest: 9.8 MiB measured, of heaps with 64 of them. It may take some more when it works. */
export const M_BYTES = 12 * MiB;
/** The process without a heap: 118 MiB measured when it has just started. */
export const PROCESS_BYTES = 120 * MiB;

/** What the process may use: the limit of its cgroup (1 or 2), else all memory of the machine. */
export function memoryOfContainer(constrained = process.constrainedMemory?.() ?? 0, total = totalmem()): number {
  // Without a limit Node returns 0, or a number beyond every memory, by version.
  return constrained > 0 && constrained < total ? constrained : total;
}

/** The heaps that there are, starting and closing ones included. */
export interface Held {
  /** Threads of heaps that run or end. */
  readonly procs: number;
  /** Threads of heaps that are just starting. */
  readonly starting: number;
  /** Bytes that heaps have taken from the system and not given back. */
  readonly committed: number;
}

export interface BudgetOptions {
  /** Bytes that the process may use. */
  readonly limit: number;
  /** Threads beside those of heaps. */
  readonly otherThreads: number;
  /** Bytes that the process uses now. */
  readonly rss?: () => number;
}

export class MemoryBudget {
  readonly limit: number;
  private readonly other: number;
  private readonly rss: () => number;

  constructor({ limit, otherThreads, rss = residentBytes }: BudgetOptions) {
    this.limit = limit;
    this.other = PROCESS_BYTES + otherThreads * M_BYTES;
    this.rss = rss;
  }

  /** Throws `no-memory-for-threads` if there is no room for the threads of one more heap. */
  admit(procs: number, held: Held): void {
    const needed = procs * M_BYTES;
    const starting = held.starting * M_BYTES;
    const counted = this.other + held.procs * M_BYTES + held.committed;
    const available = Math.max(0, this.limit - starting - Math.max(counted, this.rss()));
    if (needed <= available) return;
    const most = Math.floor(available / M_BYTES);
    const detail =
      `${procs} ${procs === 1 ? 'thread needs' : 'threads need'} about ${inMiB(needed)}, and ${inMiB(available)} of the ` +
      `${formatGoSize(this.limit)} that the process may use are left.`;
    throw new Problem('no-memory-for-threads', detail, {
      field: 'gomaxprocs',
      allowed: most === 0 ? 'nothing at present' : `at most ${most} at present`,
      limit: this.limit,
      needed,
      available,
    });
  }
}

/** RSS; 0 where it cannot be read just now, as it is a file, and no descriptor may be left. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

const inMiB = (bytes: number): string => `${Math.floor(bytes / MiB)}MiB`;
