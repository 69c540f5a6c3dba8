/**
 * Records as text, in the format of AOSP's memory_replay:
 *
 *      TID: malloc PTR SIZE START_NS END_NS          0: malloc 0xc000012000 64 1520000 1520000 # scan
 *      TID: free PTR START_NS END_NS                 1: free 0xc000012000 1733000 1733000
 *
 * TID is the P. Both times are one: when the server learned of it, in nanoseconds since the recording began, to the microsecond. What was
 * there before has P 0 and time 0. `# scan` tells an object that may hold pointers; lines that begin with `#` are remarks. A piece is
 * written straight into bytes and has whole lines.
 */

import type { Rooted } from '../../gc/rooted.js';
import { HEAP_BASE } from '../../heap/heap.js';
import { type EventQueue, Kind, RECORD_WORDS } from './event-queue.js';

/** Bytes of a piece, about. */
export const PIECE = 64 << 10;
/** No line is longer. */
const LONGEST = 128;

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
const HEX = Buffer.from('0123456789abcdef');
const MALLOC = Buffer.from('malloc 0x');
const FREE = Buffer.from('free 0x');
const SCAN = Buffer.from(' # scan');
const SPACE = 32;
const NEWLINE = 10;

export class TextWriter {
  private bytes = Buffer.allocUnsafe(PIECE);
  private at = 0;
  /** `P: ` and ` START END` of the context. */
  private prefix = Buffer.from('0: ');
  private times = Buffer.from(' 0 0');
  private p = 0;
  private high = BASE_HI;
  private highDigits = Buffer.from(BASE_HI.toString(16));

  get full(): boolean {
    return this.at > PIECE - LONGEST;
  }

  /** What was written since the last time. */
  take(): Buffer {
    const piece = this.bytes.subarray(0, this.at);
    this.bytes = Buffer.allocUnsafe(PIECE);
    this.at = 0;
    return piece;
  }

  /** Writes records until the piece is full or the queue is empty. */
  drain(queue: EventQueue): void {
    for (let run = queue.peek(); run !== null && !this.full; run = queue.peek()) {
      const { words } = run;
      let i = 0;
      for (let at = run.at; i < run.count && !this.full; i++, at += RECORD_WORDS) {
        const second = words[at + 1];
        const kind = second >>> 16;
        if (kind === Kind.context) this.context(words[at], words[at + 3] * 2 ** 32 + (words[at + 2] >>> 0));
        else if (kind === Kind.free) this.free(words[at], second & 0xffff);
        else {
          const size = words[at + 3] * 2 ** 32 + (words[at + 2] >>> 0);
          this.malloc(words[at], second & 0xffff, size, kind === Kind.mallocScan);
        }
      }
      queue.drop(i);
    }
  }

  /** Writes the objects of spans from `run` on until the piece is full; where to go on. A span may go beyond, by its own objects. */
  rooted(rooted: Rooted, run: number): number {
    let at = run;
    for (; at < rooted.end && !this.full; at = rooted.after(at)) {
      rooted.each(at, (word, sub, size, scan) => {
        this.malloc((word << 3) | sub, BASE_HI + (word >> 29), size, scan);
      });
    }
    return at;
  }

  private context(p: number, us: number): void {
    if (p !== this.p) this.prefix = Buffer.from(`${p}: `);
    this.p = p;
    const ns = us === 0 ? '0' : `${us}000`;
    this.times = Buffer.from(` ${ns} ${ns}`);
  }

  private malloc(lo: number, hi: number, size: number, scan: boolean): void {
    this.begin(MALLOC);
    this.address(lo, hi);
    this.bytes[this.at++] = SPACE;
    this.number(size);
    this.copy(this.times);
    if (scan) this.copy(SCAN);
    this.bytes[this.at++] = NEWLINE;
  }

  private free(lo: number, hi: number): void {
    this.begin(FREE);
    this.address(lo, hi);
    this.copy(this.times);
    this.bytes[this.at++] = NEWLINE;
  }

  private begin(what: Buffer): void {
    if (this.at + LONGEST > this.bytes.length) this.widen();
    this.copy(this.prefix);
    this.copy(what);
  }

  private widen(): void {
    const wider = Buffer.allocUnsafe(this.bytes.length * 2);
    this.bytes.copy(wider, 0, 0, this.at);
    this.bytes = wider;
  }

  private address(lo: number, hi: number): void {
    if (hi !== this.high) {
      this.high = hi;
      this.highDigits = Buffer.from(hi.toString(16));
    }
    this.copy(this.highDigits);
    const { bytes } = this;
    for (let shift = 28; shift >= 0; shift -= 4) bytes[this.at++] = HEX[(lo >>> shift) & 15];
  }

  private number(n: number): void {
    const { bytes } = this;
    let length = 1;
    for (let least = 10; n >= least; least *= 10) length++;
    let left = n;
    for (let i = this.at + length - 1; i >= this.at; i--) {
      const tenth = Math.floor(left / 10);
      bytes[i] = 48 + left - tenth * 10;
      left = tenth;
    }
    this.at += length;
  }

  private copy(from: Buffer): void {
    const { bytes } = this;
    let { at } = this;
    for (let i = 0; i < from.length; i++) bytes[at++] = from[i];
    this.at = at;
  }
}
