/**
 * An object, seen from the main thread without a lock: which span and slot an address names, and what is known of it.
 *
 * Nothing here sweeps, so an object that the last mark found dead may still be shown, as unmarked, until its span is
 * swept. A view taken while Ps run may be a moment old; no decision is based on it.
 */

import { formatAddress, type Heap } from '../../heap/heap.js';
import { ZERO_BASE } from '../../heap/malloc.js';
import {
  isAllocated,
  isDropped,
  S_BASE,
  S_BITS,
  S_LARGE_GIB,
  S_LARGE_REST,
  S_NELEMS,
  S_NPAGES,
  S_SPANCLASS,
  S_STATE,
  S_WORDS,
  SpanState,
  spanId,
} from '../../heap/mspan.js';
import { Found, Status, usableBytes } from '../../heap/objects.js';
import { CLASS_TO_SIZE, PAGE_SHIFT, PAGE_SIZE, SPC_TO_HEADER_WORDS, TINY_SPAN_CLASS } from '../../heap/sizeclass.js';
import { siteOf } from '../../heap/specials.js';
import { tinyMaskAt } from '../../heap/tiny.js';
import { isPointerWord } from '../../heap/types.js';
import * as address from '../address.js';
import { formatHalves, parseAddress, wordOfHalves } from '../address.js';

const found = new Found();

/** Finds the object that a word address names, as `resolve` does, but sweeps nothing. Returns a Status; `found` has the rest. */
function locate(h: Heap, word: number, sub: number): number {
  const { m } = h;
  if (word < 0 || word >= h.pages << (PAGE_SHIFT - 3)) return Status.outside;
  const s = m[h.pageSpan + (word >> (PAGE_SHIFT - 3))];
  if (s === 0 || m[s + S_STATE] !== SpanState.inUse) return Status.notAllocated;
  const spc = m[s + S_SPANCLASS];
  const slot = spc < 2 ? 0 : Math.floor((word - m[s + S_BASE]) / m[s + S_WORDS]);
  found.span = s;
  found.slot = slot;
  found.offset = 0;
  found.tiny = false;
  if (slot >= m[s + S_NELEMS] || !isAllocated(h, s, slot)) return Status.notAllocated;
  const start = m[s + S_BASE] + slot * m[s + S_WORDS];
  if (spc === TINY_SPAN_CLASS) {
    const starts = h.u[tinyMaskAt(h, start)];
    if (starts !== 0) {
      found.tiny = true;
      found.offset = (word - start) * 8 + sub;
      return ((starts >>> found.offset) & 1) === 1 ? Status.ok : Status.interior;
    }
  }
  return sub === 0 && word === start + SPC_TO_HEADER_WORDS[spc] ? Status.ok : Status.interior;
}

/** Where the object begins that contains this address; undefined if none does. */
export function objectBase(h: Heap, text: string): string | undefined {
  if (!parseAddress(text)) return undefined;
  const status = locate(h, wordOfHalves(address.lo, address.hi), address.lo & 7);
  if (status !== Status.ok && status !== Status.interior) return undefined;
  const start = h.m[found.span + S_BASE] + found.slot * h.m[found.span + S_WORDS];
  if (!found.tiny) return formatAddress(start + SPC_TO_HEADER_WORDS[h.m[found.span + S_SPANCLASS]]);
  // The last tiny object that starts at or before the byte, else the block.
  const before = h.u[tinyMaskAt(h, start)] & ((2 << found.offset) - 1);
  const byte = before === 0 ? 0 : 31 - Math.clz32(before);
  return formatAddress(start + (byte >> 3), byte & 7);
}

export interface ObjectView {
  address: string;
  size: number;
  slotSize: number;
  sizeClass: number;
  spanClass: number;
  noscan: boolean;
  span: number;
  slot: number;
  allocated: boolean;
  rooted: boolean;
  marked: boolean;
  requested?: number;
  tinyOffset?: number;
  site?: string;
  pointers: { word: number; value: string | null }[];
  pointersTruncated: boolean;
}

/** What is known of an object, with at most `limit` of its pointers; or the Status that says why there is none. */
export function describeObject(
  h: Heap,
  text: string,
  limit: number,
  siteName: (id: number) => string | undefined,
): ObjectView | number {
  parseAddress(text);
  const word = wordOfHalves(address.lo, address.hi);
  const sub = address.lo & 7;
  const status = locate(h, word, sub);
  if (status !== Status.ok) return status;
  const { m } = h;
  const { span: s, slot, offset, tiny } = found;
  const spc = m[s + S_SPANCLASS];
  const size = usableBytes(h, found);
  const site = siteName(siteOf(h, s, slot, offset));
  const pointers = spc % 2 === 1 ? [] : pointersOf(h, s, slot, word, size, limit + 1);
  return {
    address: formatHalves(address.lo, address.hi),
    size,
    slotSize: spc < 2 ? m[s + S_NPAGES] * PAGE_SIZE : CLASS_TO_SIZE[spc >> 1],
    sizeClass: spc >> 1,
    spanClass: spc,
    noscan: spc % 2 === 1,
    span: spanId(h, s),
    slot,
    allocated: true,
    rooted: tiny ? tinyRootedAt(h, s, slot, offset) : !isDropped(h, s, slot),
    marked: ((m[h.markBits + m[s + S_BITS] + (slot >> 5)] >>> (slot & 31)) & 1) === 1,
    ...(spc < 2 ? { requested: m[s + S_LARGE_GIB] * 2 ** 30 + m[s + S_LARGE_REST] } : undefined),
    ...(tiny ? { tinyOffset: offset } : undefined),
    ...(site === undefined ? undefined : { site }),
    pointers: pointers.slice(0, limit),
    pointersTruncated: pointers.length > limit,
  };
}

function tinyRootedAt(h: Heap, s: number, slot: number, offset: number): boolean {
  const at = tinyMaskAt(h, h.m[s + S_BASE] + slot * 2);
  return ((h.u[at + 1] >>> offset) & 1) === 0;
}

/** Every object of size 0. It lies in no span. */
export const ZERO_OBJECT = formatAddress(ZERO_BASE);

export function zeroObject(): ObjectView {
  const address = ZERO_OBJECT;
  const none = { size: 0, slotSize: 0, sizeClass: 0, spanClass: 0, noscan: true, span: 0, slot: 0 };
  return { address, ...none, allocated: true, rooted: true, marked: false, pointers: [], pointersTruncated: false };
}

/** Words that one answer looks at in search of pointers: large objects may have millions. */
const MAX_LOOK = 1 << 17;

function pointersOf(h: Heap, s: number, slot: number, word: number, size: number, limit: number) {
  const out: ObjectView['pointers'] = [];
  const words = Math.min(Math.floor(size / 8), MAX_LOOK);
  for (let i = 0; i < words && out.length < limit; i++) {
    if (!isPointerWord(h, s, slot, i)) continue;
    const at = (word + i) * 2;
    const lo = h.w32[at];
    const hi = h.w32[at + 1];
    out.push({ word: i, value: (lo | hi) === 0 ? null : formatHalves(lo, hi >>> 0) });
  }
  return out;
}
