/**
 * One plot: uPlot (https://github.com/leeoniya/uPlot) with our colours, cycles of the collector as vertical lines, and one
 * cursor for all plots.
 */

import uPlot from 'uplot';
import { colour, onTheme } from '../theme.js';
import { fade, verticals } from './ink.js';
import { type Panel, panel, savePng } from './panel.js';
import type { Plot } from './plots.js';
import type { Window } from './window.js';

const HEIGHT = 190;
const SYNC = 'goheap';
/** A break of this many milliseconds between samples is a gap in the lines. */
const GAP = 4_000;
/** Steps of an axis of bytes. */
const POWERS = Array.from({ length: 45 }, (_, i) => 2 ** i);

export class SeriesPlot {
  readonly #plot: Plot;
  readonly #panel: Panel;
  readonly #window: Window;
  #uplot: uPlot | undefined;

  constructor(plot: Plot, window: Window, note: () => string) {
    this.#plot = plot;
    this.#window = window;
    this.#panel = panel(plot.id, plot.title, plot.info, plot.lines, () => {
      const canvas = this.#uplot?.ctx.canvas;
      if (canvas !== undefined) savePng(`goheap-${plot.id}`, plot.title, note(), plot.lines, canvas);
    });
    onTheme(() => this.#uplot?.redraw(false, true));
  }

  get el(): HTMLElement {
    return this.#panel.el;
  }

  draw(): void {
    const { body } = this.#panel;
    const width = body.clientWidth;
    if (width === 0) return;
    const data = this.#plot.kind === 'samples' ? this.#samples() : this.#cycles();
    if (this.#uplot === undefined) this.#uplot = new uPlot(this.#options(width), data, body);
    else {
      if (this.#uplot.width !== width) this.#uplot.setSize({ width, height: HEIGHT });
      this.#uplot.setData(data);
    }
    // While nobody points at a moment, the legend shows the newest.
    if ((this.#uplot.cursor.left ?? -1) < 0) this.#uplot.setLegend({ idx: data[0].length - 1 });
  }

  #samples(): uPlot.AlignedData {
    if (this.#plot.kind !== 'samples') return [[]];
    const { samples } = this.#window;
    const xs: number[] = [];
    const ys: (number | null)[][] = this.#plot.lines.map(() => []);
    let before = null;
    for (const now of samples) {
      if (before !== null && now.t - before.t > GAP) {
        xs.push((before.t + 1) / 1000);
        for (const y of ys) y.push(null);
        before = null;
      }
      xs.push(now.t / 1000);
      for (let i = 0; i < ys.length; i++) ys[i].push(this.#plot.lines[i].value(now, before));
      before = now;
    }
    return [xs, ...ys];
  }

  #cycles(): uPlot.AlignedData {
    if (this.#plot.kind !== 'cycles') return [[]];
    const { cycles } = this.#window;
    // uPlot wants ascending x; two cycles in a millisecond are told apart.
    let last = 0;
    const xs = cycles.map((cycle) => (last = Math.max(Date.parse(cycle.startedAt) / 1000, last + 0.0005)));
    return [xs, ...this.#plot.lines.map(({ of }) => cycles.map(of))];
  }

  /** Where each cycle began. */
  #starts(): number[] {
    return this.#window.cycles.map((cycle) => Date.parse(cycle.startedAt) / 1000);
  }

  #options(width: number): uPlot.Options {
    const plot = this.#plot;
    const grid = { stroke: () => colour('line'), width: 1 };
    const axis = { stroke: () => colour('dim'), grid, ticks: { ...grid, size: 4 }, font: '11px sans-serif' };
    const value = (_u: uPlot, v: number | null): string => (v === null || v === undefined ? '–' : plot.format(v));
    const series = plot.lines.map((line): uPlot.Series => {
      const common: uPlot.Series = { label: line.label, stroke: () => colour(line.colour), width: 1.5, value };
      if (plot.kind === 'cycles') {
        return { ...common, paths: () => null, points: { show: true, size: 6, fill: () => colour(line.colour) } };
      }
      const out: uPlot.Series = { ...common, points: { show: false }, spanGaps: false };
      if (line.dash !== undefined) out.dash = line.dash;
      if (line.area === true) out.fill = () => fade(colour(line.colour), 0.13);
      return out;
    });
    return {
      width,
      height: HEIGHT,
      cursor: { sync: { key: SYNC }, y: false, drag: { x: false, y: false } },
      legend: { live: true },
      scales: {
        x: { time: true, range: () => this.#window.range },
        y: { range: (_u, _min, max) => [0, max === null || max <= 0 ? 1 : max * 1.08] },
      },
      axes: [
        { ...axis, values: '{HH}:{mm}:{ss}', space: 70, size: 30 },
        {
          ...axis,
          ...(plot.binary === true ? { incrs: POWERS } : undefined),
          size: 66,
          values: (_u, ticks) => ticks.map((v) => plot.format(v).replace(' of a P', '')),
        },
      ],
      series: [{ value: '{HH}:{mm}:{ss}' }, ...series],
      hooks: { drawClear: [(u) => verticals(u, this.#starts(), 'gc-line')] },
    };
  }
}
