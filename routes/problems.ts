/**
 * `/problems/{code}`: the page that the `type` of a problem document opens.
 *
 * A browser asks for HTML and gets it; anything else gets Markdown, which reads well in a terminal.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Document, documentOf, sendDocument } from '../src/server/documents.js';
import { ERROR_CODES } from '../src/server/errors.js';
import { Problem } from '../src/server/problem.js';
import { problemHtml, problemListHtml, problemListMarkdown, problemMarkdown } from '../src/server/problem-pages.js';

const PAGE = {
  description: 'A page for people',
  content: { 'text/markdown': { schema: Type.String() }, 'text/html': { schema: Type.String() } },
};

/** As its ETag says; nothing is sent then. */
const UNCHANGED = Type.Unsafe<undefined>({ type: 'null', description: 'The client has it (If-None-Match)' });
const PAGES = { 200: PAGE, 304: UNCHANGED };

interface Page {
  readonly markdown: Document;
  readonly html: Document;
}

function pageOf(markdown: string, html: string): Page {
  return {
    markdown: documentOf('text/markdown; charset=utf-8', markdown),
    html: documentOf('text/html; charset=utf-8', html),
  };
}

function send(request: FastifyRequest, reply: FastifyReply, { markdown, html }: Page): FastifyReply {
  const wantsHtml = request.headers.accept?.includes('text/html') === true;
  return sendDocument(request, reply.header('vary', 'accept'), wantsHtml ? html : markdown, 'public, max-age=3600');
}

const problems: FastifyPluginCallbackTypebox = (app, _options, done) => {
  const list = pageOf(problemListMarkdown(), problemListHtml());
  const pages = new Map<string, Page>(
    ERROR_CODES.map((code) => [code, pageOf(problemMarkdown(code), problemHtml(code))]),
  );

  app.get(
    '/problems',
    {
      schema: { operationId: 'listProblems', tags: ['server'], summary: 'Every error code', response: PAGES },
    },
    (request, reply) => send(request, reply, list) as never,
  );

  app.get(
    '/problems/:code',
    {
      config: { problems: ['not-found'] },
      schema: {
        operationId: 'getProblem',
        tags: ['server'],
        summary: 'What an error code means and what to do',
        params: Type.Object({
          code: Type.String({ maxLength: 100, description: 'The code', examples: ['heap-not-found'] }),
        }),
        response: PAGES,
      },
    },
    (request, reply) => {
      const page = pages.get(request.params.code);
      if (page === undefined) throw new Problem('not-found', 'There is no error code of this name. See /problems.');
      return send(request, reply, page) as never;
    },
  );
  done();
};

export default problems;
