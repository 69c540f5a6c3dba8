/**
 * What all plots draw with, beside uPlot's own lines: a colour made thin, vertical lines at moments.
 */

import type uPlot from 'uplot';
import { colour } from '../theme.js';

/** Of a colour as the browser resolves it. */
export function fade(css: string, alpha: number): string {
  const [r, g, b] = css.match(/[0-9.]+/g) ?? [0, 0, 0];
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Vertical lines at these x, at most one a pixel. */
export function verticals(u: uPlot, xs: Iterable<number>, name: string, width = 1): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.strokeStyle = colour(name);
  ctx.lineWidth = Math.max(1, width * devicePixelRatio);
  let last = -1;
  for (const at of xs) {
    const x = Math.round(u.valToPos(at, 'x', true));
    if (x === last || x < bbox.left || x > bbox.left + bbox.width) continue;
    last = x;
    ctx.moveTo(x + 0.5, bbox.top);
    ctx.lineTo(x + 0.5, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}
