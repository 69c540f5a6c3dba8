/** What the program asked for: size classes with suggestions, and how long objects lived. */

import type { ClassRow, Lifetimes, SimResult } from '../result.js';
import { bar } from './plot.js';
import { table, wrap } from './text-table.js';
import { count, percent, short, size } from './units.js';

/** Rows of the table of classes. */
const CLASSES = 12;
/** How often an object was collected around, in the buckets of Lifetimes.cycles. */
export const SURVIVED = ['0', '1', '2', '3', '4-7', '8-15', '16+'];

/** A class's cells up to its spans. */
export function classCells(row: ClassRow): string[] {
  const handed = row.requestedBytes + row.rounding;
  return [
    row.sizeClass === 0 ? 'large' : String(row.sizeClass),
    row.sizeClass === 0 ? '' : count(row.size),
    row.noscan ? 'noscan' : 'scan',
    count(row.requests),
    size(row.requestedBytes),
    handed === 0 ? '' : percent(row.rounding / handed),
    count(row.spans),
  ];
}

export function classesText(result: SimResult, width: number): string[] {
  const { classes, suggestions } = result;
  // Where it matters: spans at the peak, or requests.
  const weight = (row: ClassRow): number => Math.max(row.spanBytes, row.requestedBytes);
  const shown = new Set([...classes].sort((a, b) => weight(b) - weight(a)).slice(0, CLASSES));
  const rows = [['class', 'slot', '', 'requests', 'bytes asked', 'rounding', 'spans', 'full', 'span bytes']];
  for (const row of classes) {
    if (!shown.has(row)) continue;
    const full = row.spans === 0 ? '' : percent(row.occupancy);
    rows.push([...classCells(row), full, size(row.spanBytes)]);
  }
  const lines = table(rows, { indent: '  ', left: [2] });
  if (classes.length > CLASSES) {
    lines.push(`  and ${classes.length - CLASSES} smaller ones, in --json. Spans: when in use was greatest.`);
  } else lines.push('  Spans: when in use was greatest.');
  for (const { text } of suggestions.slice(0, 5)) lines.push(...wrap(text, width, '  · ', '    '));
  return lines;
}

export function lifetimesText(lifetimes: Lifetimes, width: number): string[] {
  const { bytes, objects, objectBytes, cycles, neverFreed } = lifetimes;
  const died = objects.reduce((a, b) => a + b, 0);
  const all = died + neverFreed.objects;
  if (all === 0) return ['  No objects.'];
  const allBytes = objectBytes.reduce((a, b) => a + b, 0) + neverFreed.bytes;
  const rows: string[][] = [];
  const barWidth = Math.max(10, width - 66);
  const add = (label: string, n: number, b: number): void => {
    rows.push([
      label,
      `${short(n)} objects`,
      percent(n / all),
      size(b),
      allBytes === 0 ? '' : percent(b / allBytes),
      bar(n / all, barWidth),
    ]);
  };
  // Pairs of buckets, from the first that has any to the last.
  const last = bytes.length - 1;
  for (let i = 0; i <= last; i += 4) {
    const to = Math.min(last, i + 3);
    let n = 0;
    let b = 0;
    for (let k = i; k <= to; k++) {
      n += objects[k];
      b += objectBytes[k];
    }
    if (n === 0) continue;
    const bound = bytes[to];
    add(bound === null ? 'longer' : `< ${size(bound)}`, n, b);
  }
  if (neverFreed.objects > 0) add('never freed', neverFreed.objects, neverFreed.bytes);
  const lines = ['  Bytes that the program allocated between an object’s birth and its death:'];
  lines.push(...table(rows, { indent: '  ', left: [5] }));
  if (died > 0) {
    const survived = cycles.map((n, i) => `${SURVIVED[i]}: ${percent(n / died)}`).filter((_, i) => cycles[i] > 0);
    lines.push(...wrap(`Collections begun while it lived, of those that died: ${survived.join(', ')}.`, width, '  '));
  }
  return lines;
}
