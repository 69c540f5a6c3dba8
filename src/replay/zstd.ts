/**
 * Unpacks zstd where Node cannot (before 22.15), by fzstd, a block at a time.
 *
 * fzstd takes a stream and answers by callback, so a piece of input may put any number of blocks of 128 KiB on the heap at once, and it
 * believes whatever size of window a frame claims. Here the frames are walked first (RFC 8878, 3.1.1): every header is checked, and what is handed over
 * is one block, which answers with 128 KiB at most.
 */

import { Decompress } from 'fzstd';
import { type ByteSource, damaged } from './bytesource.js';
import { type IngestReport, ReplayInputError } from './events.js';

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

export async function* unpackZstd(bytes: ByteSource, report: IngestReport): AsyncGenerator<Uint8Array> {
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
    if (!(yield* unpackFrame(bytes, frame, report))) break;
  }
  report.truncated = true;
}

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

/** Answers whether the frame was there to its end. */
async function* unpackFrame(
  bytes: ByteSource,
  frame: FrameHeader,
  report: IngestReport,
): AsyncGenerator<Uint8Array, boolean> {
  const texts: Uint8Array[] = [];
  const decoder = new Decompress((text) => texts.push(text));
  let block = await bytes.take(frame.length);
  for (;;) {
    const head = await bytes.peek(3);
    if (head.length < 3) return false;
    const word = head[0] | (head[1] << 8) | (head[2] << 16);
    const size = 3 + (((word >>> 1) & 3) === RLE ? 1 : word >>> 3);
    const body = await bytes.take(size);
    if (body.length < size) return false;
    block = block.length === 0 ? body : Buffer.concat([block, body]);
    try {
      decoder.push(block);
    } catch (error) {
      throw damaged(report, (error as Error).message);
    }
    block = new Uint8Array(0);
    yield* texts;
    texts.length = 0;
    if ((word & LAST_BLOCK) !== 0) break;
  }
  return !frame.checksum || (await bytes.take(4)).length === 4;
}

async function skip(bytes: ByteSource, length: number): Promise<boolean> {
  for (let left = length; left > 0; ) {
    const taken = await bytes.take(Math.min(left, 64 * 1024));
    if (taken.length === 0) return false;
    left -= taken.length;
  }
  return true;
}
