/**
 * What the server knows of a heap: this interface, and nothing else of the scheduler or the allocator.
 *
 * The arrows point one way (routes → server → sched → heap), so the server declares what it needs and the scheduler
 * provides it. The registry creates heaps through a `HeapFactory` that is handed to it, which is also how the tests
 * of the shell run without threads.
 */

import type { HeapScheduler } from '../sched/host-api.js';

/** A heap's settings with every default filled in, sizes in bytes. */
export interface EffectiveSettings {
  /** The number of Ps, each with a thread of its own. */
  readonly gomaxprocs: number;
  /** The heap may grow by this many percent between two collections. */
  readonly gogc: number | 'off';
  /** Go's soft limit on all memory of the heap, in bytes. */
  readonly gomemlimit: number | 'off';
  /** Bytes of an arena: 64 MiB as on linux/amd64, or 4 MiB as on Go's other platforms. */
  readonly arenaSize: number;
  /** Bytes of address space; the heap can never grow beyond them. */
  readonly reserve: number;
}

/** What can change while the heap runs. */
export interface LiveSettings {
  gogc?: number | 'off';
  gomemlimit?: number | 'off';
}

/** The few numbers that a list of heaps shows. The full account is `memstats`. */
export interface HeapSummary {
  /** Bytes of objects that are allocated and not yet swept. */
  heapAlloc: number;
  /** Objects of which heapAlloc counts the bytes. */
  heapObjects: number;
  /** Bytes of pages in spans that hold at least one object. */
  heapInuse: number;
  /** Bytes of free pages; heapInuse + heapIdle = heapSys. */
  heapIdle: number;
  /** Bytes of heapIdle that went back to the operating system. */
  heapReleased: number;
  /** Bytes of arenas obtained from the reservation. */
  heapSys: number;
}

export interface HostedHeap {
  readonly name: string;
  readonly settings: EffectiveSettings;
  readonly createdAt: Date;
  /**
   * Changes what can change live: resolves when the heap goes by the new values, or later ones. `settings` shows what the heap goes by, so that
   * a change that is refused never shows.
   */
  update(settings: LiveSettings): Promise<void>;
  /** Reads shared memory; never stops the heap. */
  summary(): HeapSummary;
  /**
   * Ends the heap. Operations that have begun are finished and answered; those that still wait, and those that come
   * later, fail with `shutting-down` (which the error handler words as `heap-deleted` while the server itself goes on).
   * Resolves when the threads have ended and the memory is released. Idempotent.
   */
  close(): Promise<void>;
}

/** A heap as the routes see it: the interface above, and the operations of the scheduler. */
export type ServedHeap = HostedHeap & HeapScheduler;

/** Creates a heap and resolves when it can serve; rejects, leaving nothing behind, when it cannot. */
export type HeapFactory<H extends HostedHeap = ServedHeap> = (name: string, settings: EffectiveSettings) => Promise<H>;
