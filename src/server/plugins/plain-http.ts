/**
 * What Node's HTTP server would do by itself, in a way that is no answer of this server.
 *
 * Node closes the connection of a CONNECT without a word, and answers an Expect that it does not
 * know with an empty 417. A client deserves to be told why. An expectation that is not 100-continue
 * may be ignored (RFC 9110, 10.1.1): the request is then answered like any other.
 *
 * Both happen before Fastify, once a request that asks for it; ordinary requests do not pass here.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { answerSocket } from '../error-handler.js';
import { Problem } from '../problem.js';

export function installPlainHttp(server: Server): void {
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    // From here on nobody else listens to the socket, and an error without a listener would end the
    // process.
    socket.on('error', () => socket.destroy());
    answerSocket(socket, new Problem('bad-request', 'CONNECT is for proxies, and this server is none.'));
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
}
