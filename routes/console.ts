/**
 * `/`: the console, a web page that shows a heap and works it.
 *
 * Its files are what `vite build` makes of `console/`: one page, and scripts and styles with a hash in their names, which may
 * therefore be cached for ever. They say nothing about the heaps and need no token; what the page shows it asks the API.
 *
 * The policy is stricter than that of the other pages: everything from here, nothing inline, no frames, no forms, and no
 * text that becomes markup (trusted types). Only the server's own API may be asked.
 */

import { join } from 'node:path';
import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox';
import { folder, sendDocument } from '../src/server/documents.js';
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
  const files = folder(ROOT);

  app.get('/', { schema: { hide: true }, helmet }, (request, reply) => {
    const page = files.get('index.html');
    if (page === undefined) throw new Problem('not-found', 'The console is not built: npm run build makes it.');
    // Asked for again each time, so that a new version's files are found.
    return sendDocument(request, reply, page);
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
    (request, reply) => {
      const file = files.get(`assets/${request.params.file}`);
      if (file === undefined) throw new Problem('not-found', 'There is no such file.');
      return sendDocument(request, reply, file, 'public, max-age=31536000, immutable');
    },
  );
};

export default consolePage;
