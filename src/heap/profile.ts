/**
 * The heap profile: a sample of allocations, by the site that the client named, with what was freed of it.
 *
 * As in Go, one allocation is sampled for every 512 KiB on average (H_PROFILE_RATE), at distances that are exponentially distributed, so that an
 * object's chance is 1 - exp(-size / rate) whatever the pattern; whoever shows the profile divides by it. A sampled object has a special
 * (specials.ts) with the number of its bucket; when the object goes, its special does, and the bucket counts the free.
 *
 * A bucket is a site, a size class and a P. They live in an open hash table that only grows; when it is full, bucket 0 takes what is left
 * (no site). All under the special lock, but for looking.
 */

import type { Heap } from './heap.js';
import { BUCKET_STRIDE, MAX_BUCKETS } from './layout.js';

const B_USED = 0; // 1
const B_SITE = 1;
const B_KIND = 2; // size class | P << 8

const Q_ALLOCS = 0;
const Q_ALLOC_BYTES = 1;
const Q_FREES = 2;
const Q_FREE_BYTES = 3;

const bucketAt = (h: Heap, bucket: number): number => h.buckets + bucket * BUCKET_STRIDE;
const statsAt = (h: Heap, bucket: number): number => h.bucketStats + bucket * BUCKET_STRIDE;

/** The bucket of a site, size class and P. Under the special lock. */
export function bucketOf(h: Heap, site: number, sizeClass: number, p: number): number {
  const { m } = h;
  const kind = sizeClass | (p << 8);
  let i = (Math.imul(site, 0x9e37_79b1) ^ Math.imul(kind, 0x85eb_ca6b)) & (MAX_BUCKETS - 1);
  // Three quarters full is full: beyond that, looking takes long.
  for (let tries = 0; tries < MAX_BUCKETS >> 2; tries++, i = (i + 1) & (MAX_BUCKETS - 1)) {
    if (i === 0) continue;
    const at = bucketAt(h, i);
    if (m[at + B_USED] === 0) {
      m[at + B_SITE] = site;
      m[at + B_KIND] = kind;
      Atomics.store(m, at + B_USED, 1);
      return i;
    }
    if (m[at + B_SITE] === site && m[at + B_KIND] === kind) return i;
  }
  return 0;
}

/** Counts a sampled allocation. Under the special lock. */
export function countSample(h: Heap, bucket: number, bytes: number): void {
  h.f[statsAt(h, bucket) + Q_ALLOCS]++;
  h.f[statsAt(h, bucket) + Q_ALLOC_BYTES] += bytes;
}

/** Counts that a sampled object is gone. Under the special lock. */
export function countFree(h: Heap, bucket: number, bytes: number): void {
  h.f[statsAt(h, bucket) + Q_FREES]++;
  h.f[statsAt(h, bucket) + Q_FREE_BYTES] += bytes;
}

/** A bucket as it was sampled, not yet scaled. */
export interface ProfileBucket {
  site: number;
  sizeClass: number;
  p: number;
  allocs: number;
  allocBytes: number;
  frees: number;
  freeBytes: number;
}

/** Every bucket that has counted anything. A moment's view, from any thread. */
export function profileBuckets(h: Heap): ProfileBucket[] {
  const out: ProfileBucket[] = [];
  for (let i = 0; i < MAX_BUCKETS; i++) {
    const at = bucketAt(h, i);
    const q = statsAt(h, i);
    if (h.f[q + Q_ALLOCS] === 0) continue;
    out.push({
      site: h.m[at + B_SITE],
      sizeClass: h.m[at + B_KIND] & 255,
      p: h.m[at + B_KIND] >> 8,
      allocs: h.f[q + Q_ALLOCS],
      allocBytes: h.f[q + Q_ALLOC_BYTES],
      frees: h.f[q + Q_FREES],
      freeBytes: h.f[q + Q_FREE_BYTES],
    });
  }
  return out;
}
