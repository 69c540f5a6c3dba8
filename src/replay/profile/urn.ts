/**
 * Drawing without replacement: an urn of balls of several kinds, from which each draw takes one at random. When it is empty, exactly the balls
 * that were put in have come out, in random order.
 *
 *      counts as a binary indexed tree: node i holds the sum of the (i & -i) kinds that end with kind i - 1
 *
 * A draw walks down the tree by the bits of a random rank: about 8 steps for the sizes of a profile, no object, no allocation.
 */

import type { Chance } from './chance.js';

export class Urn {
  private readonly tree: Float64Array;
  private readonly top: number;
  /** Balls left. */
  left = 0;

  /** @param counts whole numbers */
  constructor(counts: readonly number[]) {
    const n = counts.length;
    this.tree = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) {
      this.left += counts[i];
      for (let at = i + 1; at <= n; at += at & -at) this.tree[at] += counts[i];
    }
    this.top = 2 ** Math.floor(Math.log2(Math.max(1, n)));
  }

  /** The kind of a random ball, which is taken out. There has to be one. */
  draw(chance: Chance): number {
    const { tree } = this;
    let rank = chance.below(this.left);
    let kind = 0;
    for (let step = this.top; step > 0; step >>= 1) {
      const next = kind + step;
      if (next < tree.length && tree[next] <= rank) {
        rank -= tree[next];
        kind = next;
      }
    }
    for (let at = kind + 1; at < tree.length; at += at & -at) tree[at]--;
    this.left--;
    return kind;
  }
}
