/**
 * The operating system's part: giving pages back for real.
 *
 * madvise(MADV_DONTNEED) on the reservation drops the physical pages at once; the bytes then read zero. JavaScript
 * cannot call it, the optional package `koffi` can. Where koffi does not load (another platform, a pruned install)
 * `release` says so once, and callers only account.
 *
 * Any thread may call `release` on pages that no live object uses; the callers guarantee that.
 */

import { createRequire } from 'node:module';
import { RESERVATION_OFFSET } from './reservation.js';

const MADV_DONTNEED = 4;

export type ReleaseMode = 'madvise' | 'accounted';

type Madvise = (start: Buffer, length: number, advice: number) => number;

let madvise: Madvise | null | undefined;

function load(): Madvise | null {
  if (madvise !== undefined) return madvise;
  madvise = null;
  if (process.platform === 'linux') {
    try {
      const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
      madvise = koffi
        .load('libc.so.6')
        .func('int madvise(void *start, size_t length, int advice)') as unknown as Madvise;
    } catch {
      madvise = null;
    }
  }
  return madvise;
}

/** Whether pages really return to the operating system here. */
export function releaseMode(): ReleaseMode {
  return load() === null ? 'accounted' : 'madvise';
}

/** Drops `length` bytes at `offset` of a reservation (both multiples of the OS page). Returns whether the OS took them. */
export function release(buffer: SharedArrayBuffer, offset: number, length: number): boolean {
  const call = load();
  if (call === null || length === 0) return false;
  // Only its address counts. Over all of `length` it could be longer than a Buffer may be: 4 GiB in Node 20.
  const start = Buffer.from(buffer as unknown as ArrayBuffer, RESERVATION_OFFSET + offset, 1);
  return call(start, length, MADV_DONTNEED) === 0;
}

/** Drops every whole OS page of a buffer that nobody uses any more: a removed heap's memory returns at once. */
export function releaseWhole(buffer: SharedArrayBuffer): boolean {
  const usable = Math.floor((buffer.byteLength - RESERVATION_OFFSET) / 4096) * 4096;
  return release(buffer, 0, usable);
}
