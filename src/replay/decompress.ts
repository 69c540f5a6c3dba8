/**
 * Unpacks what a recording comes in: gzip, zstd, the first file of a zip, or nothing. Recognised by the first bytes, never by a name.
 *
 * Packed input is fed in small pieces, so that what a piece unpacks to, a thousand times its size at worst, is held but no more. Input that was
 * cut off yields everything that can still be unpacked, and the report says `truncated`; damaged input is an error. How much may come
 * out is bounded, in total and by its ratio to what went in.
 *
 * Each kind has a checksum of what was packed, and text that has another is an error: gzip's and
 * zstd's are looked at by zlib, that of a zip archive by zip.ts. zstd.ts says how that is unpacked,
 * by Node where it can.
 */

import * as zlib from 'node:zlib';
import { ByteSource, damaged } from './bytesource.js';
import { type IngestReport, ReplayInputError } from './events.js';
import type { IngestLimits } from './ingest.js';
import { ZipEntry } from './zip.js';
import { decodeFrame, isZstd, unpackZstd } from './zstd.js';

/** Packed bytes that go in at a time. */
const PIECE = 8 * 1024;
/** Bytes of unpacked text at a time. */
const TEXT = 256 * 1024;

/** Bytes by which a kind of packing is recognised. */
const MAGIC_BYTES = 4;

/**
 * The text of a recording. Sets `compression`, `bytes` and, at a cut, `truncated` of the report as it goes.
 */
export async function* decompress(
  input: AsyncIterable<Uint8Array>,
  limits: IngestLimits,
  report: IngestReport,
): AsyncGenerator<Uint8Array> {
  const bytes = new ByteSource(input, limits, report);
  try {
    const head = await bytes.peek(MAGIC_BYTES);
    for await (const text of unpack(head, bytes, report)) {
      bytes.out(text.length);
      yield text;
    }
  } finally {
    await bytes.close();
  }
}

function unpack(head: Uint8Array, bytes: ByteSource, report: IngestReport): AsyncIterable<Uint8Array> {
  if (head[0] === 0x1f && head[1] === 0x8b) {
    report.compression = 'gzip';
    return unpackZlib(zlib.createGunzip({ chunkSize: TEXT }), bytes, bytes, report);
  }
  if (isZstd(head)) {
    report.compression = 'zstd';
    const native = (zlib as { createZstdDecompress?: (options: zlib.ZlibOptions) => zlib.Gunzip }).createZstdDecompress;
    return unpackZstd(bytes, report, (blocks) =>
      native === undefined
        ? decodeFrame(blocks, report)
        : unpackZlib(native({ chunkSize: TEXT }), blocks, bytes, report),
    );
  }
  if (head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4) {
    report.compression = 'zip';
    return unpackZip(bytes, report);
  }
  return bytes;
}

async function* unpackZip(bytes: ByteSource, report: IngestReport): AsyncGenerator<Uint8Array> {
  const entry = await ZipEntry.read(bytes);
  const text = entry.deflated
    ? unpackZlib(zlib.createInflateRaw({ chunkSize: TEXT }), bytes, bytes, report)
    : entry.stored(bytes, report);
  yield* entry.checked(text, bytes, report);
}

/**
 * Drives one of zlib's streams by hand: a piece in, wait, everything that came out. An async
 * iterator over the stream would lose, at an error, what came out before it; and that is the part
 * of a cut file that can still be read. What follows the end of the packed data is put back.
 */
async function* unpackZlib(
  stream: zlib.Gunzip | zlib.InflateRaw,
  packed: AsyncIterable<Uint8Array>,
  limits: ByteSource,
  report: IngestReport,
): AsyncGenerator<Uint8Array> {
  let out: Uint8Array[] = [];
  /** Bytes of `out`. */
  let pending = 0;
  let ended = false;
  let failure: NodeJS.ErrnoException | undefined;
  stream.on('data', (text: Uint8Array) => {
    out.push(text);
    // Inside one piece nobody else looks: a stream over its limits is stopped here.
    pending += text.length;
    failure ??= limits.over(pending);
    if (failure instanceof ReplayInputError) stream.destroy();
  });
  stream.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error;
  });
  // One promise at a time: a race of each piece against the stream's end would pile up reactions to the latter.
  let settle = () => {};
  stream.once('end', () => {
    ended = true;
    settle();
  });
  stream.once('close', () => settle());
  const feed = (piece: Uint8Array | undefined) =>
    new Promise<void>((resolve) => {
      settle = resolve;
      if (piece === undefined) stream.end();
      else stream.write(piece, () => resolve());
    });
  try {
    /** Bytes of the chunks before. */
    let before = 0;
    for await (const chunk of packed) {
      for (let at = 0; at < chunk.length && failure === undefined && !ended; at += PIECE) {
        await feed(chunk.subarray(at, at + PIECE));
        const texts = out;
        out = [];
        pending = 0;
        yield* texts;
        if (ended && packed === limits) limits.putBack(chunk.subarray(stream.bytesWritten - before));
      }
      before += chunk.length;
      if (failure !== undefined || ended) break;
    }
    if (failure === undefined && !ended) await feed(undefined);
    yield* out;
    if (failure instanceof ReplayInputError) throw failure;
    if (failure?.code === 'Z_BUF_ERROR' || failure?.code === 'ZSTD_error_srcSize_wrong') report.truncated = true;
    else if (failure !== undefined) throw damaged(report, failure.message);
  } finally {
    stream.destroy();
  }
}
