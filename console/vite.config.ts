/**
 * How the console becomes `dist/console`: one page, one script, one style sheet, no request to anywhere else.
 *
 * Links are relative, so that the page also works below a path of a reverse proxy. Nothing is inlined: the page's
 * policy allows neither inline scripts nor data: styles. `npx vite -c console/vite.config.ts` serves it for work on it,
 * with the API of a server on port 8080.
 */

import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: false,
    license: { fileName: 'licenses.md' },
    reportCompressedSize: false,
  },
  server: {
    // The Host of the page goes with its Origin: other pages the server refuses.
    proxy: Object.fromEntries(
      ['/v1', '/problems'].map((path) => [path, { target: 'http://127.0.0.1:8080', changeOrigin: false }]),
    ),
  },
});
