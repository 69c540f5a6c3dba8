/**
 * A JSON batch read from its bytes, without making the objects that it describes.
 *
 * `JSON.parse` of a thousand operations costs more than running them and answering them together. Nearly all batches are
 * made of plain allocs and frees, so this scanner knows exactly those: `op`, `size`, `noscan`, `address`, `ref`, `reuse`, each
 * at most once, in any order, with or without spaces, and the envelope `{"ops": […], "p"?}`. It writes records as it reads.
 *
 * Invariant: it decides nothing. Whatever it does not recognise, malformed or merely unusual or wrong, it leaves alone: it
 * answers false, and the caller parses the whole body as JSON. So every error has one origin, and what is accepted here means
 * what the builder would have made of it.
 */

import { BatchOp, Flag } from '../../sched/ops.js';
import type { Builder } from './builder.js';

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN = 123;
const CLOSE = 125;

const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const OPS = ascii('ops"');
const OP = ascii('op"');
const SIZE = ascii('size"');
const NOSCAN = ascii('noscan"');
const ADDRESS = ascii('address"');
const REF = ascii('ref"');
const REUSE = ascii('reuse"');
const ALLOC = ascii('"alloc"');
const FREE = ascii('"free"');
const TRUE = ascii('true');
const FALSE = ascii('false');
const SWEEP = ascii('"sweep"');
const IMMEDIATE = ascii('"immediate"');

/** Fields of an operation, as bits. */
const F_OP = 1;
const F_SIZE = 2;
const F_NOSCAN = 4;
const F_ADDRESS = 8;
const F_REF = 16;
const F_REUSE = 32;

/**
 * An operation that was read before: its bytes up to its one number and behind it, and the record that they mean. Programs write all
 * their operations alike, so that the next one mostly differs in the number only.
 */
interface Shape {
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
  /** Word 0 and word 1 of the record. */
  readonly head: number;
  readonly type: number;
  readonly alloc: boolean;
}

/** Shapes that are kept; the oldest goes. */
const MAX_SHAPES = 4;
const MAX_SHAPE_BYTES = 128;

export class Scanner {
  private readonly shapes: Shape[] = [];
  /** The `p` of the batch, -1 if it names none. */
  p = -1;
  private b: Uint8Array = ascii('');
  private i = 0;
  private lo = 0;
  private hi = 0;

  /** Reads `bytes` into `batch`, at most `most` operations. False: nothing is decided, and `batch` is to be reset. */
  scan(bytes: Uint8Array, batch: Builder, most: number, maxObject: number): boolean {
    this.b = bytes;
    this.i = 0;
    this.p = -1;
    const whole = this.envelope(batch, most, maxObject);
    this.b = OPS;
    return whole;
  }

  private envelope(batch: Builder, most: number, maxObject: number): boolean {
    let ops = false;
    if (!this.take(OPEN)) return false;
    for (;;) {
      if (!this.take(QUOTE)) return false;
      if (this.b[this.i] === 112 && this.b[this.i + 1] === QUOTE && this.p < 0) {
        this.i += 2;
        if (!this.take(COLON)) return false;
        const p = this.number();
        if (p < 0 || p > 1023) return false;
        this.p = p;
      } else if (!ops && this.word(OPS)) {
        ops = true;
        if (!this.take(COLON) || !this.list(batch, most, maxObject)) return false;
      } else return false;
      if (this.take(COMMA)) continue;
      if (!this.take(CLOSE)) return false;
      return ops && this.space() === undefined;
    }
  }

  private list(batch: Builder, most: number, maxObject: number): boolean {
    if (!this.take(91)) return false;
    if (this.take(93)) return true;
    do {
      if (batch.ops === most || !this.operation(batch, maxObject)) return false;
    } while (this.take(COMMA));
    return this.take(93);
  }

  private operation(batch: Builder, maxObject: number): boolean {
    const { shapes } = this;
    for (let n = 0; n < shapes.length; n++) if (this.again(shapes[n], batch, maxObject)) return true;
    return this.afresh(batch, maxObject);
  }

  /** Reads an operation that looks like `shape`. False, and nothing read, if it does not. */
  private again(shape: Shape, batch: Builder, maxObject: number): boolean {
    const from = this.i;
    if (!this.word(shape.prefix)) return false;
    const number = this.number();
    const fits = number >= 0 && (shape.alloc ? number <= maxObject : number < batch.ops);
    if (!fits || !this.word(shape.suffix)) {
      this.i = from;
      return false;
    }
    batch.plain(shape.head, shape.type, number | 0, Math.floor(number / 2 ** 32));
    return true;
  }

  /** Remembers the operation from `from` to here, whose number stands at `at` up to `end`. */
  private learn(from: number, at: number, end: number, head: number, type: number, alloc: boolean): void {
    if (this.i - from > MAX_SHAPE_BYTES) return;
    // Copies, not views: the body's memory is handed to other requests afterwards.
    const prefix = Uint8Array.from(this.b.subarray(from, at));
    const suffix = Uint8Array.from(this.b.subarray(end, this.i));
    if (this.shapes.length === MAX_SHAPES) this.shapes.shift();
    this.shapes.push({ prefix, suffix, head, type, alloc });
  }

