/**
 * A goheap server of a hundred lines: the HTTP interface over a plain map of address to size. It is strict where a
 * client could be wrong (a free of an address that is not live, a ref to no alloc, two batches at once on one
 * connection, a P that does not exist) and can be told to fail.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { CLASS_TO_SIZE } from '../../src/heap/sizeclass.js';

interface Op {
  op: string;
  size?: number;
  noscan?: boolean;
  address?: string;
  ref?: number;
  reuse?: string;
}

const CLASS_SIZES = [...CLASS_TO_SIZE].slice(1);

export class FakeHeap {
  readonly live = new Map<string, number>();
  next = 0xc000000000;
  mallocs = 0;
  frees = 0;
  total = 0;
  alloc = 0;
  garbage = 0;
  inusePeak = 0;
  sweeps = 0;
  readonly bySize = new Map(CLASS_SIZES.map((size) => [size, { size, mallocs: 0, frees: 0 }]));
}

export interface Faults {
  /** Answers to whole batches, by their number from 0; undefined answers normally. */
  batch?: (n: number) => { status: number; code: string; retryAfter?: number } | 'hang up' | 'garbage' | undefined;
  /** An error code for an alloc. */
  alloc?: (size: number) => string | undefined;
  checkFails?: boolean;
  token?: string;
  gomaxprocs?: number;
}

export class FakeServer {
  readonly heaps = new Map<string, FakeHeap>();
  readonly deleted: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly ops: Op[][] = [];
  readonly ps: (number | undefined)[] = [];
  readonly complaints: string[] = [];
  batches = 0;
  largestBatch = 0;
  url = '';
  faults: Faults = {};
  private readonly server: Server;
  private readonly busy = new Set<Socket>();

