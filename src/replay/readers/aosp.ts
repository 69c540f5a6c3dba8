/**
 * Android's memory_replay text (system/extras, AllocParser.cpp), and what is written in its image: bpftrace by the one-liner of
 * docs/recording-formats.md, Go's allocfreetrace as converted, goheap's own recordings.
 *
 *     202: malloc 0xb4827400 1024                  thread, operation, address, size
 *     202: calloc 0xb4827400 4 256                 number, size of each
 *     202: realloc 0xb4829000 0xb4827400 2048      new address, old address, size
 *     202: memalign 0xb4827400 16 1024             alignment, size
 *     202: free 0xb4827400
 *     202: thread_done 0x0
 *     202: malloc 0xb4827400 1024 95238174562 95238174790         and when it began and ended, in ns
 *     7: malloc 0xc00004e400 1024 # 1024 runtime.m                and Go's size class and type: `-` has no pointers
 *     # anything
 */

import { Kind } from '../events.js';
import type { SlotTable } from '../slots.js';
import { GoTypes } from './gotypes.js';
import { checkSize, Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, startsWith, type Verdict } from './reader.js';

const COLON = 58;
const HASH = 35;

const MALLOC = Buffer.from('malloc ');
const CALLOC = Buffer.from('calloc ');
const REALLOC = Buffer.from('realloc ');
const MEMALIGN = Buffer.from('memalign ');
const FREE = Buffer.from('free ');
const DONE = Buffer.from('thread_done ');
const ATTACHING = Buffer.from('Attach');
const LOST = Buffer.from('Lost ');

const NO_EVENT = 'not "thread: operation address …"';
const NO_OPERATION = 'the operation is none of malloc, calloc, realloc, memalign, free, thread_done';
const NO_NUMBERS = 'the numbers that follow the operation are not its own';

export class AospReader implements LineReader {
  protected readonly table: SlotTable;
  private readonly n = new Numbers();
  private readonly types = new GoTypes();
  /** Up to two numbers before the size: as they come. */
  private lo0 = 0;
  private hi0 = 0;
  private lo1 = 0;
  private hi1 = 0;
  /** The kind of an allocation without a comment. */
  protected plain: number = Kind.alloc;
  private lost = 0;
  private timed = false;

