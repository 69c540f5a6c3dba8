/**
 * What valgrind's tools print with `--trace-malloc=yes`, amid everything else that they and the program print.
 *
 *     --25567-- malloc(272) = 0x4C09090
 *     --25567-- calloc(4,313) = 0x4C09090
 *     --25567-- realloc(0x4C0A7A0,64) = 0x4C0AAA0
 *     --25567-- realloc(0x0,8)malloc(8) = 0x4C0A750        a realloc that is another call: that one counts
 *     --25567-- realloc(0x4C0A7A0,0)free(0x4C0A7A0)
 *     --25567-- memalign(al 16, size 64) = 0x4C0B040
 *     --25567-- _Znwm(24) = 0x4C0B0A0                       C++'s operators by their mangled names
 *     --25567-- free(0x4C09040)
 *     ==25567== HEAP SUMMARY:                               and other text, passed over
 *
 * Lines of one process are read, the first one's: those of its children, with `--trace-children=yes`, speak of other memory.
 */

import type { SlotTable } from '../slots.js';
import { Call, Op } from './calls.js';
import { Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, type Verdict } from './reader.js';

const DASH = 45;
const EQUALS = 61;

class ValgrindReader implements LineReader {
  private readonly table: SlotTable;
  private readonly n = new Numbers();
  private readonly call = new Call();
  private pid = -1;
  private otherProcess = false;

  constructor(table: SlotTable) {
    this.table = table;
    table.report.cannotTell.push(
      'valgrind runs one thread at a time and does not say which: all events are taken to be of one.',
      'valgrind --trace-malloc records no times.',
      'It records no pointers: which objects refer to which, and whether any do, is not known.',
    );
  }

  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    if (b[start] !== DASH || b[start + 1] !== DASH) return undefined;
    const { n, call } = this;
    let at = n.decimal(b, start + 2, end);
    if (at < 0 || b[at] !== DASH || b[at + 1] !== DASH || b[at + 2] !== SPACE) return undefined;
    const pid = n.value;
    at = call.parse(b, at + 3, end);
    if (call.op === Op.none) return undefined;
    if (this.pid < 0) this.pid = pid;
    if (pid !== this.pid) {
      this.otherProcess = true;
      return undefined;
    }
    // One call may turn out to be another: the last one says what happened.
    while (at >= 0 && at < end && b[at] !== SPACE) at = call.parse(b, at, end);
    if (at < 0) return 'a call whose arguments do not end';
    if (call.op === Op.free) return call.report(this.table, 0, 0, number) ? undefined : 'a free of no address';
    at = result(n, b, at, end);
    if (at < 0) return 'a call without its result: " = 0x…"';
    return call.report(this.table, n.lo, n.hi, number) ? undefined : 'not the arguments of this function';
  }

  end(): Verdict {
    if (this.otherProcess)
      this.table.report.cannotTell.push(`Only process ${this.pid} is replayed; the file has others.`);
    return undefined;
  }
}

/** ` = 0x…` at `at`, blanks before it: where it ends, or -1. The value is in `n`. */
export function result(n: Numbers, b: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && b[i] === SPACE) i++;
  if (b[i] !== EQUALS || b[i + 1] !== SPACE) return -1;
  return n.pointer(b, i + 2, end);
}

export const valgrind: Format = {
  name: 'valgrind',
  title: 'valgrind --trace-malloc',
  matches: (line) => /^--\d+-- (malloc|free|calloc|realloc|memalign|_Z(nw|na|dl|da)\w*)\(/.test(line),
  create: (table) => new ValgrindReader(table),
};
