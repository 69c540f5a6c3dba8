/**
 * A call of an allocation function as tracers print it: `calloc(4, 313)`, `memalign(al 16, size 64)`, `_ZdlPv(0x4A2A040)`.
 *
 * Shared by valgrind and ltrace. One object a reader: `parse` leaves the call in its fields, and `report` tells the table of it.
 */

import { Kind } from '../events.js';
import type { SlotTable } from '../slots.js';
import { checkSize, Numbers } from './numbers.js';
import { SPACE, startsWith } from './reader.js';

const OPEN = 40;
const CLOSE = 41;
const COMMA = 44;
const LESS = 60;

export const Op = {
  none: 0,
  malloc: 1,
  calloc: 2,
  realloc: 3,
  reallocarray: 4,
  free: 5,
  memalign: 6,
  unknown: 7,
} as const;

/** Prefixes of names up to their parenthesis; `exact` ones have nothing between. C++'s mangled names go on by their types. */
const NAMES: { bytes: Uint8Array; op: number }[] = [
  ['malloc(', Op.malloc],
  ['free(', Op.free],
  ['calloc(', Op.calloc],
  ['realloc(', Op.realloc],
  ['reallocarray(', Op.reallocarray],
  ['memalign(', Op.memalign],
  ['aligned_alloc(', Op.memalign],
  ['valloc(', Op.malloc],
  ['pvalloc(', Op.malloc],
  ['cfree(', Op.free],
  ['_Znw', Op.malloc],
  ['_Zna', Op.malloc],
  ['_Zdl', Op.free],
  ['_Zda', Op.free],
  ['operator new', Op.malloc],
  ['operator delete', Op.free],
  ['__builtin_new(', Op.malloc],
  ['__builtin_vec_new(', Op.malloc],
  ['__builtin_delete(', Op.free],
  ['__builtin_vec_delete(', Op.free],
  // Its address is written to memory, and only some tracers print it.
  ['posix_memalign(', Op.unknown],
].map(([name, op]) => ({ bytes: Buffer.from(name as string), op: op as number }));

const SIZE = Buffer.from('size ');
const MAX_ARGUMENTS = 4;

export class Call {
  op: number = Op.none;
  /** The arguments were cut off by another thread's line: `malloc(24 <unfinished ...>`. */
  unfinished = false;
  private readonly n = new Numbers();
  private readonly lo = new Int32Array(MAX_ARGUMENTS);
  private readonly hi = new Int32Array(MAX_ARGUMENTS);
  private readonly value = new Float64Array(MAX_ARGUMENTS);
  /** The argument that is labelled as the size, -1. */
  private sized = -1;
  private count = 0;

  /** Reads the call at `at`: where it ends, or -1 where none of these functions is called. */
  parse(b: Uint8Array, at: number, end: number): number {
    this.op = Op.none;
    this.unfinished = false;
    for (const name of NAMES) {
      if (name.bytes[0] !== b[at] || !startsWith(b, at, end, name.bytes)) continue;
      this.op = name.op;
      let i = at + name.bytes.length;
      if (b[i - 1] !== OPEN) {
        i = argumentsOf(b, i, end);
        if (i < 0) return -1;
      }
      return this.args(b, i, end);
    }
    return -1;
  }

  /** Tells the table of the call. `result`: what it answered with. False where the arguments are not the function's. */
  report(table: SlotTable, resultLo: number, resultHi: number, line: number): boolean {
    const { lo, hi, value, count } = this;
    const some = resultLo !== 0 || resultHi !== 0;
    let size = 0;
    switch (this.op) {
      case Op.free:
        if (count < 1) return false;
        table.free(lo[0], hi[0]);
        return true;
      case Op.malloc:
        if (count < 1) return false;
        size = value[this.sized < 0 ? 0 : this.sized];
        break;
      case Op.calloc:
        if (count < 2) return false;
        size = value[0] * value[1];
        break;
      case Op.memalign:
        if (count < 2) return false;
        size = value[this.sized < 0 ? 1 : this.sized];
        break;
      case Op.realloc:
      case Op.reallocarray:
        if (count < (this.op === Op.realloc ? 2 : 3)) return false;
        size = this.op === Op.realloc ? value[1] : value[1] * value[2];
        if (some) checkSize(size, line);
        table.realloc(lo[0], hi[0], resultLo, resultHi, size);
        return true;
      default:
        return false;
    }
    if (some) checkSize(size, line);
    table.malloc(Kind.alloc, resultLo, resultHi, size);
    return true;
  }

  /** What an unfinished call needs to be told when it is resumed. */
  copy(from: Call): void {
    this.op = from.op;
    this.sized = from.sized;
    this.count = from.count;
    this.lo.set(from.lo);
    this.hi.set(from.hi);
    this.value.set(from.value);
  }

  /** The arguments at `at`: where their parenthesis ends, or -1. */
  private args(b: Uint8Array, at: number, end: number): number {
    const { n } = this;
    this.sized = -1;
    this.count = 0;
    let i = at;
    while (i < end) {
      while (i < end && (b[i] === SPACE || b[i] === COMMA)) i++;
      if (i === end) return -1;
      if (b[i] === CLOSE) return i + 1;
      if (b[i] === LESS) {
        this.unfinished = true;
        return end;
      }
      const labelled = startsWith(b, i, end, SIZE);
      // A label: `al 16`.
      if (b[i] >= 97 && b[i] <= 122) while (i < end && b[i] !== SPACE && b[i] !== COMMA && b[i] !== CLOSE) i++;
      while (i < end && b[i] === SPACE) i++;
      const after = b[i] === OPEN ? n.pointer(b, i, end) : n.either(b, i, end);
      if (after >= 0 && this.count < MAX_ARGUMENTS) {
        if (labelled) this.sized = this.count;
        this.lo[this.count] = n.lo;
        this.hi[this.count] = n.hi;
        this.value[this.count++] = n.value;
        i = after;
      }
      // Whatever else an argument has.
      while (i < end && b[i] !== COMMA && b[i] !== CLOSE && b[i] !== LESS) i++;
    }
    return -1;
  }
}

/**
 * Behind the parenthesis of a C++ function's arguments: that behind its mangled name, or the second
 * one of `operator new(unsigned long)(24)`. What is looked at is read by `args` afterwards, or is
 * no call: a line of many calls stays linear.
 */
function argumentsOf(b: Uint8Array, at: number, end: number): number {
  let open = at;
  while (open < end && b[open] !== OPEN) open++;
  if (open === end) return -1;
  let close = open + 1;
  while (close < end && b[close] !== CLOSE) close++;
  return close + 1 < end && b[close + 1] === OPEN ? close + 2 : open + 1;
}
