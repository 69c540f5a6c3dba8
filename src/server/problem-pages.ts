/**
 * The error registry as text: the page of one code, the list of all, and `docs/problems.md`.
 *
 * Pages come as Markdown, which `curl` shows as it is, and as HTML for browsers. The words are in `errors.ts` alone.
 */

import { STATUS_CODES } from 'node:http';
import { ERROR_CODES, ERRORS, type ErrorCode } from './errors.js';

export function problemMarkdown(code: ErrorCode): string {
  const { status, title, meaning, remedy } = ERRORS[code];
  return `# ${code}\n\n**${title}.** HTTP ${status} ${STATUS_CODES[status]}.\n\n${meaning}\n\n**What to do.** ${remedy}\n`;
}

export function problemListMarkdown(): string {
  const rows = ERROR_CODES.map(
    (code) => `- [${code}](/problems/${code}) (${ERRORS[code].status}): ${ERRORS[code].title}`,
  );
  return `# Problems\n\n${rows.join('\n')}\n`;
}

/** The whole of docs/problems.md. */
export function problemsDocument(): string {
  const intro = [
    '# Problems',
    '',
    'Every error is answered as `application/problem+json` (RFC 9457). Branch on `code`: it is stable, and has one status.',
    '`detail` says what happened this time and may change its words. `field` and `allowed` name the value that was wrong',
    'and what it may be; `index` is a position in a batch; `limit` is a limit that was exceeded. `requestId` is the',
    'request id, also in the log. `type` opens the page of the code on the server itself.',
    '',
    '```json',
    '{',
    '  "type": "/problems/heap-not-found", "title": "There is no heap of this name", "status": 404,',
    '  "code": "heap-not-found", "detail": "There is no heap named \\"x\\".",',
    '  "instance": "/v1/heaps/x", "requestId": "5f2c6a1e-7"',
    '}',
    '```',
    '',
    'This page is made from the table in `src/server/errors.ts`; a test keeps the two equal.',
    '',
  ];
  const sections = ERROR_CODES.map((code) => {
    const { status, title, meaning, remedy } = ERRORS[code];
    return `## ${code}\n\n**${status}. ${title}.** ${meaning}\n\n*What to do.* ${remedy}\n`;
  });
  return `${intro.join('\n')}\n${sections.join('\n')}`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function html(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ENTITIES[c]).replace(/`([^`]*)`/g, '<code>$1</code>');
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(title)} · goheap</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
code { font: 0.9em ui-monospace, monospace }
</style>
</head>
<body>
${body}
</body>
</html>
`;
}

export function problemHtml(code: ErrorCode): string {
  const { status, title, meaning, remedy } = ERRORS[code];
  return page(
    code,
    `<h1><code>${code}</code></h1>
<p><strong>${html(title)}.</strong> HTTP ${status} ${STATUS_CODES[status]}.</p>
<p>${html(meaning)}</p>
<p><strong>What to do.</strong> ${html(remedy)}</p>
<p><a href="/problems">All problems</a> · <a href="/docs">API</a></p>`,
  );
}

export function problemListHtml(): string {
  const items = ERROR_CODES.map(
    (code) =>
      `<li><a href="/problems/${code}"><code>${code}</code></a> (${ERRORS[code].status}): ${html(ERRORS[code].title)}</li>`,
  );
  return page('Problems', `<h1>Problems</h1>\n<ul>\n${items.join('\n')}\n</ul>`);
}
