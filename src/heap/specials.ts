/**
 * Specials: records attached to single objects. Here one kind: the site that a client named, and whether the heap profile has sampled the object.
 *
 * As in Go, each span has a singly linked list of them, sorted by slot, and a special goes when its object does. Most
 * objects have none: the sweep looks at a span's list only where there is one.
 *
 * One lock a heap guards all lists and the free list (Go has one a span; sites are named rarely enough).
 */

import { lock, unlock } from '../memory/lock.js';
import { H_SPECIAL_FREE, H_SPECIAL_NEXT, H_SPECIALS, type Heap, type P, P_WAITING } from './heap.js';
import { MAX_SPECIALS, SPECIAL_STRIDE } from './layout.js';
import { S_BITS, S_SPANCLASS, S_SPECIALS } from './mspan.js';
import { bucketOf, countFree, countSample } from './profile.js';

const X_NEXT = 0;
const X_SLOT = 1;
const X_SITE = 2;
const X_SUB = 3; // byte in the slot: tiny objects have sites of their own
const X_BUCKET = 4; // of the heap profile, + 1, if the object was sampled
const X_BYTES = 5; // that the profile counts for it

const at = (h: Heap, special: number): number => h.specials + special * SPECIAL_STRIDE;

/**
 * Attaches a site (0: none) to an object and, if `sampled` is not 0, has the heap profile count so many bytes for it. False when the
 * heap holds as many specials as it can; the object is then without.
 */
export function addSite(h: Heap, p: P, s: number, slot: number, sub: number, site: number, sampled = 0): boolean {
  const { m } = h;
  lock(m, h.specialLock, p.id, p.at + P_WAITING);
  let x = m[h.mheap + H_SPECIAL_FREE];
  if (x !== 0) m[h.mheap + H_SPECIAL_FREE] = m[at(h, x) + X_NEXT];
  else if (m[h.mheap + H_SPECIAL_NEXT] < MAX_SPECIALS) x = m[h.mheap + H_SPECIAL_NEXT]++;
  if (x !== 0) {
    m[h.mheap + H_SPECIALS]++;
    m[at(h, x) + X_SLOT] = slot;
    m[at(h, x) + X_SITE] = site;
    m[at(h, x) + X_SUB] = sub;
    m[at(h, x) + X_BUCKET] = 0;
    if (sampled > 0) {
      const bucket = bucketOf(h, site, m[s + S_SPANCLASS] >> 1, p.id);
      m[at(h, x) + X_BYTES] = sampled;
      m[at(h, x) + X_BUCKET] = bucket + 1;
      countSample(h, bucket, sampled);
    }
    let link = s + S_SPECIALS;
    while (m[link] !== 0 && m[at(h, m[link]) + X_SLOT] < slot) link = at(h, m[link]) + X_NEXT;
    m[at(h, x) + X_NEXT] = m[link];
    m[link] = x;
  }
  unlock(m, h.specialLock);
  return x !== 0;
}

/** The site of an object, or 0. A look without the lock: for inspection. */
export function siteOf(h: Heap, s: number, slot: number, sub: number): number {
  const { m } = h;
  let steps = 0;
  for (let x = m[s + S_SPECIALS]; x !== 0 && steps < 100_000; x = m[at(h, x) + X_NEXT], steps++) {
    if (m[at(h, x) + X_SLOT] === slot && m[at(h, x) + X_SUB] === sub) return m[at(h, x) + X_SITE];
  }
  return 0;
}

/** Removes the specials of a slot that is about to be handed out again. */
export function removeSites(h: Heap, p: P, s: number, slot: number): void {
  if (h.m[s + S_SPECIALS] === 0) return;
  lock(h.m, h.specialLock, p.id, p.at + P_WAITING);
  unlinkWhere(h, s, (x) => h.m[at(h, x) + X_SLOT] === slot);
  unlock(h.m, h.specialLock);
}

/** Removes the specials of objects that the mark did not reach. By the span's sweeper. */
export function sweepSpecials(h: Heap, p: P, s: number): void {
  const { m } = h;
  const marks = h.markBits + m[s + S_BITS];
  lock(m, h.specialLock, p.id, p.at + P_WAITING);
  unlinkWhere(h, s, (x) => {
    const slot = m[at(h, x) + X_SLOT];
    return ((m[marks + (slot >> 5)] >>> (slot & 31)) & 1) === 0;
  });
  unlock(m, h.specialLock);
}

function unlinkWhere(h: Heap, s: number, dead: (special: number) => boolean): void {
  const { m } = h;
  let link = s + S_SPECIALS;
  for (let x = m[link]; x !== 0; x = m[link]) {
    if (!dead(x)) {
      link = at(h, x) + X_NEXT;
      continue;
    }
    m[link] = m[at(h, x) + X_NEXT];
    forgetSample(h, x);
    m[at(h, x) + X_NEXT] = m[h.mheap + H_SPECIAL_FREE];
    m[h.mheap + H_SPECIAL_FREE] = x;
    m[h.mheap + H_SPECIALS]--;
  }
}

/** If the profile counts a special's object, counts that it is gone. */
function forgetSample(h: Heap, x: number): void {
  const bucket = h.m[at(h, x) + X_BUCKET] - 1;
  if (bucket < 0) return;
  h.m[at(h, x) + X_BUCKET] = 0;
  countFree(h, bucket, h.m[at(h, x) + X_BYTES]);
}

/** Every special of a span as [special, slot]; stops after `limit`, which tells a broken list. */
export function specialsOf(h: Heap, s: number, limit: number): [special: number, slot: number][] {
  const out: [number, number][] = [];
  for (let x = h.m[s + S_SPECIALS]; x !== 0 && out.length < limit; x = h.m[at(h, x) + X_NEXT]) {
    out.push([x, h.m[at(h, x) + X_SLOT]]);
  }
  return out;
}

/** Drops specials of slots that are not allocated, and whatever a broken list cannot reach. Recovery; adds the rest to `used`. */
export function repairSpecials(h: Heap, s: number, allocated: (slot: number) => boolean, used: Set<number>): void {
  const { m } = h;
  let link = s + S_SPECIALS;
  for (let x = m[link]; x !== 0; x = m[link]) {
    if (x < 0 || x >= m[h.mheap + H_SPECIAL_NEXT] || used.has(x)) {
      m[link] = 0;
      return;
    }
    if (allocated(m[at(h, x) + X_SLOT])) {
      used.add(x);
      link = at(h, x) + X_NEXT;
    } else m[link] = m[at(h, x) + X_NEXT];
  }
}

/** Rebuilds the free list from what the spans hold. Recovery, with the world stopped. */
export function rebuildFreeSpecials(h: Heap, used: Set<number>): void {
  const { m } = h;
  m[h.mheap + H_SPECIAL_FREE] = 0;
  m[h.mheap + H_SPECIALS] = used.size;
  for (let x = m[h.mheap + H_SPECIAL_NEXT] - 1; x > 0; x--) {
    if (used.has(x)) continue;
    forgetSample(h, x);
    m[at(h, x) + X_NEXT] = m[h.mheap + H_SPECIAL_FREE];
    m[h.mheap + H_SPECIAL_FREE] = x;
  }
}
