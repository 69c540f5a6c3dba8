/** A binary batch under construction, and objects that its records name: by reference, until the server has answered. */

import { BatchOp, Flag } from '../../src/sched/ops.js';
import type { Server } from './server.js';

/** An object that a client holds. While its batch is not answered, `lo` is the number of its record and `hi` is -1. */
export interface Held {
  lo: number;
  hi: number;
}

export class Records {
  private words: number[] = [];
  private made: Held[] = [];
  private readonly server: Server;
  private readonly heap: string;

  constructor(server: Server, heap = 'default') {
    this.server = server;
    this.heap = heap;
  }

  alloc(size: number, scan: boolean): Held {
    const held = { lo: this.words.length / 4, hi: -1 };
    this.words.push(BatchOp.alloc | (scan ? 0 : Flag.noscan << 8), 0, size, 0);
    this.made.push(held);
    return held;
  }

  free({ lo, hi }: Held): void {
    if (hi < 0) this.words.push(BatchOp.free | (Flag.byRef << 8), 0, lo, 0);
    else this.words.push(BatchOp.free, 0, lo, hi);
  }

  /** Has them carried out, all of them, and learns the addresses. */
  async run(): Promise<void> {
    const { words, made } = this;
    this.words = [];
    this.made = [];
    if (words.length === 0) return;
    const results = await this.server.batch(Int32Array.from(words), this.heap);
    for (let i = 1; i < results.length; i += 2) {
      const status = (results[i] >>> 16) & 255;
      if (status !== 0) throw new Error(`record ${(i - 1) / 2} of the batch has status ${status}`);
    }
    for (const held of made) {
      const at = held.lo * 2;
      held.lo = results[at];
      held.hi = results[at + 1] & 0xffff;
    }
  }
}
