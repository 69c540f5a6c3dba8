/**
 * A plot of a result: uPlot in the frame of the console's other plots, over events or virtual seconds instead of the time of day.
 *
 * Its data do not move on by themselves: it is drawn when it was given others, when its width or the colours changed, and when the moment did (one
 * vertical line: cheap, for paths are kept).
 */

import uPlot from 'uplot';
import { h, oncePerFrame } from '../dom.js';
import { fade } from '../series/ink.js';
import { type Explained, type Panel, panel, savePng } from '../series/panel.js';
import type { Line } from '../series/plots.js';
import { colour, onTheme } from '../theme.js';

const HEIGHT = 230;
/** Steps of an axis of bytes. */
const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i);

export interface ChartSpec {
  id: string;
  title: string;
  /** What to look for in it. */
  info: string;
  lines: Line[];
  /** Said on the saved picture. */
  note(): string;
  xLabel(): string;
  xFormat(x: number): string;
  format(y: number): string;
  /** The axes go in powers of two. */
  binary?: boolean;
  xBinary?: boolean;
  /** The legend has no values: the points are named in the picture. */
  still?: boolean;
  /** The point whose values the legend shows while nobody points at one. */
  rest?(): number;
  height?: number;
  /** What is particular to a line's series. */
  series?(line: Line, index: number): uPlot.Series;
  /** Beyond the lines, without an entry in the legend. */
  unnamed?: uPlot.Series[];
  bands?: uPlot.Band[];
  range?: { x?: uPlot.Range.Function; y?: uPlot.Range.Function };
  /** Drawn below the lines, above them. */
  below?(u: uPlot): void;
  above?(u: uPlot): void;
  /** A click, at an x. */
  pick?(x: number): void;
  /** Charts of one key share a cursor. */
  sync?: string;
}

/** All charts there are, for colours that change. */
const charts = new Set<Chart>();
onTheme(() => {
  for (const chart of charts) chart.repaint();
});

export class Chart {
  readonly #spec: ChartSpec;
  readonly #panel: Panel;
  readonly #draw = oncePerFrame(() => this.#now());
  readonly #resize = new ResizeObserver(this.#draw);
  #uplot: uPlot | undefined;
  #data: uPlot.AlignedData = [[]];
  #fresh = false;

  constructor(spec: ChartSpec) {
    this.#spec = spec;
    const { id, title, info, lines } = spec;
    this.#panel = panel(id, title, info, lines, () => {
      const canvas = this.#uplot?.ctx.canvas;
      if (canvas !== undefined) savePng(`goheap-${id}`, title, spec.note(), lines, canvas);
    });
    this.#resize.observe(this.#panel.body);
    charts.add(this);
  }

  get el(): HTMLElement {
    return this.#panel.el;
  }

  set(data: uPlot.AlignedData): void {
    this.#data = data;
    this.#fresh = true;
    this.#draw();
  }

  /** What is drawn above or below the lines has changed. */
  touch(): void {
    this.#draw();
  }

  repaint(): void {
    this.#uplot?.redraw(true, true);
  }

  destroy(): void {
    charts.delete(this);
    this.#resize.disconnect();
    this.#uplot?.destroy();
    this.#uplot = undefined;
  }

  #now(): void {
    const width = this.#panel.body.clientWidth;
    if (width === 0 || this.#data[0].length === 0) return;
    const height = this.#spec.height ?? HEIGHT;
    const u = this.#uplot;
    if (u === undefined) this.#uplot = new uPlot(this.#options(width, height), this.#data, this.#panel.body);
    else {
      if (u.width !== width) u.setSize({ width, height });
      if (this.#fresh) u.setData(this.#data);
      else u.redraw(false, false);
    }
    this.#fresh = false;
    const { rest } = this.#spec;
    if (rest !== undefined && (this.#uplot?.cursor.left ?? -1) < 0) this.#uplot?.setLegend({ idx: rest() });
  }

  #options(width: number, height: number): uPlot.Options {
    const {
      lines,
      format,
      xFormat,
      binary,
      xBinary,
      still,
      bands,
      range,
      sync,
      below,
      above,
      pick,
      unnamed = [],
    } = this.#spec;
    const grid = { stroke: () => colour('line'), width: 1 };
    const axis = { stroke: () => colour('dim'), grid, ticks: { ...grid, size: 4 }, font: '11px sans-serif' };
    const value = (_u: uPlot, v: number | null): string => (v === null || v === undefined ? '–' : format(v));
    const series = lines.map((line, i): uPlot.Series => {
      const out: uPlot.Series = {
        label: line.label,
        stroke: () => colour(line.colour),
        width: 1.5,
        points: { show: false },
        value,
      };
      if (line.dash !== undefined) out.dash = line.dash;
      if (line.area === true) out.fill = () => fade(colour(line.colour), 0.13);
      return { ...out, ...this.#spec.series?.(line, i) };
    });
    const hooks: uPlot.Hooks.Arrays = {};
    if (below !== undefined) hooks.drawClear = [below];
    if (above !== undefined) hooks.draw = [above];
    if (pick !== undefined) {
      hooks.ready = [(u) => u.over.addEventListener('click', () => pick(u.posToVal(u.cursor.left ?? 0, 'x')))];
    }
    return {
      width,
      height,
      cursor: { y: false, drag: { x: false, y: false }, ...(sync === undefined ? undefined : { sync: { key: sync } }) },
      legend: { live: still !== true },
      ...(bands === undefined ? undefined : { bands }),
      scales: {
        x: { time: false, ...(range?.x === undefined ? undefined : { range: range.x }) },
        y: { range: range?.y ?? ((_u, _min, max) => [0, max === null || max <= 0 ? 1 : max * 1.08]) },
      },
      axes: [
        {
          ...axis,
          ...(xBinary === true ? { incrs: POWERS } : undefined),
          space: 80,
          size: 30,
          values: (_u, ticks) => ticks.map(xFormat),
        },
        {
          ...axis,
          ...(binary === true ? { incrs: POWERS } : undefined),
          size: 66,
          values: (_u, ticks) => ticks.map(format),
        },
      ],
      series: [
        { label: this.#spec.xLabel(), value: (_u, x) => (x === null || x === undefined ? '–' : xFormat(x)) },
        ...series,
        ...unnamed.map((one) => ({ ...one, class: 'unnamed' })),
      ],
      hooks,
    };
  }
}

/** A frame with a title and an info text, for what is no plot of lines. */
export function frame(id: string, title: string, info: string, fields: Explained[]): Panel {
  const made = panel(id, title, info, fields, () => undefined);
  // There is no canvas of it to save.
  made.el.querySelector('.plot-head > .small')?.remove();
  return made;
}

/** A swatch of a colour and a text. */
export function key(name: string, ...text: (Node | string)[]): HTMLElement {
  const box = h('i', { class: 'swatch' });
  box.style.background = `var(--${name})`;
  return h('span', { class: 'key' }, box, ...text);
}
