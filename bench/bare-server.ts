/**
 * The peer of http-alloc: a Fastify server whose one route takes the request of `POST …/alloc` and answers as it does,
 * with the same schemas and validator, the same logging and process settings, but allocates nothing. What goheap needs
 * beyond it is the price of everything behind the route: the G, the thread, the heap, and its hooks.
 */
import Fastify from 'fastify';
import { loadConfig } from '../src/server/config.js';
import { AllocAnswer, AllocBody } from '../src/server/schemas/alloc.js';
import { HeapParams } from '../src/server/schemas/common.js';
import { installValidation } from '../src/server/validation.js';

const config = loadConfig(process.env);
const app = Fastify({
  logger: false,
  bodyLimit: config.bodyLimit,
  requestTimeout: config.requestTimeout,
  keepAliveTimeout: 72_000,
});
installValidation(app);

let next = 0xc000000000;

app.get('/readyz', () => ({ status: 'ready' }));
app.post<{ Params: HeapParams; Body: AllocBody }>(
  '/v1/heaps/:heap/alloc',
  { schema: { params: HeapParams, body: AllocBody(config), response: { 201: AllocAnswer } } },
  (request, reply) => {
    const { size } = request.body;
    const address = `0x${next.toString(16)}`;
    next += size;
    reply.code(201).send({ address, size, sizeClass: 5, spanClass: 11, span: 1, p: 0, servedBy: 'mcache' });
  },
);
process.once('SIGTERM', () => void app.close());
await app.listen({ host: config.host, port: config.port });
