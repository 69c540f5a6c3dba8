/**
 * Size classes: which slot sizes exist, how many pages a span of each takes, and how a request finds its class.
 *
 * The table is not typed in. It is made by the rule that made Go's (cmd mksizeclasses): step the size by its alignment,
 * give each candidate the fewest pages that waste at most an eighth, fold candidates that give the same number of
 * objects per span into one, and finally let every class grow into the space that its span leaves over. The result is
 * Go 1.27's table, 67 classes and class 0 for large objects.
 *
 * A span class is a size class with one more bit: `sizeclass << 1 | noscan`. Everything below the heap lock is kept
 * once per span class, so that the collector never looks into a span without pointers.
 *
 * All tables are constant after module load; every thread has its own equal copy.
 */

export const PAGE_SHIFT = 13;
/** Bytes of a runtime page. */
export const PAGE_SIZE = 1 << PAGE_SHIFT;
/** 8-byte words of a runtime page. */
export const PAGE_WORDS = PAGE_SIZE / 8;

/** Largest size class. */
export const MAX_SMALL_SIZE = 32768;
/** Bytes in front of a scan object over 512 bytes: its type. */
export const MALLOC_HEADER_SIZE = 8;
/** Largest request served from a size class; larger ones get pages of their own. */
export const MAX_SMALL_REQUEST = MAX_SMALL_SIZE - MALLOC_HEADER_SIZE;
/** Scan objects up to this size have their pointer bitmap at the end of the span, larger ones have a header. */
export const MIN_SIZE_FOR_MALLOC_HEADER = 512;

const SMALL_SIZE_DIV = 8;
const SMALL_SIZE_MAX = 1024;
const LARGE_SIZE_DIV = 128;

/** Bytes at the end of a span with a pointer bitmap: one bit for each word of the page. */
const HEAP_BITS_BYTES = PAGE_SIZE / 8 / 8;
/** Bytes that Go 1.26+ keeps at the end of spans of 16 to 512 byte slots for inline marks (Green Tea). */
const INLINE_MARK_BYTES = 128;

interface Candidate {
  size: number;
  pages: number;
}

function pagesFor(size: number): number {
  let bytes = PAGE_SIZE;
  while (bytes % size > bytes / 8) bytes += PAGE_SIZE;
  return bytes / PAGE_SIZE;
}

function generate(): Candidate[] {
  const classes: Candidate[] = [{ size: 0, pages: 0 }];
  let align = 8;
  for (let size = align; size <= MAX_SMALL_SIZE; size += align) {
    if ((size & (size - 1)) === 0) {
      if (size >= 2048) align = 256;
      else if (size >= 128) align = size / 8;
      else if (size >= 32) align = 16;
    }
    const pages = pagesFor(size);
    const last = classes[classes.length - 1];
    const perSpan = Math.floor((pages * PAGE_SIZE) / size);
    if (last.pages === pages && Math.floor((last.pages * PAGE_SIZE) / last.size) === perSpan) last.size = size;
    else classes.push({ size, pages });
  }
  for (const c of classes) {
    if (c.size === 0) continue;
    const perSpan = Math.floor((c.pages * PAGE_SIZE) / c.size);
    const roomy = Math.floor(Math.floor((c.pages * PAGE_SIZE) / perSpan) / LARGE_SIZE_DIV) * LARGE_SIZE_DIV;
    if (roomy > c.size) c.size = roomy;
  }
  return classes;
}

const classes = generate();

export const NUM_SIZE_CLASSES = classes.length;
export const NUM_SPAN_CLASSES = NUM_SIZE_CLASSES * 2;

/** Slot size in bytes, by size class; 0 for class 0 (large). */
export const CLASS_TO_SIZE = Int32Array.from(classes, (c) => c.size);
/** Pages of a span, by size class. */
export const CLASS_TO_PAGES = Int32Array.from(classes, (c) => c.pages);
/** Slot size in 8-byte words, by span class. */
export const SPC_TO_WORDS = Int32Array.from({ length: NUM_SPAN_CLASSES }, (_, spc) => CLASS_TO_SIZE[spc >> 1] / 8);
/** 1 / slot words, by span class: turns a division into a multiplication on the free path. */
export const SPC_TO_INVERSE = Float64Array.from(SPC_TO_WORDS, (w) => (w === 0 ? 0 : 1 / w));

