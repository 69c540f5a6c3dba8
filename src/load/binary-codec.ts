/**
 * Batches as 16-byte little-endian records with 8-byte results: the format that `sched/ops.ts` describes.
 *
 * Nothing is made per operation: records are written into one buffer that is used again for every batch, and results
 * are read where they arrived. An address is a double here; 48 bits fit.
 */
import { Status } from '../heap/objects.js';
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../sched/ops.js';
import { statusCode } from '../server/sched-errors.js';
import { type BatchAnswer, type BatchCodec, type CodecOptions, heapSize } from './codec.js';

const HIGH = 2 ** 32;

export class BinaryCodec implements BatchCodec<number> {
  readonly contentType = 'application/vnd.goheap.batch';
  length = 0;
  query = '';
  private buffer = Buffer.alloc(1024 * RECORD_BYTES);
  private readonly scan: boolean;
  private readonly allocWord: number;
  private readonly freeWord: number;
  private readonly freeRefWord: number;

  constructor(options: CodecOptions) {
    const immediate = options.reuse === 'immediate' ? Flag.immediate : 0;
    this.scan = options.scan;
    this.allocWord = BatchOp.alloc | ((options.scan ? 0 : Flag.noscan) << 8);
    this.freeWord = BatchOp.free | (immediate << 8);
    this.freeRefWord = BatchOp.free | ((immediate | Flag.byRef) << 8);
  }

  begin(p: number | undefined): void {
    this.query = p === undefined ? '' : `?p=${p}`;
    this.length = 0;
  }

  alloc(size: number): number {
    return this.record(this.allocWord, heapSize(size, this.scan));
  }

  free(address: number): number {
    return this.record(this.freeWord, address);
  }

  freeRef(ref: number): number {
    return this.record(this.freeRefWord, ref);
  }

  finish(): Uint8Array {
    return this.buffer.subarray(0, this.length * RECORD_BYTES);
  }

  decode(bytes: Buffer): BatchAnswer<number> {
    const length = bytes.length / RESULT_BYTES;
    return {
      length,
      address: (op) => {
        const address = bytes.readUInt16LE(op * RESULT_BYTES + 4) * HIGH + bytes.readUInt32LE(op * RESULT_BYTES);
        return address === 0 ? undefined : address;
      },
      error: (op) => {
        const status = bytes[op * RESULT_BYTES + 6];
        return status === Status.ok ? undefined : statusCode(status);
      },
    };
  }

  private record(word: number, value: number): number {
    const at = this.length * RECORD_BYTES;
    if (at === this.buffer.length) this.buffer = Buffer.concat([this.buffer, Buffer.alloc(at)]);
    const { buffer } = this;
    buffer.writeInt32LE(word, at);
    buffer.writeInt32LE(0, at + 4);
    buffer.writeUInt32LE(value % HIGH, at + 8);
    buffer.writeUInt32LE(Math.floor(value / HIGH), at + 12);
    return this.length++;
  }
}
