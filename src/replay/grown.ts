/**
 * Larger copies of the tables that a parser keeps by object or by address. Their sizes are the
 * recording's doing, so where there is no memory for one it is the recording that is too large; it
 * is no mistake of goheap's.
 */

import { ReplayInputError } from './events.js';

/** An array of `length`, which begins with what `old` has. */
export function grown<T extends Int32Array | Float64Array>(old: T, length: number): T {
  let array: T;
  try {
    array = new (old.constructor as new (length: number) => T)(length);
  } catch {
    throw new ReplayInputError(
      'replay-too-many-objects',
      `there is no memory for a table of ${length} entries: record a shorter run, or a smaller one`,
    );
  }
  array.set(old as Int32Array);
  return array;
}
