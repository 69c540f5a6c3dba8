/** The what-if curve: peak memory against GC CPU, a point a setting, those that nothing beats joined, the knee ringed. */

import type uPlot from 'uplot';
import { bytes, percent } from '../format.js';
import { colour } from '../theme.js';
import { Chart } from './chart.js';
import { middle } from './ranges.js';
import { CURVE } from './texts.js';
import type { Advice, CellView } from './types.js';

interface Point {
  x: number;
  y: number;
  name: string;
  cell: number;
  on: boolean;
}

/** Room around the points, as a share. */
const PAD = 0.06;

export function curveChart(cells: CellView[], { curve, recommended }: Advice, note: () => string): Chart {
  const on = new Set(curve.map(({ cell }) => cell));
  const points: Point[] = cells
    .filter(({ ranges }) => ranges !== null)
    .map(({ cell, name, ranges }) => {
      const { peakRetained, gcCpu } = ranges as NonNullable<typeof ranges>;
      return {
        x: middle(peakRetained),
        y: middle(gcCpu),
        name: name.replaceAll('GOMAXPROCS=', 'P=').replaceAll('GOMEMLIMIT=', 'limit '),
        cell,
        on: on.has(cell),
      };
    })
    .sort((a, b) => a.x - b.x);
  const xs = points.map(({ x }) => x);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const pad = Math.max((high - low) * PAD, high * 0.005, 1);
  const chart = new Chart({
    id: 'replay-curve',
    title: CURVE.title,
    info: CURVE.info,
    lines: CURVE.lines,
    note,
    height: 280,
    xLabel: () => 'peak retained',
    xFormat: bytes,
    xBinary: true,
    still: true,
    format: percent,
    range: { x: () => [low - pad, high + pad] },
    series: ({ colour: name }, i) => ({
      ...(i === 1 ? { width: 1.5, spanGaps: true } : { paths: () => null }),
      points: { show: true, size: 8, fill: () => colour(name) },
    }),
    above: (u) => drawNames(u, points, recommended),
  });
  // uPlot wants ascending x; settings with the same memory are told apart by less than a byte.
  let last = Number.NEGATIVE_INFINITY;
  const x = xs.map((value) => (last = value > last ? value : last + 1e-3));
  // The curve last: where points coincide, it is what is seen.
  chart.set([x, points.map((p) => (p.on ? null : p.y)), points.map((p) => (p.on ? p.y : null))]);
  return chart;
}

/** Names where there is room: the recommended setting's first, then those on the curve. */
function drawNames(u: uPlot, points: Point[], recommended: number | null): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px sans-serif`;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  const rank = (p: Point): number => (p.cell === recommended ? 0 : p.on ? 1 : 2);
  const taken: [x0: number, y0: number, x1: number, y1: number][] = [];
  for (const p of [...points].sort((a, b) => rank(a) - rank(b))) {
    const [x, y] = [u.valToPos(p.x, 'x', true), u.valToPos(p.y, 'y', true)];
    if (p.cell === recommended) {
      ctx.beginPath();
      ctx.arc(x, y, 9 * ratio, 0, 2 * Math.PI);
      ctx.strokeStyle = colour('select');
      ctx.lineWidth = 2 * ratio;
      ctx.stroke();
    }
    const width = ctx.measureText(p.name).width;
    const half = 8 * ratio;
    const gap = 13 * ratio;
    const right = x + gap + width <= bbox.left + bbox.width;
    const x0 = right ? x + gap : x - gap - width;
    if (x0 < bbox.left) continue;
    const box: (typeof taken)[number] = [x0, y - half, x0 + width, y + half];
    if (taken.some(([a, b, c, d]) => box[0] < c && a < box[2] && box[1] < d && b < box[3])) continue;
    taken.push(box);
    ctx.fillStyle = colour(p.cell === recommended ? 'select' : p.on ? 'ink' : 'dim');
    ctx.fillText(p.name, x0, y);
  }
  ctx.restore();
}
