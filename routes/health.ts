/**
 * Health, as orchestrators ask for it.
 *
 * `/livez`: the event loop turns; a failure means restart me. `/readyz`: heaps are up and the server takes requests; a
 * failure means send the traffic elsewhere. While the server drains it is alive and not ready. Deleting the heap
 * `default` does not make a server unready: whoever deleted it meant to.
 *
 * Neither is ever refused: no rate limit, no token, no check of Host or Origin.
 */

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox';

const Live = Type.Object({ status: Type.Literal('alive') });
const Ready = Type.Object({
  status: Type.Unsafe<string>({ type: 'string', enum: ['ready', 'starting', 'draining'] }),
  heaps: Type.Integer({ minimum: 0, description: 'How many heaps are live' }),
});

const health: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get(
    '/livez',
    {
      config: { rateLimit: false },
      schema: {
        operationId: 'livez',
        tags: ['server'],
        summary: 'Is the process alive?',
        response: { 200: { ...Live, description: 'It is' } },
      },
    },
    (_request, reply) => {
      reply.header('cache-control', 'no-store').send({ status: 'alive' as const });
    },
  );

  app.get(
    '/readyz',
    {
      config: { rateLimit: false },
      schema: {
        operationId: 'readyz',
        tags: ['server'],
        summary: 'Does the server take requests?',
        response: { 200: { ...Ready, description: 'It does' }, 503: { ...Ready, description: 'Not yet, or no more' } },
      },
    },
    (_request, reply) => {
      const { phase } = app.lifecycle;
      const ready = phase === 'serving';
      reply
        .code(ready ? 200 : 503)
        .header('cache-control', 'no-store')
        .send({ status: ready ? 'ready' : phase, heaps: app.heaps.list().length });
    },
  );
  done();
};

export default health;
