/**
 * The same forest for every scenario: a graph of which only some objects have a root, the rest hanging on scan objects of
 * many sizes, and garbage between them; built by two Ps, of which P0 will die and P1 goes on.
 */

import type { P } from '../../src/heap/heap.js';
import type { Graph, Node } from './graph.js';

export interface Forest {
  root: Node;
  hub: Node;
  chain: Node[];
  /** Objects with pointers, of many sizes, that only the hub has. */
  sized: Node[];
  big: Node;
  huge: Node;
  /** 64 bytes, no pointers, rooted, P0's. */
  leaves: Node[];
  /** What P1 works with. */
  own: { root: Node; children: Node[]; leaves: Node[] };
}

export const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const ends = (size: number): number[] => (size <= 8 ? [0] : [0, size / 8 - 1]);

/** Objects whose root goes as soon as they are linked. */
function forget(g: Graph, p: P, nodes: Iterable<Node>): void {
  for (const node of nodes) g.drop(p, node);
}

export function forest(g: Graph): Forest {
  const [p0, p1] = g.h.ps;
  g.setDecoy(p0);
  const root = g.alloc(p0, 64, all(8));
  const hub = g.alloc(p0, 1024, all(16));
  const chain = all(40).map((i) => g.alloc(i % 3 === 0 ? p1 : p0, 48, [0, 5]));
  chain.forEach((node, i) => {
    g.link(p0, i === 0 ? root : chain[i - 1], 0, node);
  });
  const sized = [8, 16, 24, 128, 256, 512, 520, 1024, 2048, 8192].map((size, i) => {
    const p = i % 2 === 0 ? p0 : p1;
    const node = g.alloc(p, size, ends(size));
    const leaf = g.alloc(p, [16, 100, 2000][i % 3]);
    g.link(p, hub, i, node);
    if (size > 8) g.link(p, node, size / 8 - 1, hub, 8);
    g.link(p, node, 0, leaf, i % 8);
    g.drop(p, leaf);
    return node;
  });
  const big = g.alloc(p0, 40_000, [3, 4999]);
  const huge = g.alloc(p1, 300_000, [0, 20_000, 37_499]);
  const tiny = g.alloc(p0, 5);
  g.link(p0, root, 1, big);
  g.link(p0, root, 2, tiny, 3);
  g.link(p0, big, 3, huge);
  for (const word of [0, 20_000, 37_499]) {
    const leaf = g.alloc(p0, 64);
    g.link(p0, huge, word, leaf, 40);
    g.drop(p0, leaf);
  }
  forget(g, p0, [...chain, ...sized, big, huge, tiny]);
  // Garbage that points at each other, and at what is live.
  const x = g.alloc(p0, 48, [0, 5]);
  const y = g.alloc(p1, 2048, [0, 255]);
  const z = g.alloc(p0, 200_000, [0, 20_000]);
  g.link(p0, x, 0, y);
  g.link(p0, y, 0, x);
  g.link(p0, y, 255, chain[3]);
  g.link(p0, z, 20_000, y);
  forget(g, p0, [x, y, z]);
  const leaves = all(150).map(() => g.alloc(p0, 64));
  const own = {
    root: g.alloc(p1, 64, all(8)),
    children: all(70).map(() => g.alloc(p1, 48, [0, 5])),
    leaves: all(40).map(() => g.alloc(p1, 64)),
  };
  own.children.forEach((node, i) => {
    if (i < 6) g.link(p1, own.root, i, node);
    else if (i % 5 !== 4) g.link(p1, own.children[(i / 2 - 3) | 0], i % 2 === 0 ? 0 : 5, node);
  });
  forget(g, p1, own.children);
  forget(
    g,
    p1,
    leaves.filter((_, i) => i % 3 === 0),
  );
  g.alloc(p1, 6);
  return { root, hub, chain, sized, big, huge, leaves: leaves.filter((o) => o.rooted), own };
}
