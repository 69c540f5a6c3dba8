/**
 * Whether a stream is a heap profile, told by its first bytes without taking them away; and a profile's bytes, of which there are not many.
 */

import * as zlib from 'node:zlib';
import { abortable } from '../../threads/abortable.js';
import { ReplayInputError } from '../events.js';
import { isProfile, MAX_PROFILE_BYTES } from './read.js';

/** Bytes of a file that tell, and what they may unpack to. */
export const PROFILE_HEAD = 4096;
const HEAD_UNPACKED = 8 * 2 ** 20;

/** Whether a file that begins so is a profile, packed by gzip or not. */
export function looksLikeProfile(head: Uint8Array): boolean {
  if (head[0] !== 0x1f || head[1] !== 0x8b) return isProfile(head);
  try {
    const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: HEAD_UNPACKED };
    return isProfile(zlib.gunzipSync(head, options).subarray(0, PROFILE_HEAD));
  } catch {
    return false;
  }
}

/**
 * Looks at the beginning of a stream; the stream that is returned has it still. Rejects with the
 * signal's reason, as reading that one does.
 */
export async function peekProfile(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ isProfile: boolean; stream: AsyncIterable<Uint8Array> }> {
  const iterator = abortable(stream, signal);
  const head: Uint8Array[] = [];
  let have = 0;
  while (have < PROFILE_HEAD) {
    const next = await iterator.next();
    if (next.done) break;
    head.push(next.value);
    have += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* head;
    yield* iterator;
  }
  return { isProfile: looksLikeProfile(Buffer.concat(head).subarray(0, PROFILE_HEAD)), stream: all() };
}

/** All bytes of a profile. Rejects with ReplayInputError `replay-too-large`, in the words of `tooLarge`, past `limit` or what a profile may have. */
export async function collectProfile(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  tooLarge: (most: number) => string,
): Promise<Uint8Array> {
  const most = Math.min(limit, MAX_PROFILE_BYTES);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    if (bytes > most) throw new ReplayInputError('replay-too-large', tooLarge(most));
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
