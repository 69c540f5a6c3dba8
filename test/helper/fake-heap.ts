/**
 * A heap for tests of the shell: it has a name and settings and closes when told to, but no memory and no threads.
 */

import type { EffectiveSettings, HeapSummary, HostedHeap, LiveSettings, ServedHeap } from '../../src/server/hosted.js';

export class FakeHeap implements HostedHeap {
  readonly name: string;
  readonly createdAt = new Date();
  settings: EffectiveSettings;
  closed = false;

  constructor(name: string, settings: EffectiveSettings) {
    this.name = name;
    this.settings = settings;
  }

  async update(settings: LiveSettings): Promise<void> {
    this.settings = { ...this.settings, ...settings };
  }

  summary(): HeapSummary {
    return { heapAlloc: 0, heapObjects: 0, heapInuse: 0, heapIdle: 0, heapReleased: 0, heapSys: 0 };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** A factory that remembers what it made; `delay` and `fail` shape the next heaps. */
export class FakeFactory {
  readonly made: FakeHeap[] = [];
  delay = 0;
  fail: Error | undefined;

  readonly create = async (name: string, settings: EffectiveSettings): Promise<ServedHeap> => {
    if (this.delay > 0) await new Promise((resolve) => setTimeout(resolve, this.delay));
    if (this.fail !== undefined) throw this.fail;
    const heap = new FakeHeap(name, settings);
    this.made.push(heap);
    // Only the routes of the shell are tested with it, and those use no more than HostedHeap.
    return heap as unknown as ServedHeap;
  };
}
