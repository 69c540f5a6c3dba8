/**
 * What ltrace prints of allocation functions: `ltrace -f -e malloc+free+calloc+realloc@libjq* -o file program`.
 *
 *     698 libjq.so.1->malloc(272)                      = 0x556fac9ed2c0
 *     698 libjq.so.1->free(0x556fac9eeb40)             = <void>
 *     698 malloc(24 <unfinished ...>                     another thread's line comes between
 *     698 <... malloc resumed> )                       = 0x556fac9ed2c0
 *     698 +++ exited (status 0) +++                      and what else happens to a process, passed over
 *
 * The process or thread is there with `-f`; after it may stand a time of -r, -t or -ttt, of which the last is used.
 */

import type { SlotTable } from '../slots.js';
import { Call, Op } from './calls.js';
import { Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, startsWith, type Verdict } from './reader.js';
import { clockTime, setClockTime } from './times.js';
import { result } from './valgrind.js';

const LESS = 60;
const GREATER = 62;
const DASH = 45;
const OPEN = 40;
const CLOSE = 41;
const RESUMED = Buffer.from('<... ');
const NIL = Buffer.from('= nil');
/** Threads of which a call may be unfinished at once. */
const MAX_PENDING = 1 << 16;

class LtraceReader implements LineReader {
  private readonly table: SlotTable;
  private readonly n = new Numbers();
  private readonly call = new Call();
  /**
   * By thread: its call that has not returned. The keys are words, not numbers: the engine hashes
   * words with a secret, and numbers so that a recording's writer could make them all collide.
   */
  private readonly pending = new Map<string, Call>();
  private timed = false;

  constructor(table: SlotTable) {
    this.table = table;
    table.report.cannotTell.push(
      'ltrace sees the calls of the libraries it was told of: memory that others allocate or free is missing.',
      'It records no pointers: which objects refer to which, and whether any do, is not known.',
    );
  }

  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    const { n, call } = this;
    let thread = 0;
    let at = start;
    const after = n.decimal(b, at, end);
    if (after >= 0 && b[after] === SPACE) {
      thread = n.value;
      at = after;
      while (b[at] === SPACE && at < end) at++;
    }
    at = this.time(b, at, end);
    if (startsWith(b, at, end, RESUMED)) return this.resumed(b, at, end, thread, number);
    at = functionName(b, at, end);
    const close = at < 0 ? -1 : call.parse(b, at, end);
    if (call.op === Op.none || at < 0) return undefined;
    if (close < 0) return 'a call whose arguments do not end';
    if (call.unfinished && call.op !== Op.free) {
      if (this.pending.size >= MAX_PENDING) return 'too many calls that have not returned';
      const kept = new Call();
      kept.copy(call);
      this.pending.set(`t${thread}`, kept);
      return undefined;
    }
    return this.finish(call, b, close, end, thread, number);
  }

  end(): Verdict {
    if (!this.timed) this.table.report.cannotTell.push('This recording has no times: ltrace -ttt records them.');
    return undefined;
  }

  /** A call that comes back. That of a free was taken at once, as its memory may be handed out before it does. */
  private resumed(b: Uint8Array, at: number, end: number, thread: number, number: number): Verdict {
    const key = `t${thread}`;
    const call = this.pending.get(key);
    if (call === undefined) return undefined;
    this.pending.delete(key);
    let i = end;
    while (i > at && b[i - 1] !== CLOSE) i--;
    return this.finish(call, b, i, end, thread, number);
  }

  private finish(call: Call, b: Uint8Array, at: number, end: number, thread: number, number: number): Verdict {
    const { n, table } = this;
    if (call.op === Op.unknown) return 'posix_memalign does not tell its address here';
    n.lo = 0;
    n.hi = 0;
    if (call.op !== Op.free && result(n, b, at, end) < 0 && !isNil(b, at, end))
      return 'a call without its result: " = 0x…"';
    table.setThread(thread);
    return call.report(table, n.lo, n.hi, number) ? undefined : 'not the arguments of this function';
  }

  /** A time at `at`, if there is one: where the next word begins. */
  private time(b: Uint8Array, at: number, end: number): number {
    const after = clockTime(this.n, b, at, end);
    if (after < 0 || b[after] !== SPACE) return at;
    this.timed = setClockTime(this.n, this.table) || this.timed;
    let i = after;
    while (b[i] === SPACE && i < end) i++;
    return i;
  }
}

/** Where the function's name begins: behind its library's. -1 where the line is no call. */
function functionName(b: Uint8Array, at: number, end: number): number {
  let name = at;
  for (let i = at; i < end && b[i] !== OPEN; i++) {
    if (b[i] === GREATER && i > at && b[i - 1] === DASH) name = i + 1;
    else if (b[i] === LESS) return -1;
  }
  return name;
}

function isNil(b: Uint8Array, at: number, end: number): boolean {
  let i = at;
  while (i < end && b[i] === SPACE) i++;
  return startsWith(b, i, end, NIL);
}

export const ltrace: Format = {
  name: 'ltrace',
  title: 'ltrace',
  matches: (line) =>
    /^(\d+ +)?([\d.:]+ +)?(\S+->)?(malloc|calloc|realloc|free|memalign|_Z(nw|na|dl|da)\w*)\(.*(\) += (0x[\da-f]+|0|nil|<void>)|<unfinished \.\.\.>)$/.test(
      line,
    ),
  create: (table) => new LtraceReader(table),
};
