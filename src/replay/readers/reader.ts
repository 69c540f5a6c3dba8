/**
 * What a reader of a text format is, and the cutting of bytes into lines that all of them share.
 *
 * Bytes are parsed where they are: no string and no object per line. Only a line that straddles two chunks is copied, into a buffer of fixed
 * size; a longer one than MAX_LINE is dropped and counted as bad, so memory stays bounded whatever the input is. How the input is
 * cut into chunks makes no difference.
 *
 * A last line without its newline may have been cut off in the middle of a number, which would still read as a number. It is not believed, and the
 * report says that the recording is truncated, unless the reader knows the line to be complete.
 */

import type { IngestReport } from '../events.js';
import type { SlotTable } from '../slots.js';

/** Longest line, in bytes. Real ones are below 4 KiB (PATH_MAX and a symbol's name). */
export const MAX_LINE = 64 * 1024;
/** Bad lines that the report quotes, and how much of each. */
const QUOTED = 10;
const QUOTE = 120;

export const NEWLINE = 10;
export const RETURN = 13;
export const SPACE = 32;

/** Why a line is no event, or undefined where it is one or may be passed over. */
export type Verdict = string | undefined;

export interface LineReader {
  /** Reads b[start, end): one line without its end, not empty. */
  line(b: Uint8Array, start: number, end: number, number: number): Verdict;
  /** Is this last line, which has no newline, known to be whole? */
  complete?(b: Uint8Array, start: number, end: number): boolean;
  /** The input has ended: what is still pending? Answers why the recording ends in the middle, if it does. */
  end?(): Verdict;
}

/** A format: how it is recognised and read. */
export interface Format {
  /** As in the report. */
  readonly name: string;
  /** For people: `glibc mtrace`. */
  readonly title: string;
  /** Does an input begin with this line, and no other format's does? */
  first?(line: string): boolean;
  /** Is this line one that only this format has? Looked at for the first lines of an input. */
  matches(line: string): boolean;
  create(table: SlotTable): LineReader;
}

export class LineSplitter {
  private readonly reader: LineReader;
  private readonly report: IngestReport;
  /** The start of a line whose end is in a later chunk. */
  private readonly carry = new Uint8Array(MAX_LINE + 1);
  private carried = 0;
  /** The line being read is too long: skip to its end. */
  private overlong = false;

  constructor(reader: LineReader, report: IngestReport) {
    this.reader = reader;
    this.report = report;
  }

  push(chunk: Uint8Array): void {
    // One kind of array for the loops below, whatever comes in.
    const b = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const length = b.length;
    let start = 0;
    if (this.carried > 0 || this.overlong) {
      const end = b.indexOf(NEWLINE);
      this.keep(b, 0, end < 0 ? length : end);
      if (end < 0) return;
      this.endCarried();
      start = end + 1;
    }
    for (let i = start; i < length; i++) {
      if (b[i] !== NEWLINE) continue;
      if (i > start) this.line(b, start, i);
      else this.report.lines++;
      start = i + 1;
    }
    if (start < length) this.keep(b, start, length);
  }

  end(): void {
    const r = this.report;
    if (this.overlong) {
      this.endCarried();
      r.truncated = true;
    } else if (this.carried > 0) {
      const end = trimmed(this.carry, 0, this.carried);
      if (end === 0 || this.reader.complete?.(this.carry, 0, end)) {
        this.endCarried();
      } else {
        r.lines++;
        r.truncated = true;
      }
    }
    if (this.reader.end?.() !== undefined) r.truncated = true;
  }

  /** One bad line more. */
  bad(b: Uint8Array, start: number, end: number, why: string): void {
    const r = this.report;
    r.badLines++;
    if (r.bad.length >= QUOTED) return;
    const text = Buffer.from(b.buffer, b.byteOffset + start, Math.min(end - start, QUOTE)).toString('utf8');
    r.bad.push({ at: r.lines, unit: 'line', text, why });
  }

  private line(b: Uint8Array, start: number, end: number): void {
    this.report.lines++;
    if (end - start > MAX_LINE) {
      this.bad(b, start, end, `longer than ${MAX_LINE} bytes`);
      return;
    }
    const last = trimmed(b, start, end);
    if (last === start) return;
    const why = this.reader.line(b, start, last, this.report.lines);
    if (why !== undefined) this.bad(b, start, last, why);
  }

  private keep(b: Uint8Array, start: number, end: number): void {
    if (this.overlong) return;
    const room = this.carry.length - this.carried;
    if (end - start > room) {
      this.overlong = true;
      end = start + room;
    }
    this.carry.set(b.subarray(start, end), this.carried);
    this.carried += end - start;
  }

  private endCarried(): void {
    const length = this.carried;
    this.carried = 0;
    this.overlong = false;
    this.line(this.carry, 0, length);
  }
}

/** The end of a line without blanks and a carriage return. */
function trimmed(b: Uint8Array, start: number, end: number): number {
  let last = end;
  while (last > start && (b[last - 1] === SPACE || b[last - 1] === RETURN)) last--;
  return last;
}

/** Does b[at, end) begin with `word`? */
export function startsWith(b: Uint8Array, at: number, end: number, word: Uint8Array): boolean {
  const length = word.length;
  if (end - at < length) return false;
  for (let i = 0; i < length; i++) if (b[at + i] !== word[i]) return false;
  return true;
}
