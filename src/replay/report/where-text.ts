/** Where HeapSys went, as a stacked bar and as numbers that add up. */

import type { SimResult, Where } from '../result.js';
import { table } from './text-table.js';
import { count, percent, size } from './units.js';

type Part = Exclude<keyof Where, 'total'>;

/** Parts in the order of the stack, each with the character that its bar is made of. */
const STACK: readonly (readonly [part: Part, mark: string, meaning: string])[] = [
  ['requested', '█', 'asked for and held, with the table of objects'],
  ['rounding', 'r', 'size classes and pages rounded up'],
  ['tiny', 't', 'gaps in blocks of tiny objects'],
  ['tails', 'e', 'ends of spans, and the bitmaps in them'],
  ['freeSlots', 'f', 'free slots of partly used spans'],
  ['mcache', 'c', 'free slots cached by the Ps'],
  ['garbage', 'g', 'given up, not yet found or swept'],
  ['idle', 'i', 'free pages with memory'],
  ['released', '░', 'free pages without memory: address space'],
  ['metadata', 'm', 'spans, bitmaps, page maps, the runtime'],
];

/** Sums that MemStats has a name for, after which part. */
const SUMS: Partial<Record<Part, string>> = { garbage: 'HeapInuse', released: 'HeapSys', metadata: 'Sys' };

const LABELS: Partial<Record<Part, string>> = { freeSlots: 'free slots', tiny: 'tiny packing', tails: 'span tails' };

export function whereText(moment: SimResult['peak'], width: number): string[] {
  const { where } = moment;
  const lines = [` ${stackedBar(where, width - 2)}`, ''];
  const rows: string[][] = [];
  let sum = 0;
  for (const [part, mark, meaning] of STACK) {
    sum += where[part];
    rows.push([
      `  ${mark} ${LABELS[part] ?? part}`,
      count(where[part]),
      size(where[part]),
      percent(where[part] / where.total),
      meaning,
    ]);
    const name = SUMS[part];
    if (name !== undefined) rows.push([`  = ${name}`, count(sum), size(sum), percent(sum / where.total), '']);
  }
  return [...lines, ...table(rows, { left: [4] })];
}

/** Exactly `width` characters: each part's share, by largest remainders. */
export function stackedBar(where: Where, width: number): string {
  const exact = STACK.map(([part]) => (where.total <= 0 ? 0 : (where[part] / where.total) * width));
  const cells = exact.map(Math.floor);
  let left = (where.total <= 0 ? 0 : width) - cells.reduce((a, b) => a + b, 0);
  const order = exact.map((_, i) => i).sort((a, b) => exact[b] - cells[b] - (exact[a] - cells[a]) || a - b);
  for (const i of order) {
    if (left <= 0) break;
    cells[i]++;
    left--;
  }
  return STACK.map(([, mark], i) => mark.repeat(Math.max(0, cells[i]))).join('');
}
