/**
 * What the program asked for, by span class and by size; and what could be saved by asking for a little less.
 *
 * A class's row says what its slots cost beyond what was asked for; a suggestion names a size just above a class, where a byte or two fewer would take
 * the class below.
 */

import { type Heap, P_ALLOC } from '../../heap/heap.js';
import { listHead, listLength, listSlots } from '../../heap/mcentral.js';
import { S_ALLOC_COUNT, S_NEXT, S_NPAGES, S_SPANCLASS, spanAt, Where } from '../../heap/mspan.js';
import {
  CLASS_TO_PAGES,
  CLASS_TO_SIZE,
  MAX_SMALL_REQUEST,
  NUM_SPAN_CLASSES,
  PAGE_SIZE,
  SPC_TO_NELEMS,
  sizeToClass,
  TINY_SIZE,
  TINY_SPAN_CLASS,
} from '../../heap/sizeclass.js';
import type { ClassRow, Suggestion } from '../result.js';

/** Row of tiny objects, behind those of the span classes. */
export const TINY_ROW = NUM_SPAN_CLASSES;
const ROWS = NUM_SPAN_CLASSES + 1;

/** A size is worth a word if this share of the requests, or of the bytes handed out, is of it. */
const WORTH = 0.005;
const MAX_SUGGESTIONS = 8;

export class Requests {
  /** By row: requests, and bytes asked for. */
  readonly count = new Float64Array(ROWS);
  readonly bytes = new Float64Array(ROWS);
  /** Bytes of pages of all large objects. */
  largeBytes = 0;
  /** By size up to MAX_SMALL_REQUEST: requests ever; objects that live now. */
  readonly bySize = new Float64Array(MAX_SMALL_REQUEST + 1);
  readonly liveBySize = new Int32Array(MAX_SMALL_REQUEST + 1);
}

/** The classes when HeapInuse was greatest. */
export class ClassPeak {
  readonly spans = new Float64Array(NUM_SPAN_CLASSES);
  readonly slots = new Float64Array(NUM_SPAN_CLASSES);
  readonly bytes = new Float64Array(NUM_SPAN_CLASSES);
  readonly liveBySize = new Int32Array(MAX_SMALL_REQUEST + 1);

  take(h: Heap, requests: Requests): void {
    const { m } = h;
    this.liveBySize.set(requests.liveBySize);
    for (let spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
      let spans = 0;
      let slots = 0;
      let bytes = 0;
      for (let list = Where.partial0; list <= Where.full1; list++) {
        spans += listLength(h, spc, list);
        slots += listSlots(h, spc, list);
        if (spc < 2)
          for (let id = listHead(h, spc, list); id !== 0; ) {
            const s = spanAt(h, id);
            bytes += m[s + S_NPAGES] * PAGE_SIZE;
            id = m[s + S_NEXT];
          }
      }
      for (const p of h.ps) {
        const s = m[p.at + P_ALLOC + spc];
        if (s === h.spans || m[s + S_SPANCLASS] !== spc) continue;
        spans++;
        slots += m[s + S_ALLOC_COUNT];
      }
      this.spans[spc] = spans;
      this.slots[spc] = slots;
      this.bytes[spc] = spc < 2 ? bytes : spans * CLASS_TO_PAGES[spc >> 1] * PAGE_SIZE;
    }
  }
}

/** Rows of the classes that were asked for, in the order of their size, large last. */
export function classRows(requests: Requests, peak: ClassPeak): ClassRow[] {
  const rows: ClassRow[] = [];
  for (let i = 2; i < NUM_SPAN_CLASSES + 2; i++) {
    const spc = i % NUM_SPAN_CLASSES;
    const tiny = spc === TINY_SPAN_CLASS ? requests.count[TINY_ROW] : 0;
    const tinyBytes = spc === TINY_SPAN_CLASS ? requests.bytes[TINY_ROW] : 0;
    const n = requests.count[spc] + tiny;
    if (n === 0) continue;
    const size = CLASS_TO_SIZE[spc >> 1];
    const all = spc < 2 ? requests.largeBytes * largeShare(requests, spc) : requests.count[spc] * size;
    const nelems = SPC_TO_NELEMS[spc];
    rows.push({
      sizeClass: spc >> 1,
      size,
      noscan: (spc & 1) === 1,
      requests: n,
      requestedBytes: requests.bytes[spc] + tinyBytes,
      rounding: Math.round(all - requests.bytes[spc]),
      spans: peak.spans[spc],
      occupancy: peak.spans[spc] === 0 ? 0 : Math.round((peak.slots[spc] / (peak.spans[spc] * nelems)) * 1e4) / 1e4,
      spanBytes: peak.bytes[spc],
    });
  }
  return rows;
}

function largeShare(requests: Requests, spc: number): number {
  const all = requests.bytes[0] + requests.bytes[1];
  return all === 0 ? 0 : requests.bytes[spc] / all;
}

/** Sizes just above a class, that which would save most first. `scan`: whether the program's objects have pointers, and so a header above 512 bytes. */
export function suggestions(requests: Requests, peak: ClassPeak, scan: boolean): Suggestion[] {
  const all = requests.bySize.reduce((a, b) => a + b, 0);
  const out: Suggestion[] = [];
  for (let size = TINY_SIZE + 1; size <= MAX_SMALL_REQUEST; size++) {
    const n = requests.bySize[size];
    if (n === 0) continue;
    const header = scan && size > 512 ? 8 : 0;
    const c = sizeToClass(size + header);
    const below = CLASS_TO_SIZE[c - 1] - header;
    const saved = CLASS_TO_SIZE[c] - CLASS_TO_SIZE[c - 1];
    const over = size - below;
    // A little less must be enough: an eighth of what it saves, and of the object.
    if (over * 8 > saved && over > 1) continue;
    const savesAtPeak = peak.liveBySize[size] * saved;
    if (n < all * WORTH && savesAtPeak < 64 << 10) continue;
    out.push({
      size,
      requests: n,
      classSize: CLASS_TO_SIZE[c],
      fitsAt: below,
      savesTotal: n * saved,
      savesAtPeak,
      text:
        `${n.toLocaleString('en')} requests of ${size} bytes take slots of ${CLASS_TO_SIZE[c]}: ` +
        `${over === 1 ? 'one byte' : `${over} bytes`} less would fit ${CLASS_TO_SIZE[c - 1]} and save ${kib(n * saved)} over the run, ${kib(savesAtPeak)} at the peak.`,
    });
  }
  out.sort((a, b) => b.savesAtPeak - a.savesAtPeak || b.savesTotal - a.savesTotal || a.size - b.size);
  return out.slice(0, MAX_SUGGESTIONS);
}

const kib = (bytes: number): string =>
  bytes >= 1 << 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${Math.round(bytes / 1024).toLocaleString('en')} KiB`;
