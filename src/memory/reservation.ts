/**
 * The reservation: the address space that a heap's arenas come from.
 *
 * A SharedArrayBuffer of the whole size is made once, at the heap's creation. It costs nothing until it is touched:
 * the allocator behind it asks the operating system for zeroed pages lazily. Its first byte lies 16 bytes past an OS page
 * (the C allocator's header comes first), and madvise(2) wants page-aligned addresses, so the buffer is one OS
 * page longer than asked and every view starts at the first page boundary inside it. That holds for blocks above 32 MiB: glibc
 * may carve smaller ones out of memory that it has, anywhere. So none is smaller; what is beyond the heap is never touched.
 *
 * Who may touch it: any thread of the heap; what the bytes mean, and under which lock, is for the layers above.
 */

/** The OS page. 4 KiB on every platform that this runs on; a larger one only makes the slack larger. */
export const OS_PAGE = 4096;

/** Where the C allocator leaves the data of a large block, relative to an OS page. */
const MALLOC_HEADER = 16;

/** Offset of the first OS-page-aligned byte in a large SharedArrayBuffer. */
export const RESERVATION_OFFSET = OS_PAGE - MALLOC_HEADER;

/** The largest reservation whose 4-byte words an int32 can count. */
export const MAX_RESERVATION = 2 ** 33;

/** glibc always maps blocks of this size and more by themselves (DEFAULT_MMAP_THRESHOLD_MAX). */
const MIN_MAPPING = 32 * 2 ** 20;

/** Reserves `bytes` (a multiple of 8) of zeroed address space. Throws RangeError when the OS refuses. */
export function reserve(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(bytes, MIN_MAPPING) + OS_PAGE);
}

/** The reservation as 8-byte words: what zeroing uses. Word 0 is the heap's first byte. */
export function words64(buffer: SharedArrayBuffer, bytes: number): Float64Array {
  return new Float64Array(buffer, RESERVATION_OFFSET, bytes / 8);
}

/** The reservation as 4-byte words: what pointers and pointer bitmaps use. An 8 GiB view is one word short of 2^31. */
export function words32(buffer: SharedArrayBuffer, bytes: number): Int32Array {
  return new Int32Array(buffer, RESERVATION_OFFSET, Math.min(bytes / 4, 2 ** 31 - 1));
}

/** `length` bytes from byte `offset` of the reservation, as a Buffer over the same memory (no copy). */
export function bytesAt(buffer: SharedArrayBuffer, offset: number, length: number): Buffer {
  return Buffer.from(buffer as unknown as ArrayBuffer, RESERVATION_OFFSET + offset, length);
}
