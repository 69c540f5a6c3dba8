/**
 * zstd, a frame at a time and a block at a time (RFC 8878, 3.1.1).
 *
 * Frames are walked here, whoever decodes them: Node's own decoder, from 22.15, stops without a word after the first one, and fzstd,
 * which stands in before that, believes whatever window a frame claims and may put any number of blocks of 128 KiB on the heap at
 * once. So every header is checked, what is handed over is one block, and a frame that ends early is known to.
 */

import { Decompress } from 'fzstd';
import { type ByteSource, damaged } from './bytesource.js';
import { type IngestReport, ReplayInputError } from './events.js';
import { Xxh64 } from './xxh64.js';

/** What the zstd tool accepts without being asked for more. */
const MAX_WINDOW = 128 * 2 ** 20;
const LONGEST_HEADER = 18;
const LAST_BLOCK = 1;
const RLE = 1;

/** A frame, or one that is to be skipped. */
export function isZstd(b: Uint8Array): boolean {
  return isFrame(b) || isSkippable(b);
}

function isFrame(b: Uint8Array): boolean {
  return b[0] === 0x28 && b[1] === 0xb5 && b[2] === 0x2f && b[3] === 0xfd;
}

function isSkippable(b: Uint8Array): boolean {
  return b[0] >>> 4 === 5 && b[1] === 0x2a && b[2] === 0x4d && b[3] === 0x18;
}

export async function* unpackZstd(
  bytes: ByteSource,
  report: IngestReport,
  decode: FrameDecoder,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const head = await bytes.peek(LONGEST_HEADER);
    if (head.length === 0) return;
    if (isSkippable(head) && head.length >= 8) {
      if (!(await skip(bytes, 8 + Buffer.from(head).readUInt32LE(4)))) break;
      continue;
    }
    if (head.length < 6) break;
    if (!isFrame(head)) throw damaged(report, 'no frame where one should begin');
    const frame = frameHeader(head, report);
    if (head.length < frame.length + 3) break;
    const blocks = new FrameBlocks(bytes, frame);
    yield* decode(blocks);
    if (!blocks.whole) break;
  }
  report.truncated = true;
}

/** Decodes the blocks of one frame. */
export type FrameDecoder = (blocks: FrameBlocks) => AsyncIterable<Uint8Array>;

interface FrameHeader {
  /** Bytes of the header. */
  length: number;
  checksum: boolean;
}

function frameHeader(b: Uint8Array, report: IngestReport): FrameHeader {
  const flags = b[4];
  const single = (flags >>> 5) & 1;
  const dictionary = [0, 1, 2, 4][flags & 3];
  const sizeFlag = flags >>> 6;
  const sizeBytes = sizeFlag === 0 ? single : 1 << sizeFlag;
  if (dictionary !== 0) throw damaged(report, 'it needs a dictionary');
  let window = 0;
  if (single === 1) {
    for (let i = sizeBytes - 1; i >= 0; i--) window = window * 256 + b[5 + i];
  } else {
    const base = 2 ** (10 + (b[5] >>> 3));
    window = base + (base / 8) * (b[5] & 7);
  }
  if (window > MAX_WINDOW) {
    throw new ReplayInputError(
      'replay-zstd-window',
      `the zstd data needs a window of ${window} bytes, and ${MAX_WINDOW} are allowed: unpack it first, by zstd -d --long=31`,
    );
  }
  return { length: 5 + (1 - single) + sizeBytes, checksum: (flags & 4) !== 0 };
}

/** A frame's bytes, a block at a time: its header with the first one, its checksum at last. */
export class FrameBlocks implements AsyncIterable<Uint8Array> {
  private readonly bytes: ByteSource;
  private readonly frame: FrameHeader;
  /** The frame was there to its end. */
  whole = false;
  /** What its checksum is, once it was read; null: it has none. */
  checksum: number | null = null;

  constructor(bytes: ByteSource, frame: FrameHeader) {
    this.bytes = bytes;
    this.frame = frame;
  }

  get hasChecksum(): boolean {
    return this.frame.checksum;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { bytes, frame } = this;
    let begin = await bytes.take(frame.length);
    for (let last = false; !last; begin = new Uint8Array(0)) {
      const head = await bytes.peek(3);
      if (head.length < 3) return;
      const word = head[0] | (head[1] << 8) | (head[2] << 16);
      last = (word & LAST_BLOCK) !== 0;
      const size = 3 + (((word >>> 1) & 3) === RLE ? 1 : word >>> 3);
      const block = await bytes.take(size);
      if (block.length < size) return;
      const checksum = last && frame.checksum ? await bytes.take(4) : new Uint8Array(0);
      this.whole = last && (!frame.checksum || checksum.length === 4);
      if (checksum.length === 4) this.checksum = Buffer.from(checksum).readUInt32LE(0);
      yield Buffer.concat([begin, block, checksum]);
    }
  }
}

/** Decodes a frame by fzstd, which does not look at checksums: that is done here. */
export async function* decodeFrame(blocks: FrameBlocks, report: IngestReport): AsyncGenerator<Uint8Array> {
  const texts: Uint8Array[] = [];
  const decoder = new Decompress((text) => texts.push(text));
  const hash = new Xxh64();
  for await (const block of blocks) {
    try {
      decoder.push(block);
    } catch (error) {
      throw damaged(report, (error as Error).message);
    }
    if (blocks.hasChecksum) for (const text of texts) hash.update(text);
    yield* texts;
    texts.length = 0;
  }
  if (blocks.checksum !== null && blocks.checksum !== hash.low32()) {
    throw damaged(report, "the checksum of a frame is another than its text's");
  }
}

async function skip(bytes: ByteSource, length: number): Promise<boolean> {
  for (let left = length; left > 0; ) {
    const taken = await bytes.take(Math.min(left, 64 * 1024));
    if (taken.length === 0) return false;
    left -= taken.length;
  }
  return true;
}
