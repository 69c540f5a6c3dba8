/**
 * The sites of all objects of a span, in one walk along its specials.
 *
 * `siteOf` walks the list for one object. Who wants them all would walk a list of thousands as often as it is long.
 * With the world stopped: nobody holds the special lock then.
 */

import type { Heap } from './heap.js';
import { SPECIAL_STRIDE } from './layout.js';
import { S_SPECIALS } from './mspan.js';

// As specials.ts lays them out; a test holds this to `siteOf`.
const X_NEXT = 0;
const X_SLOT = 1;
const X_SITE = 2;

/** Tells each slot's site, in the order of the slots. A block of tiny objects may have several. */
export function eachSite(h: Heap, s: number, tell: (slot: number, site: number) => void): void {
  const { m } = h;
  for (let x = m[s + S_SPECIALS]; x !== 0; ) {
    const at = h.specials + x * SPECIAL_STRIDE;
    if (m[at + X_SITE] !== 0) tell(m[at + X_SLOT], m[at + X_SITE]);
    x = m[at + X_NEXT];
  }
}
