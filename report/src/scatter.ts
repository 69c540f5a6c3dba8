/** Curves of a few named points, as SVG: memory against GC CPU with its knee, and GC CPU against the limit. */

import { h, svg } from './dom.js';

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly label: string;
  readonly title: string;
  /** On the curve that is drawn through them; chosen: the one to take. */
  readonly on: boolean;
  readonly chosen: boolean;
}

export interface Scatter {
  readonly points: readonly Point[];
  readonly xText: (x: number) => string;
  readonly yText: (y: number) => string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** A horizontal line. */
  readonly level?: { readonly y: number; readonly label: string };
  readonly label: string;
}

const WIDTH = 720;
const HEIGHT = 320;
const LEFT = 84;
const RIGHT = 96;
const TOP = 18;
const BOTTOM = 46;

export function scatter(spec: Scatter): HTMLElement {
  const { points } = spec;
  const xs = points.map((p) => p.x);
  const spread = Math.max(...xs) - Math.min(...xs);
  const pad = spread === 0 ? Math.max(1, xs[0] * 0.1) : spread * 0.05;
  const x0 = Math.max(0, Math.min(...xs) - pad);
  const x1 = Math.max(...xs) + pad;
  const y1 = Math.max(...points.map((p) => p.y), spec.level?.y ?? 0, 1e-6) * 1.08;
  const px = (x: number): number => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const py = (y: number): number => HEIGHT - BOTTOM - (y / y1) * (HEIGHT - TOP - BOTTOM);
  const picture = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    'aria-label': spec.label,
    class: 'scatter',
  });
  for (let i = 0; i <= 4; i++) {
    const y = (y1 / 4) * i;
    const x = x0 + ((x1 - x0) / 4) * i;
    picture.append(
      svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y), class: 'grid' }),
      svg('text', { x: LEFT - 8, y: py(y) + 4, class: 'tick end' }, spec.yText(y)),
      svg('text', { x: px(x), y: HEIGHT - BOTTOM + 18, class: 'tick middle' }, spec.xText(x)),
    );
  }
  picture.append(
    svg('text', { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, class: 'title middle' }, spec.xTitle),
    svg(
      'text',
      { x: 14, y: (HEIGHT - BOTTOM) / 2, class: 'title middle', transform: `rotate(-90 14 ${(HEIGHT - BOTTOM) / 2})` },
      spec.yTitle,
    ),
  );
  if (spec.level !== undefined) {
    const y = py(spec.level.y);
    picture.append(
      svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, class: 'level' }),
      svg('text', { x: WIDTH - RIGHT + 6, y: y + 4, class: 'tick' }, spec.level.label),
    );
  }
  const curve = points.filter((p) => p.on).sort((a, b) => a.x - b.x);
  if (curve.length > 1) {
    picture.append(svg('polyline', { points: curve.map((p) => `${px(p.x)},${py(p.y)}`).join(' '), class: 'curve' }));
  }
  // Labels that would lie on each other are left out; the chosen one first.
  const taken: { x: number; y: number; width: number }[] = [];
  const dots: SVGElement[] = [];
  const names: SVGElement[] = [];
  for (const p of [...points].sort((a, b) => Number(b.chosen) - Number(a.chosen) || Number(b.on) - Number(a.on))) {
    const at: [number, number] = [px(p.x), py(p.y)];
    const dot = svg('circle', {
      cx: at[0],
      cy: at[1],
      r: p.chosen ? 7 : 4.5,
      class: p.chosen ? 'dot chosen' : p.on ? 'dot on' : 'dot',
    });
    dot.append(svg('title', {}, p.title));
    // What was taken first lies on top.
    dots.unshift(dot);
    const [x, y] = at;
    const width = 10 + 7 * p.label.length;
    const meets = taken.some((t) => x < t.x + t.width && t.x < x + width && Math.abs(y - t.y) < 18);
    if (p.label === '' || meets) continue;
    taken.push({ x, y, width });
    names.push(svg('text', { x: at[0] + 10, y: at[1] - 6, class: p.chosen ? 'name chosen' : 'name' }, p.label));
  }
  picture.append(...dots, ...names);
  return h('div', { class: 'scroll' }, picture as unknown as HTMLElement);
}
