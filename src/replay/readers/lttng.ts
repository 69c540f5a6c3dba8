/**
 * LTTng's user-space tracing of libc, as babeltrace prints it: `lttng enable-event -u 'lttng_ust_libc:*'`, context vtid, liblttng-ust-libc-wrapper.so
 * preloaded.
 *
 *     [1795416083.368341389] vm lttng_ust_libc:malloc: { cpu_id = 0 }, { vtid = 26032 }, { size = 24, ptr = 0x55B0 }
 *     … lttng_ust_libc:calloc: …, { nmemb = 4, size = 313, ptr = 0x55B0 }
 *     … lttng_ust_libc:realloc: …, { in_ptr = 0x55B0, size = 64, ptr = 0x56C0 }
 *     … lttng_ust_libc:memalign: …, { alignment = 16, size = 64, ptr = 0x56C0 }
 *     … lttng_ust_libc:posix_memalign: …, { out_ptr = 0x56C0, alignment = 16, size = 64, result = 0 }
 *     … lttng_ust_libc:free: …, { ptr = 0x55B0 }
 */

import { Kind } from '../events.js';
import type { SlotTable } from '../slots.js';
import { checkSize, Numbers } from './numbers.js';
import { type Format, type LineReader, SPACE, startsWith, type Verdict } from './reader.js';
import { clockTime, setClockTime } from './times.js';

const OPEN = 91;
const COLON = 58;
const EQUALS = 61;
const PROVIDER = Buffer.from('lttng_ust_libc:');
const FIELDS = ['vtid', 'size', 'nmemb', 'ptr', 'in_ptr', 'out_ptr', 'result'].map((name) => Buffer.from(`${name} = `));
const VTID = 0;
const SIZE = 1;
const NMEMB = 2;
const PTR = 3;
const IN_PTR = 4;
const OUT_PTR = 5;
const RESULT = 6;
/** The bits of the fields that an operation must have. */
const OPERATIONS = [
  { name: Buffer.from('malloc:'), needs: bits(SIZE, PTR) },
  { name: Buffer.from('free:'), needs: bits(PTR) },
  { name: Buffer.from('calloc:'), needs: bits(NMEMB, SIZE, PTR) },
  { name: Buffer.from('realloc:'), needs: bits(IN_PTR, SIZE, PTR) },
  { name: Buffer.from('memalign:'), needs: bits(SIZE, PTR) },
  { name: Buffer.from('posix_memalign:'), needs: bits(OUT_PTR, SIZE, RESULT) },
];
const FREE = 1;
const CALLOC = 2;
const REALLOC = 3;
const POSIX_MEMALIGN = 5;

class LttngReader implements LineReader {
  private readonly table: SlotTable;
  private readonly n = new Numbers();
  private readonly lo = new Int32Array(FIELDS.length);
  private readonly hi = new Int32Array(FIELDS.length);
  private readonly value = new Float64Array(FIELDS.length);

  constructor(table: SlotTable) {
    this.table = table;
    table.report.cannotTell.push(
      'It records no pointers: which objects refer to which, and whether any do, is not known.',
      'LTTng drops events when its buffers are full; babeltrace says so on its standard error.',
    );
  }

  line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    const provider = indexOf(b, start, end);
    if (provider < 0) return undefined;
    const name = provider + PROVIDER.length;
    const op = OPERATIONS.findIndex((operation) => startsWith(b, name, end, operation.name));
    if (op < 0) return 'an operation of lttng_ust_libc that is not known';
    const found = this.fields(b, name + OPERATIONS[op].name.length, end);
    if ((found & OPERATIONS[op].needs) !== OPERATIONS[op].needs) return 'fields that the operation has are missing';
    const { n, table, lo, hi, value } = this;
    if (b[start] === OPEN && clockTime(n, b, start + 1, end) >= 0) setClockTime(n, table);
    if ((found & bits(VTID)) !== 0) table.setThread(value[VTID]);
    if (op === FREE) {
      table.free(lo[PTR], hi[PTR]);
      return undefined;
    }
    const at = op === POSIX_MEMALIGN ? OUT_PTR : PTR;
    const size = op === CALLOC ? value[NMEMB] * value[SIZE] : value[SIZE];
    if (op === POSIX_MEMALIGN && value[RESULT] !== 0) {
      table.report.nilAllocs++;
      return undefined;
    }
    if (lo[at] !== 0 || hi[at] !== 0) checkSize(size, number);
    if (op === REALLOC) table.realloc(lo[IN_PTR], hi[IN_PTR], lo[PTR], hi[PTR], size);
    else table.malloc(Kind.alloc, lo[at], hi[at], size);
    return undefined;
  }

  /** Reads every known field; answers with the bits of those that are there. */
  private fields(b: Uint8Array, from: number, end: number): number {
    const { n } = this;
    let found = 0;
    /** Where the word began that ended last, and where the one begins that is being read. */
    let word = from;
    let next = from;
    for (let i = from; i < end; i++) {
      if (b[i] === SPACE) {
        word = next;
        next = i + 1;
        continue;
      }
      // `name = `: the name is the word before the blank.
      if (b[i] !== EQUALS || next !== i) continue;
      const field = FIELDS.findIndex((name) => startsWith(b, word, end, name));
      if (field < 0 || n.either(b, i + 2, end) < 0) continue;
      found |= bits(field);
      this.lo[field] = n.lo;
      this.hi[field] = n.hi;
      this.value[field] = n.value;
    }
    return found;
  }
}

function bits(...fields: number[]): number {
  return fields.reduce((sum, field) => sum | (1 << field), 0);
}

/** Where the provider's name is. */
function indexOf(b: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++)
    if (b[i] === COLON && startsWith(b, i + 1 - PROVIDER.length, end, PROVIDER)) return i + 1 - PROVIDER.length;
  return -1;
}

export const lttng: Format = {
  name: 'lttng',
  title: 'LTTng (text of babeltrace)',
  matches: (line) => /lttng_ust_libc:(malloc|free|calloc|realloc|memalign|posix_memalign):/.test(line),
  create: (table) => new LttngReader(table),
};
