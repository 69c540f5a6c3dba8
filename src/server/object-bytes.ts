/**
 * An object's bytes, through the exchange: reads and writes of at most 1 MiB at a time, each an operation of its own.
 */

import type { Readable } from 'node:stream';
import { Status } from '../heap/objects.js';
import { Op } from '../sched/ops.js';
import * as address from './address.js';
import { parseAddress } from './address.js';
import { type Body, chunksOf } from './bodies.js';
import { objectBase, ZERO_OBJECT } from './inspect/object.js';
import { Problem } from './problem.js';
import type { ByteRange } from './ranges.js';
import { call, type Host, take } from './route.js';
import { statusProblem } from './sched-errors.js';

export const MAX_PIECE = 1 << 20;

export class ObjectBytes {
  private readonly host: Host;
  private readonly text: string;
  private readonly lo: number;
  private readonly hi: number;

  constructor(host: Host, text: string) {
    parseAddress(text);
    this.host = host;
    this.text = text;
    this.lo = address.lo;
    this.hi = address.hi;
  }

  /** Bytes of the object. Throws the Problem of an address that is none. */
  async size(): Promise<number> {
    if (this.text === ZERO_OBJECT) return 0;
    const r = await this.copy(Op.read, 0, 0, 0);
    return (r[3] >>> 0) * 2 ** 32 + (r[2] >>> 0);
  }

  async read(from: number, length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    const piece = take(this.host, length);
    try {
      await this.copy(Op.read, piece.offset, from, length);
      const out = Buffer.allocUnsafe(length);
      piece.bytes.copy(out, 0, 0, length);
      return out;
    } finally {
      piece.release();
    }
  }

  async *stream(from: number, length: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < length; at += MAX_PIECE) yield await this.read(from + at, Math.min(MAX_PIECE, length - at));
  }

  async write(from: number, bytes: Buffer): Promise<void> {
    const piece = take(this.host, bytes.length);
    try {
      piece.bytes.set(bytes);
      await this.copy(Op.write, piece.offset, from, bytes.length);
    } finally {
      piece.release();
    }
  }

  private async copy(op: number, at: number, from: number, length: number): Promise<Int32Array> {
    const args = [this.lo, this.hi, at, from | 0, Math.floor(from / 2 ** 32), length];
    const { r } = await call(this.host, op, -1, args);
    if (r[0] === Status.ok) return r;
    const base = r[0] === Status.interior ? objectBase(this.host.heap, this.text) : undefined;
    throw statusProblem(r[0], this.text, base === undefined ? {} : { base });
  }
}

/** Writes a body to where `part` says, or to the beginning. `sent`: its length, where the client announced it. */
export async function writeAll(
  object: ObjectBytes,
  body: Readable | null | undefined,
  part: ByteRange | undefined,
  sent: number | undefined,
  kept: Body,
): Promise<{ written: number; size: number }> {
  const size = await object.size();
  const from = part?.from ?? 0;
  const most = part === undefined ? size : part.to + 1;
  if (most > size || (sent !== undefined && from + sent > most)) throw tooLong(size, 0);
  if (part !== undefined && sent !== undefined && sent !== most - from) {
    const detail = `Content-Range is ${most - from} bytes long, the body ${sent}.`;
    throw new Problem('validation-failed', detail, { field: 'content-range', allowed: `a range of ${sent} bytes` });
  }
  let written = 0;
  let held: Buffer[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (bytes === 0) return;
    const whole = held.length === 1 ? held[0] : Buffer.concat(held);
    held = [];
    bytes = 0;
    kept.release();
    for (let at = 0; at < whole.length; at += MAX_PIECE) {
      const next = whole.subarray(at, at + MAX_PIECE);
      await object.write(from + written, next);
      written += next.length;
    }
  };
  if (body !== null && body !== undefined) {
    try {
      for await (const chunk of chunksOf(body)) {
        if (from + written + bytes + chunk.length > most) throw tooLong(size, written);
        kept.add(chunk.length);
        held.push(chunk);
        bytes += chunk.length;
        if (bytes >= MAX_PIECE) await flush();
      }
    } finally {
      kept.release();
      // The rest of one that was refused, so that the client comes to read the answer.
      if (!body.readableEnded) body.resume();
    }
  }
  await flush();
  return { written, size };
}

function tooLong(size: number, written: number): Problem {
  const how = written === 0 ? 'Nothing was written.' : `${written} bytes were written before that was seen.`;
  return new Problem('outside-object', `The bytes do not fit the object's ${size}. ${how}`, { limit: size, written });
}
