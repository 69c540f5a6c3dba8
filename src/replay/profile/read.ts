/**
 * Reading a heap profile: which of the two forms it has is told by its content, as is whether it is compressed.
 *
 * A profile is read whole: Go's are small (a bucket for each pair of stack and size, not an object), and its compressed form is bounded
 * before it is expanded, so that a gzip bomb costs no more than the bound.
 */

import { gunzipSync } from 'node:zlib';
import { ReplayInputError } from '../events.js';
import type { HeapProfile } from './heapprofile.js';
import { isLegacyProfile, readLegacyProfile } from './legacy.js';
import { isProfileProto, readProfileProto } from './proto.js';

/** Bytes that a profile may expand to. The largest of real ones are a few MB. */
export const MAX_PROFILE_BYTES = 64 << 20;

/** Is this the beginning of a heap profile, already decompressed? */
export function isProfile(head: Uint8Array): boolean {
  return isLegacyProfile(head) || isProfileProto(head);
}

/** As a damaged file is reported: which part of it is bad. */
function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new ReplayInputError(
        'replay-too-large',
        `the profile expands to more than ${maxBytes} bytes: no heap profile is that large`,
      );
    }
    if (code === 'Z_BUF_ERROR') {
      throw new ReplayInputError('replay-truncated', 'the profile is cut off: its gzip stream has no end');
    }
    throw new ReplayInputError('replay-damaged', `the profile's gzip stream is damaged: ${message}`);
  }
}

/** @throws ReplayInputError */
export function readProfile(bytes: Uint8Array, maxBytes = MAX_PROFILE_BYTES): HeapProfile {
  if (bytes.length === 0) throw new ReplayInputError('replay-empty', 'the profile is empty');
  const gzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const content = gzip ? gunzip(bytes, maxBytes) : bytes;
  if (content.length > maxBytes) {
    throw new ReplayInputError(
      'replay-too-large',
      `the profile has ${content.length} bytes, and ${maxBytes} is the most that is read`,
    );
  }
  const file = {
    bytes: bytes.length,
    textBytes: content.length,
    compression: gzip ? ('gzip' as const) : ('none' as const),
  };
  if (isLegacyProfile(content)) return { ...file, ...readLegacyProfile(content) };
  if (isProfileProto(content.subarray(0, 4096))) return { ...file, ...readProfileProto(content) };
  throw new ReplayInputError(
    'replay-unknown-format',
    'not a heap profile: neither profile.proto (what /debug/pprof/heap serves) nor "heap profile: …" text (with ?debug=1)',
  );
}
