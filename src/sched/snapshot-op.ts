/**
 * Op.snapshot: a snapshot of the heap, into a piece of the exchange.
 *
 * The world stands still while the heap is read, and for nothing else. What the region holds is told in
 * `gc/snapshot.ts`; its counts are the operation's results.
 */

import { Snapshot, type SnapshotCounts, shapeOf } from '../gc/snapshot.js';
import type { Heap, P } from '../heap/heap.js';
import type { Shared } from './shared.js';
import { safepoint, startTheWorld, stopTheWorld } from './world.js';

/** Objects of a snapshot, at most. Its region then takes four fifths of the exchange. */
export const MAX_SNAPSHOT = 1_000_000;

/** Bytes of the piece that the request brings. */
export const snapshotBytes = (limit: number): number => shapeOf(limit).words * 4;

/** Runs the operation. `a`: A0 objects at most, A1 the piece's offset. `r`: where the results go. */
export function takeSnapshot(h: Heap, k: Shared, p: P, a: number, r: number): void {
  const limit = k.m[a];
  const at = k.m[a + 1] >> 2;
  const snapshot = new Snapshot(h, k.exchange32.subarray(at, at + shapeOf(limit).words), limit);
  stopTheWorld(h, k, p);
  try {
    snapshot.walk();
  } finally {
    startTheWorld(k);
  }
  snapshot.finish(() => safepoint(k, p));
  const { nodes, edges, rooted, groups, live, truncated } = snapshot;
  k.m.set([nodes, edges, rooted, groups, live, Number(truncated)], r);
}

/** The counts from the results. */
export function snapshotCounts(r: Int32Array): SnapshotCounts {
  const [nodes, edges, rooted, groups, live, truncated] = r;
  return { nodes, edges, rooted, groups, live, truncated: truncated === 1 };
}