/**
 * 2^17 / slot words rounded up, by span class. `offset * magic >>> 17` is the slot of an offset in words that is a
 * multiple of the slot's size, in integers (no span has more than 10 pages, so neither bound is reached); of another
 * offset it is some slot near by.
 */
export const SPC_TO_MAGIC = Int32Array.from(SPC_TO_WORDS, (w) => (w === 0 ? 0 : Math.ceil(2 ** 17 / w)));

/** The span class of tiny blocks: 16 bytes, no pointers. */
export const TINY_SPAN_CLASS = (2 << 1) | 1;
export const TINY_SIZE = 16;

export function makeSpanClass(sizeClass: number, noscan: boolean): number {
  return (sizeClass << 1) | (noscan ? 1 : 0);
}

/** Bytes at the end of a span of this class that hold no slots: pointer bitmap and inline marks. */
export function spanReserve(sizeClass: number, noscan: boolean): number {
  const size = CLASS_TO_SIZE[sizeClass];
  if (size > MIN_SIZE_FOR_MALLOC_HEADER) return 0;
  return (noscan ? 0 : HEAP_BITS_BYTES) + (size >= 16 ? INLINE_MARK_BYTES : 0);
}

/** Slots of a span, by span class; 1 for large. */
export const SPC_TO_NELEMS = Int32Array.from({ length: NUM_SPAN_CLASSES }, (_, spc) => {
  const c = spc >> 1;
  if (c === 0) return 1;
  return Math.floor((CLASS_TO_PAGES[c] * PAGE_SIZE - spanReserve(c, (spc & 1) === 1)) / CLASS_TO_SIZE[c]);
});

/** Word offset, inside a one-page scan span, of its pointer bitmap (32-bit words; 32 of them). -1 where it has none. */
export const SPC_TO_HEAP_BITS = Int32Array.from({ length: NUM_SPAN_CLASSES }, (_, spc) => {
  const size = CLASS_TO_SIZE[spc >> 1];
  if ((spc & 1) === 1 || size === 0 || size > MIN_SIZE_FOR_MALLOC_HEADER) return -1;
  return (PAGE_SIZE - spanReserve(spc >> 1, false)) / 4;
});

/** Words in front of the user's first byte, by span class: 1 where objects carry a header. */
export const SPC_TO_HEADER_WORDS = Int32Array.from({ length: NUM_SPAN_CLASSES }, (_, spc) =>
  (spc & 1) === 0 && CLASS_TO_SIZE[spc >> 1] > MIN_SIZE_FOR_MALLOC_HEADER ? 1 : 0,
);

function firstClassFor(size: number): number {
  let c = 1;
  while (CLASS_TO_SIZE[c] < size) c++;
  return c;
}

/** Class of a request up to SMALL_SIZE_MAX - 8, by its eighths rounded up. */
const TABLE_8 = Uint8Array.from({ length: SMALL_SIZE_MAX / SMALL_SIZE_DIV + 1 }, (_, i) =>
  i === 0 ? 0 : firstClassFor(i * SMALL_SIZE_DIV),
);
/** Class of a larger small request, by its 128ths past SMALL_SIZE_MAX rounded up. */
const TABLE_128 = Uint8Array.from({ length: (MAX_SMALL_SIZE - SMALL_SIZE_MAX) / LARGE_SIZE_DIV + 1 }, (_, i) =>
  firstClassFor(SMALL_SIZE_MAX + i * LARGE_SIZE_DIV),
);

/** Size class of `bytes` (1 to 32768, header included). */
export function sizeToClass(bytes: number): number {
  return bytes <= SMALL_SIZE_MAX - 8
    ? TABLE_8[(bytes + SMALL_SIZE_DIV - 1) >> 3]
    : TABLE_128[(bytes - SMALL_SIZE_MAX + LARGE_SIZE_DIV - 1) >> 7];
}

/** Bytes that a client may use of an object of `size` requested bytes: the slot without its header, or whole pages. */
export function usableSize(size: number, noscan: boolean): number {
  if (size === 0) return 0;
  if (size > MAX_SMALL_REQUEST) return Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  if (!noscan && size > MIN_SIZE_FOR_MALLOC_HEADER) return CLASS_TO_SIZE[sizeToClass(size + 8)] - 8;
  return CLASS_TO_SIZE[sizeToClass(size)];
}
