/**
 * The first file of a zip archive, as it streams by: its local header tells all that is needed (APPNOTE 4.3.7). Recordings are published
 * as archives of one file; what follows the first is not read.
 *
 *      0  "PK\3\4"     8  method: 0 stored, 8 deflate    22  size         28  length of the extra field
 *      6  flags        18 packed size                    26  length of the name
 */

import type { ByteSource } from './bytesource.js';
import { type IngestReport, ReplayInputError } from './events.js';

const HEADER = 30;
const ENCRYPTED = 1;
/** Sizes follow the data. */
const STREAMED = 8;

export class ZipEntry {
  readonly deflated: boolean;
  private readonly size: number;

  private constructor(deflated: boolean, size: number) {
    this.deflated = deflated;
    this.size = size;
  }

  /** Reads the header of the first file, and leaves the bytes at its data. */
  static async read(bytes: ByteSource): Promise<ZipEntry> {
    const header = Buffer.from(await bytes.take(HEADER));
    if (header.length < HEADER)
      throw new ReplayInputError('replay-damaged', 'the zip archive ends in its first header');
    const flags = header.readUInt16LE(6);
    const method = header.readUInt16LE(8);
    await bytes.take(header.readUInt16LE(26) + header.readUInt16LE(28));
    if ((flags & ENCRYPTED) !== 0)
      throw new ReplayInputError('replay-zip', 'the zip archive is encrypted: unpack it first');
    if (method !== 8 && (method !== 0 || (flags & STREAMED) !== 0)) {
      throw new ReplayInputError(
        'replay-zip',
        `the zip archive is packed by method ${method}, not by deflate: unpack it first`,
      );
    }
    return new ZipEntry(method === 8, header.readUInt32LE(18));
  }

  /** The data of a file that is not packed. */
  async *stored(bytes: ByteSource, report: IngestReport): AsyncGenerator<Uint8Array> {
    let left = this.size;
    for await (const chunk of bytes) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left <= 0) return;
    }
    report.truncated = true;
  }
}
