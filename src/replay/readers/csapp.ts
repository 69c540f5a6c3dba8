/**
 * Traces of the malloc lab of "Computer Systems: A Programmer's Perspective" (.rep).
 *
 *     20000           suggested size of the heap, not used
 *     2               number of ids
 *     4               number of operations
 *     1               weight, not used
 *     a 0 512         allocate object 0
 *     r 0 640         reallocate it
 *     f 0             free it
 */

import { Kind } from '../events.js';
import type { SlotTable } from '../slots.js';
import { checkSize, Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, type Verdict } from './reader.js';

const HEADER_LINES = 4;
const OPERATIONS_LINE = 2;
const A = 97;
const F = 102;
const R = 114;

class CsappReader implements LineReader {
  private readonly table: SlotTable;
  private readonly n = new Numbers();
  private header = 0;
  private expected = 0;
  private operations = 0;

  constructor(table: SlotTable) {
    this.table = table;
    table.report.cannotTell.push(
      'A .rep trace has no threads and no times.',
      'It records no pointers: which objects refer to which, and whether any do, is not known.',
    );
  }

  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    const { n, table } = this;
    if (this.header < HEADER_LINES) {
      if (n.decimal(b, start, end) !== end)
        return 'the first four lines are numbers: heap size, ids, operations, weight';
      if (this.header++ === OPERATIONS_LINE) this.expected = n.value;
      return undefined;
    }
    const op = b[start];
    if ((op !== A && op !== F && op !== R) || b[start + 1] !== SPACE) return 'not "a id size", "r id size" or "f id"';
    let at = n.decimal(b, start + 2, end);
    // Ids begin at 0, which no address does.
    const id = n.value + 1;
    if (at < 0 || id > 2 ** 31) return 'not an id';
    if (op === F) {
      if (at !== end) return 'more than an id follows "f"';
      this.operations++;
      table.free(id | 0, 0);
      return undefined;
    }
    at = b[at] === SPACE ? n.decimal(b, at + 1, end) : -1;
    if (at !== end) return 'not an id and a size';
    const size = n.value;
    checkSize(size, number);
    this.operations++;
    if (op === A) table.malloc(Kind.alloc, id | 0, 0, size);
    else if (size === 0) table.free(id | 0, 0);
    else table.realloc(id | 0, 0, id | 0, 0, size);
    return undefined;
  }

  /** The header says how many there are: the last of them is whole where it can be read. */
  complete(b: Uint8Array, start: number, end: number): boolean {
    return (
      this.operations === this.expected - 1 &&
      /^([ar] \d+ \d+|f \d+)$/.test(Buffer.from(b.subarray(start, end)).toString('latin1'))
    );
  }

  end(): Verdict {
    return this.operations < this.expected ? `${this.operations} of ${this.expected} operations` : undefined;
  }
}

export const csapp: Format = {
  name: 'cs-app',
  title: 'CS:APP malloc lab (.rep)',
  matches: (line) => /^([ar] \d+ \d+|f \d+)$/.test(line),
  create: (table) => new CsappReader(table),
};
