/**
 * The lines of a text that is in memory as bytes, one at a time: never an array of as many strings
 * as there are newlines.
 */

import { ReplayInputError } from '../events.js';
import { MAX_LINE } from '../readers/reader.js';

const NEWLINE = 10;
const BLANK = 32;

/**
 * Lines that are not empty, without blanks at their end. Throws ReplayInputError at one of more
 * than 64 KiB.
 */
export function* linesOf(bytes: Uint8Array): Generator<string, undefined> {
  for (const { text } of numberedLines(bytes)) yield text;
}

export interface NumberedLine {
  readonly text: string;
  /** From 1; empty ones count. */
  readonly number: number;
}

export function* numberedLines(bytes: Uint8Array): Generator<NumberedLine, undefined> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let number = 0;
  for (let start = 0; start < bytes.length; ) {
    number++;
    let end = start;
    while (end < bytes.length && bytes[end] !== NEWLINE) end++;
    if (end - start > MAX_LINE) {
      throw new ReplayInputError('replay-damaged', `line ${number} is longer than ${MAX_LINE} bytes`);
    }
    let last = end;
    // A carriage return and the like.
    while (last > start && bytes[last - 1] <= BLANK) last--;
    if (last > start) yield { text: buffer.toString('utf8', start, last), number };
    start = end + 1;
  }
}
