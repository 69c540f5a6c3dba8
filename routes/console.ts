/**
 * `/`: the console, a web page that shows a heap and works it. https://github.com/fastify/fastify-static
 *
 * Its files are what `vite build` makes of `console/`: one page, and scripts and styles with a hash in their names, which may
 * therefore be cached for ever. They say nothing about the heaps and need no token; what the page shows it asks the API.
 *
 * The policy is stricter than that of the other pages: everything from here, nothing inline, no frames, no forms, and no
 * text that becomes markup (trusted types). Only the server's own API may be asked.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import staticFiles from '@fastify/static';
import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { Problem } from '../src/server/problem.js';

/** Compiled, this file stands in `dist/routes`, beside `dist/console`; the tests run it from `routes`. */
const ROOT = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../dist/console' : '../console');

const helmet = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      connectSrc: ["'self'"],
      imgSrc: ["'self'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
      requireTrustedTypesFor: ["'script'"],
      trustedTypes: ["'none'"],
    },
  },
};

const consolePage: FastifyPluginAsyncTypebox = async (app) => {
  await app.register(staticFiles, { serve: false, root: ROOT });

  app.get('/', { schema: { hide: true }, helmet }, (_request, reply) => {
    if (!existsSync(join(ROOT, 'index.html'))) {
      throw new Problem('not-found', 'The console is not built: npm run build makes it.');
    }
    // Asked for again each time, so that a new version's files are found.
    return reply.sendFile('index.html', ROOT, { maxAge: 0 });
  });

  app.get(
    '/assets/:file',
    {
      schema: {
        hide: true,
        params: Type.Object({ file: Type.String({ maxLength: 100, pattern: '^[A-Za-z0-9_-]+\\.[a-z0-9]+$' }) }),
      },
      helmet,
    },
    (request, reply) => reply.sendFile(join('assets', request.params.file), ROOT, { maxAge: '365d', immutable: true }),
  );
};

export default consolePage;
