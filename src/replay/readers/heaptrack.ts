/**
 * heaptrack's interpreted files, versions 1 to 3 (heaptrack_interpret.cpp, accumulatedtracedata.cpp). Numbers are hex without a prefix.
 *
 *     v 10400 3             heaptrack's version, the file's
 *     s, i, t, X, I, S, R   strings, instruction pointers, traces, …: where an allocation was made, which is not needed here
 *     a 110 4               allocation-info 0, 1, 2, … in the order of these lines: size, trace
 *     + 0                   an object of that info is allocated
 *     - 0                   one of them is freed; realloc is a - and a +
 *     c 1cd                 ms since the start
 *     A                     heaptrack was attached to a running program
 *
 * A free names an allocation-info, not an object: all objects that were allocated from one place with one size are one. So sizes, sums and live
 * bytes are exact at any moment, and which of the equal objects goes is not known. The newest goes: measured on the five mtrace
 * recordings of the tests, with caller and size for the info, that is the right one for 3 to 73 per cent of the frees (cc1 73, python 64, sqlite3 59, xmllint
 * 26, jq 3), and the oldest for 5 to 28 (28, 11, 5, 22, 22).
 *
 * Objects of an info are a stack, linked by slot.
 */

import { Kind, ReplayInputError } from '../events.js';
import { grown } from '../grown.js';
import type { SlotTable } from '../slots.js';
import { checkSize, Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, type Verdict } from './reader.js';

const NONE = -1;
/** Allocation-infos that are kept, 12 bytes each: one is a size and a place of the program. */
const MAX_INFOS = 1 << 24;
const NEWEST_VERSION = 3;
const MS = 1e6;

class HeaptrackReader implements LineReader {
  private readonly table: SlotTable;
  private readonly n = new Numbers();
  /** By info: its size, and the slot of its newest object. */
  private sizes = new Float64Array(1024);
  private newest = new Int32Array(1024);
  private infos = 0;
  /** By slot: the slot of the next older object of the same info. */
  private older = new Int32Array(1024);
  private attached = false;

  constructor(table: SlotTable) {
    this.table = table;
    table.report.pairing = 'approximate';
    table.report.cannotTell.push(
      'heaptrack does not say which of the objects of one size from one place is freed: the newest is taken. Sizes are exact, lifetimes are not.',
      'heaptrack does not tell a realloc from a free and a malloc.',
      'heaptrack records no threads: all events are taken to be of one.',
      'It records no pointers: which objects refer to which, and whether any do, is not known.',
    );
  }

  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    const { n } = this;
    switch (b[start]) {
      case 0x2b: // +
        return this.allocated(this.info(b, start, end));
      case 0x2d: // -
        return this.freed(this.info(b, start, end));
      case 0x61: // a
        return this.newInfo(b, start, end, number);
      case 0x63: // c
        if (b[start + 1] !== SPACE || n.hex(b, start + 2, end) !== end || n.hi >>> 0 > 0xffff) return 'not "c ms"';
        this.table.setTime(...halves(n.value * MS));
        return undefined;
      case 0x76: // v
        return this.version(b, start, end);
      case 0x6d: // m
      case 0x78: // x
        throw new ReplayInputError(
          'replay-heaptrack-raw',
          `line ${number}: this is heaptrack's raw output; run it through heaptrack --interpret (heaptrack_interpret) first`,
        );
      case 0x41: // A
        this.attached = true;
        return undefined;
      case 0x73: // s
      case 0x69: // i
      case 0x74: // t
      case 0x58: // X
      case 0x49: // I
      case 0x52: // R
      case 0x53: // S
      case 0x23: // #
        return undefined;
    }
    return 'a kind of line that heaptrack does not have';
  }

  end(): Verdict {
    if (this.attached) {
      this.table.report.cannotTell.push(
        'heaptrack was attached to a running program: what that had allocated before is missing.',
      );
    }
    return undefined;
  }

  private version(b: Uint8Array, start: number, end: number): Verdict {
    const { n } = this;
    const at = n.hex(b, start + 2, end);
    if (at < 0) return 'not "v heaptrack-version file-version"';
    const version = at < end && n.hex(b, at + 1, end) === end ? n.value : 0;
    if (version < 1 || version > NEWEST_VERSION) {
      throw new ReplayInputError(
        'replay-heaptrack-version',
        `this is version ${version} of heaptrack's files, and 1 to ${NEWEST_VERSION} can be read`,
      );
    }
    this.table.report.formatVersion = String(version);
    return undefined;
  }

  private newInfo(b: Uint8Array, start: number, end: number, number: number): Verdict {
    const { n } = this;
    const at = b[start + 1] === SPACE ? n.hex(b, start + 2, end) : -1;
    if (at < 0 || b[at] !== SPACE) return 'not "a size trace"';
    const size = n.value;
    checkSize(size, number);
    if (this.infos === MAX_INFOS)
      throw new ReplayInputError(
        'replay-too-large',
        `line ${number}: more than ${MAX_INFOS} allocation-infos, of which each is a size and a place of the program`,
      );
    if (this.infos === this.sizes.length) {
      this.sizes = grown(this.sizes, this.infos * 2);
      this.newest = grown(this.newest, this.infos * 2);
    }
    this.sizes[this.infos] = size;
    this.newest[this.infos++] = NONE;
    return undefined;
  }

  /** The info that a `+` or `-` names, -1. */
  private info(b: Uint8Array, start: number, end: number): number {
    const { n } = this;
    if (b[start + 1] !== SPACE || n.hex(b, start + 2, end) !== end) return -1;
    return n.value < this.infos ? n.value : -1;
  }

  private allocated(info: number): Verdict {
    if (info < 0) return 'not "+ info" of an info that there is';
    const { table } = this;
    table.report.mallocs++;
    const slot = table.add(Kind.alloc, this.sizes[info]);
    if (slot >= this.older.length) this.older = grown(this.older, this.older.length * 2);
    this.older[slot] = this.newest[info];
    this.newest[info] = slot;
    return undefined;
  }

  private freed(info: number): Verdict {
    if (info < 0) return 'not "- info" of an info that there is';
    const { table } = this;
    const slot = this.newest[info];
    if (slot === NONE) {
      table.report.unknownFrees++;
      return undefined;
    }
    this.newest[info] = this.older[slot];
    table.report.frees++;
    table.release(slot);
    return undefined;
  }
}

function halves(value: number): [lo: number, hi: number] {
  return [value | 0, (value / 0x1_0000_0000) | 0];
}

export const heaptrack: Format = {
  name: 'heaptrack',
  title: 'heaptrack (interpreted)',
  first: (line) => /^v [\da-f]+( [\da-f]+)?$/.test(line),
  matches: () => false,
  create: (table) => new HeaptrackReader(table),
};
