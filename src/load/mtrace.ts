/**
 * The reader of glibc's mtrace recordings (`MALLOC_TRACE=file`, malloc/mtrace-impl.c).
 *
 *     = Start
 *     @ /usr/lib/libc.so.6:(strdup+1a)[0x9e9aa] + 0x55deb0c97a40 0x45      malloc, calloc, memalign: address, size
 *     @ jq:[0x2d8e] - 0x55deb0c97c60                                       free
 *     @ jq:[0x2d8e] < 0x55deb0c97a40                                       realloc: the old address, and on the next
 *     @ jq:[0x2d8e] > 0x55deb0c98000 0x90                                  line the new address and size
 *     @ jq:[0x2d8e] ! 0x55deb0c97a40 0x90                                  realloc that failed
 *     = End
 *
 * The location is optional and may hold spaces (a path, a C++ symbol), so a line is read from its right end: an address
 * or two numbers, and before them the operation, which must open the line or follow a location. Sizes are `%#lx`, so
 * zero is `0`; a null pointer is `(nil)`.
 *
 * The bytes are parsed where they are, without a string per line. Only a line that straddles two chunks is copied, and
 * a line longer than MAX_LINE is dropped and counted, so memory stays bounded whatever the input is.
 *
 * What is tolerated is counted in the ingest report; what is refused, with a TraceError, is input that has no events at
 * all or that goes on for PATIENCE bytes without one.
 */
import { newIngestReport, type RecordBlock, SlotTable } from './slots.js';
import { TraceError } from './source.js';

/** Longest line, in bytes. Real ones are below 4 KiB (PATH_MAX and a symbol's name). */
export const MAX_LINE = 64 * 1024;
/** Bytes without a single event after which the input is taken not to be an mtrace recording. */
const PATIENCE = 1024 * 1024;

const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const BANG = 33;
const PLUS = 43;
const MINUS = 45;
const LESS = 60;
const EQUALS = 61;
const GREATER = 62;
const AT = 64;

export class MtraceReader {
  readonly report = newIngestReport('mtrace');
  private readonly table = new SlotTable(this.report);
  /** The start of a line whose end is in a later chunk. */
  private readonly carry = new Uint8Array(MAX_LINE);
  private carried = 0;
  /** The line being read is longer than MAX_LINE: skip to its end. */
  private overlong = false;
  /** The old address of a realloc whose second line has not come yet; -1 when none is pending. */
  private reallocOld = -1;
  private bytes = 0;

  /** Reads chunks to their end, a block of records a chunk. Each block is valid until the next one is asked for. */
  async *read(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<RecordBlock> {
    for await (const chunk of chunks) {
      this.push(chunk);
      yield this.table.take();
    }
    this.finish();
    yield this.table.take();
  }

  /** Parses one chunk. Use with `take` to drive the reader without asynchrony. */
  push(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (this.carried > 0 || this.overlong) {
        this.keep(chunk, start, end);
        this.endCarried();
      } else if (end - start > MAX_LINE) {
        this.skipOverlong();
      } else {
        this.line(chunk, start, end);
      }
      start = end + 1;
    }
    this.keep(chunk, start, chunk.length);
    if (this.report.events === 0 && this.bytes > PATIENCE) {
      throw new TraceError(`not an mtrace recording: no event in its first ${this.bytes} bytes`);
    }
  }

  take(): RecordBlock {
    return this.table.take();
  }

  /**
   * The input has ended. A last line without its newline was cut off, perhaps in the middle of a number, so it is
   * counted and not believed (unless it is the end marker).
   */
  finish(): void {
    if (this.bytes === 0) throw new TraceError('the trace is empty');
    if (this.overlong) {
      this.endCarried();
    } else if (this.carried > 0) {
      this.report.lines++;
      if (!this.marker(this.carry, 0, this.carried)) this.report.badLines++;
    }
    if (this.reallocOld >= 0) this.abandonRealloc();
    if (this.report.events === 0) {
      throw new TraceError(
        this.report.started ? 'the trace has no events' : 'not an mtrace recording: it has no event at all',
      );
    }
  }

  private keep(chunk: Uint8Array, start: number, end: number): void {
    if (this.overlong || start === end) return;
    if (this.carried + end - start > MAX_LINE) {
      this.overlong = true;
      this.carried = 0;
      return;
    }
    this.carry.set(chunk.subarray(start, end), this.carried);
    this.carried += end - start;
  }

