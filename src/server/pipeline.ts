/**
 * The pipelined requests of one connection: those that run, and those that wait until they may.
 *
 * A client may send requests without waiting for responses (HTTP/1.1 pipelining). Node hands over every request that one
 * read of 64 KiB carries, about 2,500, whatever is still unsent, and keeps the responses in memory until their turn. So a
 * client that never reads could have a server make thousands of large responses. Here at most `most` requests of a
 * connection run at once, and while any waits the socket is not read. None starts while the connection has more than
 * `UNSENT` bytes to send, where a response that is not made yet counts as what its connection's responses came to lately.
 *
 * Invariant: requests start in the order in which they arrived, and each that arrived either starts or dies with its
 * connection. Only `connections.ts` makes a pipeline, when a request arrives before the response to the one before it is
 * through; a client that waits for its responses never gets one.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Bytes that a connection may have unsent when another of its pipelined requests starts. */
const UNSENT = 1 << 20;

/** What the first response of a connection is expected to be. */
const EXPECTED = 1 << 18;

/** What a pipeline asks of, and tells, whoever made it. */
export interface PipelineOwner {
  /** Whether the server as a whole has room for responses that need not be made yet. */
  readonly roomy: boolean;
  /** A request may start, but not now: call `start()` soon. */
  schedule(pipeline: Pipeline): void;
}

interface Held {
  readonly handler: Handler;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export class Pipeline {
  readonly socket: Socket;
  private readonly owner: PipelineOwner;
  private readonly most: number;
  private readonly running = new Set<ServerResponse>();
  private waiting: Held[] = [];
  /** Index of the first in `waiting` that has not started. */
  private first = 0;
  /** Bytes of a response, as they were lately; large ones count at once, small ones by and by. */
  private size = EXPECTED;
  /** Bytes that the connection had written when the last response closed. */
  private written: number;

  constructor(socket: Socket, owner: PipelineOwner, most: number) {
    this.socket = socket;
    this.owner = owner;
    this.most = most;
    this.written = socket.bytesWritten;
  }

  /** Requests that wait. */
  get held(): number {
    return this.waiting.length - this.first;
  }

  /** Whether more than one request is under way. */
  get busy(): boolean {
    return this.running.size + this.held > 1;
  }

  /** Bytes of responses that the client has not taken. */
  get unsent(): number {
    let bytes = this.socket.writableLength;
    // One that has the socket counts the socket's bytes itself.
    for (const response of this.running) if (response.socket === null) bytes += response.writableLength;
    return bytes;
  }

  /** Whether one more may run. One always may, so that a connection never stands still for good. */
  get roomy(): boolean {
    const { size } = this.running;
    return size === 0 || (size < this.most && this.owner.roomy && this.unsent + this.unmade <= UNSENT);
  }

  /** Bytes that the running requests will make, as far as one can tell. */
  private get unmade(): number {
    let bytes = 0;
    for (const response of this.running) if (!response.writableEnded) bytes += this.size;
    return bytes;
  }

  /** Whether the first that waits may start. */
  get startable(): boolean {
    return this.held > 0 && this.roomy;
  }

  /** Counts a response that is on its way. */
  track(response: ServerResponse): void {
    this.running.add(response);
    response.once('close', () => {
      this.running.delete(response);
      const { bytesWritten } = this.socket;
      const made = bytesWritten - this.written;
      this.written = bytesWritten;
      this.size = Math.max(made, (3 * this.size + made) / 4);
      if (this.startable) this.owner.schedule(this);
    });
  }

  hold(handler: Handler, request: IncomingMessage, response: ServerResponse): void {
    this.waiting.push({ handler, request, response });
    if (this.held > 1) return;
    this.socket.on('resume', this.pause);
    this.socket.pause();
  }

  /** Starts at most `n` that wait; returns how many. */
  start(n: number): number {
    let started = 0;
    for (; started < n && this.startable; started++) {
      const { handler, request, response } = this.waiting[this.first++];
      if (this.held === 0) {
        this.waiting = [];
        this.first = 0;
        // Before it starts: it may be the one whose body is yet to be read.
        this.socket.off('resume', this.pause);
        this.socket.resume();
      }
      this.track(response);
      handler(request, response);
    }
    return started;
  }

  /**
   * The connection is gone. Node tells that only to the response that had the socket; the others would never close, and
   * the files and streams behind them would stay open for ever.
   */
  close(): void {
    this.waiting = [];
    this.first = 0;
    for (const response of [...this.running]) {
      if (response.socket !== null || response.closed) continue;
      response.destroy();
      (response as unknown as { _closed: boolean })._closed = true;
      response.emit('close');
    }
  }

  /** Node resumes the socket by itself when what it counts has drained. */
  private readonly pause = (): void => {
    this.socket.pause();
  };
}
