/**
 * The server's connections: what one may have running and unsent, what all may together, and how they end.
 *
 * It stands between Node's HTTP server and Fastify. A request on a connection that has no other under way goes straight
 * through: one look at `response.socket`, which Node sets at once unless an earlier response still has the socket. Only a
 * request that was sent before that (a pipelined one) takes the slow path, through `pipeline.ts`.
 *
 * A sweep, ten times per second while there are connections, adds up what is unsent. It ends a connection
 *
 * - whose client has taken no byte of what is unsent for SEND_TIMEOUT (`stalled`). A stream that is silent has nothing
 *   unsent, and is left alone;
 * - with the most unsent, while all together have more than GOHEAP_MAX_UNSENT (`unsent`);
 * - with the most requests that wait, when all together have more than `MAX_HELD` (`pipelined`).
 *
 * When the server drains, every response says `Connection: close`, so that clients leave by themselves.
 */

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { type Handler, Pipeline, type PipelineOwner } from './pipeline.js';

/** Requests that wait on all connections together. Each takes less than 2 KB of memory. */
const MAX_HELD = 16_384;
/** Pipelined requests that start between two turns of the event loop, and of one connection. */
const STARTS = 1024;
const STARTS_OF_ONE = 16;
const SWEEP_MS = 100;

export type CutReason = 'stalled' | 'unsent' | 'pipelined';

export interface ConnectionLimits {
  /** Requests of a connection that run at once. */
  readonly maxPipeline: number;
  /** Bytes of responses, over all connections, that clients have not taken. */
  readonly maxUnsent: number;
  /** Milliseconds for which a client may take nothing of a response; 0: for ever. */
  readonly sendTimeout: number;
  readonly maxHeld?: number;
  /** A clock in milliseconds, for tests. */
  readonly now?: () => number;
}

/** What metrics tell of the connections. */
export interface ConnectionStats {
  readonly open: number;
  readonly held: number;
  readonly unsent: number;
  readonly cut: Readonly<Record<CutReason, number>>;
}

/** What Node keeps on a socket, the same since its first versions; where it is missing, less is known. */
interface Internals {
  readonly _httpMessage?: ServerResponse | null;
  readonly _handle?: { readonly bytesWritten?: number; readonly writeQueueSize?: number } | null;
}

/** How far a client that has something unsent was, and since when. */
interface Mark {
  sent: number;
  since: number;
}

export class Connections implements PipelineOwner {
  private readonly limits: ConnectionLimits;
  private readonly maxHeld: number;
  private readonly now: () => number;
  private readonly servers = new Set<Server>();
  private readonly open = new Set<Socket>();
  /** Of the connections that ever pipelined. */
  private readonly pipelines = new Map<Socket, Pipeline>();
  private readonly marks = new Map<Socket, Mark>();
  private readonly ready = new Set<Pipeline>();
  private readonly cuts: Record<CutReason, number> = { stalled: 0, unsent: 0, pipelined: 0 };
  private draining = false;
  private unsent = 0;
  private held = 0;
  private readonly again: Pipeline[] = [];
  /** Pipelined requests that may still start in this turn. */
  private budget = STARTS;
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(limits: ConnectionLimits) {
    this.limits = limits;
    this.maxHeld = limits.maxHeld ?? MAX_HELD;
    this.now = limits.now ?? (() => performance.now());
  }

  /** A server whose connections are counted here. Fastify may ask for several: one per address. */
  createServer(handler: Handler, options: ServerOptions): Server {
    const server = createServer(options, (request, response) => {
      if (response.socket !== null && !this.draining) handler(request, response);
      else this.pipelined(handler, request, response);
    });
    server.on('connection', (socket) => this.opened(socket));
    this.servers.add(server);
    return server;
  }

  get stats(): ConnectionStats {
    return { open: this.open.size, held: this.held, unsent: this.unsent, cut: { ...this.cuts } };
  }

  get roomy(): boolean {
    return this.unsent <= this.limits.maxUnsent / 2;
  }

  schedule(pipeline: Pipeline): void {
    this.ready.add(pipeline);
    this.immediate ??= setImmediate(() => this.turn());
  }

  /** From now on every response asks its client to close the connection. */
  drain(): void {
    this.draining = true;
    for (const socket of this.open) {
      const response = (socket as Internals)._httpMessage;
      // Of a pipeline, others may wait behind it for the same connection.
      if (response && !response.headersSent && !this.pipelines.get(socket)?.busy) response.shouldKeepAlive = false;
    }
  }

  /** Takes no new connections; resolves when the last has ended. Node's own `close` would also reset idle ones at once. */
  async stopListening(): Promise<void> {
    const listening = [...this.servers].filter((server) => server.listening);
    await Promise.all(
      listening.map((server) => new Promise<void>((done) => NetServer.prototype.close.call(server, () => done()))),
    );
  }

