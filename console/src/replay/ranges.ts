/** Ranges: least and greatest of a number over the variations of a setting. No DOM: the tests read it too. */

import type { Range } from './types.js';

/** The number that stands for a range. */
export const middle = ([min, max]: Range): number => (min + max) / 2;
const meet = (a: Range, b: Range): boolean => a[0] <= b[1] && b[0] <= a[1];

/** `6.01–6.05 MiB`, or one number where both read the same. */
export function range([min, max]: Range, format: (n: number) => string): string {
  const [low, high] = [format(min), format(max)];
  if (low === high) return high;
  const unit = / [^ ]+$/.exec(high)?.[0] ?? (high.endsWith('%') ? '%' : '');
  return `${unit !== '' && low.endsWith(unit) ? low.slice(0, -unit.length) : low}–${high}`;
}

/** "+12%", "−3.4%": how far the middles are apart; '' where Go itself might make the difference, it is less than can be shown, or the base is 0. */
export function change(base: Range, to: Range): string {
  const from = middle(base);
  if (from === 0 || meet(base, to)) return '';
  const p = (middle(to) / from - 1) * 100;
  const text = Math.abs(p).toFixed(Math.abs(p) < 9.95 ? 1 : 0);
  if (Number(text) === 0) return '';
  return `${p < 0 ? '−' : '+'}${text}%`;
}
