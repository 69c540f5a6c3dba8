/**
 * The four sizes that the pacer lives on: what counts as live, where the next cycle begins, what would be scanned, what the last mark found.
 *
 * They are counted in 8-byte words. A heap that has bytes ends below 8 GiB, and its words fit an int32 that several Ps may add to; a hollow
 * one may simulate more, on one thread, and keeps them as doubles.
 *
 * Live and scan: atomic, from any P. Trigger and marked: with the world stopped.
 */

import {
  G_LIVE,
  G_MARKED,
  G_SCAN,
  G_TRIGGER,
  H_HEAP_LIVE,
  H_HEAP_MARKED,
  H_HEAP_SCAN,
  H_TRIGGER,
  type Heap,
  NO_TRIGGER,
} from './heap.js';

export const heapLive = (h: Heap): number => (h.hollow ? h.f[h.gcStats + G_LIVE] : h.m[h.mheap + H_HEAP_LIVE]);

/** Adds words to what counts as live; answers the sum. */
export function addHeapLive(h: Heap, words: number): number {
  return h.hollow ? (h.f[h.gcStats + G_LIVE] += words) : h.addScalar(H_HEAP_LIVE, words);
}

export function setHeapLive(h: Heap, words: number): void {
  if (h.hollow) h.f[h.gcStats + G_LIVE] = words;
  else h.m[h.mheap + H_HEAP_LIVE] = words;
}

export const heapScan = (h: Heap): number => (h.hollow ? h.f[h.gcStats + G_SCAN] : h.m[h.mheap + H_HEAP_SCAN]);

export function addHeapScan(h: Heap, words: number): void {
  if (h.hollow) h.f[h.gcStats + G_SCAN] += words;
  else h.addScalar(H_HEAP_SCAN, words);
}

export function setHeapScan(h: Heap, words: number): void {
  if (h.hollow) h.f[h.gcStats + G_SCAN] = words;
  else h.m[h.mheap + H_HEAP_SCAN] = words;
}

export function setHeapMarked(h: Heap, words: number): void {
  if (h.hollow) h.f[h.gcStats + G_MARKED] = words;
  else h.m[h.mheap + H_HEAP_MARKED] = words;
}

/** Words of heapLive at which a cycle begins; 0: ask the pacer. */
export const heapTrigger = (h: Heap): number => (h.hollow ? h.f[h.gcStats + G_TRIGGER] : h.m[h.mheap + H_TRIGGER]);

export function setTrigger(h: Heap, words: number): void {
  if (h.hollow) h.f[h.gcStats + G_TRIGGER] = words;
  else h.m[h.mheap + H_TRIGGER] = Math.min(NO_TRIGGER, words);
}