  private endCarried(): void {
    if (this.overlong) {
      this.overlong = false;
      this.skipOverlong();
      return;
    }
    const length = this.carried;
    this.carried = 0;
    this.line(this.carry, 0, length);
  }

  private skipOverlong(): void {
    this.report.lines++;
    this.report.overlongLines++;
    this.report.badLines++;
  }

  private line(b: Uint8Array, start: number, end: number): void {
    this.report.lines++;
    while (end > start && (b[end - 1] === SPACE || b[end - 1] === RETURN)) end--;
    if (end === start) return;
    if (b[start] === EQUALS && this.marker(b, start, end)) return;
    if (!this.operation(b, start, end)) this.report.badLines++;
  }

  /** From the right: the last word, and then either the operation (one-number forms) or another word and it. */
  private operation(b: Uint8Array, start: number, end: number): boolean {
    const last = wordStart(b, start, end);
    const middleEnd = last - 1;
    if (middleEnd <= start) return false;
    const middle = wordStart(b, start, middleEnd);
    let op = middleEnd - middle === 1 ? b[middle] : 0;
    if (op === MINUS || op === LESS) {
      return operationPlace(b, start, middle) && this.event(op, parseNumber(b, last, end), 0);
    }
    const opEnd = middle - 1;
    if (opEnd <= start) return false;
    const opStart = wordStart(b, start, opEnd);
    op = opEnd - opStart === 1 ? b[opStart] : 0;
    if (op !== PLUS && op !== GREATER && op !== BANG) return false;
    if (!operationPlace(b, start, opStart)) return false;
    return this.event(op, parseNumber(b, middle, middleEnd), parseNumber(b, last, end));
  }

  private marker(b: Uint8Array, start: number, end: number): boolean {
    const text = Buffer.from(b.buffer, b.byteOffset + start, end - start).toString('latin1');
    if (text === '= Start') {
      this.report.started = true;
      this.report.ended = false;
      return true;
    }
    if (text === '= End') {
      this.report.ended = true;
      return true;
    }
    return false;
  }

  private event(op: number, address: number, size: number): boolean {
    if (address < 0 || size < 0 || (size > Number.MAX_SAFE_INTEGER && address !== 0)) return false;
    if (this.reallocOld >= 0 && op !== GREATER) this.abandonRealloc();
    if (op === PLUS) {
      this.table.malloc(address, size);
    } else if (op === MINUS) {
      this.table.freeAddress(address);
    } else if (op === LESS) {
      this.reallocOld = address;
    } else if (op === GREATER) {
      // Without its first line (the recording began between the two) the old object is unknown.
      this.table.realloc(this.reallocOld, address, size);
      this.reallocOld = -1;
    } else {
      this.table.reallocFailed();
    }
    return true;
  }

  /** A `<` whose `>` never came: what became of the object is unknown; it stays. */
  private abandonRealloc(): void {
    this.reallocOld = -1;
    this.report.badLines++;
  }
}

/** Where the word that ends at `end` begins. */
function wordStart(b: Uint8Array, start: number, end: number): number {
  let i = end;
  while (i > start && b[i - 1] !== SPACE) i--;
  return i;
}

/** An operation opens its line, or follows a location, which opens the line with `@ `. */
function operationPlace(b: Uint8Array, start: number, at: number): boolean {
  return at === start || (b[start] === AT && b[start + 1] === SPACE && at - start >= 3);
}

/**
 * `0x1f`, `0`, `(nil)`; -1 for anything else. Addresses above 2^53 come out exact too, as malloc aligns them to 16.
 */
function parseNumber(b: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 1) return b[start] === 48 ? 0 : -1;
  if (length === 5 && b[start] === 40) {
    return b[start + 1] === 110 && b[start + 2] === 105 && b[start + 3] === 108 && b[start + 4] === 41 ? 0 : -1;
  }
  if (length < 3 || length > 18 || b[start] !== 48 || b[start + 1] !== 120) return -1;
  let value = 0;
  for (let i = start + 2; i < end; i++) {
    const c = b[i];
    const digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : c >= 65 && c <= 70 ? c - 55 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
