/**
 * What Node's HTTP server would do by itself, in a way that is no answer of this server.
 *
 * Node closes the connection of a CONNECT without a word, and answers an Expect that it does not
 * know with an empty 417. A client deserves to be told why. An expectation that is not 100-continue
 * may be ignored (RFC 9110, 10.1.1): the request is then answered like any other.
 *
 * Both happen before Fastify, once a request that asks for it; ordinary requests do not pass there.
 *
 * A request of HTTP/1.1 has exactly one Host. Node refuses none with an empty 400, and of two believes
 * the first, where a proxy in front may have believed the second (RFC 9112, 3.2). So that is looked at
 * here, for every request: a few comparisons of lengths.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { answerSocket } from '../error-handler.js';
import { Problem } from '../problem.js';

export function installPlainHttp(app: FastifyInstance): void {
  const { server } = app;
  app.addHook('onRequest', (request, _reply, done) => done(wrongHosts(request.raw)));
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

function wrongHosts({ rawHeaders, httpVersion }: IncomingMessage): Problem | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion !== '1.1')) return undefined;
  const detail = `The request has ${hosts === 0 ? 'no Host' : `${hosts} Hosts`}.`;
  return new Problem('bad-request', detail, {}, { connection: 'close' });
}
