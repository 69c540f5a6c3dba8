/**
 * The body of an upload, for the parser: what it may take from it, and what becomes of the rest.
 *
 * The request itself is never handed out, because a reader that stops early would destroy it, and with it the connection on which the client waits
 * to be told what is wrong. So the parser gets a pipe. When it has seen enough, the rest is read and
 * thrown away for a while, as many clients do not look for an answer before they have sent
 * everything. A client that sends nothing for a moment has its answer and is let go of; one that
 * still sends after the while is cut off. So an upload that stalls holds neither its connection nor
 * the server's end.
 */

import { type IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { Problem } from '../problem.js';

/**
 * Milliseconds for which the rest of a refused upload is read, and in which some of it has to come
 * each time.
 */
const LINGER = 5_000;
const QUIET = 500;

export interface Upload {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Nothing more of it is wanted. */
  discard(): void;
}

export function uploadOf(request: IncomingMessage): Upload {
  const stream = new PassThrough({ highWaterMark: 256 * 1024 });
  // Its end is the parser's to notice; an error nobody listens to any more is none.
  stream.on('error', () => {});
  const broken = (): void => {
    if (!request.readableEnded) stream.destroy(new Error('the connection closed'));
  };
  request.once('close', broken).on('error', broken);
  request.pipe(stream);
  return {
    stream,
    discard: () => {
      if (request.complete && request.readableEnded) return;
      request.unpipe(stream);
      stream.destroy();
      let moved = false;
      let leaving = false;
      request.on('data', () => {
        moved = true;
      });
      request.resume();
      const end = Date.now() + LINGER;
      const look = setInterval(() => {
        if (request.complete) clearInterval(look);
        else if (Date.now() >= end) request.socket?.destroy();
        else if (!moved && !leaving) {
          leaving = true;
          request.socket?.destroySoon();
        }
        moved = false;
      }, QUIET).unref();
      request.once('close', () => clearInterval(look));
    },
  };
}

/** Aborts when the client goes away before it was answered. */
export function clientSignal(response: ServerResponse | NodeJS.EventEmitter): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (response instanceof ServerResponse && response.writableEnded) return;
    gone.abort(new Problem('incomplete-body', 'The client went away before it was answered.'));
  });
  return gone.signal;
}