  private afresh(batch: Builder, maxObject: number): boolean {
    const from = this.i;
    let numberAt = 0;
    let numberEnd = 0;
    if (!this.take(OPEN)) return false;
    let fields = 0;
    let alloc = false;
    let number = 0;
    let flags = 0;
    do {
      if (!this.take(QUOTE)) return false;
      const field = this.key();
      if (field === 0 || (fields & field) !== 0 || !this.take(COLON)) return false;
      fields |= field;
      this.space();
      switch (field) {
        case F_OP:
          alloc = this.word(ALLOC);
          if (!alloc && !this.word(FREE)) return false;
          break;
        case F_SIZE:
        case F_REF:
          numberAt = this.i;
          number = this.number();
          if (number < 0) return false;
          numberEnd = this.i;
          break;
        case F_NOSCAN:
          if (this.word(TRUE)) flags = Flag.noscan;
          else if (!this.word(FALSE)) return false;
          break;
        case F_ADDRESS:
          if (!this.address()) return false;
          break;
        default:
          if (this.word(IMMEDIATE)) flags = Flag.immediate;
          else if (!this.word(SWEEP)) return false;
      }
    } while (this.take(COMMA));
    if (!this.take(CLOSE)) return false;

    if (alloc) {
      if ((fields & ~F_NOSCAN) !== (F_OP | F_SIZE) || number > maxObject) return false;
      if ((fields & F_NOSCAN) === 0) flags = Flag.noscan;
      const type = flags === 0 ? 1 : 0;
      const head = BatchOp.alloc | (flags << 8);
      batch.plain(head, type, number | 0, Math.floor(number / 2 ** 32));
      this.learn(from, numberAt, numberEnd, head, type, true);
      return true;
    }
    const rest = fields & ~F_REUSE;
    if (rest === (F_OP | F_ADDRESS)) batch.plain(BatchOp.free | (flags << 8), 0, this.lo, this.hi);
    else if (rest === (F_OP | F_REF) && number < batch.ops) {
      const head = BatchOp.free | ((flags | Flag.byRef) << 8);
      batch.plain(head, 0, number, 0);
      this.learn(from, numberAt, numberEnd, head, 0, false);
    } else return false;
    return true;
  }

  /** The field whose name begins here, 0 if there is no such. */
  private key(): number {
    switch (this.b[this.i]) {
      case 111:
        return this.word(OP) ? F_OP : 0;
      case 115:
        return this.word(SIZE) ? F_SIZE : 0;
      case 110:
        return this.word(NOSCAN) ? F_NOSCAN : 0;
      case 97:
        return this.word(ADDRESS) ? F_ADDRESS : 0;
      case 114:
        return this.word(REF) ? F_REF : this.word(REUSE) ? F_REUSE : 0;
      default:
        return 0;
    }
  }

  /** Passes white space; the byte behind it, undefined at the end. */
  private space(): number | undefined {
    let c = this.b[this.i];
    while (c === 32 || c === 10 || c === 13 || c === 9) c = this.b[++this.i];
    return c;
  }

  /** Passes white space and then `c`; false, and only white space passed, if something else stands there. */
  private take(c: number): boolean {
    if (this.b[this.i] !== c && this.space() !== c) return false;
    this.i++;
    return true;
  }

  private word(text: Uint8Array): boolean {
    const { b, i } = this;
    for (let k = 0; k < text.length; k++) if (b[i + k] !== text[k]) return false;
    this.i = i + text.length;
    return true;
  }

  /** A whole number of at most 15 digits, without a sign, a point, an exponent or a leading zero; else -1. */
  private number(): number {
    this.space();
    const { b } = this;
    const from = this.i;
    let i = from;
    let n = 0;
    for (let c = b[i]; c >= 48 && c <= 57; c = b[++i]) n = n * 10 + (c - 48);
    const digits = i - from;
    if (digits === 0 || digits > 15 || (digits > 1 && b[from] === 48)) return -1;
    this.i = i;
    return n;
  }

  /** `"0x…"` of 1 to 16 lower-case digits, into `lo` and `hi`. */
  private address(): boolean {
    const { b } = this;
    let i = this.i;
    if (b[i] !== QUOTE || b[i + 1] !== 48 || b[i + 2] !== 120) return false;
    i += 3;
    const from = i;
    let lo = 0;
    let hi = 0;
    for (; ; i++) {
      const c = b[i];
      let d: number;
      if (c >= 48 && c <= 57) d = c - 48;
      else if (c >= 97 && c <= 102) d = c - 87;
      else break;
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | d;
    }
    if (b[i] !== QUOTE || i === from || i - from > 16) return false;
    this.i = i + 1;
    this.lo = lo;
    this.hi = hi;
    return true;
  }
}