  constructor() {
    // It closes no connection by itself, however long a client lets it wait.
    const options = { keepAliveTimeout: 0, requestTimeout: 0 };
    this.server = createServer(options, (request, response) => void this.handle(request, response));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const url = new URL(request.url ?? '', 'http://fake');
    const binary = request.headers['content-type'] === 'application/vnd.goheap.batch';
    const p = url.searchParams.get('p');
    const body = binary ? { p: p === null ? undefined : Number(p), ops: fromRecords(bytes) } : fromJson(bytes);
    const answer = (status: number, value: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(value));
    };
    const problem = (status: number, code: string) => answer(status, { status, code, title: code });
    if (this.faults.token && request.headers.authorization !== `Bearer ${this.faults.token}`) {
      return problem(401, 'unauthorized');
    }
    const [, , , name, rest] = url.pathname.split('/');
    const settings = { gomaxprocs: this.faults.gomaxprocs ?? 2 };
    if (request.method === 'PUT' && !rest) {
      this.heaps.set(name, new FakeHeap());
      return answer(201, { name, settings });
    }
    const heap = this.heaps.get(name);
    if (!heap) return problem(404, 'heap-not-found');
    if (request.method === 'DELETE') {
      this.heaps.delete(name);
      this.deleted.push(name);
      return answer(200, {});
    }
    if (request.method === 'GET') {
      if (rest === 'memstats') return answer(200, memstats(heap));
      if (rest === 'size-classes') return answer(200, { sizeClasses: [...heap.bySize.values()] });
      return answer(200, { name, settings });
    }
    if (rest === 'check') return answer(200, { ok: !this.faults.checkFails, differences: [] });
    if (rest === 'sweep') {
      heap.sweeps++;
      heap.alloc -= heap.garbage;
      heap.garbage = 0;
      return answer(200, {});
    }
    if (rest !== 'batch') return problem(404, 'not-found');
    await this.batch(heap, body, request, response, answer, problem);
  }

  private async batch(
    heap: FakeHeap,
    body: { p?: number; ops: Op[] },
    request: IncomingMessage,
    response: ServerResponse,
    answer: (status: number, value: unknown, headers?: Record<string, string>) => void,
    problem: (status: number, code: string) => void,
  ): Promise<void> {
    if (this.busy.has(request.socket)) this.complaints.push('two batches at once on one connection');
    this.busy.add(request.socket);
    this.sockets.add(request.socket);
    // Let other connections come in between, as on a real server.
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.busy.delete(request.socket);
    if (body.p !== undefined && body.p >= (this.faults.gomaxprocs ?? 2)) return problem(400, 'invalid-p');
    const fault = this.faults.batch?.(this.batches++);
    if (fault === 'hang up') return void request.socket.destroy();
    if (fault === 'garbage') return void response.end('{"results": [');
    if (fault) {
      const headers = fault.retryAfter === undefined ? undefined : { 'retry-after': String(fault.retryAfter) };
      return answer(fault.status, { code: fault.code, title: fault.code }, headers);
    }
    this.ps.push(body.p);
    this.ops.push(body.ops);
    this.largestBatch = Math.max(this.largestBatch, body.ops.length);
    const results: Record<string, unknown>[] = [];
    let failed = 0;
    for (const op of body.ops) {
      const result = this.apply(heap, op, results);
      if (result.error) failed++;
      results.push(result);
    }
    if (request.headers['content-type'] === 'application/json') {
      answer(200, { results, done: body.ops.length - failed, failed });
    } else {
      response.writeHead(200, { 'content-type': 'application/vnd.goheap.batch' }).end(toResults(results));
    }
  }

  private apply(heap: FakeHeap, op: Op, results: Record<string, unknown>[]): Record<string, unknown> {
    if (op.op === 'alloc') {
      const size = op.size!;
      const code = this.faults.alloc?.(size);
      if (code) return { error: { code } };
      if (size === 0) return { address: '0xbf00000000', size };
      const slot = CLASS_SIZES.find((c) => c >= size) ?? Math.ceil(size / 8192) * 8192;
      const address = `0x${heap.next.toString(16)}`;
      heap.next += slot;
      heap.live.set(address, slot);
      heap.mallocs++;
      heap.total += slot;
      heap.alloc += slot;
      heap.inusePeak = Math.max(heap.inusePeak, heap.alloc);
      const row = heap.bySize.get(slot);
      if (row) row.mallocs++;
      return { address, size };
    }
    const address = op.ref === undefined ? op.address! : (results[op.ref]?.address as string | undefined);
    const slot = address === undefined ? undefined : heap.live.get(address);
    if (slot === undefined) {
      this.complaints.push(`free of ${JSON.stringify(op)}`);
      return { error: { code: address === undefined ? 'invalid-reference' : 'double-free' } };
    }
    heap.live.delete(address!);
    heap.frees++;
    if (op.reuse === 'immediate') heap.alloc -= slot;
    else heap.garbage += slot;
    const row = heap.bySize.get(slot);
    if (row) row.frees++;
    return {};
  }
}

function fromJson(bytes: Buffer) {
  return bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined;
}

/** 16-byte records, as src/sched/ops.ts describes them, spelled out once more. */
function fromRecords(bytes: Buffer): Op[] {
  const ops: Op[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const flags = bytes[at + 1];
    const value = bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 2 ** 32;
    if (bytes[at] === 1) {
      ops.push({ op: 'alloc', size: value, noscan: (flags & 1) !== 0 });
    } else {
      const reuse = flags & 1 ? 'immediate' : 'sweep';
      ops.push(
        flags & 2 ? { op: 'free', ref: value, reuse } : { op: 'free', address: `0x${value.toString(16)}`, reuse },
      );
    }
  }
  return ops;
}

function toResults(results: Record<string, unknown>[]): Buffer {
  const bytes = Buffer.alloc(results.length * 8);
  results.forEach((result, i) => {
    const address = Number(result.address ?? 0);
    bytes.writeUInt32LE(address % 2 ** 32, i * 8);
    bytes.writeUInt16LE(Math.floor(address / 2 ** 32), i * 8 + 4);
    // The reservation is exhausted.
    if (result.error) bytes[i * 8 + 6] = 5;
  });
  return bytes;
}

function memstats(heap: FakeHeap): Record<string, unknown> {
  return {
    HeapAlloc: heap.alloc,
    HeapInuse: Math.ceil(heap.alloc / 8192) * 8192,
    HeapSys: 64 * 2 ** 20,
    TotalAlloc: heap.total,
    Mallocs: heap.mallocs,
    Frees: heap.frees,
    PeakHeapInuse: Math.ceil(heap.inusePeak / 8192) * 8192,
  };
}
