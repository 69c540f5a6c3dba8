/** The generated size classes against Go's table, and size to class against its definition, for every size. */

import { expect, test } from 'vitest';
import {
  CLASS_TO_PAGES,
  CLASS_TO_SIZE,
  MAX_SMALL_SIZE,
  NUM_SIZE_CLASSES,
  NUM_SPAN_CLASSES,
  PAGE_SIZE,
  SPC_TO_HEADER_WORDS,
  SPC_TO_HEAP_BITS,
  SPC_TO_INVERSE,
  SPC_TO_MAGIC,
  SPC_TO_NELEMS,
  SPC_TO_WORDS,
  sizeToClass,
  spanReserve,
} from '../../src/heap/sizeclass.js';

/** Go's sizeclasses.go: class, slot size, pages, objects (before pointer bitmaps and inline marks take their share). */
// biome-ignore format: a table
const GO: readonly (readonly [number, number, number, number])[] = [
  [1, 8, 1, 1024], [2, 16, 1, 512], [3, 24, 1, 341], [4, 32, 1, 256], [5, 48, 1, 170], [6, 64, 1, 128],
  [7, 80, 1, 102], [8, 96, 1, 85], [9, 112, 1, 73], [10, 128, 1, 64], [11, 144, 1, 56], [12, 160, 1, 51],
  [13, 176, 1, 46], [14, 192, 1, 42], [15, 208, 1, 39], [16, 224, 1, 36], [17, 240, 1, 34], [18, 256, 1, 32],
  [19, 288, 1, 28], [20, 320, 1, 25], [21, 352, 1, 23], [22, 384, 1, 21], [23, 416, 1, 19], [24, 448, 1, 18],
  [25, 480, 1, 17], [26, 512, 1, 16], [27, 576, 1, 14], [28, 640, 1, 12], [29, 704, 1, 11], [30, 768, 1, 10],
  [31, 896, 1, 9], [32, 1024, 1, 8], [33, 1152, 1, 7], [34, 1280, 1, 6], [35, 1408, 2, 11], [36, 1536, 1, 5],
  [37, 1792, 2, 9], [38, 2048, 1, 4], [39, 2304, 2, 7], [40, 2688, 1, 3], [41, 3072, 3, 8], [42, 3200, 2, 5],
  [43, 3456, 3, 7], [44, 4096, 1, 2], [45, 4864, 3, 5], [46, 5376, 2, 3], [47, 6144, 3, 4], [48, 6528, 4, 5],
  [49, 6784, 5, 6], [50, 6912, 6, 7], [51, 8192, 1, 1], [52, 9472, 7, 6], [53, 9728, 6, 5], [54, 10240, 5, 4],
  [55, 10880, 4, 3], [56, 12288, 3, 2], [57, 13568, 5, 3], [58, 14336, 7, 4], [59, 16384, 2, 1], [60, 18432, 9, 4],
  [61, 19072, 7, 3], [62, 20480, 5, 2], [63, 21760, 8, 3], [64, 24576, 3, 1], [65, 27264, 10, 3], [66, 28672, 7, 2],
  [67, 32768, 4, 1],
];

test("the generated table is Go's", () => {
  expect(GO.length).toBe(67);
  expect(NUM_SIZE_CLASSES).toBe(68);
  expect(NUM_SPAN_CLASSES).toBe(136);
  const generated = Array.from({ length: 67 }, (_, i) => {
    const c = i + 1;
    return [c, CLASS_TO_SIZE[c], CLASS_TO_PAGES[c], Math.floor((CLASS_TO_PAGES[c] * PAGE_SIZE) / CLASS_TO_SIZE[c])];
  });
  expect(generated).toEqual(GO);
});

test('every size goes to the first class that holds it', () => {
  const wrong: number[] = [];
  for (let size = 1, c = 1; size <= MAX_SMALL_SIZE; size++) {
    if (size > GO[c - 1][1]) c++;
    if (sizeToClass(size) !== c) wrong.push(size);
  }
  expect(wrong).toEqual([]);
});

test('what a span reserves at its end', () => {
  for (const [c, size, pages] of GO) {
    for (const noscan of [false, true]) {
      const spc = (c << 1) | (noscan ? 1 : 0);
      const reserve = (!noscan && size <= 512 ? 128 : 0) + (size >= 16 && size <= 512 ? 128 : 0);
      expect(spanReserve(c, noscan)).toBe(reserve);
      expect(SPC_TO_NELEMS[spc]).toBe(Math.floor((pages * PAGE_SIZE - reserve) / size));
      expect(SPC_TO_WORDS[spc]).toBe(size / 8);
      expect(SPC_TO_HEADER_WORDS[spc]).toBe(!noscan && size > 512 ? 1 : 0);
      // The bitmap begins where the reserve does, behind the last slot.
      expect(SPC_TO_HEAP_BITS[spc]).toBe(!noscan && size <= 512 ? (PAGE_SIZE - reserve) / 4 : -1);
    }
  }
});

test("a word's slot by multiplication is its slot by division", () => {
  const wrong: string[] = [];
  for (const [c, size, pages] of GO) {
    for (let word = 0; word < (pages * PAGE_SIZE) / 8; word++) {
      const slot = ((word + 0.5) * SPC_TO_INVERSE[c << 1]) | 0;
      const exact = Math.floor((word * 8) / size);
      if (slot !== exact) wrong.push(`class ${c} word ${word}`);
      const start = (word * 8) % size === 0;
      if (start && Math.imul(word, SPC_TO_MAGIC[c << 1]) >>> 17 !== exact) wrong.push(`class ${c} word ${word}: magic`);
    }
  }
  expect(wrong).toEqual([]);
});
