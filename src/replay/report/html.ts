/**
 * The report page: one file with data, script and style in it, which asks nobody for anything. It works from a disk, from a mail, in ten years.
 *
 * Script and style are built from `report/` by `npm run build` and read from `dist/report`. The page's policy forbids every request, so that a
 * mistake there shows in the tests, and names in a recording cannot do harm: they are data, and shown as text.
 */

import { readFileSync } from 'node:fs';
import { VERSION } from '../../server/version.js';
import type { ComparisonDocument, ReportDocument } from './document.js';
import { pageData } from './page-data.js';

const POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** Where the build puts script and style; also when this module runs from its TypeScript source under a test runner. */
function asset(name: string): string {
  const here = import.meta.url;
  const folder = here.endsWith('.ts') ? '../../../dist/report/' : '../../../report/';
  return readFileSync(new URL(folder + name, here), 'utf8');
}

export function reportHtml(document: ReportDocument | ComparisonDocument): string {
  const data = pageData(document, VERSION);
  const title = `goheap replay: ${data.documents.map(({ name }) => name).join(' and ')}`;
  // "</script" and "<!--" would end the element or change how it is read; in JSON and in JavaScript strings < may be written otherwise.
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  const script = asset('report.js').replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const style = asset('report.css').replaceAll('</style', '<\\/style');
  const licences = asset('licenses.md').replaceAll('--', '- -');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="generator" content="goheap ${VERSION}">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
<!-- ${licences} -->
</head>
<body>
<main id="report"><noscript>This report draws itself: it needs JavaScript, and nothing else.</noscript></main>
<script type="application/json" id="data">${json}</script>
<script>${script}</script>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (c) => names[c]);
}
