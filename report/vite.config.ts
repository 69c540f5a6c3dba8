/**
 * How the script and the style sheet of the report page become `dist/report/report.js` and `report.css`: one of each, with uPlot in them. `goheap replay
 * --html` puts both into the page that it writes (src/replay/report/html.ts), which then needs no other file.
 */

import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../dist/report',
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    lib: {
      entry: 'src/main.ts',
      formats: ['iife'],
      name: 'goheapReport',
      fileName: () => 'report.js',
      cssFileName: 'report',
    },
    license: { fileName: 'licenses.md' },
    reportCompressedSize: false,
  },
});
