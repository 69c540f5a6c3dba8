/**
 * The first file of a zip archive, as it streams by: its local header tells all that is needed (APPNOTE 4.3.7). Recordings are published
 * as archives of one file; what follows the first is not read.
 *
 *      0  "PK\3\4"     8  method: 0 stored, 8 deflate    18 packed size    26  length of the name
 *      6  flags        14 CRC-32                         22  size         28  length of the extra field
 *
 * An archive that was written as a stream has the CRC behind the data, where "PK\7\8" may stand
 * before it (4.3.9).
 */

import { crc32 } from 'node:zlib';
import { type ByteSource, damaged } from './bytesource.js';
import { type IngestReport, ReplayInputError } from './events.js';

const HEADER = 30;
const ENCRYPTED = 1;
/** Sizes follow the data. */
const STREAMED = 8;
const DESCRIPTOR = 8;
const SIGNATURE = 0x08074b50;

export class ZipEntry {
  readonly deflated: boolean;
  private readonly size: number;
  /** null: it follows the data. */
  private readonly crc: number | null;

  private constructor(deflated: boolean, size: number, crc: number | null) {
    this.deflated = deflated;
    this.size = size;
    this.crc = crc;
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
    const crc = (flags & STREAMED) === 0 ? header.readUInt32LE(14) : null;
    return new ZipEntry(method === 8, header.readUInt32LE(18), crc);
  }

  /**
   * The file's text, once it is unpacked: at its end its CRC is compared, if the archive goes on
   * until there.
   */
  async *checked(text: AsyncIterable<Uint8Array>, bytes: ByteSource, report: IngestReport): AsyncGenerator<Uint8Array> {
    let crc = 0;
    for await (const piece of text) {
      crc = crc32(piece, crc);
      yield piece;
    }
    if (report.truncated) return;
    let same = crc === this.crc;
    if (this.crc === null) {
      const descriptor = Buffer.from(await bytes.peek(DESCRIPTOR));
      if (descriptor.length < DESCRIPTOR) {
        report.truncated = true;
        return;
      }
      const first = descriptor.readUInt32LE(0);
      same = crc === first || (first === SIGNATURE && crc === descriptor.readUInt32LE(4));
    }
    if (!same) throw damaged(report, 'the CRC of the file is another');
  }

  /** The data of a file that is not packed. */
  async *stored(bytes: ByteSource, report: IngestReport): AsyncGenerator<Uint8Array> {
    let left = this.size;
    if (left === 0) return;
    for await (const chunk of bytes) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left <= 0) return;
    }
    report.truncated = true;
  }
}
