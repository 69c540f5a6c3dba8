/**
 * Every error that can reach a client passes through here and leaves as a problem document.
 *
 * Ours (`Problem`) go out as they are. Fastify's, its plugins' and Node's are mapped, code by code, to entries of
 * `errors.ts`; whatever is not in the map is a bug of ours and answers `internal`, with the details in the log only.
 * Requests that Node's HTTP parser rejects never become a Fastify request: `onClientError` answers those on the socket.
 *
 * Invariant: no answer contains a stack trace, a file name, or the text of an unexpected exception.
 */

import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from './errors.js';
import { PROBLEM_JSON, Problem, retryLater } from './problem.js';
import { briefPath, quote } from './quote.js';
import { schedProblem } from './sched-errors.js';

/** Bodies that some route of this server reads. Which of them a route takes depends on where it is registered. */
const BODY_TYPES = ['application/json', 'application/x-ndjson', 'application/octet-stream'];

type Mapping = (error: FastifyError, request: FastifyRequest) => Problem;

const say =
  (code: ErrorCode, detail: string): Mapping =>
  () =>
    new Problem(code, detail);

const unauthorized =
  (detail: string): Mapping =>
  () =>
    new Problem('unauthorized', detail, {}, { 'www-authenticate': 'Bearer realm="goheap"' });

/** Fastify's errors and its plugins', by their code. */
const MAPPINGS: Record<string, Mapping> = {
  FST_ERR_CTP_INVALID_JSON_BODY: say('invalid-json', 'The body is not valid JSON.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: say('invalid-json', 'The Content-Type is application/json, but the body is empty.'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: say('incomplete-body', 'The body is not as long as Content-Length says.'),
  ECONNRESET: say('incomplete-body', 'The connection ended before the body was complete.'),
  FST_ERR_CTP_BODY_TOO_LARGE: (_error, request) => {
    const limit = request.routeOptions.bodyLimit;
    return new Problem('body-too-large', `The body is larger than ${limit} bytes.`, { limit });
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: (_error, request) => {
    const allowed = BODY_TYPES.filter((type) => request.server.hasContentTypeParser(type));
    const sent = request.headers['content-type'];
    const what = sent === undefined ? 'The body has no Content-Type' : `The Content-Type ${quote(sent)}`;
    const detail = `${what}${sent === undefined ? '.' : ' is not accepted here.'}`;
    return new Problem('unsupported-media-type', detail, { allowed }, { accept: allowed.join(', ') });
  },
  EMFILE: () => retryLater('overloaded', 'The server has as many files and connections open as it may.'),
  ENFILE: () => retryLater('overloaded', 'The system has as many files and connections open as it may.'),
  FST_ERR_BAD_URL: say('bad-request', 'The percent-encoding of the path is not valid.'),
  FST_ERR_MAX_PARAM_LENGTH: say('uri-too-long', 'A part of the path is too long.'),
  FST_BEARER_AUTH_MISSING_AUTHORIZATION_HEADER: unauthorized('The request has no Authorization header.'),
  FST_BEARER_AUTH_INVALID_AUTHORIZATION_HEADER: unauthorized('The bearer token is not the right one.'),
};

/** A closing heap says `shutting-down`; while the server itself goes on, that means that the heap was deleted. */
function heapOrServer(problem: Problem, request: FastifyRequest): Problem {
  if (problem.code !== 'shutting-down' || request.server.lifecycle.draining) return problem;
  return new Problem('heap-deleted', 'The heap was deleted before the operation could begin.');
}

export function toProblem(error: unknown, request: FastifyRequest): Problem {
  const ours = schedProblem(error);
  if (ours instanceof Problem) return heapOrServer(ours, request);
  const code = (error as FastifyError | null)?.code;
  const mapping = typeof code === 'string' && Object.hasOwn(MAPPINGS, code) ? MAPPINGS[code] : undefined;
  if (mapping !== undefined) return mapping(error as FastifyError, request);
  // A client error of a plugin that is not in the map: the status is right, so the answer is at least no 500.
  const status = (error as FastifyError | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Problem('bad-request', 'The request could not be read.');
  }
  return new Problem('internal', 'Something went wrong that should not have; the log has the details.');
}

const identity = (payload: unknown) => payload as string;

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  reply
    .code(problem.status)
    .headers(problem.headers)
    .header('x-request-id', request.id)
    .header('x-content-type-options', 'nosniff')
    .type(PROBLEM_JSON)
    // Serialised here: a response schema of the route would drop the members that it does not know.
    .serializer(identity)
    .send(JSON.stringify(problem.document(briefPath(request.url), request.id)));
}

export function installErrorHandler(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error, request);
    if (problem.status >= 500 && problem.status !== 503 && problem.status !== 507) {
      const { method, url, id } = request;
      app.logger.error({ err: error, reqId: id, method, url: briefPath(url), code: problem.code }, problem.message);
    }
    sendProblem(problem, request, reply);
  });
}

/** After the hooks of the root, so that a request for no path passes them, too. */
export function installNotFound(app: FastifyInstance): void {
  // In a scope of its own for the sake of the hook: the handler alone would be called when the whole body is there, and
  // anybody may send one to a path that is none.
  app.register(async (scope) => {
    scope.addHook('onRequest', (request, _reply, done) => done(notFound(request)));
    scope.setNotFoundHandler((request, reply) => sendProblem(notFound(request), request, reply));
  });
}

function notFound(request: FastifyRequest): Problem {
  return new Problem('not-found', `There is no ${request.method} ${briefPath(request.url)}. See /docs for every path.`);
}

/** Node's parser errors, by their code. */
const PARSER_ERRORS: Record<string, [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'The request headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'The request did not arrive in time.'],
};

/** For bytes that are no HTTP request: answers on the bare socket, and closes it. */
export function onClientError(error: Error & { code?: string }, socket: Socket): void {
  // What stands in the way of an answer: one that has begun, or one that an earlier request is still owed.
  const { _httpMessage: due } = socket as { _httpMessage?: ServerResponse | null };
  if (error.code === 'ECONNRESET' || !socket.writable || due?.headersSent === true || due?.req.complete === true) {
    socket.destroy();
    return;
  }
  const [code, detail] = PARSER_ERRORS[error.code ?? ''] ?? ['bad-request', 'The bytes are no valid HTTP request.'];
  answerSocket(socket, new Problem(code, detail));
}

/** Answers on the bare socket, and closes it. */
export function answerSocket(socket: Socket, problem: Problem): void {
  const body = JSON.stringify(problem.document());
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${PROBLEM_JSON}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}
