/**
 * The line of `curl` that does what the page just did, with a button that copies it.
 *
 * The token is never in it: where one is in use the line reads it from the variable TOKEN.
 */

import { url } from './api.js';
import { button, h, setText } from './dom.js';
import { token } from './token.js';

/** In single quotes, for a shell. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** `path` is relative to the page, as for `request`; `json` is the body. */
export function curlText(method: string, path: string, json?: unknown): string {
  const parts = ['curl -s'];
  if (method !== 'GET' && !(method === 'POST' && json !== undefined)) parts.push(`-X ${method}`);
  parts.push(...common(path));
  if (json !== undefined) parts.push("-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(json))}`);
  return parts.join(' ');
}

/** Sends a file as it is. */
export function curlFileText(path: string, file: string, type: string): string {
  return ['curl -s', ...common(path), `-H 'Content-Type: ${type}'`, `--data-binary ${quote(`@${file}`)}`].join(' ');
}

function common(path: string): string[] {
  const { href } = url(path);
  const at = /[?&=]/.test(href) ? quote(href) : href;
  return token() === null ? [at] : ['-H "Authorization: Bearer $TOKEN"', at];
}

/** A body may have a hundred thousand addresses. */
const MOST_SHOWN = 1000;

export interface CurlLine extends HTMLElement {
  show(text: string): void;
}

async function copy(text: string, from: HTMLElement): Promise<boolean> {
  // Only pages of https and of the own machine may write to the clipboard; elsewhere the text is selected for the reader.
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  getSelection()?.selectAllChildren(from);
  return false;
}

/** An element with the line, or with another text to copy; `show` puts another one in. */
export function curlBox(text: string, what = 'The same with curl'): CurlLine {
  const code = h('code', { tabindex: 0, 'aria-label': what });
  let whole = text;
  const el = h('div', { class: 'curl' }, code) as unknown as CurlLine;
  const press = button(
    'Copy',
    () => {
      const say = (word: string): void => {
        setText(press, word);
        setTimeout(() => setText(press, 'Copy'), 1500);
      };
      copy(whole, code).then(
        (done) => say(done ? 'Copied' : 'Selected'),
        () => say('Refused'),
      );
    },
    { class: 'small', 'aria-label': `Copy: ${what}` },
  );
  el.append(press);
  el.show = (line) => {
    whole = line;
    const more = line.length - MOST_SHOWN;
    setText(code, more > 0 ? `${line.slice(0, MOST_SHOWN)} … and ${more} more characters, which Copy has` : line);
  };
  el.show(text);
  return el;
}

export const curlLine = (method: string, path: string, json?: unknown): CurlLine =>
  curlBox(curlText(method, path, json));
