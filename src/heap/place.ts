/**
 * Places: where the bits of a hollow heap's spans lie.
 *
 * A heap with bytes keeps 1,024 bits for each page in each bitmap, found by arithmetic and free until they are touched. A hollow heap may be a
 * hundred times as large, and the bits of its large objects, a page or more of address space apart, would cost an OS page each. So its
 * spans take places that lie close together:
 *
 *      bitmap   [ wide 1 | wide 2 | … | wide W ][ n1 | n2 | … ]        wide: 1,024 bits, narrow: 32, for spans of 32 slots and fewer
 *      owner    [ span   | span   | free      ][ span | … ]           the span of each place, or minus the next free one
 *
 * Place 0 of each kind is nobody's, so that 0 ends a list. All bits of a free place are clear. On the one thread of the heap, no lock.
 */

import { H_NARROW_FREE, H_NARROW_NEXT, H_WIDE_FREE, H_WIDE_NEXT, type Heap } from './heap.js';
import { narrowPlacesOf } from './layout.js';
import { S_BITS } from './mspan.js';
import { SPC_TO_NELEMS } from './sizeclass.js';

const isWide = (spc: number): boolean => SPC_TO_NELEMS[spc] > 32;

/** Whether a span of the class would find a place. True of every heap that is not hollow. */
export function hasPlace(h: Heap, spc: number): boolean {
  if (!h.hollow) return true;
  const { m, mheap } = h;
  if (isWide(spc)) return m[mheap + H_WIDE_FREE] !== 0 || m[mheap + H_WIDE_NEXT] < h.widePlaces;
  return m[mheap + H_NARROW_FREE] !== 0 || m[mheap + H_NARROW_NEXT] < narrowPlacesOf(h.geometry);
}

/** A place for the bits of a span: its first int32 word in each bitmap. */
export function takePlace(h: Heap, s: number, spc: number): number {
  const { m } = h;
  const wide = isWide(spc);
  const base = wide ? 0 : h.widePlaces;
  const head = h.mheap + (wide ? H_WIDE_FREE : H_NARROW_FREE);
  let place = m[head];
  if (place !== 0) m[head] = -m[h.placeOwner + base + place];
  else place = m[h.mheap + (wide ? H_WIDE_NEXT : H_NARROW_NEXT)]++;
  m[h.placeOwner + base + place] = s;
  return wide ? place * 32 : h.widePlaces * 32 + place;
}

/** Gives a span's place back; its bits are clear. */
export function freePlace(h: Heap, s: number): void {
  const { m } = h;
  const word = m[s + S_BITS];
  const wide = word < h.widePlaces * 32;
  const place = wide ? word >> 5 : word - h.widePlaces * 32;
  const head = h.mheap + (wide ? H_WIDE_FREE : H_NARROW_FREE);
  m[h.placeOwner + (wide ? 0 : h.widePlaces) + place] = -m[head];
  m[head] = place;
}

/** Index of a bit's place in the owners. */
export function placeOfBit(h: Heap, bit: number): number {
  const narrow = (bit >>> 5) - h.widePlaces * 32;
  return narrow < 0 ? bit >>> 10 : h.widePlaces + narrow;
}
