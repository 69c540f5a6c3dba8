/**
 * Memory of request bodies that are on their way.
 *
 * A body that arrives slowly is held until it is complete, and a client may send many at once. So what is held is counted
 * as it arrives (not as it is announced: a client that announces much and sends nothing takes nothing from others), over
 * the server and per client address. One address may use half, so that the others can always send. What would pass either
 * limit is answered `overloaded`.
 *
 * Who reads a body itself (batches, bytes of objects) opens a `Body` and counts what it keeps. JSON bodies are read by
 * Fastify; the gate has them watched. A body with a Content-Length below 10,000 is counted by nobody: it costs nothing on
 * the allocation path, and all connections together can hold no more than so much each.
 */

import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { type Problem, retryLater } from './problem.js';

/** What a chunk costs beside its bytes. A client decides how small its chunks are. */
const CHUNK = 128;

export class Bodies {
  /** Bytes held now. */
  bytes = 0;
  /** Bodies that were refused, ever. */
  refused = 0;
  private readonly max: number;
  private readonly byAddress = new Map<string, number>();

  constructor(max: number) {
    this.max = max;
  }

  /** Whether it is a body that has to be watched. */
  static isLarge({
    'content-length': length,
    'transfer-encoding': chunked,
  }: FastifyRequest['raw']['headers']): boolean {
    return length === undefined ? chunked !== undefined : length.length > 4;
  }

  open(address: string): Body {
    return new Body(this, address);
  }

  /** Takes bytes for a client; false if there are none. */
  take(address: string, bytes: number): boolean {
    const held = this.byAddress.get(address) ?? 0;
    if (this.bytes + bytes > this.max || held + bytes > this.max / 2) return false;
    this.bytes += bytes;
    this.byAddress.set(address, held + bytes);
    return true;
  }

  giveBack(address: string, bytes: number): void {
    if (bytes === 0) return;
    this.bytes -= bytes;
    const left = (this.byAddress.get(address) ?? 0) - bytes;
    if (left > 0) this.byAddress.set(address, left);
    else this.byAddress.delete(address);
  }

  /** The answer to a body for which there is no room. The rest of it is not read. */
  refuse(): Problem {
    this.refused++;
    const problem = retryLater(
      'overloaded',
      'The bodies of other requests take all the memory that there is for them.',
    );
    problem.headers.connection = 'close';
    return problem;
  }

  /** Counts the JSON body of a request as it arrives. Returns the problem of one that cannot begin. */
  watch(request: FastifyRequest): Problem | undefined {
    const { ip, raw } = request;
    if (!this.take(ip, CHUNK)) return this.refuse();
    this.giveBack(ip, CHUNK);
    if (!/^application\/json\b/i.test(raw.headers['content-type'] ?? '')) return undefined;
    const body = this.open(ip);
    const { push } = raw;
    let given = false;
    raw.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
      // The rest of a refused one.
      if (given) return true;
      if (chunk !== null && !body.tryAdd(chunk.length) && raw.listenerCount('error') > 0) {
        given = true;
        body.release();
        // Not destroyed, for that would end the connection before the answer.
        raw.emit('error', this.refuse());
        return true;
      }
      // Complete: Fastify parses it now.
      if (chunk === null) body.release();
      return push.call(raw, chunk, encoding);
    };
    // Or it never will be.
    raw.once('close', () => body.release());
    return undefined;
  }
}

/** What is held of one body. */
export class Body {
  private readonly bodies: Bodies;
  private readonly address: string;
  private held = 0;

  constructor(bodies: Bodies, address: string) {
    this.bodies = bodies;
    this.address = address;
  }

  /** Counts a chunk that is kept; false if there is no room for it. */
  tryAdd(length: number): boolean {
    const bytes = length + CHUNK;
    if (!this.bodies.take(this.address, bytes)) return false;
    this.held += bytes;
    return true;
  }

  /** Counts a chunk that is kept; throws the Problem of one that is too much. */
  add(length: number): void {
    if (!this.tryAdd(length)) throw this.bodies.refuse();
  }

  /** Nothing of it is kept any more. */
  release(): void {
    this.bodies.giveBack(this.address, this.held);
    this.held = 0;
  }
}

/**
 * The chunks of a body. To leave the loop early does not end the connection, so that the client can be told why; the answer
 * must say `Connection: close`.
 */
export function chunksOf(body: Readable): AsyncIterable<Buffer> {
  return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}
