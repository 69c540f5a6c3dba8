/** Short ways to declare the families of a heap: a gauge, a counter, and one number for each P. */

import { type Family, single } from './family.js';
import type { HeapView } from './view.js';

type Described = Omit<Family<HeapView>, 'labels' | 'read'>;

const one =
  (type: 'gauge' | 'counter') =>
  (name: string, help: string, unit: string, from: string, advice: string, read: (v: HeapView) => number) =>
    single<HeapView>({ name, type, help, unit, from, advice }, read);

export const gauge = one('gauge');
export const total = one('counter');

/** A family with one number for each P. */
export function perP(f: Described, read: (view: HeapView, p: number) => number): Family<HeapView> {
  return {
    ...f,
    labels: ['p'],
    read: (view, out) => {
      for (const { id } of view.heap.ps) out.value(read(view, id), String(id));
    },
  };
}

/** A family with one number for each value of a label, in the order of `parts`. */
export function byLabel(
  f: Described,
  label: string,
  parts: readonly (readonly [value: string, read: (view: HeapView) => number])[],
): Family<HeapView> {
  return {
    ...f,
    labels: [label],
    read: (view, out) => {
      for (const [value, read] of parts) out.value(read(view), value);
    },
  };
}
