/**
 * Two small pictures of the size classes, 1 to 67 from left to right: what a P's mcache holds, and what the mcentrals hold.
 *
 *      mcache     ▆ ▃   ▁     with pointers      how much of the cached span is still free
 *                 ▂ ▇ ▅       without
 *      mcentral   ▆ ▃   ▁     spans, on a logarithmic scale: full, partial, unswept; a mark below where spans are being asked for
 */

import { h } from '../dom.js';
import { count } from '../format.js';
import { classColour } from '../map/colour.js';
import { colour } from '../theme.js';
import type { Mcentral, PView } from '../types.js';

const CLASSES = 68;

/** A canvas of a logical height that is as wide as it can be; `null` while it is not shown. */
function begin(canvas: HTMLCanvasElement, height: number): [CanvasRenderingContext2D, width: number] | null {
  const width = canvas.clientWidth;
  const ctx = canvas.getContext('2d');
  if (ctx === null || width === 0) return null;
  const ratio = devicePixelRatio;
  const [w, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== tall) {
    canvas.width = w;
    canvas.height = tall;
    canvas.style.height = `${height}px`;
  }
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return [ctx, width];
}

const MCACHE_ROW = 14;

export function mcacheCanvas(p: number): HTMLCanvasElement {
  return h('canvas', { class: 'mini', role: 'img', 'aria-label': `Spans cached by P ${p}, by size class` });
}

export function drawMcache(canvas: HTMLCanvasElement, p: PView): void {
  const started = begin(canvas, 2 * MCACHE_ROW + 2);
  if (started === null) return;
  const [ctx, width] = started;
  const step = width / CLASSES;
  ctx.fillStyle = colour('sunk');
  ctx.fillRect(0, 0, width, MCACHE_ROW);
  ctx.fillRect(0, MCACHE_ROW + 2, width, MCACHE_ROW);
  for (const { spanClass, slots, free } of p.mcache) {
    const noscan = (spanClass & 1) === 1;
    const x = (spanClass >> 1) * step;
    const bottom = noscan ? 2 * MCACHE_ROW + 2 : MCACHE_ROW;
    const tall = slots === 0 ? 0 : Math.max(1.5, (free / slots) * MCACHE_ROW);
    ctx.fillStyle = classColour(spanClass >> 1, noscan);
    ctx.globalAlpha = 0.3;
    ctx.fillRect(x, bottom - MCACHE_ROW, Math.max(1, step - 0.5), MCACHE_ROW);
    ctx.globalAlpha = 1;
    ctx.fillRect(x, bottom - tall, Math.max(1, step - 0.5), tall);
  }
}

export const mcacheKey = (): HTMLElement =>
  h(
    'p',
    { class: 'mini-key' },
    'By size class, 8 B to 32 KiB: how much of the cached span is free. Above with pointers, below without.',
  );

const BARS = 64;
const MARK = 4;

export const mcentralCanvas = (): HTMLCanvasElement =>
  h('canvas', { class: 'mini', role: 'img', 'aria-label': 'Spans of the mcentrals, by size class' });

/** Spans of a size class, both span classes together. */
interface Bar {
  full: number;
  partial: number;
  unswept: number;
  refills: number;
}

export function drawMcentrals(
  canvas: HTMLCanvasElement,
  mcentrals: readonly Mcentral[],
  rates: ReadonlyMap<number, number>,
) {
  const started = begin(canvas, BARS + MARK + 1);
  if (started === null) return;
  const [ctx, width] = started;
  const bars = Array.from({ length: CLASSES }, (): Bar => ({ full: 0, partial: 0, unswept: 0, refills: 0 }));
  for (const { spanClass, sizeClass, partial, full } of mcentrals) {
    const bar = bars[sizeClass];
    bar.full += full.swept.spans;
    bar.partial += partial.swept.spans;
    bar.unswept += full.unswept.spans + partial.unswept.spans;
    bar.refills += rates.get(spanClass) ?? 0;
  }
  const step = width / CLASSES;
  const most = Math.max(4, ...bars.map(({ full, partial, unswept }) => full + partial + unswept));
  bars.forEach(({ full, partial, unswept, refills }, i) => {
    const all = full + partial + unswept;
    if (all > 0) {
      let y = BARS;
      const tall = Math.max(2, (Math.log2(1 + all) / Math.log2(1 + most)) * BARS);
      for (const [n, name] of [
        [full, 'list-full'],
        [partial, 'list-partial'],
        [unswept, 'list-unswept'],
      ] as const) {
        const part = (n / all) * tall;
        ctx.fillStyle = colour(name);
        ctx.fillRect(i * step, y - part, Math.max(1, step - 1), part);
        y -= part;
      }
    }
    if (refills > 0) {
      ctx.fillStyle = colour('select');
      ctx.fillRect(i * step, BARS + 1, Math.max(1, step - 1), MARK);
    }
  });
  const total = bars.reduce((sum, { full, partial, unswept }) => sum + full + partial + unswept, 0);
  canvas.title = `${count(total)} spans; the highest bar has ${count(most)}; bars are logarithmic`;
}

export function mcentralKey(): HTMLElement {
  const keys = (['full', 'partial', 'unswept'] as const).map((name) => {
    const box = h('i', { class: `swatch list-${name}` });
    return h('span', { class: 'key' }, box, name);
  });
  const asked = h('span', { class: 'key' }, h('i', { class: 'swatch asked' }), 'asked for just now');
  return h('p', { class: 'mini-key' }, 'Spans by size class, large first: ', ...keys, asked);
}
