/**
 * The event stream of a recording (src/replay) as the driver takes it: (slot, size) records in blocks.
 *
 *     size > 0    a new object of that size is put into the slot (the one that was there, if any, is replaced: a realloc)
 *     FREE (-1)   the object in the slot is freed
 *
 * Threads and times are left out: lanes, not recorded threads, share the work. Free slots are taken oldest first: whoever spreads the slots over several
 * connections then finds the work spread evenly, which reusing the newest first would pile onto one slot.
 */

import { decompress } from '../replay/decompress.js';
import { type IngestReport, KIND_SHIFT, Kind, OPERAND_MASK, RECORD_WORDS } from '../replay/events.js';
import { DEFAULT_LIMITS, Parser } from '../replay/ingest.js';
import type { RecordSink } from '../replay/records.js';

/** The size that marks a record as a free. */
export const FREE = -1;

/** Records in parallel arrays. The arrays are overwritten by the next block. */
export interface RecordBlock {
  readonly slots: Int32Array;
  readonly sizes: Float64Array;
  readonly length: number;
}

/** Reads a recording to its end, a block at a time. Answers with what was in it; throws ReplayInputError where it is none. */
export async function* readBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<RecordBlock, IngestReport> {
  const blocks = new Blocks();
  const parser = new Parser(blocks, { reuse: 'oldest' });
  for await (const text of decompress(chunks, DEFAULT_LIMITS, parser.report)) {
    parser.push(text);
    if (blocks.length > 0) yield blocks.take();
  }
  const report = parser.end();
  yield blocks.take();
  return report;
}

class Blocks implements RecordSink {
  private slots = new Int32Array(0);
  private sizes = new Float64Array(0);
  length = 0;

  write(words: Int32Array, records: number): void {
    this.reserve(this.length + records);
    let high = 0;
    for (let i = 0; i < records * RECORD_WORDS; i += RECORD_WORDS) {
      const kind = words[i] >>> KIND_SHIFT;
      const operand = words[i] & OPERAND_MASK;
      if (kind === Kind.high) {
        high = operand * 0x1_0000_0000;
      } else if (kind <= Kind.free) {
        this.slots[this.length] = operand;
        this.sizes[this.length++] = kind === Kind.free ? FREE : high + (words[i + 1] >>> 0);
        high = 0;
      }
    }
  }

  take(): RecordBlock {
    const { slots, sizes, length } = this;
    this.length = 0;
    return { slots, sizes, length };
  }

  private reserve(length: number): void {
    if (length <= this.slots.length) return;
    const slots = new Int32Array(length);
    slots.set(this.slots);
    this.slots = slots;
    const sizes = new Float64Array(length);
    sizes.set(this.sizes);
    this.sizes = sizes;
  }
}
