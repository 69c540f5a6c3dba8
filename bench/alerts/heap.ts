/** One heap of a server, as the workloads drive it: over HTTP, most of it in binary batches. */

import { BinaryCodec } from '../../src/load/binary-codec.js';
import { Client } from '../../src/load/client.js';
import { BatchOp, Flag, RECORD_BYTES } from '../../src/sched/ops.js';
import { BINARY_TYPE, encodePairs } from '../binary-records.js';

/** Operations of one request. */
const PIECE = 50_000;

export interface Settings {
  readonly gomaxprocs?: number;
  readonly gogc?: number | 'off';
  readonly gomemlimit?: string;
  readonly arenaSize?: string;
  readonly reserve?: string;
}

export class RemoteHeap {
  readonly name: string;
  private readonly url: string;
  private readonly client: Client;
  private readonly codec = new BinaryCodec({ scan: false, reuse: 'sweep' });
  private readonly scanning = new BinaryCodec({ scan: true, reuse: 'sweep' });

  private constructor(url: string, name: string) {
    this.url = url;
    this.name = name;
    this.client = new Client({ url });
  }

  static async create(url: string, name: string, settings: Settings = {}): Promise<RemoteHeap> {
    const heap = new RemoteHeap(url, name);
    await heap.client.json('PUT', `/v1/heaps/${name}`, settings);
    return heap;
  }

  /** A heap that there is. */
  static at(url: string, name: string): RemoteHeap {
    return new RemoteHeap(url, name);
  }

  /** The same heap over a connection of its own: requests of one go out one after the other. */
  again(): RemoteHeap {
    return new RemoteHeap(this.url, this.name);
  }

  private path(path: string): string {
    return `/v1/heaps/${this.name}${path}`;
  }

  json<T>(method: string, path: string, body?: object): Promise<T> {
    return this.client.json<T>(method, this.path(path), body);
  }

  gc(): Promise<unknown> {
    return this.json('POST', '/gc', {});
  }

  /** Allocates `count` objects of `size` bytes and answers their addresses. */
  async alloc(
    count: number,
    size: number,
    { p, scan = false }: { p?: number; scan?: boolean } = {},
  ): Promise<number[]> {
    const codec = scan ? this.scanning : this.codec;
    const addresses: number[] = [];
    for (let done = 0; done < count; done += PIECE) {
      codec.begin(p);
      for (let i = Math.min(PIECE, count - done); i > 0; i--) codec.alloc(size);
      const path = this.path(`/batch${codec.query}`);
      const answer = codec.decode(await this.client.send('POST', path, codec.finish(), BINARY_TYPE));
      for (let i = 0; i < answer.length; i++) {
        const address = answer.address(i);
        if (address === undefined) throw new Error(`an allocation of ${size} bytes failed: ${answer.error(i)}`);
        addresses.push(address);
      }
    }
    return addresses;
  }

  /** Drops the roots of these objects. */
  async free(addresses: readonly number[], p?: number): Promise<void> {
    for (let done = 0; done < addresses.length; done += PIECE) {
      this.codec.begin(p);
      for (const address of addresses.slice(done, done + PIECE)) this.codec.free(address);
      await this.client.send('POST', this.path(`/batch${this.codec.query}`), this.codec.finish(), BINARY_TYPE);
    }
  }

  /** Allocates objects that nobody holds: garbage from the beginning. */
  async garbage(count: number, size: number, p?: number): Promise<void> {
    const body = Buffer.alloc(count * RECORD_BYTES);
    for (let i = 0; i < count; i++) {
      body.writeInt32LE(BatchOp.alloc | ((Flag.noscan | Flag.unrooted) << 8), i * RECORD_BYTES);
      body.writeUInt32LE(size, i * RECORD_BYTES + 8);
    }
    await this.send(body, p);
  }

  /** A batch that allocates and frees at once, for `send`. */
  static pairs(ops: number, size: number): Buffer {
    return encodePairs(ops, size);
  }

  async send(batch: Uint8Array, p?: number): Promise<void> {
    await this.client.send('POST', this.path(`/batch${p === undefined ? '' : `?p=${p}`}`), batch, BINARY_TYPE);
  }

  async delete(): Promise<void> {
    await this.client.json('DELETE', `/v1/heaps/${this.name}`);
    this.close();
  }

  close(): void {
    this.client.close();
  }
}
