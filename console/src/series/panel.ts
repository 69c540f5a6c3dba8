/**
 * The frame of a plot: its title, a text that explains it line by line with the exact metrics, and a button that saves
 * it as PNG with its title, its legend, the heap and the time.
 */

import { button, h } from '../dom.js';
import { colour } from '../theme.js';
import type { Line } from './plots.js';

export interface Panel {
  el: HTMLElement;
  body: HTMLElement;
}

export type Explained = Pick<Line, 'metric' | 'meaning'> & { label?: string };

export function panel(id: string, title: string, info: string, lines: Explained[], save: () => void): Panel {
  const body = h('div', { class: 'plot-body' });
  const rows = lines.map(({ label, metric, meaning }) =>
    h('li', {}, label === undefined ? null : h('b', {}, `${label}: `), h('code', {}, metric), ` – ${meaning}`),
  );
  const text = h('div', { class: 'plot-info', id: `info-${id}`, hidden: true }, h('p', {}, info), h('ul', {}, ...rows));
  const toggle = button(
    'i',
    () => {
      text.hidden = !text.hidden;
      toggle.setAttribute('aria-expanded', String(!text.hidden));
    },
    {
      class: 'icon info',
      'aria-label': `What ${title} shows`,
      'aria-expanded': 'false',
      'aria-controls': `info-${id}`,
    },
  );
  const png = button('PNG', save, { class: 'small', 'aria-label': `Save ${title} as PNG` });
  const head = h('header', { class: 'plot-head' }, h('h3', {}, title), toggle, h('span', { class: 'space' }), png);
  return { el: h('section', { class: 'plot card', 'aria-label': title }, head, text, body), body };
}

const MARGIN = 16;
const HEAD = 58;

/** Saves a canvas (in device pixels) with a head above it. */
export function savePng(
  name: string,
  title: string,
  note: string,
  lines: readonly Line[],
  plot: HTMLCanvasElement,
): void {
  const ratio = devicePixelRatio;
  const canvas = h('canvas', { width: plot.width + 2 * MARGIN * ratio, height: plot.height + (HEAD + MARGIN) * ratio });
  const ctx = canvas.getContext('2d');
  if (ctx === null) return;
  ctx.fillStyle = colour('panel');
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(plot, MARGIN * ratio, HEAD * ratio);
  ctx.scale(ratio, ratio);
  ctx.fillStyle = colour('ink');
  ctx.font = '600 15px sans-serif';
  ctx.fillText(title, MARGIN, 24);
  ctx.font = '12px sans-serif';
  ctx.fillStyle = colour('dim');
  ctx.textAlign = 'right';
  ctx.fillText(note, canvas.width / ratio - MARGIN, 24);
  ctx.textAlign = 'left';
  let x = MARGIN;
  for (const line of lines) {
    ctx.fillStyle = colour(line.colour);
    ctx.fillRect(x, 38, 14, 4);
    ctx.fillStyle = colour('ink');
    ctx.fillText(line.label, x + 19, 44);
    x += 19 + ctx.measureText(line.label).width + 16;
  }
  canvas.toBlob((blob) => {
    if (blob === null) return;
    const url = URL.createObjectURL(blob);
    h('a', { href: url, download: `${name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }, 'image/png');
}
