/** Zip archives of one file, in the ways that writers have; and gzip bombs. */

import { constants, crc32, deflateRawSync } from 'node:zlib';

export interface ZipKind {
  stored?: boolean;
  streamed?: boolean;
  flags?: number;
  method?: number;
  /** The CRC behind the data has "PK\7\8" before it. */
  signed?: boolean;
  crc?: number;
}

/**
 * A zip archive of one file, as streaming writers make it: sizes and CRC behind the data where
 * `streamed`.
 */
export function zip(
  data: Buffer,
  { stored, streamed, signed = true, flags = 0, method = stored ? 0 : 8, crc = crc32(data) }: ZipKind = {},
): Buffer {
  const packed = stored ? data : deflateRawSync(data);
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(flags | (streamed ? 8 : 0), 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(streamed ? 0 : crc, 14);
  header.writeUInt32LE(streamed ? 0 : packed.length, 18);
  const descriptor = Buffer.alloc(16);
  descriptor.writeUInt32LE(0x08074b50, 0);
  descriptor.writeUInt32LE(crc, 4);
  header.writeUInt16LE(8, 26);
  header.writeUInt16LE(4, 28);
  return Buffer.concat([
    header,
    Buffer.from('name.txtEXTR'),
    packed,
    streamed ? descriptor.subarray(signed ? 0 : 4) : Buffer.alloc(0),
    Buffer.from('PK\x01\x02 the directory, which is not read'),
  ]);
}

/**
 * A gzip file that unpacks to `head` and then so many MiB of one character, about a thousand times
 * its size. It is one member, and lacks its end, which nobody who minds bombs comes to. Its blocks
 * do not refer to each other, so that one is packed, not hundreds of MiB.
 */
export function bomb(head: string, mebibytes: number, character: string): Buffer {
  const block = (text: string): Buffer => deflateRawSync(text, { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const zeros = block(character.repeat(2 ** 20));
  const magic = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([magic, block(head), ...Array<Buffer>(mebibytes).fill(zeros)]);
}
