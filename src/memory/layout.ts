/**
 * One layout for a block of shared memory, from one declarative table.
 *
 * Every structure that threads share is a region of a SharedArrayBuffer: a name, an element type, a count that may
 * depend on the geometry (how many pages, how many Ps), and a sentence that says what it is. `layOut` turns such a
 * table into offsets. Code, recovery, `check()` and the documentation read the same table, so that they cannot drift.
 *
 * Regions start on a cache line of their own (64 bytes), so that two regions written by different threads never share
 * one. Offsets are given in elements of the region's type, because that is what a typed array is indexed with.
 *
 * Untouched regions cost nothing: the operating system hands out zeroed pages on first touch.
 */

export type ElementType = 'i32' | 'f64' | 'u16';

const WIDTH: Record<ElementType, number> = { i32: 4, f64: 8, u16: 2 };

export interface RegionSpec<G> {
  readonly name: string;
  readonly type: ElementType;
  /** Number of elements for a geometry. */
  readonly count: (geometry: G) => number;
  /** What the region holds, and who may write it. */
  readonly meaning: string;
}

export interface Region {
  readonly type: ElementType;
  /** First element, as an index of a typed array of `type` over the whole block. */
  readonly at: number;
  readonly count: number;
}

export interface Layout<N extends string> {
  readonly regions: Readonly<Record<N, Region>>;
  /** Total bytes of the block. */
  readonly bytes: number;
}

const LINE = 64;

/** Lays the regions out in table order. Pure: the same table and geometry give the same offsets in every thread. */
export function layOut<G, const S extends readonly RegionSpec<G>[]>(specs: S, geometry: G): Layout<S[number]['name']> {
  const regions: Record<string, Region> = {};
  let byte = 0;
  for (const spec of specs) {
    const width = WIDTH[spec.type];
    const count = spec.count(geometry);
    regions[spec.name] = { type: spec.type, at: byte / width, count };
    byte += Math.ceil((count * width) / LINE) * LINE;
  }
  return { regions: regions as Record<S[number]['name'], Region>, bytes: byte };
}
