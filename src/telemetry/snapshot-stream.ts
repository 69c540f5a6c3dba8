/**
 * How a snapshot's file leaves the server: one piece a turn of the event loop, and only while somebody reads.
 *
 * A file holds its graph in memory until it is read to its end, tens of megabytes for a large one. So a reader that
 * takes nothing for half a minute is cut off.
 */

import { Readable } from 'node:stream';

export const STALL_MS = 30_000;

export class SnapshotStream extends Readable {
  private readonly pieces: Iterator<Buffer>;
  private readonly stallMs: number;
  private next: NodeJS.Immediate | undefined;
  private stalled: NodeJS.Timeout | undefined;

  constructor(pieces: Iterator<Buffer>, stallMs = STALL_MS) {
    super({ highWaterMark: 1 });
    this.pieces = pieces;
    this.stallMs = stallMs;
  }

  override _read(): void {
    clearTimeout(this.stalled);
    // Others first: a client that reads as fast as we write would keep the loop to itself.
    this.next = setImmediate(() => this.step());
  }

  private step(): void {
    const { value, done } = this.pieces.next();
    if (done === true) {
      this.push(null);
      return;
    }
    this.stalled = setTimeout(() => this.destroy(new Error('nobody reads the snapshot')), this.stallMs).unref();
    this.push(value);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearImmediate(this.next);
    clearTimeout(this.stalled);
    // What a generator holds, it lets go.
    this.pieces.return?.();
    callback(error);
  }
}
