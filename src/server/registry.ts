/**
 * The heaps of this server, by name.
 *
 * Creating and closing a heap take time (threads start, memory goes back), and clients do not wait for each other.
 * So a name is in one of four states:
 *
 *     absent ──PUT──▶ starting ──▶ live ──DELETE──▶ closing ──▶ absent
 *                        └─ failed ─▶ absent
 *
 * Only a live heap can be looked up. A PUT that meets `starting` waits for that heap and then compares settings; one
 * that meets `closing` waits until the name is absent. A DELETE that meets `starting` waits and then closes; one that
 * meets `closing` finds no heap. A request that looked its heap up before a DELETE is answered by the heap itself
 * (`heap-deleted`, or its result if it had begun).
 *
 * Invariant: starting + live + closing <= maxHeaps, because each of them holds threads and a reservation. What their threads cost together is
 * for the budget to say (memory-budget.ts).
 */

import type { EffectiveSettings, HeapFactory, HostedHeap, ServedHeap } from './hosted.js';
import type { Held, MemoryBudget } from './memory-budget.js';
import { Problem } from './problem.js';
import { quote } from './quote.js';
import { HEAP_NAME_PATTERN } from './schemas/common.js';
import { firstDifference } from './settings.js';

const NAME = new RegExp(HEAP_NAME_PATTERN);

type Entry<H> =
  | { state: 'starting'; procs: number; done: Promise<H> }
  | { state: 'live'; procs: number; heap: H }
  | { state: 'closing'; procs: number; done: Promise<void> };

export class HeapRegistry<H extends HostedHeap = ServedHeap> {
  readonly #entries = new Map<string, Entry<H>>();
  /** The live heaps alone: the hot path's one map lookup. */
  readonly #live = new Map<string, H>();
  readonly #factory: HeapFactory<H>;
  readonly #budget: MemoryBudget | undefined;
  readonly maxHeaps: number;
  #closed = false;

  /** `budget`: who refuses a heap for want of memory; without it nobody does. */
  constructor(factory: HeapFactory<H>, maxHeaps: number, budget?: MemoryBudget) {
    this.#factory = factory;
    this.#budget = budget;
    this.maxHeaps = maxHeaps;
  }

  /** The live heap of this name. Throws `heap-not-found`, or `invalid-heap-name` where no heap could ever have it. */
  get(name: string): H {
    const heap = this.#live.get(name);
    if (heap === undefined) throw this.#missing(name);
    return heap;
  }

  /** The live heaps, by name. */
  list(): H[] {
    return [...this.#live.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The heap of this name and these settings, created if need be. */
  async put(name: string, settings: EffectiveSettings): Promise<{ heap: H; created: boolean }> {
    if (!NAME.test(name)) throw this.#missing(name);
    for (;;) {
      const entry = this.#entries.get(name);
      if (entry === undefined) return { heap: await this.#create(name, settings), created: true };
      if (entry.state === 'closing') {
        await entry.done;
      } else if (entry.state === 'starting') {
        // If it fails, its own PUT reports that; this one then finds the name absent and tries for itself.
        await entry.done.catch(() => undefined);
      } else {
        const field = firstDifference(settings, entry.heap.settings);
        if (field === undefined) return { heap: entry.heap, created: false };
        throw new Problem('heap-exists', `The heap ${quote(name)} exists with another ${field}.`, { field });
      }
    }
  }

  /** Closes the heap and frees its name. Resolves when threads and memory are gone. */
  async delete(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry?.state === 'starting') {
      await entry.done.catch(() => undefined);
      return this.delete(name);
    }
    if (entry?.state !== 'live') throw this.#missing(name);
    await this.#close(name, entry.heap);
  }

  /** Closes every heap; none can be created afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#entries].map(async ([name, entry]) => {
      if (entry.state === 'closing') return entry.done;
      const heap = entry.state === 'live' ? entry.heap : await entry.done.catch(() => undefined);
      // While this waited, a DELETE may have been faster.
      if (heap !== undefined && this.#entries.get(name)?.state === 'live') await this.#close(name, heap);
    });
    await Promise.all(all);
  }

  async #create(name: string, settings: EffectiveSettings): Promise<H> {
    if (this.#closed) throw new Problem('shutting-down', 'The server is shutting down.');
    if (this.#entries.size >= this.maxHeaps) {
      const detail = `The server has ${this.#entries.size} heaps, and may have ${this.maxHeaps}.`;
      throw new Problem('too-many-heaps', detail, { limit: this.maxHeaps });
    }
    const procs = settings.gomaxprocs;
    this.#budget?.admit(procs, this.#held());
    // A factory that throws at once fails like one that rejects.
    const done = (async () => this.#factory(name, settings))();
    this.#entries.set(name, { state: 'starting', procs, done });
    try {
      const heap = await done;
      this.#entries.set(name, { state: 'live', procs, heap });
      this.#live.set(name, heap);
      return heap;
    } catch (error) {
      this.#entries.delete(name);
      if (error instanceof Problem) throw error;
      const detail = `The heap ${quote(name)} could not be created: ${(error as Error).message}`;
      throw Object.assign(new Problem('heap-start-failed', detail), { cause: error });
    }
  }

  #held(): Held {
    const held = { procs: 0, starting: 0, committed: 0 };
    for (const entry of this.#entries.values()) {
      held[entry.state === 'starting' ? 'starting' : 'procs'] += entry.procs;
      if (entry.state !== 'live') continue;
      const { heapSys, heapReleased } = entry.heap.summary();
      held.committed += heapSys - heapReleased;
    }
    return held;
  }

  #close(name: string, heap: H): Promise<void> {
    this.#live.delete(name);
    const done = heap.close().finally(() => this.#entries.delete(name));
    // Whoever waits for the name cares that it is free, not how the closing went.
    const procs = heap.settings.gomaxprocs;
    this.#entries.set(name, { state: 'closing', procs, done: done.catch(() => undefined) });
    return done;
  }

  #missing(name: string): Problem {
    if (NAME.test(name)) return new Problem('heap-not-found', `There is no heap named ${quote(name)}.`);
    return new Problem('invalid-heap-name', `${quote(name)} cannot be the name of a heap.`, {
      field: 'heap',
      allowed: HEAP_NAME_PATTERN,
    });
  }
}
