/**
 * That the judge of the fuzzer sees each kind of fault, and that answers are read as they are
 * framed: a fuzzer that sees nothing finds nothing.
 */

import { describe, expect, it, test } from 'vitest';
import { type Answer, allAnswers, firstAnswer } from './answer.js';
import { Document } from './document.js';
import { Judge } from './judge.js';
import type { Request } from './request.js';

const problem = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
const thing = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
const document = new Document(
  JSON.stringify({
    paths: {
      '/things/all': {
        get: { operationId: 'listThings', responses: { 204: { description: 'None' } } },
      },
      '/things/{id}': {
        post: {
          operationId: 'makeThing',
          requestBody: { content: { 'application/json': { schema: { ...thing, additionalProperties: false } } } },
          responses: {
            200: { description: 'Made', content: { 'application/json': { schema: thing } } },
            204: { description: 'Nothing to do' },
            404: { description: '`not-found`: Nothing', ...problem },
          },
        },
      },
    },
    components: {
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'code', 'detail'],
          properties: { code: { type: 'string', enum: ['not-found', 'overloaded'] } },
          additionalProperties: true,
        },
      },
    },
  }),
);

const request = (method = 'POST', target = '/things/1', body = '{"n":1}'): Request => ({
  method,
  target,
  headers: [['content-type', 'application/json']],
  body: Buffer.from(body),
  json: JSON.parse(body),
  path: {},
  mutated: true,
});

function answer(status: number, type: string, value: unknown, headers: Record<string, string> = {}): Answer {
  const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return { status, headers: { ...(type === '' ? {} : { 'content-type': type }), ...headers }, body, complete: true };
}

const notFound = { type: '/problems/not-found', title: 'x', status: 404, code: 'not-found', detail: 'x' };
const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM = 'application/problem+json';

function kinds(a: Answer, r = request()): string[] {
  return new Judge(document).faults(r, a, false).map(({ kind }) => kind);
}

test.each([
  ['what is declared', answer(200, JSON_TYPE, { n: 1 }), []],
  ['nothing, where that is declared', answer(204, '', ''), []],
  ['a declared problem', answer(404, PROBLEM, notFound), []],
  ['an undeclared status', answer(201, JSON_TYPE, { n: 1 }), ['undeclared status']],
  ['an undeclared type', answer(200, 'text/plain', 'x'), ['undeclared content type']],
  ['a member too few', answer(200, JSON_TYPE, {}), ['another body than declared']],
  ['a member too many', answer(200, JSON_TYPE, { n: 1, m: 1 }), ['another body than declared']],
  ['half of the JSON', answer(200, JSON_TYPE, '{"n":'), ['malformed JSON']],
  ['half of the body', { ...answer(200, JSON_TYPE, '{"n":'), complete: false }, ['incomplete answer']],
  [
    'a code of another status',
    answer(404, PROBLEM, { ...notFound, code: 'overloaded', type: '/problems/overloaded' }),
    ['undeclared code'],
  ],
  ['a code that there is not', answer(404, PROBLEM, { ...notFound, code: 'x' }), ['no problem document']],
  ['a status that is not its own', answer(404, PROBLEM, { ...notFound, status: 400 }), ['problem of another status']],
  ['an error that is no problem', answer(404, 'text/html', 'x'), ['error that is no problem']],
  ['an error of the server', answer(500, PROBLEM, { ...notFound, status: 500 }), ['server error']],
  [
    'a stack',
    answer(404, PROBLEM, { ...notFound, detail: 'Error\n    at x (/a/b.js:1:1)' }),
    ['insides of the server'],
  ],
  ['a header of the client', answer(204, '', '', { 'x-fuzz': '1' }), ['header injected']],
  [
    'another request id',
    answer(404, PROBLEM, { ...notFound, requestId: 'a' }, { 'x-request-id': 'b' }),
    ['two request ids'],
  ],
])('of %s', (_name, given, expected) => {
  expect(kinds(given)).toEqual(expected);
});

it('sees that a body was accepted that the document does not allow', () => {
  const ok = answer(200, JSON_TYPE, { n: 1 });
  expect(kinds(ok, request('POST', '/things/1', '{"n":"1"}'))).toEqual(['accepted what the document does not allow']);
});

it('lets an oddly spelled target mean nothing, and a plain one not', () => {
  const nothing = answer(404, PROBLEM, notFound);
  expect(kinds(nothing, request('GET', '/nothing'))).toEqual([]);
  expect(
    kinds(answer(405, PROBLEM, { ...notFound, status: 405 }, { allow: 'POST' }), request('POST', '/things/1')),
  ).toEqual(['undeclared status']);
  expect(
    kinds(answer(405, PROBLEM, { ...notFound, status: 405 }, { allow: 'POST' }), request('POST', '/things/%31')),
  ).toEqual([]);
  expect(kinds(answer(200, JSON_TYPE, { n: 1 }), request('GET', '/nothing'))).toEqual(['answer to what is nothing']);
});

it('takes a path that is written out for that, not for one with parameters', () => {
  const notAllowed = answer(405, PROBLEM, { ...notFound, status: 405 }, { allow: 'GET' });
  expect(kinds(notAllowed, request('POST', '/things/all'))).toEqual([]);
  expect(kinds(answer(204, '', ''), request('GET', '/things/all'))).toEqual([]);
});

describe('answers', () => {
  const all = (text: string, methods?: string[]) =>
    allAnswers(Buffer.from(text), methods).map(({ status, body, complete }) => [status, String(body), complete]);

  it('follow each other, by length, by chunks, without a body, to the end', () => {
    const text =
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab' +
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n' +
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest';
    expect(all(text, ['GET', 'GET', 'HEAD'])).toEqual([
      [200, 'ab', true],
      [200, 'abcd', true],
      [200, '', true],
      [204, '', true],
      [200, 'rest', true],
    ]);
  });

  it('that are cut are not complete', () => {
    expect(all('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')).toEqual([[200, 'ab', false]]);
    expect(all('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab')).toEqual([[200, 'ab', false]]);
    expect(firstAnswer(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab'), 'GET', false)).toBeUndefined();
  });

  it('that are none are refused', () => {
    expect(() => all('HTTP/1.1 2 OK\r\n\r\n')).toThrow(/status line/);
    expect(() => all('HTTP/1.1 200 OK\r\na b: c\r\n\r\n')).toThrow(/no header/);
    expect(() => all('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n')).toThrow(
      /two framings/,
    );
    expect(() => all('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n')).toThrow(/size of a chunk/);
  });
});
