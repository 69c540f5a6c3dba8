/**
 * From the results of a batch's records to JSON bytes, written by hand.
 *
 * `JSON.stringify` of thousands of small objects would cost more than the allocations that they report, so a result goes
 * straight into a buffer: constant pieces and hexadecimal digits. Only errors, which are rare, take the long way.
 */

import { SERVED_NAMES } from '../../heap/heap.js';
import { Status } from '../../heap/objects.js';
import { BatchOp, Flag } from '../../sched/ops.js';
import { formatHalves } from '../address.js';
import { type ProblemItem, problemItem } from '../problem.js';
import { statusCode, statusDetail } from '../sched-errors.js';
import type { Builder } from './builder.js';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const HEAD = bytes('{"address":"0x');
const TAILS = SERVED_NAMES.map((name) => bytes(`","servedBy":"${name}"}`));
const DIGITS = bytes('0123456789abcdef');
/** No result of an operation that went well is longer. */
const MOST = 64;

/** A buffer that results are appended to. */
export class ResultWriter {
  buffer: Buffer;
  length = 0;
  /** Operations that went well, and that did not. */
  done = 0;
  failed = 0;

  constructor(ops: number) {
    this.buffer = Buffer.allocUnsafe(256 + ops * MOST);
  }

  /** Makes room for `n` more bytes. */
  room(n: number): void {
    if (this.length + n <= this.buffer.length) return;
    const wider = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + n));
    this.buffer.copy(wider, 0, 0, this.length);
    this.buffer = wider;
  }

  text(s: string): void {
    this.room(s.length * 3);
    this.length += this.buffer.write(s, this.length, 'utf8');
  }

  byte(c: number): void {
    this.buffer[this.length++] = c;
  }

  /** `{"address":"0x…","servedBy":"…"}`. Room is the caller's. */
  address(lo: number, hi: number): void {
    const b = this.buffer;
    let at = this.length;
    for (let i = 0; i < HEAD.length; i++) b[at++] = HEAD[i];
    const high = hi & 0xffff;
    if (high > 0xfff) b[at++] = DIGITS[high >>> 12];
    if (high > 0xff) b[at++] = DIGITS[(high >>> 8) & 15];
    b[at++] = DIGITS[(high >>> 4) & 15];
    b[at++] = DIGITS[high & 15];
    for (let shift = 28; shift >= 0; shift -= 4) b[at++] = DIGITS[(lo >>> shift) & 15];
    const tail = TAILS[hi >>> 24];
    for (let i = 0; i < tail.length; i++) b[at++] = tail[i];
    this.length = at;
  }

  /**
   * The results of every operation of `batch`, with `separator` (one character) between or, for lines, behind each.
   * `w`: the results, two words a record, from index `first` on.
   */
  results(batch: Builder, w: Int32Array, first: number, separator: number, lines: boolean, base = 0): void {
    const { ops, recordOf, errors } = batch;
    const plain = recordOf === null && errors === null && !lines;
    const from = plain ? this.plain(ops, w, first, separator) : 0;
    for (let i = from; i < ops; i++) {
      this.room(MOST);
      if (i > 0 && !lines) this.byte(separator);
      const record = recordOf === null ? i : recordOf[i];
      const at = first + record * 2;
      const lo = w[at];
      const hi = w[at + 1];
      const end = recordOf === null ? record + 1 : i + 1 < ops ? recordOf[i + 1] : batch.records;
      const bad = firstBad(w, first, record, end);
      if (bad >= 0 || errors?.has(i)) {
        const item = errors?.get(i) ?? describe(batch.words, w, first, bad);
        this.failed++;
        this.text(`{"error":${JSON.stringify({ ...item, index: base + i })}}`);
      } else {
        this.done++;
        if ((lo | (hi & 0xffff)) !== 0) this.address(lo, hi);
        else {
          this.byte(123);
          this.byte(125);
        }
      }
      if (lines) {
        this.room(1);
        this.byte(separator);
      }
    }
  }

  /** The results of operations that are one record each and went well, up to the first that did not. Returns how many. */
  private plain(ops: number, w: Int32Array, first: number, separator: number): number {
    this.room(ops * MOST);
    const b = this.buffer;
    let i = 0;
    for (; i < ops; i++) {
      const lo = w[first + i * 2];
      const hi = w[first + i * 2 + 1];
      if ((hi & 0xff_0000) !== 0) break;
      if (i > 0) b[this.length++] = separator;
      if ((lo | (hi & 0xffff)) !== 0) this.address(lo, hi);
      else {
        b[this.length] = 123;
        b[this.length + 1] = 125;
        this.length += 2;
      }
    }
    this.done += i;
    return i;
  }

  take(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

/** First record of [from, to) that failed, or -1. */
function firstBad(w: Int32Array, first: number, from: number, to: number): number {
  for (let r = from; r < to; r++) if (((w[first + r * 2 + 1] >>> 16) & 255) !== 0) return r;
  return -1;
}

/** The error of a record that ran and was refused. */
function describe(records: Int32Array, w: Int32Array, first: number, record: number): ProblemItem {
  const status = (w[first + record * 2 + 1] >>> 16) & 255;
  const head = records[record * 4];
  const byRef = (head & 255) !== BatchOp.alloc && ((head >>> 8) & Flag.byRef) !== 0;
  if (byRef && status === Status.outside) {
    return problemItem('invalid-reference', '"ref" names an operation that allocated nothing.', { field: 'ref' });
  }
  const address = byRef ? 'the reference' : formatHalves(records[record * 4 + 2], records[record * 4 + 3] >>> 0);
  return problemItem(statusCode(status), statusDetail(status, address));
}

/** Allocs of which a later part (the store) failed: their objects are to be freed again. As pairs of halves. */
export function leftovers(batch: Builder, w: Int32Array, first: number): number[] {
  const { recordOf, ops } = batch;
  const out: number[] = [];
  if (recordOf === null) return out;
  for (let i = 0; i < ops; i++) {
    const from = recordOf[i];
    const to = i + 1 < ops ? recordOf[i + 1] : batch.records;
    if (to - from < 2 || firstBad(w, first, from, from + 1) >= 0 || firstBad(w, first, from, to) < 0) continue;
    out.push(w[first + from * 2], w[first + from * 2 + 1] & 0xffff);
  }
  return out;
}
