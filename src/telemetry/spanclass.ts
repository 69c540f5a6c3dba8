/**
 * The labels of classes: `class` is Go's number of the size class (0: large), `size` its slot in bytes (`large` for
 * class 0), `scan` whether its objects have pointers. A span class is shown once it ever had a span, and from then on
 * always: a scrape of a heap that uses ten classes has ten series a family, and no series ever vanishes.
 */

import { CLASS_TO_SIZE, NUM_SIZE_CLASSES, NUM_SPAN_CLASSES } from '../heap/sizeclass.js';
import type { Family } from './family.js';
import type { HeapView } from './view.js';

export const CLASS_LABELS = ['class', 'size'] as const;
export const SPAN_CLASS_LABELS = ['class', 'size', 'scan'] as const;

const CLASS_NAME = Array.from({ length: NUM_SIZE_CLASSES }, (_, c) => String(c));
const SIZE_NAME = Array.from(CLASS_TO_SIZE, (size, c) => (c === 0 ? 'large' : String(size)));

type Described = Omit<Family<HeapView>, 'labels' | 'read'>;

/** Calls `each` for every span class that ever had a span, with its label values. */
export function eachSpanClass(
  view: HeapView,
  each: (spc: number, className: string, size: string, scan: string) => void,
): void {
  const { used } = view.spanClasses;
  for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
    const c = spc >> 1;
    if (used[spc] !== 0) each(spc, CLASS_NAME[c], SIZE_NAME[c], (spc & 1) === 0 ? 'true' : 'false');
  }
}

/** A family with one number for each span class. */
export function spanClassFamily(f: Described, read: (view: HeapView, spc: number) => number): Family<HeapView> {
  return {
    ...f,
    labels: SPAN_CLASS_LABELS,
    read: (view, out) => eachSpanClass(view, (spc, c, size, scan) => out.value(read(view, spc), c, size, scan)),
  };
}

/** A family with one number for each size class; `read` gives all of them at once. */
export function classFamily(f: Described, read: (view: HeapView) => ArrayLike<number>): Family<HeapView> {
  return {
    ...f,
    labels: CLASS_LABELS,
    read: (view, out) => {
      const values = read(view);
      const { used } = view.spanClasses;
      for (let c = 0; c < NUM_SIZE_CLASSES; c++) {
        if ((used[c * 2] | used[c * 2 + 1]) !== 0) out.value(values[c], CLASS_NAME[c], SIZE_NAME[c]);
      }
    },
  };
}
