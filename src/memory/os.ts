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
import { OS_PAGE, RESERVATION_OFFSET } from './reservation.js';

const MADV_DONTNEED = 4;

export type ReleaseMode = 'madvise' | 'accounted';

/** Bytes of a removed heap that are given back in one call: some 70 ms, if all of them were in use. */
export const RELEASE_SLICE = 256 * 2 ** 20;

interface Madvise {
  (start: Buffer, length: number, advice: number): number;
  /** The same on a thread of Node's pool. */
  async(start: Buffer, length: number, advice: number, done: (error: Error | null, result: number) => void): void;
}

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

/**
 * Drops every whole OS page of a buffer that nobody uses any more: a removed heap's memory returns at once. Resolves when it is gone.
 *
 * Giving back gigabytes takes seconds, and the main thread has others to answer: a thread of Node's pool does it, a slice after the other, so
 * that neither this thread nor whoever else needs the pool or the process's memory map waits for longer than a slice takes.
 */
export async function releaseWhole(buffer: SharedArrayBuffer): Promise<boolean> {
  const call = load();
  if (call === null) return false;
  let taken = true;
  for (const { offset, length } of slices(buffer)) {
    const start = Buffer.from(buffer as unknown as ArrayBuffer, RESERVATION_OFFSET + offset, 1);
    const result = await new Promise<number>((resolve) =>
      call.async(start, length, MADV_DONTNEED, (error, value) => resolve(error === null ? value : -1)),
    );
    taken &&= result === 0;
  }
  return taken;
}

/** The pieces in which a buffer is released, in order: whole pages, all of them, none longer than RELEASE_SLICE. */
export function* slices(buffer: SharedArrayBuffer): Generator<{ offset: number; length: number }> {
  const usable = Math.floor((buffer.byteLength - RESERVATION_OFFSET) / OS_PAGE) * OS_PAGE;
  for (let offset = 0; offset < usable; offset += RELEASE_SLICE) {
    yield { offset, length: Math.min(RELEASE_SLICE, usable - offset) };
  }
}
