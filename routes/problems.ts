/**
 * `/problems/{code}`: the page that the `type` of a problem document opens.
 *
 * A browser asks for HTML and gets it; anything else gets Markdown, which reads well in a terminal.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isErrorCode } from '../src/server/errors.js';
import { Problem } from '../src/server/problem.js';
import { problemHtml, problemListHtml, problemListMarkdown, problemMarkdown } from '../src/server/problem-pages.js';

const PAGE = {
  description: 'A page for people',
  content: { 'text/markdown': { schema: Type.String() }, 'text/html': { schema: Type.String() } },
};

function send(request: FastifyRequest, reply: FastifyReply, markdown: () => string, html: () => string): void {
  const wantsHtml = request.headers.accept?.includes('text/html') === true;
  reply
    .header('cache-control', 'public, max-age=3600')
    .header('vary', 'accept')
    .type(wantsHtml ? 'text/html; charset=utf-8' : 'text/markdown; charset=utf-8')
    .send(wantsHtml ? html() : markdown());
}

const problems: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get(
    '/problems',
    {
      schema: { operationId: 'listProblems', tags: ['server'], summary: 'Every error code', response: { 200: PAGE } },
    },
    (request, reply) => send(request, reply, problemListMarkdown, problemListHtml),
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
        response: { 200: PAGE },
      },
    },
    (request, reply) => {
      const { code } = request.params;
      if (!isErrorCode(code)) throw new Problem('not-found', 'There is no error code of this name. See /problems.');
      send(
        request,
        reply,
        () => problemMarkdown(code),
        () => problemHtml(code),
      );
    },
  );
  done();
};

export default problems;
