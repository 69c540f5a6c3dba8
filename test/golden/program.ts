/**
 * What a heap needs to be like that of a Go program: Go's start-up objects, and stacks and globals, which do not exist here, so that the
 * pacer is only told of them. Then goals and triggers have to be Go's own numbers.
 */

import { expect } from 'vitest';
import { Collector, type CollectorOptions } from '../../src/gc/collector.js';
import { C_GLOBALS_SCAN, C_HEAP_MARKED } from '../../src/gc/pacer.js';
import { H_NUM_GC } from '../../src/heap/heap.js';
import { Golden } from './support.js';

export class GoProgram extends Golden {
  readonly collector: Collector;
  private own = 0;

  constructor(options: CollectorOptions = {}) {
    super();
    this.collector = new Collector(this.h, this.p, undefined, options);
  }

  /** Bytes that the last mark found: Go's heapMarked. */
  get marked(): number {
    return this.h.f[this.h.pacer + C_HEAP_MARKED];
  }

  get numGC(): number {
    return this.h.scalar(H_NUM_GC);
  }

  /** Stacks and globals together: they only occur as a sum. */
  set roots(bytes: number) {
    this.h.f[this.h.pacer + C_GLOBALS_SCAN] = bytes;
  }

  /** Has start-up objects of that many bytes altogether, a multiple of 8 and no fewer than before. */
  startUp(bytes: number): void {
    for (; bytes - this.own >= 16; this.own += 16) this.malloc(16, false);
    for (; bytes - this.own >= 8; this.own += 8) this.malloc(8, true);
    expect(this.own).toBe(bytes);
  }
}
