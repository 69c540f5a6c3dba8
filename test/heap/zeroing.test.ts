/**
 * Zeroing on reuse touches free slots and nothing else: with random patterns of live slots, objects that are handed out
 * read zero and the live ones keep every word.
 */

import { expect, test } from 'vitest';
import { freeNow } from '../../src/heap/free.js';
import { usableSize } from '../../src/heap/sizeclass.js';
import { Golden } from '../golden/support.js';

const SIZES = [16, 24, 48, 64, 128, 208, 512, 576, 1024, 4096];

test.each(SIZES)('slots of %i bytes', (size) => {
  const g = new Golden(64 * 2 ** 20);
  const { w } = g.h;
  const words = usableSize(size, true) >> 3;
  let x = size;
  const random = (): number => {
    x = (Math.imul(x, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return x / 0x8000_0000;
  };
  const live = new Map<number, number>();
  let stamp = 1;
  const wrong: string[] = [];
  // How much of the heap survives a round: none to nearly all, so that groups are wholly free, wholly used and mixed.
  for (const keep of [0.5, 0.02, 0.98, 0, 0.3, 0.9, 0.05, 0.7]) {
    for (let i = 0; i < 1500; i++) {
      const word = g.malloc(size, false);
      for (let k = 0; k < words; k++) if (w[word + k] !== 0) wrong.push(`dirty ${word}+${k}`);
      if (live.has(word)) wrong.push(`twice ${word}`);
      live.set(word, ++stamp);
      w.fill(stamp, word, word + words);
    }
    for (const [word, mark] of live) {
      for (let k = 0; k < words; k++) if (w[word + k] !== mark) wrong.push(`lost ${word}+${k}`);
      if (random() < keep) continue;
      live.delete(word);
      if (random() < 0.2) freeNow(g.h, g.p, word, 0);
      else g.drop(word);
    }
    if (random() < 0.7) g.gc();
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  g.gc();
  g.expectSound();
});
