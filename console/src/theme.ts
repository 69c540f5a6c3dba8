/**
 * Light and dark: what the system prefers, until the button says otherwise. The choice is kept in local storage.
 *
 * Colours are declared once, as custom properties in `styles/base.css`. Canvases need them as values: `colour()` reads
 * them through a probe element, because a custom property is text that only a real property resolves.
 */

import { h } from './dom.js';

const KEY = 'goheap-theme';
const THEMES = ['auto', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

const listeners = new Set<() => void>();
let cache = new Map<string, string>();
let probe: HTMLElement | undefined;

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === value) ?? 'auto';
}

function apply(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  changed();
}

function changed(): void {
  cache = new Map();
  for (const listener of listeners) listener();
}

/** Calls back when colours have changed. */
export function onTheme(listener: () => void): void {
  listeners.add(listener);
}

/** The value of the custom property `--name`, now. */
export function colour(name: string): string {
  let value = cache.get(name);
  if (value === undefined) {
    if (probe === undefined) {
      probe = h('span', { hidden: true });
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    value = getComputedStyle(probe).color;
    cache.set(name, value);
  }
  return value;
}

export const isDark = (): boolean => {
  const { theme } = document.documentElement.dataset;
  return theme === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark';
};

const LABELS: Record<Theme, [icon: string, text: string]> = {
  auto: ['◐', 'Colours: as the system'],
  light: ['☀', 'Colours: light'],
  dark: ['☾', 'Colours: dark'],
};

export function themeButton(): HTMLElement {
  const el = h('button', { type: 'button', class: 'icon' });
  const show = (): void => {
    const [icon, text] = LABELS[stored()];
    el.textContent = icon;
    el.title = text;
    el.setAttribute('aria-label', text);
  };
  el.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length];
    localStorage.setItem(KEY, next);
    apply(next);
    show();
  });
  show();
  return el;
}

export function startTheme(): void {
  apply(stored());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
}
