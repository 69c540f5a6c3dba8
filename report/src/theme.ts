/** Light and dark: what the system prefers until the button says otherwise; paper is always light. Canvases redraw when that changes. */

import { h } from './dom.js';

const listeners = new Set<() => void>();

/** Calls back when colours have changed, until the element has left the page. */
export function onTheme(el: Element, listener: () => void): void {
  const call = (): void => {
    if (el.isConnected) listener();
    else listeners.delete(call);
  };
  listeners.add(call);
}

const changed = (): void => {
  for (const listener of listeners) listener();
};

/** The value of the custom property `--name`, now. */
export function colour(name: string): string {
  const probe = h('span', { hidden: '' });
  document.body.append(probe);
  probe.style.color = `var(--${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const root = document.documentElement;
const dark = matchMedia('(prefers-color-scheme: dark)');

export function themeButton(): HTMLElement {
  const button = h('button', { type: 'button', class: 'quiet' }, 'Light or dark');
  button.addEventListener('click', () => {
    const now = root.dataset.theme ?? (dark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
    changed();
  });
  return button;
}

dark.addEventListener('change', changed);
let before: string | undefined;
addEventListener('beforeprint', () => {
  before = root.dataset.theme;
  root.dataset.theme = 'light';
  changed();
});
addEventListener('afterprint', () => {
  if (before === undefined) delete root.dataset.theme;
  else root.dataset.theme = before;
  changed();
});
