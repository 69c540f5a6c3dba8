/**
 * Messages at the edge of the page: problems that the API answered, and what went well.
 *
 * At most four at a time; the same one again counts up instead. Problems stay for twelve seconds and are announced at
 * once, the rest for five.
 */

import { button, h, setText } from './dom.js';
import type { Problem } from './types.js';

const MOST = 4;

interface Toast {
  el: HTMLElement;
  key: string;
  times: number;
  counter: HTMLElement;
  timer: number;
}

let shown: Toast[] = [];

function remove(toast: Toast): void {
  clearTimeout(toast.timer);
  toast.el.remove();
  shown = shown.filter((other) => other !== toast);
}

function show(kind: 'good' | 'bad', title: string, ...rest: (Node | string)[]): void {
  const key = `${kind} ${title} ${rest.map((r) => (typeof r === 'string' ? r : r.textContent)).join(' ')}`;
  const stays = kind === 'bad' ? 12_000 : 5_000;
  const again = shown.find((toast) => toast.key === key);
  if (again !== undefined) {
    clearTimeout(again.timer);
    again.timer = setTimeout(remove, stays, again);
    setText(again.counter, ` × ${++again.times}`);
    return;
  }
  const counter = h('span', { class: 'dim' });
  const el = h(
    'div',
    { class: `toast ${kind}`, role: kind === 'bad' ? 'alert' : 'status' },
    h('div', { class: 'toast-title' }, h('strong', {}, title), counter),
    button('×', () => remove(toast), { class: 'toast-close', 'aria-label': 'Dismiss this message' }),
    h('div', { class: 'toast-text' }, ...rest),
  );
  const toast: Toast = { el, key, times: 1, counter, timer: 0 };
  toast.timer = setTimeout(remove, stays, toast);
  shown.push(toast);
  document.getElementById('toasts')?.append(el);
  if (shown.length > MOST) remove(shown[0]);
}

export const good = (title: string, text = ''): void => show('good', title, text);

/** A problem document (RFC 9457), with a link to the page that explains its code. */
export function bad(problem: Problem): void {
  const what = [problem.detail];
  if (problem.allowed !== undefined) what.push(`Allowed: ${[problem.allowed].flat().join(', ')}.`);
  const text = h('span', {}, `${what.join(' ')} `);
  if (problem.type.startsWith('/problems/')) {
    text.append(h('a', { href: `.${problem.type}`, target: '_blank', rel: 'noopener' }, problem.code));
  }
  show('bad', problem.title, text);
}
