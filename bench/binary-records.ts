/**
 * A binary batch for the benchmarks: pairs of an allocation and the immediate free of what it allocated, as 16-byte
 * little-endian records (`src/sched/ops.ts` describes them).
 */
import { BatchOp, Flag, RECORD_BYTES, RESULT_BYTES } from '../src/sched/ops.js';

export const BINARY_TYPE = 'application/vnd.goheap.batch';

/** `ops` operations: the even ones allocate `size` bytes, each odd one frees what the one before it allocated. */
export function encodePairs(ops: number, size: number): Buffer {
  const records = Buffer.alloc(ops * RECORD_BYTES);
  for (let i = 0; i < ops; i++) {
    const at = i * RECORD_BYTES;
    const free = i % 2 === 1;
    records.writeInt32LE(
      free ? BatchOp.free | ((Flag.immediate | Flag.byRef) << 8) : BatchOp.alloc | (Flag.noscan << 8),
      at,
    );
    records.writeUInt32LE(free ? i - 1 : size, at + 8);
  }
  return records;
}

/** How many operations of an answer failed. */
export function failedIn(results: Buffer): number {
  let failed = 0;
  for (let at = 0; at < results.length; at += RESULT_BYTES) if (results[at + 6] !== 0) failed++;
  return failed;
}
