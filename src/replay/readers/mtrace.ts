/**
 * glibc's mtrace recordings (`MALLOC_TRACE=file`, malloc/mtrace-impl.c).
 *
 *     = Start
 *     @ /usr/lib/libc.so.6:(strdup+1a)[0x9e9aa] + 0x55deb0c97a40 0x45      malloc, calloc, memalign: address, size
 *     @ jq:[0x2d8e] - 0x55deb0c97c60                                       free
 *     @ jq:[0x2d8e] < 0x55deb0c97a40                                       realloc: the old address, and on the next
 *     @ jq:[0x2d8e] > 0x55deb0c98000 0x90                                  line the new address and size
 *     @ jq:[0x2d8e] ! 0x55deb0c97a40 0x90                                  realloc that failed
 *     = End                                                              written by muntrace(), which few programs call
 *
 * The location is optional and may hold spaces (a path, a C++ symbol), so a line is read from its right end: an address or two numbers, and
 * before them the operation, which must open the line or follow a location. Sizes are `%#lx`, so zero is `0`; a null pointer is `(nil)`.
 */

import { Kind } from '../events.js';
import type { SlotTable } from '../slots.js';
import { checkSize, Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, type Verdict } from './reader.js';

const BANG = 33;
const PLUS = 43;
const MINUS = 45;
const LESS = 60;
const EQUALS = 61;
const GREATER = 62;
const AT = 64;

const NO_EVENT = 'not "[@ location] + address size", "- address", "< address", "> address size" or "! address size"';

class MtraceReader implements LineReader {
  private readonly table: SlotTable;
  private readonly n = new Numbers();
  /** The old address of a realloc whose second line has not come yet. */
  private pending = false;
  private oldLo = 0;
  private oldHi = 0;
  private ended = false;

  constructor(table: SlotTable) {
    this.table = table;
    table.report.cannotTell.push(
      'mtrace records no threads: all events are taken to be of one, in the order of the file.',
      'mtrace records no times.',
      'It records no pointers: which objects refer to which, and whether any do, is not known.',
    );
  }

  /** From the right: the last word, and then either the operation (one-number forms) or another word and it. */
  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    if (b[start] === EQUALS) return this.marker(b, start, end);
    const { n, table } = this;
    let at = n.hexBack(b, start, end) - 2;
    if (at < start || b[at + 1] !== SPACE) return NO_EVENT;
    const op = b[at];
    if (op === MINUS || op === LESS) {
      if (!opens(b, start, at)) return NO_EVENT;
      const broken = this.abandon();
      if (op === MINUS) {
        table.free(n.lo, n.hi);
      } else {
        this.pending = true;
        this.oldLo = n.lo;
        this.oldHi = n.hi;
      }
      return broken;
    }
    const size = n.value;
    at = n.hexBack(b, start, at + 1) - 2;
    if (at < start || b[at + 1] !== SPACE || !opens(b, start, at)) return NO_EVENT;
    return this.sized(b[at], size, number);
  }

  private sized(op: number, size: number, number: number): Verdict {
    const { n, table } = this;
    if (op === GREATER) {
      checkSize(size, number);
      // Without its first line (the recording began between the two) the old object is unknown.
      if (this.pending) table.realloc(this.oldLo, this.oldHi, n.lo, n.hi, size);
      else table.unknownRealloc(n.lo, n.hi, size);
      this.pending = false;
      return undefined;
    }
    if (op === PLUS) {
      const broken = this.abandon();
      if (!n.isZero) checkSize(size, number);
      table.malloc(Kind.alloc, n.lo, n.hi, size);
      return broken;
    }
    if (op === BANG) {
      const broken = this.abandon();
      table.report.failedReallocs++;
      return broken;
    }
    return NO_EVENT;
  }

  /** `= End` is whole without its newline. */
  complete(b: Uint8Array, start: number, end: number): boolean {
    return text(b, start, end) === '= End';
  }

  end(): Verdict {
    this.abandon();
    // Only muntrace writes it, and most programs end without: that is not to be cut off.
    if (!this.ended) {
      this.table.report.cannotTell.push(
        'It has no "= End": whether it is whole, as it is when the program never called muntrace(), is not known.',
      );
    }
    return undefined;
  }

  private marker(b: Uint8Array, start: number, end: number): Verdict {
    const marker = text(b, start, end);
    if (marker !== '= Start' && marker !== '= End') return 'neither "= Start" nor "= End"';
    this.ended = marker === '= End';
    return undefined;
  }

  /** A `<` whose `>` never came: what became of the object is unknown; it stays. */
  private abandon(): Verdict {
    if (!this.pending) return undefined;
    this.pending = false;
    return 'the line before is a realloc\'s first ("<"), and this is not its second (">")';
  }
}

/** An operation opens its line, or follows a location, which opens the line with `@ `. */
function opens(b: Uint8Array, start: number, at: number): boolean {
  return at === start || (b[at - 1] === SPACE && b[start] === AT && b[start + 1] === SPACE && at - start >= 3);
}

function text(b: Uint8Array, start: number, end: number): string {
  return Buffer.from(b.buffer, b.byteOffset + start, Math.min(end - start, 16)).toString('latin1');
}

export const mtrace: Format = {
  name: 'mtrace',
  title: 'glibc mtrace',
  matches: (line) => /^(@ .*\S )?([+>!] (0x[\da-f]+|\(nil\)) (0x[\da-f]+|0)|[-<] 0x[\da-f]+)$|^= Start$/.test(line),
  create: (table) => new MtraceReader(table),
};
