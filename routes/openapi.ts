/** `GET /openapi.json`: the OpenAPI 3.1 document. */

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { sendDocument } from '../src/server/documents.js';

const openapi: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get('/openapi.json', { schema: { hide: true } }, (request, reply) => sendDocument(request, reply, app.openapi()));
  done();
};

export default openapi;