  constructor(table: SlotTable) {
    this.table = table;
  }

  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    if (b[start] === HASH) return undefined;
    const { n, table } = this;
    let at = n.decimal(b, start, end);
    if (at < 0 || b[at] !== COLON || b[at + 1] !== SPACE) return this.other(b, start, end);
    const thread = n.value;
    at += 2;
    if (startsWith(b, at, end, MALLOC)) {
      at = this.address(b, at + 7, end);
      at = at < 0 ? -1 : this.number(b, at, end);
      const size = n.value;
      const kind = at < 0 ? -1 : this.rest(b, at, end);
      if (kind < 0) return NO_NUMBERS;
      return this.allocated(thread, kind, size, number);
    }
    if (startsWith(b, at, end, FREE)) {
      at = this.address(b, at + 5, end);
      if (at < 0 || this.rest(b, at, end) < 0) return NO_NUMBERS;
      table.setThread(thread);
      table.free(this.lo0, this.hi0);
      return undefined;
    }
    if (startsWith(b, at, end, REALLOC)) return this.realloc(b, at + 8, end, thread, number);
    const calloc = startsWith(b, at, end, CALLOC);
    if (calloc || startsWith(b, at, end, MEMALIGN)) {
      at = this.address(b, at + (calloc ? 7 : 9), end);
      at = at < 0 ? -1 : this.number(b, at, end);
      const first = n.value;
      at = at < 0 ? -1 : this.number(b, at, end);
      const size = calloc ? first * n.value : n.value;
      const kind = at < 0 ? -1 : this.rest(b, at, end);
      if (kind < 0) return NO_NUMBERS;
      return this.allocated(thread, kind, size, number);
    }
    if (startsWith(b, at, end, DONE)) return undefined;
    return NO_OPERATION;
  }

  end(): Verdict {
    const { report } = this.table;
    const say = (sentence: string) => report.cannotTell.push(sentence);
    if (!this.timed) say('This recording has no times.');
    if (report.format === 'goalloc') {
      say(
        'Frees were recorded when a sweep of the recorded program found the objects dead, later than they were given up.',
      );
      say('Which objects hold pointers is known where the type says so; others are taken to hold none.');
    } else {
      say('It records no pointers: which objects refer to which, and whether any do, is not known.');
    }
    if (report.format === 'bpftrace') {
      say('Calls that libc makes inside itself, and functions that had no probe, are missing.');
      if (this.lost > 0) say(`bpftrace lost ${this.lost} events: record again with a larger BPFTRACE_PERF_RB_PAGES.`);
    }
    return undefined;
  }

  private allocated(thread: number, kind: number, size: number, number: number): Verdict {
    if (this.lo0 !== 0 || this.hi0 !== 0) checkSize(size, number);
    this.table.setThread(thread);
    this.table.malloc(kind, this.lo0, this.hi0, size);
    return undefined;
  }

  private realloc(b: Uint8Array, from: number, end: number, thread: number, number: number): Verdict {
    let at = this.address(b, from, end);
    const lo = this.lo0;
    const hi = this.hi0;
    at = at < 0 || b[at] !== SPACE ? -1 : this.address(b, at + 1, end);
    at = at < 0 ? -1 : this.number(b, at, end);
    const size = this.n.value;
    if (at < 0 || this.rest(b, at, end) < 0) return NO_NUMBERS;
    if (lo !== 0 || hi !== 0) checkSize(size, number);
    this.table.setThread(thread);
    this.table.realloc(this.lo0, this.hi0, lo, hi, size);
    return undefined;
  }

  /** An address at `at`, kept in lo0 and hi0: where it ends. */
  private address(b: Uint8Array, at: number, end: number): number {
    const after = this.n.pointer(b, at, end);
    this.lo0 = this.n.lo;
    this.hi0 = this.n.hi;
    return after;
  }

  /** A blank and a decimal number at `at`, left in `n`: where it ends. */
  private number(b: Uint8Array, at: number, end: number): number {
    return b[at] === SPACE && at < end ? this.n.decimal(b, at + 1, end) : -1;
  }

  /** Times and a comment, each if it is there. Answers with the kind of an allocation, -1 where something else follows. */
  private rest(b: Uint8Array, from: number, end: number): number {
    if (from === end) return this.plain;
    let at = from;
    if (b[at] === SPACE && b[at + 1] !== HASH) {
      const { n, table } = this;
      at = this.number(b, at, end);
      this.lo1 = n.lo;
      this.hi1 = n.hi;
      at = at < 0 ? -1 : this.number(b, at, end);
      if (at < 0) return -1;
      this.timed = true;
      table.setTime(this.lo1, this.hi1);
      table.setEndTime(n.lo, n.hi);
      if (at === end) return this.plain;
    }
    if (b[at] !== SPACE || b[at + 1] !== HASH) return -1;
    return this.kindOf(b, at + 2, end);
  }

  /** The kind of an allocation with the comment b[start, end), without its `#`. */
  protected kindOf(b: Uint8Array, start: number, end: number): number {
    return this.types.kindOf(b, start, end);
  }

  /** What bpftrace says besides. */
  private other(b: Uint8Array, start: number, end: number): Verdict {
    if (startsWith(b, start, end, ATTACHING)) {
      this.table.report.format = 'bpftrace';
      return undefined;
    }
    if (startsWith(b, start, end, LOST)) {
      if (this.n.decimal(b, start + LOST.length, end) < 0) return NO_EVENT;
      this.table.report.format = 'bpftrace';
      this.lost += this.n.value;
      return undefined;
    }
    return NO_EVENT;
  }
}

const EVENT =
  /^\d+: (malloc|calloc|realloc|memalign|free|thread_done) (0x[\da-f]+|\(nil\))( \d+| 0x[\da-f]+)*( #.*)?$/i;

export const aosp: Format = {
  name: 'aosp',
  title: 'AOSP memory_replay (also of bpftrace and goheap)',
  matches: (line) => EVENT.test(line) && !line.includes('#'),
  create: (table) => new AospReader(table),
};

export const goalloc: Format = {
  name: 'goalloc',
  title: "Go's allocfreetrace, converted",
  matches: (line) => EVENT.test(line) && line.includes('#'),
  create: (table) => new AospReader(table),
};
