/**
 * The workloads of a server, by heap. What has ended is remembered for a while, so that its figures can be read.
 *
 * Invariant: at most `max` workloads run or stop at once, over all heaps; at most 16 that are done are kept a heap.
 */

import { type Driven, type Ending, type Parameters, Workload } from './workload.js';

const KEPT = 16;

export class Workloads<H extends Driven> {
  readonly max: number;
  /** With the heap, its workloads go. */
  private readonly byHeap = new WeakMap<H, Map<string, Workload>>();
  private readonly active = new Set<Workload>();
  private last = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Running, or still freeing. */
  get running(): number {
    return this.active.size;
  }

  get full(): boolean {
    return this.active.size >= this.max;
  }

  /** Starts one. The caller has asked whether there is room. */
  start(host: H, parameters: Parameters, onDone: (workload: Workload) => void = () => {}): Workload {
    const workload = new Workload(`${parameters.workload}-${++this.last}`, host, parameters);
    const of = this.byHeap.get(host) ?? new Map<string, Workload>();
    this.byHeap.set(host, of);
    of.set(workload.id, workload);
    this.active.add(workload);
    const ended = [...of.values()].filter(({ state }) => state === 'done');
    for (const { id } of ended.slice(0, Math.max(0, ended.length - KEPT))) of.delete(id);
    void workload.done.then(() => {
      this.active.delete(workload);
      onDone(workload);
    });
    return workload;
  }

  get(host: H, id: string): Workload | undefined {
    return this.byHeap.get(host)?.get(id);
  }

  /** Newest first. */
  list(host: H): Workload[] {
    return [...(this.byHeap.get(host)?.values() ?? [])].reverse();
  }

  /** Ends all of them. */
  stopAll(why: Ending): void {
    for (const workload of this.active) workload.stop(why);
  }
}