  /** Ends connections on which nothing runs. */
  closeIdle(): void {
    for (const server of this.servers) server.closeIdleConnections();
    // To Node one that never sent a byte is about to send a request.
    for (const socket of this.open) if (socket.bytesRead === 0) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.open) socket.destroy();
  }

  /** Adds up what is unsent, and ends the connections that have to. */
  sweep(): void {
    const { maxUnsent, sendTimeout } = this.limits;
    const now = this.now();
    const behind: { socket: Socket; bytes: number }[] = [];
    let total = 0;
    for (const socket of this.open) {
      const bytes = this.pipelines.get(socket)?.unsent ?? socket.writableLength;
      if (bytes === 0) {
        this.marks.delete(socket);
        continue;
      }
      const sent = bytesTaken(socket);
      const mark = this.marks.get(socket);
      if (mark === undefined) this.marks.set(socket, { sent, since: now });
      else if (mark.sent !== sent) Object.assign(mark, { sent, since: now });
      else if (sendTimeout > 0 && now - mark.since >= sendTimeout) {
        this.cut(socket, 'stalled');
        continue;
      }
      total += bytes;
      behind.push({ socket, bytes });
    }
    if (total > maxUnsent) {
      behind.sort((a, b) => b.bytes - a.bytes);
      for (const { socket, bytes } of behind) {
        if (total <= maxUnsent) break;
        this.cut(socket, 'unsent');
        total -= bytes;
      }
    }
    this.unsent = total;
    // What waited for the server to have room is told by nobody else.
    for (const pipeline of this.pipelines.values()) if (pipeline.startable) this.schedule(pipeline);
  }

  /** A request that was sent before the responses to earlier ones were through; or any, while the server drains. */
  private pipelined(handler: Handler, request: IncomingMessage, response: ServerResponse): void {
    if (this.draining) response.shouldKeepAlive = false;
    if (response.socket !== null) {
      handler(request, response);
      return;
    }
    const { socket } = request;
    // It was cut a moment ago, and this was in the same read.
    if (socket.destroyed) return;
    const pipeline = this.pipelines.get(socket) ?? this.pipelineOf(socket);
    if (this.budget > 0 && pipeline.held === 0 && pipeline.roomy) {
      this.budget--;
      this.immediate ??= setImmediate(() => this.turn());
      pipeline.track(response);
      handler(request, response);
      return;
    }
    pipeline.hold(handler, request, response);
    this.held++;
    if (pipeline.startable) this.schedule(pipeline);
    if (this.held > this.maxHeld) this.cutLongest();
  }

  private pipelineOf(socket: Socket): Pipeline {
    const pipeline = new Pipeline(socket, this, this.limits.maxPipeline);
    this.pipelines.set(socket, pipeline);
    const first = (socket as Internals)._httpMessage;
    if (first) pipeline.track(first);
    return pipeline;
  }

  /** Starts what waits, a few of each connection in turn. */
  private turn(): void {
    this.immediate = undefined;
    this.budget = STARTS;
    for (const pipeline of this.ready) {
      if (this.budget === 0) break;
      this.ready.delete(pipeline);
      const started = pipeline.start(Math.min(STARTS_OF_ONE, this.budget));
      this.budget -= started;
      this.held -= started;
      // To the end of the queue, for the next turn.
      if (pipeline.startable) this.again.push(pipeline);
    }
    for (const pipeline of this.again.splice(0)) this.ready.add(pipeline);
    if (this.ready.size > 0) this.immediate ??= setImmediate(() => this.turn());
  }

  private cut(socket: Socket, reason: CutReason): void {
    this.cuts[reason]++;
    socket.destroy();
    this.closed(socket);
  }

  private cutLongest(): void {
    let longest: Pipeline | undefined;
    for (const pipeline of this.pipelines.values()) {
      if (longest === undefined || pipeline.held > longest.held) longest = pipeline;
    }
    if (longest !== undefined) this.cut(longest.socket, 'pipelined');
  }

  private opened(socket: Socket): void {
    this.open.add(socket);
    this.timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    socket.once('close', () => this.closed(socket));
  }

  private closed(socket: Socket): void {
    this.open.delete(socket);
    this.marks.delete(socket);
    const pipeline = this.pipelines.get(socket);
    if (pipeline !== undefined) {
      this.pipelines.delete(socket);
      this.ready.delete(pipeline);
      this.held -= pipeline.held;
      pipeline.close();
    }
    if (this.open.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.unsent = 0;
  }
}

/** Bytes that the system has taken for the client; or at least a number that changes when it takes some. */
function bytesTaken(socket: Socket): number {
  const { bytesWritten, writeQueueSize } = (socket as Internals)._handle ?? {};
  if (bytesWritten !== undefined && writeQueueSize !== undefined) return bytesWritten - writeQueueSize;
  return socket.bytesWritten - socket.writableLength;
}
