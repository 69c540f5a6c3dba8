/**
 * What `alloc` asks for, in the scheduler's terms: flags, type, site. Shared by the single route and the batches.
 *
 * `pointers` decides the type: its mask is interned in the heap's type table. As in Go, a layout without pointers is
 * noscan, whatever else was said.
 */

import { MAX_SMALL_REQUEST, MIN_SIZE_FOR_MALLOC_HEADER, PAGE_SIZE, sizeToClass, TINY_SIZE } from '../heap/sizeclass.js';
import { TYPE_ALL_POINTERS, TYPE_NO_POINTERS } from '../heap/types.js';
import { Flag } from '../sched/ops.js';
import { Problem } from './problem.js';
import type { Host } from './route.js';
import { MAX_SITE, SITE_WORDS } from './schemas/alloc.js';

/**
 * The largest object that the heap could hold if it were empty. A larger one is refused for good (`object-too-large`); one that
 * has no room among others is told by the allocator (`reservation-exhausted`).
 */
export function largestObject({ heap }: Host): number {
  return heap.pages * PAGE_SIZE;
}

export function objectTooLarge(size: number, limit: number): Problem {
  const allowed = `a whole number of bytes from 0 to ${limit}`;
  const detail = `"size" must be ${allowed}, not ${size}.`;
  return new Problem('object-too-large', detail, { field: 'size', allowed, limit });
}

/** The type of an object with these pointers. Throws a Problem when they do not fit or the table is full. */
export function typeOf(host: Host, size: number, noscan: boolean | undefined, pointers?: number[] | 'all'): number {
  if (pointers === undefined) return noscan === false ? TYPE_ALL_POINTERS : TYPE_NO_POINTERS;
  if (noscan === true) {
    const detail = 'An object is either noscan or has pointers.';
    throw new Problem('validation-failed', detail, { field: 'noscan', allowed: 'false, or left out' });
  }
  if (pointers === 'all') return TYPE_ALL_POINTERS;
  const words = [...new Set(pointers)].sort((a, b) => a - b);
  const room = Math.floor(size / 8);
  if (words.length > 0 && words[words.length - 1] >= room) {
    const detail = `"pointers" names word ${words[words.length - 1]}, but ${size} bytes have ${room} words.`;
    throw new Problem('validation-failed', detail, { field: 'pointers', allowed: `words below ${room}` });
  }
  const type = host.types.intern(words);
  if (type < 0) throw new Problem('type-table-full', 'The heap can take no more layouts of pointers.');
  return type;
}

/** The number of a site, joined or as frames. Throws a Problem when it is too long as a whole or the table is full. */
export function siteId(host: Host, site: string | readonly string[]): number {
  const text = typeof site === 'string' ? site : site.join(';');
  if (text.length > MAX_SITE) {
    throw new Problem('validation-failed', `"site" must be ${SITE_WORDS}.`, { field: 'site', allowed: SITE_WORDS });
  }
  const id = host.sites.intern(text);
  if (id === 0) throw new Problem('site-table-full', 'The heap can take no more sites.');
  return id;
}

export function allocFlags(type: number, root: boolean | undefined): number {
  return (type === TYPE_NO_POINTERS ? Flag.noscan : 0) | (root === false ? Flag.unrooted : 0);
}

/** The size class of a request; 0 for large objects, and for size 0. */
export function sizeClassOf(size: number, noscan: boolean): number {
  if (size === 0 || size > MAX_SMALL_REQUEST) return 0;
  if (noscan) return size < TINY_SIZE ? 2 : sizeToClass(size);
  return sizeToClass(size > MIN_SIZE_FOR_MALLOC_HEADER ? size + 8 : size);
}
