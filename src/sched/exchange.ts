/**
 * The exchange: shared memory for payloads, handed out by the main thread in pieces.
 *
 * Only the main thread takes and releases pieces, so its book-keeping is a plain sorted list of free ranges and needs no lock. First
 * fit, in steps of 4 KiB, neighbours merged on release.
 */

import { type Piece, SchedError } from './host-api.js';

const STEP = 4096;

export class Exchange {
  private readonly buffer: SharedArrayBuffer;
  private readonly free: { at: number; length: number }[];

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.free = [{ at: 0, length: buffer.byteLength }];
  }

  get freeBytes(): number {
    return this.free.reduce((sum, r) => sum + r.length, 0);
  }

  take(length: number): Piece {
    const need = Math.max(STEP, Math.ceil(length / STEP) * STEP);
    const i = this.free.findIndex((r) => r.length >= need);
    if (i < 0) throw new SchedError('overloaded', `no ${need} bytes of exchange memory are free`);
    const range = this.free[i];
    const offset = range.at;
    range.at += need;
    range.length -= need;
    if (range.length === 0) this.free.splice(i, 1);
    let held = true;
    return {
      offset,
      length: need,
      bytes: Buffer.from(this.buffer as unknown as ArrayBuffer, offset, need),
      words: new Int32Array(this.buffer, offset, need / 4),
      release: () => {
        if (held) this.giveBack(offset, need);
        held = false;
      },
    };
  }

  private giveBack(at: number, length: number): void {
    const { free } = this;
    let i = 0;
    while (i < free.length && free[i].at < at) i++;
    free.splice(i, 0, { at, length });
    if (i + 1 < free.length && at + length === free[i + 1].at) {
      free[i].length += free[i + 1].length;
      free.splice(i + 1, 1);
    }
    if (i > 0 && free[i - 1].at + free[i - 1].length === at) {
      free[i - 1].length += free[i].length;
      free.splice(i, 1);
    }
  }
}
