/** `GET /openapi.json`: the OpenAPI 3.1 document, rendered once. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';

const openapi: FastifyPluginCallbackTypebox = (app, _options, done) => {
  let text: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    reply.type('application/json').send(text);
  });
  done();
};

export default openapi;
